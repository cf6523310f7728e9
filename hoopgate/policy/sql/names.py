"""Names in parse trees: relations, qualified names, roles, and PostgreSQL's words for kinds of objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.tree import Node

CATALOGUES: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})

# ObjectType (parsenodes.h) -> the words of the SQL command, where they are not just the constant's own
_WORDS: Final = {
    "AMOP": "OPERATOR",
    "AMPROC": "FUNCTION",
    "ATTRIBUTE": "TYPE",
    "COLUMN": "TABLE",
    "DEFACL": "DEFAULT PRIVILEGES",
    "DOMCONSTRAINT": "DOMAIN",
    "FDW": "FOREIGN DATA WRAPPER",
    "FOREIGN_SERVER": "SERVER",
    "LARGEOBJECT": "LARGE OBJECT",
    "MATVIEW": "MATERIALIZED VIEW",
    "OPCLASS": "OPERATOR CLASS",
    "OPFAMILY": "OPERATOR FAMILY",
    "PARAMETER_ACL": "PARAMETER",
    "STATISTIC_EXT": "STATISTICS",
    "TABCONSTRAINT": "TABLE",
    "TSCONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TSDICTIONARY": "TEXT SEARCH DICTIONARY",
    "TSPARSER": "TEXT SEARCH PARSER",
    "TSTEMPLATE": "TEXT SEARCH TEMPLATE",
}

# what an ordinary schema owner has no business with: the cluster, privileges, and code that runs as the server
ADMINISTRATIVE: Final = {
    "ACCESS METHOD": "language", "DATABASE": "database", "DEFAULT PRIVILEGES": "privilege", "EVENT TRIGGER": "code",
    "EXTENSION": "extension", "FOREIGN DATA WRAPPER": "remote", "LANGUAGE": "language", "PARAMETER": "privilege",
    "POLICY": "privilege", "PUBLICATION": "replication", "ROLE": "role", "SERVER": "remote",
    "SUBSCRIPTION": "replication", "TABLESPACE": "database", "TRANSFORM": "language", "USER MAPPING": "remote",
}  # fmt: skip
"""Kinds of objects, and the part of ``admin`` that changing them is."""

# what runs under another's name or by itself, once it is made
CODE: Final = frozenset({
    "AGGREGATE", "CAST", "CONVERSION", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE",
    "ROUTINE", "RULE", "TRIGGER",
})  # fmt: skip

# their names stand in no schema: PostgreSQL's, and those of hosts
SCHEMALESS: Final = frozenset({
    "container", "device", "host", "module", "network", "package", "process", "schedule", "service", "subsystem",
    "user", "variable",
    "access method", "cast", "channel", "database", "event trigger", "extension", "file", "foreign data wrapper",
    "language", "large object", "parameter", "path", "prepared statement", "program", "publication", "role", "schema",
    "server", "setting", "subscription", "tablespace", "transaction", "transform", "user mapping",
})  # fmt: skip


def words(object_type: str) -> str:
    """``OBJECT_MATVIEW`` -> ``MATERIALIZED VIEW``."""
    constant = object_type.removeprefix("OBJECT_")
    return _WORDS.get(constant, constant.replace("_", " "))


def effect_on(object_type: str) -> str:
    """The effect of changing something of this kind, in the command's words."""
    part = ADMINISTRATIVE.get(object_type)
    if part is not None:
        return f"admin.{part}"
    return "schema.code" if object_type in CODE else "schema"


def relation(range_var: Node, kind: str = "table") -> Object:
    """The object of a RangeVar's fields. Another database's name is dropped: PostgreSQL refuses it."""
    return Object(range_var.get("schemaname", ""), range_var.get("relname", ""), kind)


def strings(nodes: Iterable[Node] | None) -> list[str]:
    """The text of the String nodes of a list; others are skipped."""
    return [node["String"].get("sval", "") for node in nodes or () if "String" in node]


def qualified(parts: list[str], kind: str) -> Object:
    """``["public", "t"]`` -> public.t; a leading database name is dropped."""
    if not parts:
        return Object("", "", kind)
    if kind in SCHEMALESS:
        return Object("", ".".join(parts), kind)
    return Object(parts[-2] if len(parts) > 1 else "", parts[-1], kind)


def named(node: Any, kind: str) -> Object:
    """The object that a name node of any form (String, List, TypeName, ObjectWithArgs, RangeVar) stands for."""
    if isinstance(node, str):
        return qualified([node], kind)
    if isinstance(node, list):
        return qualified(strings(node), kind)
    if "relname" in node:
        return relation(node, kind)
    for wrapper, content in node.items():
        if wrapper == "String":
            return qualified([content.get("sval", "")], kind)
        if wrapper == "RangeVar":
            return relation(content, kind)
        if wrapper in _NAME_FIELD:
            return qualified(strings(content.get(_NAME_FIELD[wrapper])), kind)
    return Object("", "", kind)


_NAME_FIELD: Final = {"List": "items", "TypeName": "names", "ObjectWithArgs": "objname"}


def role(spec: Node | None) -> Object:
    """The role of a RoleSpec's fields; CURRENT_USER, PUBLIC and the like by their own words."""
    fields = spec or {}
    fallback = str(fields.get("roletype", "")).removeprefix("ROLESPEC_")
    return Object("", fields.get("rolename") or fallback, "role")


def in_catalogue(thing: Object) -> bool:
    """True for a relation of the system's own; an unqualified ``pg_...`` counts, since pg_catalog is searched first."""
    return thing.schema in CATALOGUES or (not thing.schema and thing.name.startswith("pg_"))


def folded(name: str) -> str:
    """Lower case as PostgreSQL's GUC look-up does it: ASCII letters alone."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in name)
