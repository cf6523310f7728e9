"""``hoopgate check``: every mistake, for people and for machines, and its exit status."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hoopgate.cli import check as module
from hoopgate.cli.main import main
from hoopgate.plugins import PluginError
from tests.config.files import EXAMPLE, MINIMAL, line_of

BAD = MINIMAL.replace("port = 15432", 'prot = 1\nport = "x"') + '[gateway]\ntoken_key = "hunter2"\n'


def run(*arguments, color=False):
    return CliRunner().invoke(main, ["check", *map(str, arguments)], color=color)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hoopgate.toml"
    path.write_text(MINIMAL)
    return path


def test_the_example_passes():
    done = run("-c", EXAMPLE)
    assert done.exit_code == 0, done.output
    assert "no mistakes; 3 targets, " in done.output
    assert "policy version " in done.output


def test_all_mistakes_with_line_key_and_remedy(file):
    file.write_text(BAD)
    done = run("-c", file)
    assert done.exit_code == 1
    assert f"{file}:{line_of(BAD, 'prot =')}: listener[local].prot: unknown key\n    Did you mean" in done.output
    assert f"{file}:{line_of(BAD, 'port =')}: listener[local].port: expected a whole number" in done.output
    assert f"{file}:{line_of(BAD, 'token_key')}: gateway.token_key: is not a reference to a secret" in done.output
    assert "write where: env:NAME" in done.output
    assert f"{file}: 3 mistakes" in done.output
    assert "hunter2" not in done.output
    assert "\x1b[" not in done.output
    assert "\x1b[31m" in run("-c", file, color=True).output


def test_json(file):
    version = json.loads(run("-c", file, "--json").output)["version"]
    file.write_text(BAD)
    done = run("-c", file, "--json")
    assert done.exit_code == 1
    told = json.loads(done.output)
    assert (told["ok"], told["file"], told["version"]) == (False, str(file), None)
    assert [(error["line"], error["key"], error["message"]) for error in told["errors"]] == [
        (line_of(BAD, "prot ="), "listener[local].prot", "unknown key"),
        (line_of(BAD, "port ="), "listener[local].port", "expected a whole number, found text"),
        (line_of(BAD, "token_key"), "gateway.token_key", told["errors"][2]["message"]),
    ]
    assert all(error["remedy"] and error["where"].startswith(str(file)) for error in told["errors"])
    assert len(version) == 64


def test_a_file_that_cannot_be_read(tmp_path):
    done = run("-c", tmp_path / "none.toml")
    assert done.exit_code == 2
    assert "none.toml cannot be read: No such file or directory" in done.output
    assert run("-c", tmp_path).exit_code == 2


def test_the_environment_names_the_file(file):
    assert CliRunner().invoke(main, ["check"], env={"HOOPGATE_CONFIG": str(file)}).exit_code == 0


def test_a_plugin_that_would_stop_the_start(file, monkeypatch):
    def broken(group, wanted):
        if group == "hoopgate.recorders":
            raise PluginError(f"{group}: {wanted[0]!r} of acme cannot load: ImportError: libtape")
        return {}

    monkeypatch.setattr(module.plugins, "load_plugins", broken)
    done = run("-c", file, "--json")
    assert done.exit_code == 1
    (error,) = json.loads(done.output)["errors"]
    assert "'file' of acme cannot load: ImportError: libtape" in error["message"]
    assert error["line"] is None
