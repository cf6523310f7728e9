"""Alternatives of which one is so for any row: ``id = 1 OR id <> 1``, ``x OR NOT x``, ``id < 3 OR id > 2``.

Rows in which a column is NULL are left out of the question: a key is never NULL, and others seldom are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from hoopgate.policy.sql.columns import nodes, operator
from hoopgate.policy.sql.constants import HOPE, constant, number, text_of
from hoopgate.policy.sql.tree import Node

if TYPE_CHECKING:
    from hoopgate.policy.sql.conditions import Trail

_SIGNS: Final = {"=": "0", "<>": "-+", "!=": "-+", "<": "-", "<=": "-0", ">": "+", ">=": "+0"}
_EVERY: Final = frozenset("-0+")
_SIDES: Final = frozenset("-+")
_TURNED: Final = {"-": "+", "+": "-", "0": "0"}


@frozen
class _Arm:
    """``subject`` is less (-), equal (0) or more (+) than ``value``. Of no comparison: true (+) or not (-)."""

    subject: str
    signs: frozenset[str]
    value: Any

    def holds(self, at: float) -> bool:
        value = number(self.value)
        return value is not None and ("0" if at == value else "-" if at < value else "+") in self.signs


def one_is_true(trail: Trail, arms: list[Node], negated: bool) -> bool:
    """Is one of the arms (of their negations) true whatever the rows hold? What is not known counts as yes."""
    found: dict[str, list[_Arm]] = {}
    for node, turned in _flat(arms, negated):
        trail.spend()
        for arm in _arms(node, turned):
            found.setdefault(arm.subject, []).append(arm)
    return any(_covered(trail, group) for group in found.values())


def _flat(arms: list[Node], negated: bool) -> Iterator[tuple[Node, bool]]:
    """The arms of nested disjunctions, with whether each is negated."""
    pending = [(arm, negated) for arm in arms]
    while pending:
        node, turned = pending.pop()
        body = node.get("BoolExpr", {})
        if body.get("boolop") == "NOT_EXPR":
            pending.append((body.get("args", [{}])[0], not turned))
        elif body and (body.get("boolop") == "OR_EXPR") is not turned:
            pending += [(arm, turned) for arm in body.get("args", ())]
        else:
            yield node, turned


def _arms(node: Node, negated: bool) -> Iterable[_Arm]:
    """What an arm says, as a comparison where it is one, else of the truth of the whole."""
    body = node.get("A_Expr", {})
    kind, name = body.get("kind", ""), operator(body) if body else ""
    if kind == "AEXPR_OP" and name in _SIGNS and "lexpr" in body:
        signs = frozenset(_SIGNS[name])
        signs = _EVERY - signs if negated else signs
        left, right = body.get("lexpr", {}), body.get("rexpr", {})
        yield _Arm(_key(left), signs, right)
        yield _Arm(_key(right), frozenset(_TURNED[sign] for sign in signs), left)
        return
    said, turned = _said(node, kind, name)
    yield _Arm("?" + _key(said), frozenset("-" if negated is not turned else "+0"), body.get("rexpr"))


def _said(node: Node, kind: str, name: str) -> tuple[Any, bool]:
    """The positive form of an arm, and whether the arm is its negation: ``NOT LIKE``, ``!~``, ``IS NOT NULL``."""
    body = node.get("A_Expr")
    if body:
        positive = name.removeprefix("!").removeprefix("NOT ").replace("<>", "=")
        negative = name.startswith(("!", "NOT ")) or name == "<>" or "_NOT_" in kind
        return [body.get("lexpr"), kind.replace("_NOT_", "_"), positive], negative
    test: Node = node.get("NullTest") or node.get("BooleanTest") or {}
    if not test:
        return node, False
    asked, subject = str(test.get("nulltesttype") or test.get("booltesttype")), test.get("arg")
    plain, negative = asked.replace("_NOT_", "_"), "_NOT_" in asked
    if plain in ("IS_TRUE", "IS_FALSE"):
        return subject, negative is not (plain == "IS_FALSE")
    return [subject, plain], negative


def _covered(trail: Trail, group: list[_Arm]) -> bool:
    if len(group) < 2 or not frozenset().union(*(arm.signs for arm in group)) >= _SIDES:
        return False
    for arm in group:
        trail.looked(arm.value)
        if any(kind == "ParamRef" and "raw" not in body for kind, body in nodes(arm.value)):
            return True
    known = [arm for arm in group if text_of(constant(arm.value) or {}) != HOPE]
    signs: dict[str, frozenset[str]] = {}
    for arm in known:
        key = _key(arm.value)
        signs[key] = signs.get(key, frozenset()) | arm.signs
    differing = [arm for arm in known if arm.signs == _SIDES and constant(arm.value) is not None]
    if _EVERY in signs.values() or len({_key(arm.value) for arm in differing}) > 1:
        return True
    values = sorted({value for arm in known if (value := number(arm.value)) is not None})
    return bool(values) and all(any(arm.holds(at) for arm in known) for at in _points(values))


def _points(values: list[float]) -> Iterator[float]:
    """Each value, and one in each gap: between whole numbers that follow each other lies none."""
    yield values[0] - 1
    for one, two in zip(values, [*values[1:], values[-1] + 4], strict=True):
        yield one
        if two - one > 1:
            yield (one + two) / 2


def _key(node: Any) -> str:
    """Equal for equal expressions, wherever they stand."""
    return json.dumps(_placeless(node), sort_keys=True, default=str)


def _placeless(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _placeless(value) for key, value in node.items() if key != "location"}
    return [_placeless(value) for value in node] if isinstance(node, list | tuple) else node
