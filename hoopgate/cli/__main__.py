"""``python -m hoopgate.cli`` is the command ``hoopgate``."""

from __future__ import annotations

from hoopgate.cli.main import main

main(prog_name="hoopgate")
