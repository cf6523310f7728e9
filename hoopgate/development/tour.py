"""The demo's story, played by real clients: psql, psycopg, ssh, sftp and the command line. Each step is checked."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import psycopg
from attrs import define, field
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from hoopgate.development.clients import PATIENCE, DifferentError, Done, Waiting, check
from hoopgate.development.processes import StartError
from hoopgate.development.stage import Stage
from hoopgate.development.tour_ssh import SshAct


@define
class Tour:
    """The steps share the stage, the console and what earlier steps found out."""

    stage: Stage
    console: Console
    session: str = ""
    before: list[tuple[str, ...]] = field(factory=list)

    # --- clients ---

    def run(self, person: str, command: list[str], *, show: str = "", code: int | None = 0) -> Done:
        """Run a program as that person, show it and its answer. Raises DifferentError unless it exits with code."""
        self.told(person, show or " ".join(command))
        done = subprocess.run(
            command,
            env=self.stage.environment(person) | {"COLUMNS": "200", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.answer(done.stdout, done.stderr)
        if code is not None:
            check(done.returncode == code, f"exit status {done.returncode} instead of {code}")
        return Done(done.returncode, done.stdout, done.stderr)

    def psql(self, sql: str, *, user: str = "app_rw", code: int | None = 0) -> Done:
        """The embedded psql as scout, an agent that acts for ada, through the loopback listener."""
        return self.run("scout", self.psql_command(sql, user), show=f"psql: {sql}", code=code)

    def psql_command(self, sql: str, user: str = "app_rw") -> list[str]:
        base = [str(self.stage.psql), "-X", "-A", "-F", " | ", "-v", "ON_ERROR_STOP=1"]
        return [*base, "-d", self.stage.plain_dsn(user), "-c", sql]

    def hoopgate(self, person: str, *arguments: str, code: int | None = 0) -> Done:
        command = [sys.executable, "-m", "hoopgate.cli", *arguments]
        return self.run(person, command, show=f"hoopgate {shlex.join(arguments)}", code=code)

    def behind(self, sql: str) -> str:
        """The truth: asked of the database directly, past the gateway."""
        return self.stage.server.execute(sql, "shop")

    # --- what one sees ---

    def told(self, person: str, text: str) -> None:
        self.console.print(f"  [cyan]{escape(person)}[/cyan] [bold]$[/bold] {escape(text)}")

    def answer(self, *texts: str) -> None:
        for text in texts:
            lines = text.rstrip().splitlines()
            for line in [*lines[:14], *(["..."] if len(lines) > 14 else [])]:
                self.console.print(f"    [dim]{escape(line[:180])}[/dim]")

    # --- the steps ---

    def allowed(self) -> None:
        """An agent with nothing but a token reads"""
        sql = "SELECT id, status, total FROM orders ORDER BY id LIMIT 3"
        got = self.psql(sql, user="app_ro").out.splitlines()[1:4]
        wanted = [line.replace("|", " | ") for line in self.behind(sql).splitlines()]
        check(got == wanted, f"the database says {wanted}")

    def masked(self) -> None:
        """Masked columns, in text and binary, over TLS"""
        sql = "SELECT full_name, email, card_number, password_hash FROM customers ORDER BY id LIMIT 3"
        with self.connect() as connection:
            for binary in (False, True):
                self.told("scout", f"psycopg, verify-full, {'binary' if binary else 'text'}: {sql}")
                rows = connection.cursor(binary=binary).execute(sql).fetchall()
                self.answer("\n".join(" | ".join(map(str, row)) for row in rows))
                self.compare(rows, [tuple(line.split("|")) for line in self.behind(sql).splitlines()])
            self.told("scout", "psycopg: COPY customers (id, email) TO STDOUT")
            with connection.cursor().copy("COPY customers (id, email) TO STDOUT") as copy:
                lines = b"".join(bytes(block) for block in copy).decode().splitlines()
            self.answer("\n".join([*lines[:2], f"... {len(lines)} rows"]))
            check(len(lines) == int(self.behind("SELECT count(*) FROM customers")), "COPY lost rows")
            check(all(line.endswith("\t(hidden)") for line in lines), "an e-mail address was not masked in COPY")

    def compare(self, rows: list[tuple[Any, ...]], clear: list[tuple[str, ...]]) -> None:
        check(len(rows) == len(clear) == 3, "not three rows")
        for (name, email, card, password), (true_name, true_email, true_card, true_password) in zip(
            rows, clear, strict=True
        ):
            check(name == true_name, "an unmasked column was changed")
            check(email == "(hidden)" and email != true_email, "the e-mail address was not masked")
            check(password == "****" and password != true_password, "the password hash was not masked")  # noqa: S105
            tail = true_card[-4:]
            check((card or "") != true_card or not true_card, "the card number was not masked")
            check((card or "").endswith(tail), "the card number lost its last digits")

    def not_walked_round(self) -> None:
        """What is computed with masks is hidden; copies are refused"""
        clear = self.behind("SELECT email FROM customers WHERE id = 1")
        with self.connect("app_rw") as connection:
            for sql in (
                "SELECT upper(email) FROM customers WHERE id = 1",
                "SELECT label FROM customer_labels WHERE id = 1",
            ):
                self.told("scout", f"psycopg: {sql}")
                rows = connection.execute(sql).fetchall()
                self.answer(str(rows))
                check(rows == [("(hidden)",)], "a value computed with a masked one was not hidden")
            self.refused(connection, "UPDATE customers SET email = '(hidden)' WHERE id = 1")
            self.refused(connection, "UPDATE tickets t SET body = c.email FROM customers c WHERE t.id = 1 AND c.id = 1")
        check(self.behind("SELECT email FROM customers WHERE id = 1") == clear, "the mask was written")

    def blocked(self) -> None:
        """DROP TABLE is refused, the rule is named, the session lives on"""
        with self.connect("app_rw") as connection:
            diagnosis = self.refused(connection, "DROP TABLE carts")
            check("no-schema-changes" in (diagnosis.message_detail or ""), "the rule is not named in DETAIL")
            check(bool(diagnosis.message_hint), "there is no HINT")
            check(connection.execute("SELECT 1").fetchone() == (1,), "the session is dead")
        check(self.behind("SELECT to_regclass('carts')") == "carts", "the table is gone")

    def held(self) -> None:
        """An unbounded DELETE waits until somebody else approves it"""
        check(self.behind("SELECT count(*) FROM carts") == "600", "the sample has other carts")
        self.told("scout", "psql: DELETE FROM carts")
        waiting = Waiting(self.psql_command("DELETE FROM carts"), self.stage.environment("scout"))
        try:
            request = waiting.notice()
            self.answer(waiting.err)
            self.hoopgate("grace", "approvals", "list")
            self.hoopgate("ada", "approvals", "approve", request, "--reason", "I want it", code=None)
            check(waiting.running(), "its own requester could approve it")
            check(self.behind("SELECT count(*) FROM carts") == "600", "it ran before it was approved")
            self.hoopgate("grace", "approvals", "approve", request, "--reason", "old carts, backed up")
            done = waiting.finish()
        finally:
            waiting.kill()
        self.answer(done.out)
        check(done.code == 0 and "DELETE 600" in done.out, "the approved statement did not run")
        check(self.behind("SELECT count(*) FROM carts") == "0", "the rows are still there")

    def denied(self) -> None:
        """Another one is denied, and runs not"""
        self.told("scout", "psql: UPDATE products SET price = 0")
        waiting = Waiting(self.psql_command("UPDATE products SET price = 0"), self.stage.environment("scout"))
        try:
            request = waiting.notice()
            self.hoopgate("edsger", "approvals", "deny", request, "--reason", "surely not")
            done = waiting.finish()
        finally:
            waiting.kill()
        self.answer(done.err)
        check(done.code == 1 and "ERROR:" in done.err, "psql was not told")
        check(self.behind("SELECT count(*) FROM products WHERE price = 0") == "0", "it ran all the same")

    def replayed(self) -> None:
        """The session is found and replayed"""
        self.hoopgate("grace", "sessions", "list")
        sessions = [json.loads(line) for line in self.quietly("sessions", "list", "--json").splitlines()]
        check(bool(sessions), "there is no recording")
        for known in sessions:
            played = self.quietly("sessions", "replay", str(known["session"]), "--speed", "max")
            if "DELETE FROM carts" in played:
                self.session = str(known["session"])
        check(bool(self.session), "no recording holds the DELETE")
        played = self.hoopgate("grace", "sessions", "replay", self.session, "--speed", "max").out
        check("DELETE 600" in played, "the replay does not show how it ended")
        check("grace" in self.hoopgate("grace", "sessions", "show", self.session).out, "the approver is not shown")
        clear = set(self.behind("SELECT email FROM customers ORDER BY id LIMIT 3").split())
        secrets = {self.stage.token("scout"), (self.stage.directory / "secrets" / "app_rw").read_text().strip()}
        for path in self.recordings():
            data = path.read_bytes()
            check(not any(text.encode() in data for text in clear | secrets), f"{path.name} holds a clear value")

    def verified(self) -> None:
        """Verified with the public key alone; one changed byte is found"""
        key = self.stage.directory / "public-key.pem"
        key.write_text(self.quietly("sessions", "public-key"))
        done = self.hoopgate("grace", "sessions", "verify", "--public-key", str(key), self.session)
        check("OK" in done.out, "it does not say OK")
        recording = next(path for path in self.recordings() if self.session in path.name)
        changed = self.stage.directory / f"changed-{recording.name}"
        data = bytearray(recording.read_bytes())
        place = data.index(b"DELETE FROM carts") + 7
        data[place] ^= 0x20
        changed.write_bytes(data)
        done = self.hoopgate("grace", "sessions", "verify", "--public-key", str(key), str(changed), code=1)
        first = re.search(r"first bad byte (?:in )?(\d+)", done.out)
        check(first is not None and int(first.group(1)) <= place, "it does not name the first bad byte")

    # --- small parts ---

    def connect(self, user: str = "app_ro") -> psycopg.Connection[tuple[Any, ...]]:
        dsn = self.stage.tls_dsn(user)
        return psycopg.connect(dsn, password=self.stage.token("scout"), autocommit=True, connect_timeout=10)

    def refused(self, connection: psycopg.Connection[tuple[Any, ...]], sql: str) -> psycopg.errors.Diagnostic:
        """Run what the gateway must refuse as forbidden (42501), show what the client is told, and return it."""
        self.told("scout", f"psycopg: {sql}")
        try:
            connection.execute(sql)
        except psycopg.errors.InsufficientPrivilege as error:
            told = error.diag
            self.answer("\n".join(filter(None, (told.message_primary, told.message_detail, told.message_hint))))
            return told
        raise DifferentError("it was not refused")

    def quietly(self, *arguments: str) -> str:
        """The command line's output, not shown."""
        done = subprocess.run(
            [sys.executable, "-m", "hoopgate.cli", *arguments],
            env=self.stage.environment("grace"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout

    def recordings(self) -> Iterator[Path]:
        for path in sorted((self.stage.directory / "recordings").rglob("*")):
            if path.is_file() and path.suffix != ".pem":
                yield path


def play(stage: Stage, console: Console) -> bool:
    """Play all steps; True if each did what it should."""
    tour = Tour(stage, console)
    act = SshAct(tour)
    steps: list[Callable[[], None]] = [
        tour.allowed,
        tour.masked,
        tour.not_walked_round,
        tour.blocked,
        tour.held,
        tour.denied,
        tour.replayed,
        tour.verified,
        act.command,
        act.denied,
        act.upload,
        act.recorded,
    ]
    failed = 0
    for number, step in enumerate(steps, 1):
        console.print(Rule(f"{number} of {len(steps)}: {step.__doc__}", align="left", style="blue"))
        try:
            step()
            check(not stage.failed(), stage.failed())
        except (
            DifferentError,
            psycopg.Error,
            asyncssh.Error,
            OSError,
            StartError,
            subprocess.SubprocessError,
            LookupError,
            ValueError,
        ) as error:
            failed += 1
            console.print(f"  [red]✗ {escape(f'{type(error).__name__}: {error}')}[/red]")
        else:
            console.print("  [green]✓ as it should be[/green]")
    played = len(steps) - failed
    console.print(Rule(f"{played} of {len(steps)} steps did what they should", style="red" if failed else "green"))
    return not failed
