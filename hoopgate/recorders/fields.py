"""An event's fields as they may be recorded: bounded in size, statements without password literals, no secrets."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from hoopgate.recorders.redact import redact_statement

SECRET_NAMES: Final = frozenset(
    {"password", "passwd", "token", "secret", "authorization", "credential", "private_key", "access_token", "id_token"}
)
STATEMENT_NAMES: Final = frozenset({"text", "statement", "sql", "query"})

BUDGET: Final = 150_000  # characters; at most six bytes each in JSON, so that an event fits one record
_DEPTH: Final = 6


def prepared(fields: dict[str, Any]) -> dict[str, Any]:
    """A copy fit for JSON and for one record; what is too long is cut and says so, with its length and SHA-256."""
    left = [BUDGET]
    return {str(name): _value(str(name), value, left, _DEPTH) for name, value in fields.items()}


def _value(name: str, value: Any, left: list[int], depth: int) -> Any:
    left[0] -= 8
    if name in SECRET_NAMES and value not in (None, ""):
        return "***"
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else "large number"
    if isinstance(value, str):
        return _text(redact_statement(value) if name in STATEMENT_NAMES else value, left)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text(bytes(value[:BUDGET]).decode("utf-8", "backslashreplace"), left)
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {
            str(key)[:200]: _value(str(key), inner, left, depth - 1)
            for key, inner in list(value.items())[: max(0, left[0] // 8)]
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value(name, inner, left, depth - 1) for inner in list(value)[: max(0, left[0] // 8)]]
    return _text(str(value), left)


def _text(value: str, left: list[int]) -> str:
    room = max(0, left[0])
    left[0] -= len(value)
    if len(value) <= room:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{value[:room]}… (cut; {len(value)} characters, SHA-256 {digest})"


def text_name(text: str) -> str:
    """A short name of a statement's recorded text: sixteen hexadecimal digits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
