"""``python -m tests.regress``: see ``--help``."""

from __future__ import annotations

from tests.regress.run import main

main()
