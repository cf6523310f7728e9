"""Long statements made short without a change of effect, before they are parsed.

A statement of megabytes is nearly always rows of constants (``VALUES (1, 'a'), (2, 'b'), ...``, ``IN (1, 2, ...)``) or
one huge string. Of runs of constant rows a few are kept, of lists of constants the first, and a long string becomes
:data:`LONG`, which everything that looks at literals takes for the worst. Where the text can be read in two ways it is
left as it is (see :mod:`hoopgate.policy.sql.shape`).
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.policy.sql.shape import DOUBT, TOKEN, Doubt

LONG: Final = "(long)"
_LONGEST: Final = 512  # characters of a string that is kept as it is
_KEPT: Final = 32  # members of a run that are kept

_CONSTANT: Final = r"(?:-?\0[0-9]++;|NULL|null|TRUE|true|FALSE|false|DEFAULT|default)"
# Elsewhere constants are more than values: the 2 of ORDER BY 1, 2 is a column, those of SET are settings.
_LIST: Final = re.compile(
    rf"(\b(?:IN\s*+\(|ARRAY\s*+\[|VALUES\s*+\()\s*+(?:{_CONSTANT}\s*+,\s*+){{{_KEPT}}})(?:{_CONSTANT}\s*+,\s*+)+(?={_CONSTANT})",
    re.IGNORECASE,
)
_ROW: Final = rf"\(\s*+{_CONSTANT}(?:\s*+,\s*+{_CONSTANT})*\s*+\)"
_ROWS: Final = re.compile(
    rf"(\b(?:IN\s*+\(|VALUES)\s*+(?:{_ROW}\s*+,\s*+){{2}})(?:{_ROW}\s*+,\s*+)+(?={_ROW})", re.IGNORECASE
)


def condense(text: str) -> str:
    """A text with the same effects, shorter where that is plain to do; the same object where nothing was."""
    if DOUBT.search(text):
        return text
    literals: list[str] = []

    def take(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind is None:
            return match[0]
        if kind == "string":
            literals.append(match[0] if len(match[0]) <= _LONGEST else f"'{LONG}'")
        elif kind == "number":
            literals.append(match[0])
        else:
            raise Doubt
        return f"\0{len(literals) - 1};"

    try:
        marked = TOKEN.sub(take, text)
    except Doubt:
        return text
    short = _LIST.sub(r"\1", _ROWS.sub(r"\1", marked))
    short = re.sub(r"\0([0-9]+);", lambda match: literals[int(match[1])], short)
    return short if len(short) < len(text) else text
