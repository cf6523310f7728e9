"""JSON as identity needs it: an object that every parser reads the same way, or a refusal."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two parsers that disagree on which duplicate counts let one token name two people (RFC 7515, section 10.12).
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member's name occurs twice")
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def json_object(data: bytes) -> dict[str, Any]:
    """The one JSON object in UTF-8 ``data``.

    Raises ValueError for anything else: duplicated names, NaN and Infinity, lone surrogates, nesting beyond
    what the parser bears, a top level that is no object. Bound the length of ``data`` before calling.
    """
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
        if b"\\u" in data:  # only an escape can smuggle in a surrogate that no store could write
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
