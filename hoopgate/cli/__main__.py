"""``python -m hoopgate.cli`` is the command ``hoopgate``."""

from __future__ import annotations

from hoopgate.cli.start import main

main()
