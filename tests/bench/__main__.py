"""``python -m tests.bench``: see ``--help``."""

from __future__ import annotations

from tests.bench.run import main

main()
