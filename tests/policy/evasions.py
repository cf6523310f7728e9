"""The statements of ``statements/``, which people who mean harm, and people who do not, might send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from attrs import frozen

PLACE: Final = Path(__file__).parent / "statements"
SCHEMA: Final = (PLACE / "schema.sql").read_text()

# what is true once a statement had its effect, where the block does not say
PROOFS: Final = {
    "delete": "SELECT count(*) = 0 FROM a",
    "delete.truncate": "SELECT count(*) = 0 FROM a",
    "write": "SELECT bool_and(name = 'gone') FROM a",
    "schema.drop": "SELECT to_regclass('b') IS NULL",
    "write.lock": "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND mode LIKE '%Exclusive%')",
    "admin.become": "SELECT current_user = 'victim'",
    "admin.role": "SELECT to_regclass('b') IS NULL",
    "admin.names": "SELECT current_schema() = 'shadow'",
}

_HEAD: Final = re.compile(r"-- (?P<effect>[a-z.]+)(?P<unbounded>!?)(?: \((?P<note>[a-z0-9]+)\))?")


@frozen
class Evasion:
    """``effect`` is the name of one that ``sql`` has; ``since``: the release that knows the syntax, or 0.

    ``xml``: needs a server with libxml. ``outside``, ``judged``: see the file.
    """

    sql: str
    effect: str
    unbounded: bool
    since: int
    outside: bool
    xml: bool
    judged: bool
    proof: str
    undo: str


def evasions() -> list[Evasion]:
    blocks = re.split(r"\n\n+", (PLACE / "evasions.sql").read_text())
    return [_evasion(block) for block in blocks[2:]]


def _evasion(block: str) -> Evasion:
    lines = block.strip().splitlines()
    head = _HEAD.fullmatch(lines[0])
    assert head is not None, lines[0]
    effect, note = head["effect"], head["note"] or ""
    told = {line[:4]: line[4:].strip() for line in lines[1:] if line.startswith(("-->", "--<"))}
    sql = "\n".join(line for line in lines[1:] if not line.startswith(("-->", "--<")))
    return Evasion(
        sql,
        effect,
        bool(head["unbounded"]),
        int(note) if note.isdigit() else 0,
        note == "outside",
        note == "xml",
        note == "judged",
        told.get("--> ", PROOFS.get(effect, "")),
        told.get("--< ", ""),
    )


def honest() -> list[tuple[str, str]]:
    """Honest statements, one a paragraph, each behind the name of the part of the file in which it stands."""
    found, part = [], ""
    for block in re.split(r"\n\n+", (PLACE / "honest.sql").read_text().strip()):
        head, _, rest = block.partition("\n")
        if head.startswith("--- "):
            part, block = head[4:], rest
        found.append((part, block))
    return found
