"""PostgreSQL's own grammar, through libpg_query: a text in, its statements' raw parse trees out.

The trees are libpg_query's JSON form of ``RawStmt`` (PostgreSQL source, ``src/include/nodes/parsenodes.h``): every
node is ``{"KindOfNode": {field: value, ...}}``, and fields with default values are absent. The JSON path is used
since the protobuf one refuses more than about 30 nested sub-selects.

Lexing assumes ``standard_conforming_strings = on``; the effects of a statement that turns it off are "unknown".
"""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from typing import Any, Final

from attrs import field, frozen
from postgast.native import lib

from hoopgate.errors import HoopgateError

Node = dict[str, Any]

DEPTH: Final = 600
"""JSON levels a tree may have (two an operator): what a recursive walk can bear under Python's own bound of 1000."""

_STACK_PER_BYTE: Final = 128
_INLINE: Final = 64 * 1024


class Unparsable(HoopgateError):  # noqa: N818 - says what the text is
    """PostgreSQL's grammar does not accept the text, or it is beyond a bound of ours: nobody knows what it does.

    ``reason`` is the parser's message, fit for a client; it may quote a word of the text. ``position`` is the
    1-based character at which the parser stopped, 0 if unsaid.
    """

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


@frozen
class Parsed:
    """A text and its statements, in order.

    ``statements`` are the inner nodes, ``{"SelectStmt": {...}}``; an empty text has none. ``spans`` are their
    places as (start, end) offsets in the UTF-8 form of ``text``. ``pruned`` is True where long runs of constants
    were left out of the trees (only of statements that a worker process parsed).
    """

    text: str
    statements: tuple[Node, ...] = field(eq=False, repr=False)
    spans: tuple[tuple[int, int], ...] = field(repr=False)
    pruned: bool = False

    def statement_text(self, index: int) -> str:
        """The text of one statement, without its semicolon."""
        start, end = self.spans[index]
        return self.text.encode()[start:end].decode().strip()


def replaced(tree: Any, replace: Callable[[Node], Node | None]) -> Any:
    """A copy of a tree in which nodes for which ``replace`` gives another are that one. Without recursion."""
    copies: list[Any] = [None]
    pending: list[tuple[Any, Any, Any]] = [(tree, copies, 0)]
    while pending:
        value, holder, place = pending.pop()
        made: Any = value
        if type(value) is list:
            made = [None] * len(value)
            pending.extend((item, made, index) for index, item in enumerate(value))
        elif type(value) is dict:
            other = replace(value)
            made = {} if other is None else other
            if other is None:
                pending.extend((item, made, key) for key, item in value.items())
        holder[place] = made
    return copies[0]


def inline_limit() -> int:
    """How many bytes of text may be parsed inside this process.

    libpg_query writes its JSON recursively and without a check of the stack: `a+a+a...` takes up to 66 bytes of
    stack for each byte of text, and running over is a segmentation fault (measured: 100 KB at 8 MiB).
    """
    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if stack == resource.RLIM_INFINITY:
        return _INLINE
    return min(_INLINE, stack // _STACK_PER_BYTE)


def parse(text: str) -> Parsed:
    """Parse ``text`` now, in this process. Raises :class:`Unparsable`, and nothing else.

    Costs 10 to 300 µs for usual statements. Callers bound the length (:func:`inline_limit`).
    """
    return from_json(text, parse_json(text))


def parse_json(text: str) -> bytes:
    """libpg_query's JSON for ``text``. Raises :class:`Unparsable`."""
    if "\0" in text:
        # C strings end at NUL: what follows would reach no parser.
        raise Unparsable("the statement contains a NUL character", text.index("\0") + 1)
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise Unparsable("the statement is not valid text in its encoding", error.start + 1) from None
    result = lib.pg_query_parse(encoded)
    try:
        if result.error:
            fault = result.error.contents
            raise Unparsable((fault.message or b"syntax error").decode(errors="replace"), fault.cursorpos)
        return bytes(result.parse_tree)
    finally:
        lib.pg_query_free_parse_result(result)


def from_json(text: str, tree: bytes, *, pruned: bool = False) -> Parsed:
    """Make :class:`Parsed` of libpg_query's JSON. Raises :class:`Unparsable` for trees beyond ``DEPTH``."""
    try:
        raw = json.loads(tree)
    except RecursionError:
        raise Unparsable("the statement is nested too deeply") from None
    except ValueError:
        # Covers invalid UTF-8 in the tree: an E'\xff' escape makes any byte a part of a string.
        raise Unparsable("the statement holds a string that is not valid UTF-8") from None
    _bound_depth(raw)
    statements, spans = [], []
    for item in raw.get("stmts", ()):
        start = item.get("stmt_location", 0)
        length = item.get("stmt_len", 0)
        spans.append((start, start + length if length else len(text.encode())))
        statements.append(item["stmt"])
    return Parsed(text, tuple(statements), tuple(spans), pruned)


def _bound_depth(tree: Node) -> None:
    """Refuse trees deeper than ``DEPTH``, level by level, without recursion."""
    level: list[Any] = [tree]
    for _ in range(DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise Unparsable("the statement is nested too deeply")
