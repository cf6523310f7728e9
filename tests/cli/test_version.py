"""``hoopgate --version``: which hoopgate, and which build of its core."""

from __future__ import annotations

from click.testing import CliRunner

from hoopgate._version import __version__
from hoopgate.cli.main import main
from hoopgate.compiled import core


def test_it_tells_version_and_build() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.exit_code == 0
    assert done.output == f"hoopgate, version {__version__}\ncore: {core()}\n"
