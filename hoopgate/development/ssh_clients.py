"""How the tour reaches a host by SSH: by OpenSSH's programs where they are installed, else by a client in Python.

Both go through ``hoopgate connect``, by the configuration that ``hoopgate ssh config`` makes.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncssh

from hoopgate.development.clients import PATIENCE, Done
from hoopgate.development.stage import Stage

HOST = "box"


def openssh() -> bool:
    """Whether OpenSSH's clients are here."""
    return shutil.which("ssh") is not None and shutil.which("sftp") is not None


class OpenSsh:
    """OpenSSH's ``ssh`` and ``sftp``."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._options = ["-F", str(stage.ssh_config), "-o", "LogLevel=ERROR"]

    def run(self, command: str) -> Done:
        """Run a command on the host as scout."""
        return self._done(["ssh", *self._options, HOST, command])

    def upload(self, files: list[Path]) -> Done:
        """Put the files where SFTP begins, each by its own name, and go on where one is refused."""
        batch = "".join(f"-put {file} {file.name}\n" for file in files)
        return self._done(["sftp", *self._options, "-b", "-", HOST], batch)

    def _done(self, command: list[str], text: str = "") -> Done:
        done = subprocess.run(
            command, env=self._stage.environment("scout"), input=text, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)


class InPython:
    """The same by asyncssh."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(self, command: str) -> Done:
        """Run a command on the host as scout."""

        async def ran() -> Done:
            async with self._connected() as connection:
                done = await connection.run(command, stdin=asyncssh.DEVNULL, timeout=PATIENCE)
                return Done(done.returncode or 0, str(done.stdout), str(done.stderr))

        return asyncio.run(ran())

    def upload(self, files: list[Path]) -> Done:
        """Put the files where SFTP begins, each by its own name, and go on where one is refused."""

        async def put() -> Done:
            said = ""
            async with self._connected() as connection, connection.start_sftp_client() as sftp:
                for file in files:
                    try:
                        await sftp.put(str(file), file.name)
                    except asyncssh.SFTPError as error:
                        said += f"{file.name}: {error.reason}\n"
            return Done(0, "", said)

        return asyncio.run(put())

    def _connected(self) -> Any:
        """Logged in by the gateway's word: inside CONNECT nothing more is asked."""
        stage = self._stage
        through = [sys.executable, "-m", "hoopgate.cli", "connect", "--gate", stage.gate, "--ca", str(stage.ca), HOST]
        as_scout = ["sh", "-c", '. "$0"; exec "$@"', str(stage.directory / "as-scout")]
        return asyncssh.connect(
            HOST, proxy_command=[*as_scout, *through], username="dev", known_hosts=None, config=None, agent_path=None,
            client_keys=[],
        )  # fmt: skip


def client(stage: Stage) -> OpenSsh | InPython:
    """Whichever is here."""
    return OpenSsh(stage) if openssh() else InPython(stage)
