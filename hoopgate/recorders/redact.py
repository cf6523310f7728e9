"""Password literals never enter a recording or a log: not as text, not as wire bytes.

What is replaced (with ``'***'``), and no more, so that nobody can blind an auditor with a well-placed word:

* every literal of a statement that sets a credential: ``CREATE``/``ALTER ROLE|USER|GROUP ... PASSWORD``, user
  mappings, servers, foreign tables, subscriptions, and one that carries such SQL inside a literal;
* a literal that looks like a connection string or URL with a password in it;
* in other statements the literals beside a column whose name speaks of a password, and all of an ``INSERT`` or
  ``MERGE`` that names one;
* in a text above 64 KiB that gives any such sign, every literal; and from the first literal on everything, when
  the text gives such a sign and cannot be read surely.
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.recorders.credentials import (
    beside_credentials,
    holds_connection,
    misquoted,
    sets_credential,
    suspicious,
    suspicious_bytes,
)
from hoopgate.recorders.lexer import Doubtful, Token, tokens

STARS: Final = "'***'"

_LARGE: Final = 64 * 1024
_DEPTH: Final = 8  # dollar-quoted bodies inside one another
_LITERALS: Final = re.compile(
    r"""--[^\n\r]*+ | /\*.*?\*/ | "(?:[^"]++|"")*"(?!")
    | (?P<literal> (?:[eE]'(?:[^'\\]++|\\.|'')*'(?!') | '(?:[^']++|'')*'(?!')
                    | \$\$.*?\$\$ | (?P<tag>\$\w+\$).*?(?P=tag)) )""",
    re.VERBOSE | re.DOTALL,
)

Replacement = tuple[int, int, str]


def redact_statement(text: str, *, conforming: bool = True) -> str:
    """The statement (or several) with its password literals replaced. Returns the same object if there are none.

    ``conforming`` is the session's ``standard_conforming_strings``.
    """
    return _redacted(text, conforming, single_bytes=False, depth=_DEPTH) if suspicious(text) else text


def strip_literals(text: str) -> str:
    """The statement with every literal and number replaced by ``?``: what a log may hold."""
    out: list[str] = []
    at = 0
    try:
        for token in tokens(text):
            if token.kind in ("literal", "dollar", "number"):
                out += (text[at : token.start], "?")
                at = token.end
    except Doubtful as doubt:
        return "".join(out) + text[at : doubt.at] + "?"
    return "".join(out) + text[at:]


def recordable(raw: bytes, *, conforming: bool = True) -> bytes:
    """Whole frontend messages of PostgreSQL as they may be recorded.

    In ``Query`` and ``Parse`` password literals are replaced and lengths patched; a ``PasswordMessage`` or SASL
    answer (type ``p``) is dropped. Returns the same object when nothing changed, after a quick look.
    """
    if raw[:1] != b"p" and not suspicious_bytes(raw):
        return raw
    out: list[bytes] = []
    at = 0
    while at + 5 <= len(raw):
        end = at + 1 + int.from_bytes(raw[at + 1 : at + 5], "big")
        if end < at + 5:
            break
        kind = raw[at : at + 1]
        if kind in (b"Q", b"P"):
            out.append(_redacted_message(kind, raw[at + 5 : end], conforming))
        elif kind != b"p":
            out.append(raw[at:end])
        at = end
    out.append(raw[at:])
    redacted = b"".join(out)
    return raw if redacted == raw else redacted


def _redacted_message(kind: bytes, body: bytes, conforming: bool) -> bytes:
    """``Query``: text, NUL. ``Parse``: name, NUL, text, NUL, types (manual, section 55.7)."""
    name = b""
    if kind == b"P":
        name, _, body = body.partition(b"\x00")
        name += b"\x00"
    text, nul, rest = body.partition(b"\x00")
    payload = name + _redacted_bytes(text, conforming) + nul + rest
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


def _redacted_bytes(text: bytes, conforming: bool) -> bytes:
    if not suspicious_bytes(text):
        return text
    try:
        return _redacted(text.decode("utf-8"), conforming, single_bytes=False, depth=_DEPTH).encode("utf-8")
    except UnicodeDecodeError:
        return _redacted(text.decode("latin-1"), conforming, single_bytes=True, depth=_DEPTH).encode("latin-1")


def _redacted(text: str, conforming: bool, *, single_bytes: bool, depth: int) -> str:
    found: list[Token] = []
    try:
        if len(text) > _LARGE:
            return _coarse(text)
        for token in tokens(text, conforming=conforming, single_bytes=single_bytes):
            found.append(token)  # one by one: what came before a doubt is kept
    except Doubtful as doubt:
        literal = next((token.start for token in found if token.kind in ("literal", "dollar")), doubt.at)
        return text[:literal] + STARS
    replacements = [
        change for statement in _statements(found) for change in _changes(statement, conforming, single_bytes, depth)
    ]
    return _replaced(text, replacements) if replacements else text


def _coarse(text: str) -> str:
    """Every literal of a large text, in one pass."""
    return _LITERALS.sub(lambda match: STARS if match["literal"] is not None else match.group(), text)


def _replaced(text: str, replacements: list[Replacement]) -> str:
    out: list[str] = []
    at = 0
    for start, end, new in replacements:
        out += (text[at:start], new)
        at = end
    out.append(text[at:])
    return "".join(out)


def _statements(found: list[Token]) -> list[list[Token]]:
    out: list[list[Token]] = [[]]
    for token in found:
        if token.kind == "other" and token.text == ";":
            out.append([])
        else:
            out[-1].append(token)
    return out


def _changes(statement: list[Token], conforming: bool, single_bytes: bool, depth: int) -> list[Replacement]:
    """What to replace in one statement, in order."""
    literals = [token for token in statement if token.kind in ("literal", "dollar")]
    if sets_credential(statement):
        hidden = {token.start: token for token in literals + misquoted(statement)}
        return [(start, hidden[start].end, STARS) for start in sorted(hidden)]
    if not literals:
        return []
    beside = beside_credentials(statement)
    out: list[Replacement] = []
    for token in literals:
        if token.start in beside:
            out.append((token.start, token.end, STARS))
        elif token.kind == "dollar" and depth > 0:  # text as it stands: look into it as SQL
            inner = _redacted(token.text, conforming, single_bytes=single_bytes, depth=depth - 1)
            if inner != token.text:
                out.append((token.start, token.end, f"$redacted${inner}$redacted$"))
        elif holds_connection(token.text):
            out.append((token.start, token.end, STARS))
    return out
