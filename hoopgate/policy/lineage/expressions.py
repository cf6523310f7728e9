"""Expressions: of which masked columns a value is made, and what else tells of them.

Iterative within an expression, so that a long one costs no stack; only nested queries recurse.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from hoopgate.policy.lineage.calls import named_already, strings
from hoopgate.policy.lineage.quiet import (
    COMPARING,
    COMPARING_CALLS,
    QUIET_NODES,
    QUIET_OPERATORS,
    constants,
    holds,
    is_constant,
    is_narrow,
    to_text,
)
from hoopgate.policy.lineage.references import References, refuse_effect
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import UNSEEN
from hoopgate.policy.lineage.scope import At, Rows
from hoopgate.policy.lineage.values import CLEAR, Node, Taint, Value, computed, taints_of

_AGGREGATED: Final = frozenset({"over", "agg_filter", "agg_order", "agg_distinct", "agg_star", "agg_within_group"})


@define(eq=False)
class Sum:
    """What is met in one expression. ``loud``: something in it may fail, or give NULL, for one value and not for
    another. ``compares``: so it may with values of several parts."""

    taints: dict[Taint, None] = field(factory=dict)
    loud: bool = False
    compares: bool = False

    def add(self, value: Value) -> None:
        self.taints.update(dict.fromkeys(value.taints))

    def value(self) -> Value:
        return Value(tuple(self.taints)) if self.taints else CLEAR


@define(eq=False)
class Expressions(References):
    """Adds expressions and conditions."""

    # --- expressions

    def value(self, root: Any, at: At) -> Value:
        """What an expression gives. Raises Refusal."""
        if isinstance(root, dict) and len(root) == 1:
            ((kind, body),) = root.items()
            whole = _WHOLE.get(kind)
            if whole is not None and (found := whole(self, body, at)) is not None:
                return found
        sum_ = Sum()
        effects = self.calls.effects
        self._gather(root, at, sum_)
        if sum_.taints:
            if self.calls.effects > effects:
                refuse_effect(next(iter(sum_.taints)))
            if sum_.loud or (sum_.compares and self.parts):
                self.probe(sum_.taints)
        return sum_.value()

    def _gather(self, root: Any, at: At, sum_: Sum) -> None:
        pending: list[Any] = [root]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, dict):
                if "relname" in node:
                    self._stray_relation(node, sum_)
                for kind, value in node.items():
                    if isinstance(value, dict | list):
                        pending += self._node(kind, value, at, sum_)

    def _node(self, kind: str, value: Any, at: At, sum_: Sum) -> Iterable[Any]:
        """Add one node to the sum; what is returned is still to be walked."""
        special = _SPECIAL.get(kind)
        if special is not None and isinstance(value, dict):
            return special(self, value, at, sum_)
        if kind.endswith("Stmt"):
            raise refuse(f"the gateway does not know {kind} here", "unknown")
        if kind[0].isupper() and kind not in QUIET_NODES:
            sum_.loud = True
        sum_.compares |= kind in COMPARING
        self.parts |= kind == "RowExpr"
        return (value,)

    @abstractmethod
    def query(self, node: Node, at: At) -> Rows:
        """What a query gives that stands here, and sees what is in scope here."""

    # --- conditions

    def condition(self, root: Any, at: At) -> None:
        """An expression that only decides. Raises Refusal."""
        pending: list[Any] = [root]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, dict) and "BoolExpr" in node:
                pending.append(node["BoolExpr"].get("args", []))
            elif node:
                found = self.value(node, at)
                self.probe(found.taints, narrow=is_narrow(node), condition=True)

    def order(self, root: Any, at: At) -> None:
        """Expressions by which rows are sorted, grouped, compared or counted off."""
        self.probe(self.value(root, at).taints)

    # --- nodes that are a value as a whole

    def _whole_reference(self, body: Node, at: At) -> Value | None:
        return self.reference(body, at)

    def _constant(self, body: Node, at: At) -> Value | None:
        for kind, key in (("sval", "sval"), ("ival", "ival"), ("fval", "fval")):
            if kind in body:
                return Value(constants=(str(body[kind].get(key, 0 if kind == "ival" else "")),))
        return None

    def _parameter(self, body: Node, at: At) -> Value | None:
        return Value(constants=(int(body.get("number", 0)),))

    def _whole_cast(self, body: Node, at: At) -> Value | None:
        """A cast that changes nothing is left out by PostgreSQL, so that the origin is still named."""
        inner = body.get("arg", {})
        if not isinstance(inner, dict) or not set(inner) & {"ColumnRef", "A_Const", "ParamRef", "TypeCast"}:
            return None
        self.calls.cast(body.get("typeName", {}), inner)
        value = self.value(inner, at)
        if value.taints and not to_text(body):
            self.probe(value.taints)
        value = evolve(value.perhaps(), type_oid=0, fields=None)
        return evolve(value, plain=False) if value.taints else value

    def _whole_indirection(self, body: Node, at: At) -> Value | None:
        """``(c).email`` of a table ``c`` is ``c.email``."""
        steps, row = body.get("indirection", ()), body.get("arg", {}).get("ColumnRef")
        names = strings(steps)
        if row is None or len(steps) != 1 or len(names) != 1:
            return None
        return self._field(self.reference(row, at), names[0])

    def _field(self, row: Value, name: str) -> Value:
        for column in row.fields or ():
            if column.name == name:
                return column.value.perhaps()
        if row.fields is not None:
            return self.called(name, row)
        shown = self._shown(self.calls.row_function(name))  # if it is no field
        return computed([row, shown])

    def _whole_call(self, body: Node, at: At) -> Value | None:
        """``email(c)`` is ``c.email`` where there is no such function, or none for such rows."""
        names, arguments = strings(body.get("funcname", ())), body.get("args", ())
        if len(names) != 1 or len(arguments) != 1 or "ColumnRef" not in arguments[0] or _AGGREGATED & set(body):
            return None
        row = self.reference(arguments[0]["ColumnRef"], at)
        for column in row.fields or ():
            if column.name == names[0]:
                if not self.calls.known(names[0]):
                    return column.value.perhaps()
                return evolve(self.called(names[0], row), others=column.value.perhaps().others)
        return None

    # --- nodes within expressions

    def _column(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        sum_.add(self.reference(node, at))
        return ()

    def _sublink(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        self.calls.operator(strings(node.get("operName", ())))
        rows = self.query(node.get("subselect", {}), at)
        kind = node.get("subLinkType")
        if kind != "EXISTS_SUBLINK":
            for value in rows.every:
                sum_.add(value)
        if kind in ("ANY_SUBLINK", "ALL_SUBLINK", "ROWCOMPARE_SUBLINK"):
            sum_.loud = True  # NULL tells from false
        return (node.get("testexpr"),)

    def _nested(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        for value in self.query({"SelectStmt": node}, at).every:
            sum_.add(value)
        return ()

    def _call(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        names = strings(node.get("funcname", ()))
        sum_.add(self._shown(self.calls.function(node)))
        self.condition(node.get("agg_filter"), at)
        window = self._window(node.get("over"), at)
        self.probe(taints_of([window]))  # rows come in the window's order
        sum_.add(window)
        projected = self._whole_call(node, at)
        if projected is not None:
            sum_.add(projected)
            return ()
        arguments = [node.get("args"), node.get("agg_order")]
        given = self.value(node.get("args"), at) if self._may_be_allowed(names) else None
        if given is not None:
            self.order(node.get("agg_order"), at)
            if node.get("agg_distinct"):
                self.probe(given.taints)
            # sum(CASE WHEN email = 'x' THEN 1 END) is no sum of e-mails, while a count tells no more than a condition.
            plain = names[-1] == "count" or all("ColumnRef" in each for each in node.get("args", ()))
            hidden = [taint for taint in given.taints if not plain or names[-1] not in taint.mask.aggregates]
            sum_.taints.update(dict.fromkeys(hidden))
            return ()
        sum_.loud |= bool(node.get("args")) and not self.calls.quiet(names, node.get("args", ()))
        sum_.compares |= names[-1] in COMPARING_CALLS or bool({"agg_distinct", "agg_order"} & set(node))
        return arguments

    def _may_be_allowed(self, names: Sequence[str]) -> bool:
        """Whether a mask lets results of this aggregate pass."""
        return any(names[-1] in mask.aggregates for mask in self.relations.index.masks) and self.calls.system(names)

    def _json_aggregate(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        """The part of JSON_ARRAYAGG and JSON_OBJECTAGG that other aggregates have, too."""
        self.condition(node.get("agg_filter"), at)
        window = self._window(node.get("over"), at)
        self.probe(window.taints)
        sum_.add(window)
        return (node.get("agg_order"), node.get("output"))

    def _window(self, over: Node | None, at: At) -> Value:
        """By what a window is parted and ordered."""
        if over is None:
            return CLEAR
        parts = [over]
        seen: set[str] = set()
        name = over.get("name") or over.get("refname")
        while name and name not in seen and name in at.windows:
            seen.add(name)
            parts.append(at.windows[name])
            name = at.windows[name].get("refname")
        keys = ("partitionClause", "orderClause", "startOffset", "endOffset")
        return self.value([part.get(key) for part in parts for key in keys if part.get(key)], at)

    def _operator(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        names = strings(node.get("name", ()))
        self.calls.operator(names)
        kind = node.get("kind")
        quiet = kind == "AEXPR_OP" and names[-1:] and names[-1] in QUIET_OPERATORS
        quiet = quiet or (kind in ("AEXPR_LIKE", "AEXPR_ILIKE") and named_already(node.get("rexpr")))
        quiet = quiet or kind in ("AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN")
        if not quiet and not (kind == "AEXPR_IN" and constants(node.get("rexpr", {})) is not None):
            sum_.loud = True
        sum_.compares = True
        return (node.get("lexpr"), node.get("rexpr"))

    def _boolean(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        sum_.loud |= node.get("boolop") != "NOT_EXPR"  # NULL AND false is false
        return (node.get("args"),)

    def _case(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        results = [branch["CaseWhen"].get("result") for branch in node.get("args", ())]
        sum_.loud |= not all(is_constant(result) for result in [*results, node.get("defresult")])
        sum_.compares |= "arg" in node
        conditions = [branch["CaseWhen"].get("expr") for branch in node.get("args", ())]
        return (node.get("arg"), conditions, results, node.get("defresult"))

    def _coalesce(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        """A query that has to give one row at most, and runs only if what stands before it is NULL."""
        sum_.loud |= holds(node.get("args", ())[1:], "SubLink")
        return (node.get("args"),)

    def _null_test(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        """NULL stays NULL under most masks, so whether a column is NULL is told anyway."""
        inner = node.get("arg", {})
        if "ColumnRef" not in inner:
            return (inner,)
        value = self.reference(inner["ColumnRef"], at)
        if value.plain and all(taint.mask.kind != "null" and taint.mask is not UNSEEN for taint in value.taints):
            self.probe(value.taints, narrow=True)
        else:
            sum_.add(value)
        return ()

    def _sort_by(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        self.calls.operator(strings(node.get("useOp", ())))
        return (node.get("node"),)

    def _cast(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        self.calls.cast(node.get("typeName", {}), node.get("arg", {}))
        sum_.loud |= not to_text(node) and "A_Const" not in node.get("arg", {})
        return (node.get("arg"),)

    def _indirection(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        found = self._whole_indirection(node, at)
        if found is not None:
            sum_.add(found)
            return ()
        for name in strings(node.get("indirection", ())):
            sum_.add(self._shown(self.calls.row_function(name)))
        sum_.loud |= any("A_Indices" in step for step in node.get("indirection", ()))
        return (node.get("arg"), node.get("indirection"))

    def _named(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        """A column that is named by a bare string: in an index, in statistics."""
        if "name" in node:
            sum_.add(self._bare(node["name"], at))
        return (node.get("expr"),)

    def _relation(self, node: Node, at: At, sum_: Sum) -> Iterable[Any]:
        self._stray_relation(node, sum_)
        return ()

    def _stray_relation(self, node: Node, sum_: Sum) -> None:
        """A relation where we expected none."""
        for source in self.relations.find(node):
            if source.taint is not None:
                sum_.taints[source.taint] = None


_WHOLE: dict[str, Callable[[Expressions, Node, At], Value | None]] = {
    "ColumnRef": Expressions._whole_reference,
    "A_Const": Expressions._constant,
    "ParamRef": Expressions._parameter,
    "TypeCast": Expressions._whole_cast,
    "A_Indirection": Expressions._whole_indirection,
    "FuncCall": Expressions._whole_call,
}
_SPECIAL: dict[str, Callable[[Expressions, Node, At, Sum], Iterable[Any]]] = {
    "ColumnRef": Expressions._column,
    "SubLink": Expressions._sublink,
    "SelectStmt": Expressions._nested,
    "FuncCall": Expressions._call,
    "A_Expr": Expressions._operator,
    "BoolExpr": Expressions._boolean,
    "CaseExpr": Expressions._case,
    "CoalesceExpr": Expressions._coalesce,
    "NullTest": Expressions._null_test,
    "SortBy": Expressions._sort_by,
    "TypeCast": Expressions._cast,
    "A_Indirection": Expressions._indirection,
    "IndexElem": Expressions._named,
    "StatsElem": Expressions._named,
    "RangeVar": Expressions._relation,
    "constructor": Expressions._json_aggregate,
}
