"""PostgreSQL's replication protocol as operations (manual, "Streaming Replication Protocol").

A replication connection streams the whole server past every mask and every rule about objects, so that a rule which
lets people COPY must not open it by the way: it is the effect ``admin``, by the command ``REPLICATION``. Its commands
are no SQL, and PostgreSQL's SQL parser does not know them; they are told by their first word, which must be spelled
whole.
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.policy.operations import Effect, Operation

CONNECTION: Final = Operation("admin", "REPLICATION", why="a replication connection", part="replication")

_EFFECTS: Final[dict[str, Effect]] = {
    "IDENTIFY_SYSTEM": "read", "TIMELINE_HISTORY": "read", "READ_REPLICATION_SLOT": "read",
    "START_REPLICATION": "transfer", "BASE_BACKUP": "transfer", "UPLOAD_MANIFEST": "transfer",
    "CREATE_REPLICATION_SLOT": "admin", "ALTER_REPLICATION_SLOT": "admin", "DROP_REPLICATION_SLOT": "admin",
}  # fmt: skip
_COMMAND: Final = re.compile(r"\s*([A-Z_]+)\b", re.IGNORECASE)


def asked(value: str) -> bool:
    """Whether StartupMessage's ``replication`` asks for a replication connection; any odd value does."""
    return value.lower() not in ("false", "off", "no", "0", "f", "n")


def command(text: str) -> Operation | None:
    """The operation of a replication command; None for what is none, to be judged as SQL."""
    match = _COMMAND.match(text)
    word = match[1].upper() if match else ""
    effect = _EFFECTS.get(word)
    if effect is None:
        return None
    part = "replication" if effect == "admin" else ""
    return Operation(effect, word, why="a command of the replication protocol", part=part)
