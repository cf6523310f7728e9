"""Where the ``hoopgate`` command begins.

``hoopgate connect`` runs for every ssh, so in its plain form nothing is imported but what it needs; all other commands,
and its own help and mistakes, go through click.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the process was started with."""
    if sys.argv[1:2] == ["connect"]:
        from hoopgate.cli.tunnel import plain, run

        asked = plain(sys.argv[2:])
        if asked is not None:
            sys.exit(run(asked))
    from hoopgate.cli.main import main as commands

    commands(prog_name="hoopgate")
