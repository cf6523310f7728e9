"""What the gateway itself shows of statements that name masked columns: their literals and parameters as masks.

Approvals always do, recordings where the configuration says so (``recorder.literals``). Worked out from the text's
tokens and the catalogue's names alone, so that it holds for statements that are refused as well. In doubt a literal is
hidden: those stay that are compared with, or assigned to, a column that is known to be clear, and counts of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from attrs import frozen

from hoopgate.catalogue.index import MaskIndex
from hoopgate.codecs.postgresql import messages
from hoopgate.frames import BIND, PREPARE, SIMPLE, Frame, Input, Parameter, Statement
from hoopgate.policy.memory import Memory
from hoopgate.policy.sql.shape import shape
from hoopgate.recorders.lexer import Doubtful, Token, tokens

SHOWN: Final = "****"
LITERAL: Final = f"'{SHOWN}'"
LONGEST: Final = 64 * 1024
"""Characters of a text that is looked through; of a longer one nothing is shown behind its first literal."""

_KEPT: Final = 4096
_KEPT_TOTAL: Final = 8 * 1024 * 1024
_COMPARES: Final = frozenset("=<>!~")
_ROWS: Final = frozenset({"limit", "offset", "first", "next", "fetch"})
_BY_NAME: Final = frozenset({"execute", "call", "do"})


@frozen
class Hidden:
    """Of a text: which of its literals, by their order, and which parameters stay; ``clear``: all of them."""

    clear: bool = True
    literals: frozenset[int] = frozenset()
    parameters: frozenset[int] = frozenset()


CLEAR: Final = Hidden()
NOTHING_STAYS: Final = Hidden(clear=False)


@frozen(eq=False)
class Names:
    """The names in a catalogue under masks. ``columns``: of each relation with masked columns, the clear ones."""

    masked: dict[str, frozenset[str]]
    columns: dict[str, frozenset[str]]

    @classmethod
    def of(cls, index: MaskIndex) -> Names:
        masked: dict[str, frozenset[str]] = {}
        clear: dict[str, frozenset[str]] = {}
        for oid, columns in index.masked.items():
            relation = index.snapshot.relations.get(oid)
            if relation is None or relation.system:
                continue
            hidden = {column.name for column in relation.columns if column.attnum in columns}
            name = relation.name
            masked[name] = masked.get(name, frozenset()) | hidden
            shown = frozenset([column.name for column in relation.columns if column.name not in hidden])
            clear[name] = clear[name] & shown if name in clear else shown
        return cls(masked, clear)


_NO_NAMES: Final = Names({}, {})


class Masked(Protocol):
    """What the guard of a session's masks tells."""

    def masks(self) -> object:
        """Those in force; nothing that counts as true where there are none."""

    def index(self) -> MaskIndex | None:
        """They with the catalogue; None where that is not known."""

    def copying(self) -> bool:
        """Whether what the client sends now are rows for masked columns."""


class Printed:
    """One session's, which asks the guard of its masks."""

    __slots__ = ("_config", "_cut", "_guard", "_known", "_names", "_of", "_recorded", "_session")

    def __init__(self, session: Any, guard: Masked) -> None:
        self._session = session
        self._guard: Any = guard
        self._config: Any = None
        self._recorded = False
        self._cut = False  # what comes is the rest of a message that is left out
        self._of: MaskIndex | None = None
        self._names = _NO_NAMES  # of that index...
        self._known: Memory[str, Hidden] | None = None  # ...and what was found under it

    @property
    def recorded(self) -> bool:
        """Whether recordings are to hold masked text."""
        config = self._session.config
        if config is not self._config:
            self._config = config
            self._recorded = config.recorder.literals == "masked" and bool(self._guard.masks())
        return self._recorded

    def statement(self, frame: Statement) -> tuple[str, tuple[Parameter, ...] | None]:
        """Text and parameters of a statement as they may be shown; the same objects if nothing is hidden."""
        if not self._guard.masks():
            return frame.text, frame.parameters
        hidden = self.hidden(frame.text)
        if hidden.clear:
            return frame.text, frame.parameters
        return shown_text(frame.text, hidden), shown_parameters(frame.parameters, hidden)

    def text(self, text: str) -> str:
        """The same of a text alone."""
        if not self._guard.masks():
            return text
        hidden = self.hidden(text)
        return text if hidden.clear else shown_text(text, hidden)

    def hidden(self, text: str) -> Hidden:
        """What of a text may not be shown."""
        index = self._guard.index()
        if index is None:
            return NOTHING_STAYS
        if index is not self._of:
            self._of, self._names, self._known = index, Names.of(index), None
        key = shape(text) or text
        known = self._known
        if known is None:
            known = self._known = Memory(_KEPT, _KEPT_TOTAL)
        found = known.get(key)
        if found is None:
            found = hidden_in(text, self._names)
            if len(key) <= LONGEST:
                known.put(key, found, len(key))
        return found

    def wire(self, frame: Frame, data: bytes, encoding: str) -> bytes:
        """What a recording may hold of ``data``, which go to the target for ``frame``; themselves if nothing is hidden.

        Rows of a COPY into masked columns, and a Bind too large to be kept, are left out; of rows the size is told.
        """
        if isinstance(frame, Input):
            return self._rows(data)
        if not isinstance(frame, Statement):
            return data
        self._cut = False
        if frame.phase not in (SIMPLE, PREPARE, BIND) or data[:1] not in (b"Q", b"P", b"B"):
            return data
        hidden = self.hidden(frame.text)
        if hidden.clear and data is frame.raw:
            return data
        if frame.partial:
            self._cut = True
            return b""
        if frame.phase is BIND:
            return data if hidden.clear else _bind(data, hidden)
        if data is not frame.raw:  # it goes on in other words, in which literals stand elsewhere
            hidden = NOTHING_STAYS if not hidden.clear else hidden
        return data if hidden.clear else _with_text(data, hidden, encoding)

    def _rows(self, data: bytes) -> bytes:
        if self._cut or not data:
            return b""
        return messages.copy_data(b"(%d bytes are not recorded)\n" % len(data)) if self._guard.copying() else data


