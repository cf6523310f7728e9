"""Shapes of the server's messages that quote nothing but names, or what the client wrote itself.

PostgreSQL's messages are written by one rule (its manual, "Error Message Style Guide"): variables that may hold words
stand in double quotes. So a message whose words outside of quotes are the server's own vocabulary, and whose quotes
hold what stands in the client's own statement, tells nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import re2
from attrs import frozen

from hoopgate.frames import Parameter

SOURCES: Final = {
    "aclchk.c": {"42501"},
    "copyfrom.c": {"22P04", "57014"},
    "copyfromparse.c": {"22P04", "57014"},
    "deadlock.c": {"40P01"},
    "dependency.c": {"00000", "2BP01"},
    "domains.c": {"23502", "23514"},
    "execExprInterp.c": {"23502", "23514"},
    "execIndexing.c": {"23P01"},
    "execMain.c": {"23502", "23514", "42501", "44000"},
    "execPartition.c": {"23514"},
    "heapam.c": {"40001", "55P03"},
    "heapam_handler.c": {"40001", "55P03"},
    "lmgr.c": {"55P03"},
    "namespace.c": {"55P03"},
    "nbtinsert.c": {"23505"},
    "nodeLockRows.c": {"40001"},
    "nodeModifyTable.c": {"21000", "27000", "40001"},
    "nodeSubplan.c": {"21000"},
    "portalcmds.c": {"34000", "55000"},
    "portalmem.c": {"42P03"},
    "plancache.c": {"0A000"},
    "postgres.c": {"08P01", "22P03", "25P02", "25P03", "25P04", "26000", "40001", "42601", "42P18", "55P03", "57014",
                   "57P01", "57P02", "57P03", "57P05"},
    "predicate.c": {"40001"},
    "prepare.c": {"26000", "42P05"},
    "proc.c": {"55P03"},
    "ri_triggers.c": {"23001", "23503"},
    "tablecmds.c": {"23502", "23503", "23514"},
    "trigger.c": {"27000"},
    "tuplesort.c": {"23505"},
    "tuplesortvariants.c": {"23505"},
    "utility.c": {"25006"},
    "xact.c": {"25000", "25001", "25P01", "3B001"},
}  # fmt: skip
"""The server's source files (field F, in no language) and the SQLSTATEs of which every message there names constraints,
relations, columns and states of the session, and quotes no value."""

_STATIC: Final = {
    "22001": re2.compile(r"value too long for type character(?: varying)?\(\d+\)"),
    "22003": re2.compile(r"(?:integer|bigint|smallint) out of range|numeric field overflow"),
    "22012": re2.compile(r"division by zero"),
}
"""Messages of other classes that hold no value."""

VOCABULARY: Final = frozenset(
    re2.compile("[a-z]+").findall(
        "a all already an and any are array as at attribute be because been before being between bigint bit block "
        "boolean both but by bytea can cannot cast changed character check clause closed collation column columns "
        "command commands conflicts constraint constraints contains could create current cursor data database date "
        "default defaults definition delete depend depends derived determine did directly does domain double drop "
        "dropped duplicate each element enum exist existing exists expression extension failed field for foreign from "
        "function functions generated grant has have identity ignored in index inherit inherited input insert integer "
        "interval into invalid is it its json jsonb key label language large lock locks many map match materialized "
        "member missing more must name named names no non not null numeric object objects of on once one only open "
        "operator option options or other out outside own owned owner owns parameter parent part partition "
        "partitioned permission permissions permitted policy position precision prepared primary privilege privileges "
        "procedure publication published query range read real reference referenced references relation requested "
        "required requires restart role roles row rows rule same savepoint schema security see sequence server "
        "session set should skipping smallint specified specify statement statements still subscription such "
        "superuser supported syntax table tables tablespace temporary text than that the there this time timestamp to "
        "too transaction trigger truncate truncated type types unique unknown unrecognized update updated use used "
        "user using uuid valid value values varying view views violates was when where which will with within without "
        "xml zone "
    )
)
"""The server's own words in messages that name objects of the statement."""

_TOKEN: Final = re2.compile(r'"([^"]*)"|([A-Za-z_][A-Za-z_0-9$]*)|([0-9]+)|([\s.,;:()/-])|(.)')
_LONGEST: Final = 4096  # characters of a message that is looked at
_WRITTEN: Final = 256 * 1024  # characters of the client's own that are searched


@frozen
class Written:
    """What the client itself wrote: a statement's text and parameters."""

    text: str
    parameters: tuple[Parameter, ...] = ()
    encoding: str = "utf-8"

    def words(self) -> str:
        """All of it in lower case, as far as it is kept and readable."""
        parts = [self.text[:_WRITTEN]]
        room = _WRITTEN - len(parts[0])
        for parameter in self.parameters:
            value = parameter.value
            if value is None or len(value) > room:
                continue
            room -= len(value)
            parts.append(value.decode(self.encoding, "replace"))
        return "\n".join(parts).lower()


def names_only(fields: dict[str, str]) -> bool:
    """Whether the message comes from a place in the server's source where messages quote names alone."""
    return fields.get("C", "") in SOURCES.get(fields.get("F", ""), ())


def static(sqlstate: str, message: str) -> bool:
    """Whether the whole message is one that holds no value."""
    pattern = _STATIC.get(sqlstate)
    return pattern is not None and pattern.fullmatch(message) is not None


def repeats(texts: Sequence[str], written: Written) -> bool:
    """Whether the texts, in English, say nothing but the server's words and what the client wrote itself."""
    words = written.words()
    return all(_repeats(text, words) for text in texts)


def _repeats(text: str, words: str) -> bool:
    if len(text) > _LONGEST or '""' in text:  # a value with quotes in it would not end where its first one does
        return False
    for match in _TOKEN.finditer(text):
        quoted, word, number, _, other = match.groups()
        if other is not None:
            return False
        if quoted is not None and quoted.lower() not in words:
            return False
        if word is not None and word.lower() not in VOCABULARY and word.lower() not in words:
            return False
        if number is not None and number not in words:
            return False
    return True
