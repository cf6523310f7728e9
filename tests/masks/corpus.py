"""Statements of attackers and of honest people, one a line in the files of ``statements/``."""

from __future__ import annotations

from itertools import product
from pathlib import Path


def _lines(name: str) -> tuple[str, ...]:
    text = (Path(__file__).parent / "statements" / f"{name}.sql").read_text()
    return tuple(line for line in text.splitlines() if line and not line.startswith("-- "))


MENTIONS, CONTEXTS = _lines("mentions"), _lines("contexts")
USES = tuple(context.replace("{e}", mention) for context, mention in product(CONTEXTS, MENTIONS))
"""Every context makes something of the mention: it is refused, a probe, or shows nothing but masks."""

REFUSED, PROBES, MASKED, HONEST = _lines("refused"), _lines("probes"), _lines("masked"), _lines("honest")