def hidden_in(text: str, names: Names) -> Hidden:
    """What of a text may not be shown, by the tokens in it."""
    if len(text) > LONGEST:
        return NOTHING_STAYS
    found: list[Token] = []
    try:
        found.extend(tokens(text))
    except Doubtful:
        return NOTHING_STAYS
    words = {_name(token) for token in found if token.kind in ("word", "quoted")}
    relations = words & names.masked.keys()
    if not relations and not (words & _BY_NAME):
        return CLEAR
    masked = frozenset().union(*(names.masked[each] for each in relations))
    clear = frozenset().union(*(names.columns[each] for each in relations)) - masked
    return _stays(found, clear)


def _stays(found: Sequence[Token], clear: frozenset[str]) -> Hidden:
    literals: set[int] = set()
    parameters: set[int] = set()
    gone: set[int] = set()
    order = 0
    listed = -1  # up to where literals are members of a list that is compared with a clear column
    for place, token in enumerate(found):
        if token.kind == "word" and token.text == "in" and place and _name(found[place - 1]) in clear:
            listed = _list_end(found, place + 1)
        if token.kind not in ("literal", "dollar", "number"):
            continue
        stays = place <= listed or _beside_clear(found, place, clear)
        if token.text.startswith("$") and token.kind == "number":
            (parameters if stays else gone).add(int(token.text[1:]) if token.text[1:].isdigit() else 0)
            continue
        if stays:
            literals.add(order)
        order += 1
    return Hidden(False, frozenset(literals), frozenset(parameters - gone))


def _beside_clear(found: Sequence[Token], place: int, clear: frozenset[str]) -> bool:
    """Whether a literal is compared with a clear column, or says how many rows."""
    if place and found[place - 1].kind == "word" and found[place - 1].text in _ROWS:
        return True
    return _across(found, place, -1, clear) or _across(found, place, 1, clear)


def _across(found: Sequence[Token], place: int, step: int, clear: frozenset[str]) -> bool:
    at = place + step
    while 0 <= at < len(found) and found[at].kind == "other" and found[at].text in _COMPARES:
        at += step
    if at == place + step or not 0 <= at < len(found) or found[at].kind not in ("word", "quoted"):
        return False
    if _name(found[at]) not in clear:
        return False
    if step > 0:  # what stands before it must be the whole of the other side; and the name may be qualified
        return True
    beyond = found[place + 1] if place + 1 < len(found) else None
    return beyond is None or beyond.kind != "other" or beyond.text in ",);"


def _list_end(found: Sequence[Token], place: int) -> int:
    """Where a list of literals alone ends, which begins at ``place``; -1 if there is none."""
    if place >= len(found) or found[place].text != "(":
        return -1
    at = place + 1
    while at < len(found) and (found[at].kind in ("literal", "dollar", "number") or found[at].text == ","):
        at += 1
    return at if at < len(found) and found[at].text == ")" else -1


def _name(token: Token) -> str:
    if token.kind == "quoted" and token.text[:1] == '"':
        return token.text[1:-1].replace('""', '"')
    return token.text


def shown_text(text: str, hidden: Hidden) -> str:
    """The text with its hidden literals replaced."""
    if len(text) > LONGEST:
        return f"{text[:200].split(chr(39))[0]}{LITERAL}… ({len(text)} characters)"
    out: list[str] = []
    at, order = 0, 0
    try:
        for token in tokens(text):
            if token.kind not in ("literal", "dollar", "number") or (
                token.kind == "number" and token.text.startswith("$")
            ):
                continue
            if order not in hidden.literals:
                out += (text[at : token.start], LITERAL)
                at = token.end
            order += 1
    except Doubtful as doubt:
        return "".join(out) + text[at : max(at, doubt.at)] + LITERAL
    return "".join(out) + text[at:]


def shown_parameters(parameters: tuple[Parameter, ...] | None, hidden: Hidden) -> tuple[Parameter, ...] | None:
    """The parameters with the hidden ones replaced, as text."""
    if parameters is None:
        return None
    return tuple(
        [
            each if each.value is None or number in hidden.parameters else Parameter(SHOWN.encode())
            for number, each in enumerate(parameters, 1)
        ]
    )


def _bind(raw: bytes, hidden: Hidden) -> bytes:
    bound = messages.parse_bind(raw)
    values = [
        value if value is None or number in hidden.parameters else SHOWN.encode()
        for number, value in enumerate(bound.values, 1)
    ]
    return messages.bind(bound.portal, bound.statement, bound.formats, values, bound.result_formats)


def _with_text(raw: bytes, hidden: Hidden, encoding: str) -> bytes:
    if raw[:1] == b"Q":
        return messages.query(_encoded(messages.parse_query(raw), hidden, encoding))
    parsed = messages.parse_parse(raw)
    return messages.parse_message(parsed.name, _encoded(parsed.text, hidden, encoding), parsed.type_oids)


def _encoded(text: bytes, hidden: Hidden, encoding: str) -> bytes:
    try:
        return shown_text(text.decode(encoding), hidden).encode(encoding)
    except UnicodeError:
        return LITERAL.encode()
