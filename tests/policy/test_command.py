"""``hoopgate policy``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hoopgate.cli.main import main

CONFIG = """
[[issuer]]
name = "staff"
url = "https://id.example.com"
audience = ["hoopgate"]

[[target]]
name = "shop"
protocol = "postgresql"
hosts = ["localhost"]
tls = "disable"
role.app_rw = { user = "app_rw" }

[api]
plaintext = true

[[listener]]
name = "local"
protocol = "postgresql"
port = 6432
plaintext = true

[[rule]]
name = "no-drop"
then = "deny"
what = { effect = ["schema"] }
reason = "Nobody drops here."
hint = "Ask."

[[rule]]
name = "wait"
then = "hold"
who = { groups = ["dev"] }
what = { effect = ["delete"], bounded = false }
approvers = { groups = ["dba"], count = 2 }

[[rule]]
name = "dev"
then = "allow"
who = { groups = ["dev"], claims = { team = ["shop"] } }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "hoopgate.toml"
    file.write_text(CONFIG)
    return file


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["policy", *words])


def ask(path: Path, sql: str, *more: str) -> Result:
    return run("explain", "-c", str(path), "--as", "ann", "--group", "dev", "--claim", "team=shop", "--target", "shop",
               *more, sql)  # fmt: skip


def test_it_says_which_rule_decides_and_why_the_others_do_not(path: Path) -> None:
    answer = ask(path, "SELECT 1")
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines()[0] == "allowed by dev"
    assert "no-drop (line 23): the effect read is not schema" in answer.output
    assert "wait (line 30): the effect read is not delete" in answer.output


def test_its_exit_status_is_the_answer(path: Path) -> None:
    assert ask(path, "DROP TABLE a").exit_code == 1
    held = ask(path, "DELETE FROM a")
    assert held.exit_code == 3
    assert "approvers: 2 of dba" in held.output
    assert run("explain", "-c", str(path), "--as", "eve", "--target", "shop", "SELECT 1").exit_code == 1


def test_as_json(path: Path) -> None:
    told = json.loads(ask(path, "DELETE FROM a; SELECT 1", "--json").output)
    assert (told["then"], told["rule"], told["risk"]) == ("hold", "wait", 65)
    assert told["approvers"] == {"groups": ["dba"], "count": 2}
    assert [trial["rule"] for trial in told["trials"]] == ["wait", "dev"]
    assert told["trials"][0]["rules"][-1] == {"rule": "wait", "then": "hold", "line": 30, "mismatch": ""}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--target", "gone"), "no target is named 'gone'"),
        (("--target", "shop", "--role", "root"), "no role 'root'"),
        (("--target", "shop", "--claim", "x"), "not KEY=VALUE"),
    ],
)
def test_a_wrong_question(path: Path, words: tuple[str, ...], expected: str) -> None:
    answer = run("explain", "-c", str(path), "--as", "ann", *words, "SELECT 1")
    assert answer.exit_code == 2
    assert expected in answer.output


def test_a_wrong_file(tmp_path: Path) -> None:
    answer = run("explain", "-c", str(tmp_path / "none.toml"), "--as", "ann", "--target", "shop", "SELECT 1")
    assert answer.exit_code == 2
    assert "cannot be read" in answer.output
    (tmp_path / "bad.toml").write_text("nonsense = 1")
    answer = run("explain", "-c", str(tmp_path / "bad.toml"), "--as", "ann", "--target", "shop", "SELECT 1")
    assert answer.exit_code == 2
    assert "nonsense" in answer.output


def test_effects() -> None:
    answer = run("effects", "DELETE FROM orders; SELECT pg_read_file('x')")
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        "delete            DELETE orders  unbounded  (no WHERE)",
        "read              SELECT",
        "admin.file        CALL PG_READ_FILE pg_read_file  (reads or writes the server's files)",
    ]
    told = json.loads(run("effects", "--json", "SELEC 1").output)
    assert [one["effect"] for one in told] == ["unknown.text"]
