"""Errors and notices of statements near masked columns: what may quote a stored value is left out.

DETAIL of a constraint's violation prints whole rows, CONTEXT prints statements and values, and code in the database may
say anything. SQLSTATE, the names of constraint and table, and the position in the client's own text stay.
"""

from __future__ import annotations

from typing import Final

import re2

from hoopgate.catalogue.index import MaskIndex

KEPT: Final = frozenset("SVCMPstcdnFLRH")
_OF_CODE: Final = frozenset("SVCMFLR")
_SPEAKING: Final = frozenset(
    {"00", "01", "02", "03", "08", "0A", "21", "23", "25", "26", "28", "2B", "34", "3B", "3D", "3F", "40", "42", "44"}
    | {"53", "54", "55", "57", "58"}
)
"""Classes of SQLSTATE whose messages, from the server itself, name things of the statement and no values."""

_ROW_OF_TABLE: Final = frozenset({"23502", "23505", "23514", "23P01"})
"""Their DETAIL shows the row or key of the very table that the error names."""

_CONDITIONS: Final = {
    "22001": "value too long for its type",
    "22003": "numeric value out of range",
    "22007": "invalid date or time",
    "22008": "date or time out of range",
    "22012": "division by zero",
    "22023": "invalid parameter value",
    "22025": "invalid escape sequence",
    "22026": "length of a bit string does not match its type",
    "22P01": "floating-point exception",
    "22P02": "invalid input for the type of a value",
    "22P03": "invalid binary representation",
    "22P04": "bad format of COPY data",
    "22P05": "a character cannot be converted between encodings",
    "2200M": "invalid XML document",
    "22030": "duplicate JSON key",
    "22032": "invalid JSON text",
    "P0001": "code of the database raised an error",
    "P0004": "an assertion in code of the database failed",
}
_FUNCTION: Final = re2.compile(r"\bfunction\b|\bPL/|code block")
_COPY_LINE: Final = re2.compile(r"^COPY ([^\s,]+), line (\d+)(?:, column ([^\s:]+))?")


def scrub(fields: dict[str, str], index: MaskIndex | None) -> dict[str, str]:
    """The fields that may go on to the client; ``fields`` itself if nothing has to change.

    ``index`` tells whether the table that an error names has masked columns; None: say it has.
    """
    by_code = _by_code(fields)
    allowed = _OF_CODE if by_code else KEPT
    clean = {code: text for code, text in fields.items() if code in allowed}
    if "D" in fields and not by_code and _shows_clear_table(fields, index):
        clean["D"] = fields["D"]
    line = _COPY_LINE.match(fields.get("W", ""))
    if line is not None:
        clean["W"] = line.group(0)
    if "M" in fields and (by_code or not _speaks(fields)):
        clean["M"] = _general(fields.get("C", ""))
        clean.pop("H", None)
    return fields if clean == fields else clean


def said_by_code(fields: dict[str, str]) -> bool:
    """Said by a function or block of the database, such as that of a row's policy, and not by the server itself."""
    return _in_language(fields) or _FUNCTION.search(fields.get("W", "")) is not None


def _in_language(fields: dict[str, str]) -> bool:
    return fields.get("F", "").startswith(("pl_", "plpy", "plperl", "pltcl")) or fields.get("C", "")[:2] == "P0"


def _by_code(fields: dict[str, str]) -> bool:
    """Raised inside a function of the database, or while one ran: such messages may hold anything."""
    context = fields.get("W", "")
    if context and _COPY_LINE.match(context) is None:
        return True
    return _in_language(fields)


def _speaks(fields: dict[str, str]) -> bool:
    severity = fields.get("V", fields.get("S", ""))
    return fields.get("C", "")[:2] in _SPEAKING and not severity.startswith(("DEBUG", "LOG"))


def _shows_clear_table(fields: dict[str, str], index: MaskIndex | None) -> bool:
    if index is None or fields.get("C", "") not in _ROW_OF_TABLE or "t" not in fields:
        return False
    named = index.relations(fields.get("s"), fields["t"])
    return bool(named) and all(relation.oid not in index.masked for relation in named)


def _general(sqlstate: str) -> str:
    condition = _CONDITIONS.get(sqlstate, "the message is withheld")
    return f"{condition} (not shown in full: the statement touches data that is masked)"
