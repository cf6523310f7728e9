"""``hoopgate approvals`` and ``hoopgate grants`` as processes of their own, against a live API over TLS."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import frozen
from twisted.internet.threads import deferToThread

from hoopgate.cli import shown
from hoopgate.interfaces import Identity
from tests.console.api import Server, server
from tests.stores.parts import ALICE, BOB, CAROL, held, person

__all__ = ["server"]

EVIL = "DELETE FROM orders\n-- harmless\x1b[2K\x1b[1A\u202e;1 = 1 EREHW\r  | nothing to see"


@frozen
class Done:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Commands:
    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        (folder / "ca.pem").write_bytes(server.ca)

    async def environment(self, who: Identity) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOOPGATE_API": f"https://localhost:{self._server.port}",
            "HOOPGATE_CA": str(self._folder / "ca.pem"),
            "HOOPGATE_TOKEN": await self._server.token(who),
            "XDG_CONFIG_HOME": str(self._folder),
        }

    async def run(self, who: Identity, *words: str, **changes: str) -> Done:
        environment = {**await self.environment(who), **changes}
        command = [sys.executable, "-m", "hoopgate.cli", *words]
        done = await deferToThread(
            subprocess.run,
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    async def at_terminal(self, who: Identity, answer: str, *words: str) -> tuple[int, str]:
        """The same at a terminal, where somebody types ``answer``."""
        environment = {**await self.environment(who), "TERM": "xterm", "COLUMNS": "120"}
        return await deferToThread(_typed, [sys.executable, "-m", "hoopgate.cli", *words], environment, answer)


def _typed(command: list[str], environment: dict[str, str], answer: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:  # Linux says EIO once the other end has closed
            seen += b""
        code = process.wait(30)
    os.close(ours)
    return code, seen.decode()


@pytest.fixture
def commands(server: Server, tmp_path: Path) -> Commands:
    return Commands(server, tmp_path)


@pytest_twisted.ensureDeferred
async def test_list_show_approve(server: Server, commands: Commands) -> None:
    assert (await commands.run(BOB, "approvals")).out == "Nothing is waiting.\n"
    ticket = await server.node.approvals.open(held(parameters=("42",)))
    listed = await commands.run(BOB, "approvals", "list")
    assert listed.code == 0
    assert all(word in listed.out for word in (ticket.id, "pending", "alice@example.com", "65", "DELETE FROM orders"))
    (row,) = (await commands.run(BOB, "approvals", "list", "--json")).rows
    assert (row["id"], row["digest"]) == (ticket.id, "d" * 64)
    seen = (await commands.run(BOB, "approvals", "show", ticket.id)).out
    assert all(line in seen for line in ("  | DELETE FROM orders\n", "parameter $1\n  | 42\n", "1 of dba or security"))
    done = await commands.run(BOB, "approvals", "approve", ticket.id, "--reason", "ok")
    assert (done.code, done.out.splitlines()[-1]) == (0, f"{ticket.id} is approved.")
    assert (await ticket.outcome).status == "approved"
    assert (await commands.run(BOB, "approvals", "list", "--state", "approved", "--json")).rows[0]["votes"][0][
        "reason"
    ] == "ok"


@pytest_twisted.ensureDeferred
async def test_refusals_have_exit_codes(server: Server, commands: Commands) -> None:
    ticket = await server.node.approvals.open(held())
    own = await commands.run(ALICE, "approvals", "approve", ticket.id)
    assert (own.code, "nobody decides a request of their own" in own.err) == (4, True)
    stale = await commands.run(BOB, "approvals", "approve", ticket.id, "--digest", "e" * 64)
    assert (stale.code, "not what you saw" in stale.err) == (4, True)
    assert (await commands.run(person("mallory"), "approvals", "show", ticket.id)).code == 4
    assert (await commands.run(BOB, "approvals", "show", "../grants")).code == 4
    assert (await commands.run(BOB, "approvals", "deny", ticket.id)).code == 2
    assert (await commands.run(BOB, "approvals", HOOPGATE_TOKEN="hgt_nonsense")).code == 3
    assert (await commands.run(BOB, "approvals", HOOPGATE_CA="/etc/ssl/certs/ca-certificates.crt")).code == 5
    assert (await commands.run(BOB, "approvals", HOOPGATE_API="http://gate.example")).code == 2
    assert not ticket.outcome.called
    denied = await commands.run(BOB, "approvals", "deny", ticket.id, "--reason", "no", "--json")
    assert (denied.code, denied.rows[0]["state"]) == (0, "denied")


@pytest_twisted.ensureDeferred
async def test_a_statement_cannot_draw_over_itself(server: Server, commands: Commands) -> None:
    ticket = await server.node.approvals.open(held(statement=EVIL, reason="\x1b[31mred", role="a\nb"))
    for words in (("list",), ("show", ticket.id), ("watch", "--once")):
        out = (await commands.run(BOB, "approvals", *words)).out
        assert all(character.isprintable() or character == "\n" for character in out), out
    shown_lines = (await commands.run(BOB, "approvals", "show", ticket.id)).out.split("\nstatement\n")[1].splitlines()
    assert all(line.startswith("  | ") for line in shown_lines)
    assert "\\u202e" in shown_lines[1]


@pytest_twisted.ensureDeferred
async def test_at_a_terminal_it_asks_first(server: Server, commands: Commands) -> None:
    ticket = await server.node.approvals.open(held())
    code, seen = await commands.at_terminal(BOB, "n\n", "approvals", "approve", ticket.id)
    assert (code, "Approve exactly this?" in seen) == (1, True)
    assert not ticket.outcome.called
    code, seen = await commands.at_terminal(BOB, "y\n", "approvals", "approve", ticket.id)
    assert (code, "is approved" in seen) == (0, True)
    code, seen = await commands.at_terminal(BOB, "", "approvals", "list", "--state", "all")
    assert (code, "\x1b[" in seen) == (0, True)


@pytest_twisted.ensureDeferred
async def test_two_people(server: Server, commands: Commands) -> None:
    ticket = await server.node.approvals.open(held(approvers=type(held().approvers)(("dba",), 2)))
    first = await commands.run(BOB, "approvals", "approve", ticket.id)
    assert "Still needed: 2 of dba; 1 so far." in first.out
    assert (await commands.run(CAROL, "approvals", "approve", ticket.id, "--json")).rows[0]["state"] == "approved"


@pytest_twisted.ensureDeferred
async def test_watch_prints_news(server: Server, commands: Commands) -> None:
    ticket = await server.node.approvals.open(held())
    told = await commands.run(BOB, "approvals", "watch", "--once", "--json")
    assert [row["id"] for row in told.rows] == [ticket.id]


@pytest_twisted.ensureDeferred
async def test_grants(server: Server, commands: Commands) -> None:
    asked = await commands.run(ALICE, "grants", "request", "fix-data", "--for", "10m", "--reason", "ticket 7")
    assert asked.code == 0, asked.err
    (row,) = (await commands.run(BOB, "grants", "list", "--json", "--state", "pending")).rows
    assert (row["id"] in asked.out, row["seconds"]) == (True, 600.0)
    assert (await commands.run(ALICE, "grants", "approve", row["id"])).code == 4
    approved = await commands.run(BOB, "grants", "approve", row["id"])
    assert (approved.code, f"{row['id']} is approved until" in approved.out) == (0, True)
    listed = (await commands.run(ALICE, "grants")).out
    assert all(word in listed for word in ("fix-data", "10m", "ticket 7"))
    revoked = await commands.run(ALICE, "grants", "revoke", row["id"], "--reason", "done")
    assert revoked.out == f"{row['id']} is revoked.\n"
    again = (
        await commands.run(ALICE, "grants", "request", "target:shop", "--for", "1h", "--reason", "x", "--json")
    ).rows[0]
    assert (
        await commands.run(BOB, "grants", "deny", again["id"], "--reason", "no")
    ).out == f"{again['id']} is denied.\n"
    assert (await commands.run(ALICE, "grants", "request", "none", "--for", "1h", "--reason", "x")).code == 4
    assert (await commands.run(ALICE, "grants", "request", "fix-data", "--for", "soon", "--reason", "x")).code == 2


@pytest_twisted.ensureDeferred
async def test_help_has_examples(commands: Commands) -> None:
    for group, example in (("approvals", "--reason"), ("grants", "--for 1h"), ("status", "hoopgate status")):
        assert example in (await commands.run(BOB, group, "--help")).out


@pytest.mark.parametrize(("seconds", "text"), [(0, ""), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (90061, "1d 1h")])
def test_what_is_left(seconds: float, text: str) -> None:
    assert shown.left(1000.0 + seconds, 1000.0) == text
