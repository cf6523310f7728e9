"""The README's story on the demo's own stage, with real clients over plaintext and TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hoopgate.development.clients import Waiting
from hoopgate.development.stage import Stage
from tests.live.gate import Done, wait_for


def run(stage: Stage, person: str, command: list[str]) -> Done:
    environment = stage.environment(person) | {"COLUMNS": "200", "HOME": str(stage.directory)}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def psqls(stage: Stage) -> dict[str, tuple[str, str]]:
    """Program and connection string of each psql that is here."""
    found = {"embedded": (str(stage.psql), stage.plain_dsn("app_rw"))}
    if shutil.which("psql"):
        found["system"] = ("psql", stage.tls_dsn("app_rw"))
    return found


@pytest.fixture(params=["embedded", "system"])
def psql(stage: Stage, request: pytest.FixtureRequest) -> Any:
    """A function that makes psql's command line: the embedded one over loopback, the system's over verify-full TLS."""
    found = psqls(stage).get(request.param)
    if found is None:
        pytest.skip("no psql on this system: the embedded one has no TLS")
    program, dsn = found
    return lambda *arguments: [program, "-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-d", dsn, *arguments]


def hoopgate(stage: Stage, person: str, *arguments: str) -> Done:
    return run(stage, person, [sys.executable, "-m", "hoopgate.cli", *arguments])


def test_allowed_and_masked(stage: Stage, psql: Any) -> None:
    sql = "SELECT id, full_name, email, card_number, password_hash FROM customers ORDER BY id LIMIT 5"
    got = run(stage, "scout", psql("-c", sql)).out.splitlines()
    clear = stage.server.execute(sql, "shop").splitlines()
    assert len(got) == len(clear) == 5
    for shown, true in zip(got, clear, strict=True):
        number, name, email, card, password = shown.split("|")
        true_number, true_name, true_email, true_card, true_password = true.split("|")
        assert (number, name) == (true_number, true_name)
        assert email == "(hidden)" != true_email
        assert password == "****" != true_password
        assert card == ("****" + true_card[-4:] if true_card else "")


def test_blocked(stage: Stage, psql: Any) -> None:
    command = psql("-c", "DROP TABLE carts", "-c", "SELECT 'still here'")
    done = run(stage, "scout", command)
    assert "ERROR:  42501: The shop's schema is changed by its migrations alone." in done.err
    assert 'DETAIL:  Refused by rule "no-schema-changes".' in done.err
    assert "HINT:  Send a migration to the shop's repository." in done.err
    assert done.out.splitlines() == ["still here"]
    assert stage.server.execute("SELECT to_regclass('carts')", "shop") == "carts"


def test_held_approved_replayed_verified(stage: Stage, psql: Any, tmp_path: Path) -> None:
    stage.server.execute("CREATE TABLE IF NOT EXISTS old_carts AS TABLE carts; GRANT ALL ON old_carts TO app_rw;"
                         "TRUNCATE old_carts; INSERT INTO old_carts TABLE carts", "shop")  # fmt: skip
    waiting = Waiting(psql("-c", "DELETE FROM old_carts"), stage.environment("scout"))
    try:
        request = waiting.notice()
        listed = hoopgate(stage, "grace", "approvals", "list").out
        assert request in listed
        assert "DELETE FROM old_carts" in listed
        for person in ("ada", "scout"):  # whom it acts for, and itself
            done = hoopgate(stage, person, "approvals", "approve", request, "--yes", "--reason", "please")
            assert done.code != 0, done
        assert waiting.running()
        assert stage.server.execute("SELECT count(*) FROM old_carts", "shop") == "600"
        done = hoopgate(stage, "grace", "approvals", "approve", request, "--yes", "--reason", "backed up")
        assert done.code == 0, done
        assert "approved" in done.out
        finished = waiting.finish()
    finally:
        waiting.kill()
    assert finished.code == 0, finished
    assert "DELETE 600" in finished.out
    assert stage.server.execute("SELECT count(*) FROM old_carts", "shop") == "0"

    def recorded() -> str:
        for line in hoopgate(stage, "grace", "sessions", "list", "--json").out.splitlines():
            session = str(json.loads(line)["session"])
            if request in hoopgate(stage, "grace", "sessions", "show", session).out:
                return session
        return ""

    session = wait_for(recorded, "the recording")
    played = hoopgate(stage, "grace", "sessions", "replay", session, "--speed", "max").out
    assert "DELETE FROM old_carts" in played
    assert "DELETE 600" in played
    assert "grace" in hoopgate(stage, "grace", "sessions", "show", session).out
    key = tmp_path / "public.pem"
    key.write_text(hoopgate(stage, "grace", "sessions", "public-key").out)
    done = hoopgate(stage, "grace", "sessions", "verify", "--public-key", str(key), session)
    assert done.code == 0, done
    # one byte changed anywhere is found
    path = next((stage.directory / "recordings").rglob(f"*{session}*"))
    data = bytearray(path.read_bytes())
    data[data.index(b"DELETE FROM old_carts") + 3] ^= 1
    changed = tmp_path / path.name
    changed.write_bytes(data)
    assert hoopgate(stage, "grace", "sessions", "verify", "--public-key", str(key), str(changed)).code == 1


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_psycopg_over_tls(stage: Stage, binary: bool) -> None:
    """Simple and extended protocol, prepared statements, server-side cursors, COPY, RETURNING: all masked."""
    options: dict[str, Any] = {"password": stage.token("scout"), "autocommit": True, "connect_timeout": 10}
    with psycopg.connect(stage.tls_dsn("app_rw"), **options) as connection:
        assert connection.pgconn.ssl_in_use
        cursor = connection.cursor(binary=binary)
        sql = "SELECT email, full_name FROM customers WHERE id = %s"
        names = []
        for number in range(1, 9):  # prepared by the client from the sixth on
            email, name = cursor.execute(sql, (number,), prepare=True if number == 1 else None).fetchone()
            assert email == "(hidden)"
            names.append(name)
        truth = stage.server.execute("SELECT full_name FROM customers WHERE id < 9 ORDER BY id", "shop").splitlines()
        assert names == truth
        with connection.transaction(), connection.cursor("c", binary=binary) as named:
            named.itersize = 100
            named.execute("SELECT id, phone FROM customers ORDER BY id LIMIT 250")
            rows = list(named)
            assert len(rows) == 250
            assert {phone for _, phone in rows} == {"(hidden)"}
        returned = cursor.execute("UPDATE customers SET city = city WHERE id = 1 RETURNING email").fetchone()
        assert returned == ("(hidden)",)
        form = "FORMAT binary" if binary else "FORMAT text"
        with cursor.copy(f"COPY customers (id, email) TO STDOUT ({form})") as copy:
            copy.set_types(["int4", "text"])
            assert {email for _, email in copy.rows()} == {"(hidden)"}
        computed = cursor.execute("SELECT lower(email), md5(email) FROM customers WHERE id = %s", (1,)).fetchone()
        assert computed == ("(hidden)", "(hidden)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            cursor.execute("UPDATE customers SET email = '(hidden)' WHERE id = %s", (1,))
        assert caught.value.diag.message_hint


def test_the_recordings_hold_neither_clear_values_nor_secrets(stage: Stage) -> None:
    clear = stage.server.execute("SELECT email FROM customers ORDER BY id LIMIT 20", "shop").split()
    secrets = [stage.token(name) for name in ("scout", "grace", "ada")]
    secrets += [(stage.directory / "secrets" / name).read_text().strip() for name in ("app_ro", "app_rw")]
    paths = [path for path in (stage.directory / "recordings").rglob("*") if path.is_file()]
    assert paths
    for path in [*paths, *(stage.directory / "logs").iterdir()]:
        data = path.read_bytes()
        for text in clear + secrets:
            assert text.encode() not in data, path
