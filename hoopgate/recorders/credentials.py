"""Which of a statement's literals may be passwords. Every pattern here is linear in the text."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from hoopgate.recorders.lexer import Token

HINTS: Final = ("passw", "passphrase", "pwd", "secret", "mapping", "server", "subscription", "options", "://")
_CREDENTIAL: Final = re.compile(r"passw(?:or)?d|passphrase|pwd|secret", re.IGNORECASE)
_CONNECTION: Final = re.compile(
    r"(?:passw(?:or)?d|passphrase|pwd|secret\w{0,30})\W{0,3}[=:]|://[^\s/@':]*+:[^\s/@']*+@", re.IGNORECASE
)
_SQL_SUBJECT: Final = re.compile(r"\b(?:role|user|group|mapping|server|subscription)\b", re.IGNORECASE)
_SQL_CREDENTIAL: Final = re.compile(r"\b(?:password|options|connection)\b", re.IGNORECASE)
_PASSWORD_WORD: Final = re.compile(r"password(?:\$|$)")
_NAMED: Final = 50
_CARRIERS: Final = frozenset({"mapping", "server", "subscription", "wrapper", "options", "connection"})
_BOUNDS: Final = frozenset(
    {"and", "or", "where", "from", "returning", "group", "order", "having", "limit", "set", "values", "on", "when"}
)


def suspicious(text: str) -> bool:
    """The quick look, at every statement: whether a closer one is worth it."""
    low = text.lower()
    if (
        "pass" in low
        or "pwd" in low
        or "secret" in low
        or "mapping" in low
        or "server" in low
        or "ption" in low  # subscription, options
        or "://" in low
    ):
        return any(hint in low for hint in HINTS)
    return False


def suspicious_bytes(raw: bytes) -> bool:
    """The same for what is on the wire, in any client encoding."""
    low = raw.lower()
    if (
        b"pass" in low
        or b"pwd" in low
        or b"secret" in low
        or b"mapping" in low
        or b"server" in low
        or b"ption" in low
        or b"://" in low
    ):
        return any(hint.encode() in low for hint in HINTS)
    return False


def holds_connection(literal: str) -> bool:
    """``password=...`` as in connection strings, or ``scheme://user:password@``."""
    return _CONNECTION.search(literal) is not None


def sets_credential(statement: list[Token]) -> bool:
    """Whether the statement gives a credential to the server, or carries SQL that does."""
    words = [token.text for token in statement if token.kind == "word"]
    if any(_PASSWORD_WORD.match(word) for word in words) and any(map(_changes_role, words, words[1:])):
        return True
    if words[:1] in (["create"], ["alter"], ["import"]) and not _CARRIERS.isdisjoint(words):
        return True
    if any(_is_keyword_and_literal(*pair) for pair in pairwise(statement)):
        return True
    return any(token.kind == "literal" and _carries_sql(token.text) for token in statement)


def _changes_role(verb: str, thing: str) -> bool:
    return verb in ("create", "alter") and thing in ("role", "user", "group")


def misquoted(statement: list[Token]) -> list[Token]:
    """What follows ``PASSWORD`` without being a literal: a typing error that must not be recorded either."""
    found = [token for token in statement if token.kind == "word" and token.text.startswith("password$")]
    found += [
        after
        for word, after in pairwise(statement)
        if (word.kind, word.text) == ("word", "password")
        and after.kind in ("word", "quoted", "number")
        and after.text != "null"
        and not after.text.startswith("$")
    ]
    return found


def _is_keyword_and_literal(word: Token, literal: Token) -> bool:
    """``PASSWORD 'x'``, in whatever statement it stands."""
    return word.kind == "word" and word.text == "password" and literal.kind in ("literal", "dollar")


def _carries_sql(literal: str) -> bool:
    return _SQL_CREDENTIAL.search(literal) is not None and _SQL_SUBJECT.search(literal) is not None


def beside_credentials(statement: list[Token]) -> set[int]:
    """Where the literals start that stand beside a column whose name speaks of a password."""
    named = [
        index
        for index, token in enumerate(statement)
        if token.kind in ("word", "quoted") and _CREDENTIAL.search(token.text) and token.text != "password_encryption"
    ]
    if not named:
        return set()
    lists = any(token.kind == "word" and token.text in ("insert", "merge") for token in statement)
    if lists or len(named) > _NAMED:  # each name costs a walk
        return {token.start for token in statement if token.kind in ("literal", "dollar")}
    depths = _depths(statement)
    beside: set[int] = set()
    for index in named:
        beside |= _window(statement, depths, index, 1) | _window(statement, depths, index, -1)
    return beside


def _depths(statement: list[Token]) -> list[int]:
    depths: list[int] = []
    depth = 0
    for token in statement:
        if token.text == ")" and token.kind == "other":
            depth -= 1
        depths.append(depth)
        if token.text == "(" and token.kind == "other":
            depth += 1
    return depths


def _window(statement: list[Token], depths: list[int], index: int, step: int) -> set[int]:
    """Literals from ``index`` on in one direction, up to the end of the clause or of the list's item.

    Arguments of the same call belong to it (``crypt('x', password)``), as does all that lies deeper.
    """
    found: set[int] = set()
    own = depths[index]
    at = index + step
    while 0 <= at < len(statement):
        token, depth = statement[at], depths[at]
        if token.kind in ("literal", "dollar"):
            found.add(token.start)
        elif _ends_window(token, depth, own):
            break
        at += step
    return found


def _ends_window(token: Token, depth: int, own: int) -> bool:
    if token.text == ",":
        return depth < own or depth == own == 0
    return depth <= own and token.kind == "word" and token.text in _BOUNDS
