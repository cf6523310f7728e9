"""What an SSH user name asks for: ``role%target``, or ``target`` for its first role."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")  # as the configuration has names (config.scalars)


@frozen
class Asked:
    """``role`` is "" where the target's first is meant."""

    role: str
    target: str


def parse_user(user: bytes) -> Asked | None:
    """None for what names no target. Names count as they are written, case included."""
    try:
        text = user.decode("ascii")
    except UnicodeDecodeError:
        return None
    role, percent, target = text.rpartition("%")
    if not _NAME.fullmatch(target) or (percent and not _NAME.fullmatch(role)):
        return None
    return Asked(role, target)
