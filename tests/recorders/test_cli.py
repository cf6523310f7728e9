"""``hoopgate sessions`` on real recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from hoopgate.cli.main import main
from hoopgate.recorders.keys import public_pem
from hoopgate.recorders.seal import seal
from tests.recorders.fakes import ADA, KEY, OTHER_KEY, SHOP, STARTED, FakeSession, small_recording
from tests.recorders.story import told

OTHER_ID = "z" * 26


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    told(tmp_path)
    bob = evolve(ADA, subject="bob", person="", groups=frozenset())
    small_recording(tmp_path, FakeSession(id=OTHER_ID, identity=bob, target=evolve(SHOP, name="hr")))
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["sessions", "--directory", str(directory), *arguments])


def listed(directory: Path, *filters: str) -> list[dict[str, Any]]:
    result = run(directory, "list", "--json", *filters)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_list_as_a_table(directory: Path) -> None:
    result = run(directory, "list")
    assert result.exit_code == 0
    assert "ada@example.com" in result.stdout
    assert "https://id.example|bob" in result.stdout
    assert result.stdout.count("\n") == 4


@pytest.mark.parametrize(
    ("filters", "targets"),
    [
        (("--target", "sh*"), ["shop"]),
        (("--identity", "bob"), ["hr"]),
        (("--identity", "ada@*"), ["shop"]),
        (("--identity", "https://id.example|*"), ["shop", "hr"]),
        (("--refused",), ["shop"]),
        (("--since", "2026-11-06T21:21"), ["shop"]),
        (("--since", "2026-11-07"), []),
        (("--until", "2026-11-06T21:20:00Z"), []),
        (("--until", "2026-11-07", "--since", "2026-11-06"), ["shop", "hr"]),
    ],
)
def test_list_filters(directory: Path, filters: tuple[str, ...], targets: list[str]) -> None:
    assert [summary["target"] for summary in listed(directory, *filters)] == targets


def test_list_passes_over_what_is_broken(directory: Path) -> None:
    day = next(path for path in directory.iterdir() if path.is_dir())
    (day / f"{'b' * 26}.hgr").write_bytes(b"x" * 500)
    (day / f"{'c' * 26}.hgr").write_bytes(b"")
    result = run(directory, "list", "--json")
    assert len(result.stdout.splitlines()) == 2
    assert "magic" in result.stderr


def test_show(directory: Path) -> None:
    text = run(directory, "show", "0123").stdout
    for part in ("ada@example.com", "shop as app_ro", "refused by rule no-drop", "approved by grace", "→ DELETE 12"):
        assert part in text
    shown = json.loads(run(directory, "show", "0123", "--json").stdout)
    assert [one["verdict"] for one in shown["statement_list"]] == ["allow", "refused", "hold", "allow"]


def test_replay_and_export(directory: Path) -> None:
    replayed = run(directory, "replay", "0123", "--speed", "1000", "--max-idle", "10ms")
    assert replayed.exit_code == 0
    assert "name | card" in replayed.stdout
    assert run(directory, "replay", "0123", "--speed", "max").stdout == replayed.stdout
    assert "DELETE FROM orders;" in run(directory, "export", "0123", "--format", "sql").stdout
    out = directory / "out.json"
    assert run(directory, "export", "0123", "--format", "json", "--output", str(out)).exit_code == 0
    assert json.loads(out.read_text().splitlines()[0])["event"] == "open"


@pytest.mark.parametrize(
    "arguments", [("--speed", "0"), ("--speed", "fast"), ("--max-idle", "x"), ("--max-rows", "-1")]
)
def test_replay_refuses_senseless_options(directory: Path, arguments: tuple[str, ...]) -> None:
    assert run(directory, "replay", "0123", *arguments).exit_code == 2


def paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.hgr"))


def test_verify_needs_the_file_and_the_public_key_alone(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("auditor")
    key, file = elsewhere / "key.pem", elsewhere / "copy"
    key.write_text(run(directory, "public-key").stdout)
    file.write_bytes(paths(directory)[0].read_bytes())
    result = CliRunner().invoke(main, ["sessions", "verify", str(file), "--public-key", str(key)])
    assert result.exit_code == 0, result.output
    assert "OK" in result.stdout


def test_verify_names_the_first_bad_byte(directory: Path) -> None:
    path = paths(directory)[0]
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    result = run(directory, "verify", str(path), "--public-key", str(directory / "public-key.pem"))
    assert result.exit_code == 1
    assert "first bad byte 1000" in result.stdout
    as_json = run(directory, "verify", str(path), "--json")
    assert json.loads(as_json.stdout)["first_bad_byte"] == 1000
    assert "keep a copy elsewhere" in as_json.stderr


def test_verify_exit_codes(directory: Path) -> None:
    good, other = paths(directory)
    content = other.read_bytes()
    other.write_bytes(content[:-1])
    assert run(directory, "verify", str(good)).exit_code == 0
    assert run(directory, "verify", str(other)).exit_code == 3
    assert run(directory, "verify", str(good), str(other)).exit_code == 3
    good.write_bytes(b"x" + good.read_bytes()[1:])
    assert run(directory, "verify", str(good), str(other)).exit_code == 1
    assert run(directory, "verify", str(other), str(good)).exit_code == 1


def test_verify_says_that_an_end_was_written_afterwards(directory: Path) -> None:
    path = paths(directory)[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert seal(path, KEY, "its process died", STARTED + 60)
    result = run(directory, "verify", str(path))
    assert result.exit_code == 0
    assert "sealed afterwards (its process died)" in result.stdout
    told = json.loads(run(directory, "verify", str(path), "--json").stdout)
    assert (told["ok"], told["sealed"]["at"]) == (True, STARTED + 60)
    assert json.loads(run(directory, "verify", str(paths(directory)[1]), "--json").stdout)["sealed"] is None


def test_verify_with_another_key(directory: Path, tmp_path: Path) -> None:
    key = tmp_path / "other.pem"
    key.write_bytes(public_pem(OTHER_KEY.public_key()))
    result = run(directory, "verify", "0123", "--public-key", str(key))
    assert result.exit_code == 1
    assert "another key" in result.stdout
    key.write_text("nonsense")
    assert run(directory, "verify", "0123", "--public-key", str(key)).exit_code == 2


def test_unknown_session(directory: Path) -> None:
    result = run(directory, "show", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


def test_broken_recording_is_a_message_not_a_traceback(directory: Path) -> None:
    path = paths(directory)[0]
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)
    for command in (("show",), ("replay", "--speed", "max"), ("export",)):
        result = run(directory, command[0], str(path), *command[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), command


def test_missing_configuration_is_said() -> None:
    result = CliRunner().invoke(main, ["sessions", "--config", "/nowhere/hoopgate.toml", "list"])
    assert result.exit_code == 2
    assert "--directory" in result.stderr
