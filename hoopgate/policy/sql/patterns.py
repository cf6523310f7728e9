"""Patterns that everything matches: ``LIKE '%'``, ``~ '.*'``, ``@> '{}'``, and what comes to the same.

A LIKE pattern and a regular expression are tried on texts that have nothing in common: who matches all of them keeps
nothing out. A pattern that is computed in a way that is not plain to see is taken for one of these.
"""

from __future__ import annotations

import re
from typing import Any, Final

import re2

from hoopgate.policy.sql.columns import operator
from hoopgate.policy.sql.condense import LONG
from hoopgate.policy.sql.constants import HOPE, constant, text_of
from hoopgate.policy.sql.names import strings
from hoopgate.policy.sql.tree import Node

OPERATORS: Final = frozenset({"~~", "~~*", "~", "~*", "@>", "<@", "&&", "@?", "@@", "^@"})

_PROBES: Final = ("Aq", "zx", "07", "-.", "é ", "Kk 9:=/@x")
_EMPTY: Final = {"@>": "{}[] ", "<@": "(,)[] ", "&&": "(,)[] ", "@?": "$*.laxstrict ", "@@": "$*.laxstrict ", "^@": ""}
_LONGEST: Final = 1024  # characters of a pattern that is tried
_PLAIN: Final = frozenset({"lower", "upper", "concat", "casefold", "like_escape", "unaccent", "quote_literal"})
_SIMILAR: Final = frozenset({"similar_to_escape", "similar_escape"})
_WORDS: Final = re.compile(r"\\[mMyY]")  # Tcl's ends of words, which RE2 calls \b


def keeps_all(name: str, kind: str, pattern: Any) -> bool:
    """Does ``x OPERATOR pattern`` hold for nearly any x? ``kind`` is the A_Expr's."""
    if isinstance(pattern, dict) and "A_ArrayExpr" in pattern.get("TypeCast", {}).get("arg", pattern):
        array = pattern.get("TypeCast", {}).get("arg", pattern)["A_ArrayExpr"]
        return _of_array(name, array.get("elements", []))
    text = _text(pattern)
    if text is None:
        return not _is_columns(pattern)
    if text == HOPE:
        return False
    if text == LONG:
        return True
    if kind == "AEXPR_OP_ANY":
        return any(_matches_all(name, part) for part in _members(text))
    if kind == "AEXPR_SIMILAR":
        return _matches_all("~", f"^(?:{_from_similar(text)})$")
    return _matches_all(name, text)


def _of_array(name: str, elements: list[Node]) -> bool:
    """LIKE ANY (ARRAY[...]): one of them is enough. For operators on arrays: an empty one holds in everything."""
    if name in _EMPTY:
        return not elements and name == "@>"
    return not elements or any(keeps_all(name, "AEXPR_OP", element) for element in elements)


def _is_columns(pattern: Any) -> bool:
    """A pattern that is a column's value, or a function's of one, differs by row."""
    pending, found = [pattern], False
    while pending:
        value = pending.pop()
        if type(value) is list:
            pending.extend(value)
        elif type(value) is dict:
            if "ParamRef" in value:
                return False
            found = found or "ColumnRef" in value
            pending.extend(value.values())
    return found


def _text(node: Any) -> str | None:
    """The constant text of a pattern: constants, joined; None where anything else has a part in it."""
    if not isinstance(node, dict):
        return None
    fields = node.get("A_Const")
    if fields is not None:
        text = text_of(fields)
        return text if text is not None else "".join(str(value) for one in fields.values() if isinstance(one, dict)
                                                     for value in one.values())  # fmt: skip
    if "TypeCast" in node and not node["TypeCast"].get("typeName", {}).get("typmods"):
        return _text(node["TypeCast"].get("arg"))
    if "A_Expr" in node and operator(node["A_Expr"]) == "||":
        return _joined([node["A_Expr"].get("lexpr"), node["A_Expr"].get("rexpr")])
    if "FuncCall" in node:
        names, arguments = strings(node["FuncCall"].get("funcname"))[-1:], node["FuncCall"].get("args", [])
        if _SIMILAR.intersection(names) or names == ["like_escape"]:
            return _text(arguments[0]) if len(arguments) == 1 else _escaped(*arguments[:2])
        return _joined(arguments) if _PLAIN.intersection(names) else None
    return _text(node["CollateClause"].get("arg")) if "CollateClause" in node else None


def _joined(parts: list[Any]) -> str | None:
    texts = [_text(part) for part in parts]
    return None if None in texts else "".join(text for text in texts if text is not None)


def _escaped(pattern: Any, escape: Any) -> str | None:
    """``LIKE pattern ESCAPE escape`` with a backslash for the escape."""
    text, character = _text(pattern), text_of(constant(escape) or {})
    if text is None or character is None or len(character) > 1:
        return None
    if character == "\\":
        return text
    doubled = text.replace("\\", "\\\\")
    return re.sub(re.escape(character) + "(.)", r"\\\1", doubled, flags=re.DOTALL) if character else doubled


def _members(text: str) -> list[str]:
    """The members of an array literal, as near as need be: quotes and braces do not count."""
    return [part.strip().strip('"') for part in text.strip().strip("{}").split(",")]


def _matches_all(name: str, text: str) -> bool:
    if name in _EMPTY:
        return not text.strip(_EMPTY[name])
    if len(text) > _LONGEST:
        return True
    if name.startswith("~~"):
        expression = "(?s)^(?:" + _from_like(text) + ")$"
    else:
        expression = "(?s)" + _WORDS.sub(r"\\b", text.removeprefix("***:"))
        if text.startswith("***="):
            return not text[4:]
    if name.endswith("*"):
        expression = "(?i)" + expression
    try:
        compiled = re2.compile(expression, _quiet())
    except re2.error:
        return True  # no expression that can be tried
    return all(compiled.search(probe) is not None for probe in _PROBES)


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def _from_like(pattern: str) -> str:
    """A LIKE pattern as a regular expression (manual, "Pattern Matching / LIKE")."""
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(re2.escape(next(characters, "")))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re2.escape(character))
    return "".join(parts)


def _from_similar(pattern: str) -> str:
    """A SIMILAR TO pattern: LIKE's wildcards, and a regular expression's alternatives and repetitions."""
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(re2.escape(next(characters, "")))
        else:
            parts.append({"%": ".*", "_": ".", ".": r"\.", "^": r"\^", "$": r"\$"}.get(character) or character)
    return "".join(parts)
