"""Errors and notices of statements near masked columns: what may quote a stored value is left out.

DETAIL of a constraint's violation prints whole rows, CONTEXT prints statements and values, code in the database may say
anything, and casts and functions quote what they could not read. SQLSTATE, the names of constraint and table, and the
position in the client's own text stay. A message stays where it is known to hold no value, in whatever language:

* it points into the client's own text (P) with nothing around it: what the parser says of names and literals there;
* it comes from a place in the server's source where messages hold names alone (:data:`mask_shapes.SOURCES`);
* of a statement that reads no masked column, in English: it says nothing but what the client wrote itself.

Every other message becomes what its SQLSTATE means in general.
"""

from __future__ import annotations

from typing import Final

import re2

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Relation
from hoopgate.frames import BIND, PREPARE, Statement
from hoopgate.guards.mask_shapes import Written, names_only, repeats, static

KEPT: Final = frozenset("SVCMPstcdnFLRH")
_OF_CODE: Final = frozenset("SVCMFLR")

_ROW_OF_TABLE: Final = frozenset({"23502", "23505", "23514", "23P01"})
"""Their DETAIL shows the row or key of the very table that the error names."""

_CONDITIONS: Final = {
    "00": "the server reports something",
    "01": "the server warns of something",
    "0A": "something that the statement asks for is not supported",
    "22": "a value cannot be used as the statement asks for",
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
    "2201B": "invalid regular expression",
    "23": "a constraint is violated",
    "23505": "duplicate key value violates a unique constraint",
    "3F": "a schema does not exist",
    "42": "a name is not known, not unique or not permitted",
    "42501": "permission denied",
    "42601": "syntax error",
    "42703": "a column does not exist",
    "42704": "an object does not exist",
    "42883": "a function does not exist",
    "42P01": "a relation does not exist",
    "53": "the server lacks resources",
    "54": "a limit of the server is exceeded",
    "55": "an object is not in the state that the statement needs",
    "57": "the statement was ended by the server or its operators",
    "58": "the server met an error of its system",
    "P0001": "code of the database raised an error",
    "P0004": "an assertion in code of the database failed",
}
"""What a SQLSTATE, or a class of them, means (manual, appendix "Error Codes")."""

_COPY_LINE: Final = re2.compile(r"^COPY ([^\s,]+), line (\d+)(?:, column ([^\s:]+))?")
_HARMLESS_CONTEXT: Final = re2.compile(
    r"while (?:updating|deleting|locking|inserting index|checking uniqueness of|rechecking updated"
    r"|checking exclusion constraint on) tuple \(\d+,\d+\) in relation \"[^\"\n]+\""
    r"|while locking updated version \(\d+,\d+\) of tuple in relation \"[^\"\n]+\"|parallel worker"
)
_JSON_CONTEXT: Final = re2.compile(r"JSON data, line \d+: [^\n]*")
_BOUND_CONTEXT: Final = re2.compile(r"((?:unnamed portal|portal \"[^\"\n]*\") parameter \$\d+)(?: = '[^\n]*')?")
_KEY: Final = re2.compile(
    r"Key \((?P<columns>[^()]*)\)=\((?s:.*)\) "
    r'(?:already exists|is duplicated|is not present in table "[^"]+"|is still referenced from table "[^"]+")\.'
    r"|Partition key of the failing row contains \((?P<partition>[^()]*)\) = \((?s:.*)\)\."
)
_FIRST_TABLE: Final = re2.compile(r'(?:on|into|of) (?:table|relation) "([^"]+)"')


def scrub(fields: dict[str, str], index: MaskIndex | None, written: Written | None = None) -> dict[str, str]:
    """The fields that may go on to the client; ``fields`` itself if nothing has to change.

    ``index`` tells whether the table that an error names has masked columns; None: say it has. ``written`` is the
    client's own part in a statement that reads no masked column; None where it may read one.
    """
    by_code = _by_code(fields)
    quotes = by_code and not names_only(fields)
    allowed = _OF_CODE if quotes else KEPT
    clean = {code: text for code, text in fields.items() if code in allowed}
    context = _context(fields.get("W", ""))
    if context:
        clean["W"] = context
    pointed = not by_code and _points_into_text(fields)
    if "D" in fields and not by_code and (pointed or (written is not None and _detail_is_clear(fields, index))):
        clean["D"] = fields["D"]
    if "M" in fields and (quotes or not (pointed or _holds_no_value(fields, written))):
        clean["M"] = _general(fields.get("C", ""))
        for code in "HFLR":  # where in the server's source it was raised tells which of several messages it is
            clean.pop(code, None)
    return fields if clean == fields else clean


