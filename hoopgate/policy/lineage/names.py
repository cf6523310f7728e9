"""The names that PostgreSQL gives to columns of a query that have none (source, ``parser/parse_target.c``:
FigureColname)."""

from __future__ import annotations

from typing import Final

from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.values import Node

UNNAMED: Final = "?column?"
_STRONG, _WEAK = 2, 1

_FIXED: Final = {
    "CoalesceExpr": "coalesce", "A_ArrayExpr": "array", "RowExpr": "row", "GroupingFunc": "grouping",
    "MergeSupportFunc": "merge_action", "XmlSerialize": "xmlserialize", "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar", "JsonSerializeExpr": "json_serialize", "JsonObjectConstructor": "json_object",
    "JsonArrayConstructor": "json_array", "JsonArrayQueryConstructor": "json_array", "JsonObjectAgg": "json_objectagg",
    "JsonArrayAgg": "json_arrayagg",
}  # fmt: skip
_XML: Final = {
    "IS_XMLCONCAT": "xmlconcat", "IS_XMLELEMENT": "xmlelement", "IS_XMLFOREST": "xmlforest", "IS_XMLPARSE": "xmlparse",
    "IS_XMLPI": "xmlpi", "IS_XMLROOT": "xmlroot", "IS_XMLSERIALIZE": "xmlserialize",
}  # fmt: skip
_JSON: Final = {"JSON_EXISTS_OP": "json_exists", "JSON_QUERY_OP": "json_query", "JSON_VALUE_OP": "json_value"}
_VALUE_FUNCTIONS: Final = {
    "SVFOP_CURRENT_TIME_N": "current_time", "SVFOP_CURRENT_TIMESTAMP_N": "current_timestamp",
    "SVFOP_LOCALTIME_N": "localtime", "SVFOP_LOCALTIMESTAMP_N": "localtimestamp",
}  # fmt: skip


def column_name(target: Node) -> str:
    """The name of an output column by its ResTarget's inner node; a star has none."""
    return str(target["name"]) if target.get("name") else _figure(target.get("val", {}))[0] or UNNAMED


def _figure(node: Node) -> tuple[str, int]:
    """A name for an expression, and how good it is."""
    (kind, body), *_ = [*node.items(), ("", {})]
    if kind in _FIXED:
        return _FIXED[kind], _STRONG
    if kind in ("ColumnRef", "A_Indirection"):
        names = strings(body.get("fields" if kind == "ColumnRef" else "indirection", ()))
        return (names[-1], _STRONG) if names else _figure(body.get("arg", {}))
    if kind == "FuncCall":
        return strings(body.get("funcname", ()))[-1], _STRONG
    if kind == "A_Expr":
        return ("nullif", _STRONG) if body.get("kind") == "AEXPR_NULLIF" else ("", 0)
    if kind == "TypeCast":
        name, strength = _figure(body.get("arg", {}))
        names = strings(body.get("typeName", {}).get("names", ()))
        return (name, strength) if strength == _STRONG or not names else (names[-1], _WEAK)
    if kind == "CollateClause":
        return _figure(body.get("arg", {}))
    if kind == "CaseExpr":
        name, strength = _figure(body.get("defresult", {}))
        return (name, strength) if strength == _STRONG else ("case", _WEAK)
    if kind == "SubLink":
        return _sublink(body)
    if kind == "MinMaxExpr":
        return ("least" if body.get("op") == "IS_LEAST" else "greatest"), _STRONG
    if kind == "SQLValueFunction":
        op = str(body.get("op", ""))
        return _VALUE_FUNCTIONS.get(op, op.removeprefix("SVFOP_").lower()), _STRONG
    known = _XML.get(body.get("op", "")) if kind == "XmlExpr" else _JSON.get(body.get("op", ""))
    return (known, _STRONG) if known and kind in ("XmlExpr", "JsonFuncExpr") else ("", 0)


def _sublink(body: Node) -> tuple[str, int]:
    kind = body.get("subLinkType")
    if kind in ("EXISTS_SUBLINK", "ARRAY_SUBLINK"):
        return ("exists" if kind == "EXISTS_SUBLINK" else "array"), _STRONG
    select = body.get("subselect", {}).get("SelectStmt", {})
    while kind == "EXPR_SUBLINK" and "larg" in select:
        select = select["larg"]
    targets = select.get("targetList", ())
    if kind == "EXPR_SUBLINK" and targets:
        return column_name(targets[0]["ResTarget"]), _STRONG
    return "", 0
