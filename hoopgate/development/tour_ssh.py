"""The tour's act over SSH: commands and files of an agent on a host that it has no key of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from hoopgate.development.clients import Done, check
from hoopgate.development.ssh_clients import client

if TYPE_CHECKING:
    from hoopgate.development.tour import Tour


class SshAct:
    """Its steps; ``tour`` has the stage and the console."""

    def __init__(self, tour: Tour) -> None:
        self._tour = tour
        self._stage = tour.stage
        self._client = client(tour.stage)
        self._sent = b""

    def command(self) -> None:
        """A command on a host, by SSH through hoopgate connect"""
        done = self._run("printf 'b\\na\\n' | sort | head -1")
        check(done.code == 0 and done.out == "a\n", f"it said {done.out!r}, status {done.code}")
        check(self._run("exit 7").code == 7, "the exit status was lost")

    def denied(self) -> None:
        """rm is refused before it runs, whatever it hides behind"""
        kept = self._stage.box.files / "kept"
        kept.touch()
        for command in (
            f"rm -rf {kept}",
            f"ls; /bin/rm {kept}",
            f"sh -c 'rm {kept}'",
            "echo cm0gLXJmIC8K | base64 -d | sh",
        ):
            done = self._run(command)
            check(done.code == 126, f"exit status {done.code} instead of 126")
            check("hoopgate:" in done.err and "box-stays-as-it-is" in done.err, "the rule is not named")
        check(kept.exists(), "the file is gone")

    def upload(self) -> None:
        """Two files by sftp: one is refused by its name, the other arrives"""
        self._sent = b"What was found on this host.\n" * 1000
        notes, program = self._file("notes.txt", self._sent), self._file("deploy.sh", b"#!/bin/sh\n")
        self._tour.told("scout", "sftp: put deploy.sh; put notes.txt")
        done = self._client.upload([program, notes])
        self._tour.answer(done.err)
        check("no-programs-by-hand" in done.err, "the rule is not named")
        check(not (self._stage.box.files / "deploy.sh").exists(), "the program arrived")
        check((self._stage.box.files / "notes.txt").read_bytes() == self._sent, "the other file did not arrive")

    def recorded(self) -> None:
        """The recordings have the commands, and the file with its size and SHA-256"""
        tour = self._tour
        sessions = [json.loads(line) for line in tour.quietly("sessions", "list", "--json").splitlines()]
        ours = [str(known["session"]) for known in sessions if known.get("target") == "box"]
        check(len(ours) >= 3, "there are not as many recordings as connections")
        texts = {session: tour.quietly("sessions", "replay", session, "--speed", "max") for session in ours}
        check(any("sort | head -1" in text for text in texts.values()), "no recording shows the command")
        digest = hashlib.sha256(self._sent).hexdigest()
        holding = [session for session, text in texts.items() if digest in text]
        check(bool(holding), "no recording has the file's hash")
        tour.hoopgate("grace", "sessions", "replay", holding[0], "--speed", "max")
        tour.hoopgate("grace", "sessions", "verify", holding[0])

    def _run(self, command: str) -> Done:
        self._tour.told("scout", f"ssh box {command!r}")
        done = self._client.run(command)
        self._tour.answer(done.out, done.err)
        return done

    def _file(self, name: str, data: bytes) -> Path:
        path = self._stage.directory / name
        path.write_bytes(data)
        return path