def said_by_code(fields: dict[str, str]) -> bool:
    """Said by a function or block of the database, such as that of a row's policy, and not by the server itself: or
    with a CONTEXT that cannot be told from one, as in languages other than English.
    """
    context = fields.get("W", "")
    harmless = not context or _known_context(fields, context) or _JSON_CONTEXT.fullmatch(context) is not None
    return not harmless or _in_language(fields)


def own_part(statement: Statement | None, *, reads: bool, encoding: str) -> Written | None:
    """What of an answer to ``statement`` the client may have written itself, for :func:`scrub`.

    ``reads``: it may read masked columns as it runs. As it is parsed and bound it reads none.
    """
    if statement is None or (reads and statement.phase is not PREPARE and statement.phase is not BIND):
        return None
    return Written(statement.text, statement.parameters or (), encoding)


def _in_language(fields: dict[str, str]) -> bool:
    return fields.get("F", "").startswith(("pl_", "plpy", "plperl", "pltcl")) or fields.get("C", "")[:2] == "P0"


def _by_code(fields: dict[str, str]) -> bool:
    """Raised inside a function of the database, or while one ran: such messages may hold anything."""
    context = fields.get("W", "")
    if context and not _known_context(fields, context):
        return True
    return _in_language(fields)


def _known_context(fields: dict[str, str], context: str) -> bool:
    """Whether all of it comes from the server itself, and not from code that ran."""
    if _context(context):
        return True
    return "P" in fields and _JSON_CONTEXT.fullmatch(context) is not None  # a literal of the client's


def _context(context: str) -> str:
    """What of a CONTEXT may be shown: of COPY the place, of a parameter its number; empty where it is another."""
    line = _COPY_LINE.match(context)
    if line is not None:
        return str(line.group(0))
    bound = _BOUND_CONTEXT.fullmatch(context)  # a parameter of the client's
    if bound is not None:
        return str(bound.group(1))
    return context if all(_HARMLESS_CONTEXT.fullmatch(each) for each in context.split("\n")) else ""


def _points_into_text(fields: dict[str, str]) -> bool:
    """Said of the client's own text as it was parsed: of what runs, the server knows no position any more.

    But for a value that is read as the name of a type (regtype): the position is one in the value, as CONTEXT says.
    """
    context = fields.get("W", "")
    return "P" in fields and _speaks(fields) and (not context or _JSON_CONTEXT.fullmatch(context) is not None)


def _speaks(fields: dict[str, str]) -> bool:
    """Not a line of the server's log, which prints plans and parameters."""
    return not fields.get("V", fields.get("S", "")).startswith(("DEBUG", "LOG"))


def _holds_no_value(fields: dict[str, str], written: Written | None) -> bool:
    if not _speaks(fields):
        return False
    if names_only(fields) or static(fields.get("C", ""), fields["M"]):
        return True
    english = fields.get("S") == fields.get("V")
    return written is not None and english and repeats([fields["M"], fields.get("H", "")], written)


def _detail_is_clear(fields: dict[str, str], index: MaskIndex | None) -> bool:
    sqlstate = fields.get("C", "")
    if sqlstate == "2BP01" and names_only(fields):
        return True  # which objects depend on which
    if index is None or "t" not in fields:
        return False
    named = index.relations(fields.get("s"), fields["t"])
    if not named or any(relation.persistence == "t" for relation in named):
        return False  # the session may have put masked values into a temporary table
    if sqlstate in _ROW_OF_TABLE and all(relation.oid not in index.masked for relation in named):
        return True
    return _names_clear_columns(fields, index, named)


def _names_clear_columns(fields: dict[str, str], index: MaskIndex, named: tuple[Relation, ...]) -> bool:
    """Whether DETAIL shows a key, and of columns that no mask covers in the table, nor in the one it refers to."""
    shown = _KEY.fullmatch(fields["D"])
    if shown is None or not names_only(fields):
        return False
    if fields.get("C") in ("23001", "23503"):
        told = _FIRST_TABLE.search(fields.get("M", ""))
        if told is None:
            return False
        named += index.relations(None, told.group(1))
    columns = (shown.group("columns") or shown.group("partition") or "").split(", ")
    return all(_is_clear(index, relation, columns) for relation in named)


def _is_clear(index: MaskIndex, relation: Relation, columns: list[str]) -> bool:
    masked = index.masked.get(relation.oid, {})
    known = {column.name: column.attnum for column in relation.columns}
    if not masked:
        return True
    return all(name in known and known[name] not in masked for name in columns)


def _general(sqlstate: str) -> str:
    condition = _CONDITIONS.get(sqlstate) or _CONDITIONS.get(sqlstate[:2], "the message is withheld")
    return f"{condition} (not shown in full: the statement touches data that is masked)"
