"""Statements that define things: CREATE, ALTER, DROP, GRANT and the server's upkeep.

``_PLAIN`` is the table of those whose effect does not depend on more than their kind; the rest have a function.
"schema" is work in a schema that its owner may do; "admin" concerns roles, privileges, the server, or code that runs
as the server.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.names import (
    SCHEMALESS,
    effect_on,
    folded,
    named,
    qualified,
    relation,
    role,
    strings,
    words,
)
from hoopgate.policy.sql.settings import setting_effect
from hoopgate.policy.sql.tree import Node


@frozen
class Plain:
    """Effect, command, and the field that names the object (none: the RangeVars in the statement are its objects)."""

    effect: str
    command: str
    name: str = ""
    kind: str = "table"
    bounded: bool | None = None


def _dropping(object_type: str) -> str:
    effect = effect_on(object_type)
    return effect if effect.startswith("admin") else "schema.drop"


def _plain(entry: Plain) -> Visitor:
    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        objects = [named(body[entry.name], entry.kind)] if body.get(entry.name) else []
        draft = x.add(entry.effect, entry.command, objects, entry.bounded)
        x.rest(body, scope, (entry.name,), draft)

    return visit


_PLAIN: Final[dict[str, Plain]] = {
    "AlterCollationStmt": Plain("schema", "ALTER COLLATION", "collname", "collation"),
    "AlterDatabaseRefreshCollStmt": Plain("admin.database", "ALTER DATABASE", "dbname", "database"),
    "AlterDatabaseStmt": Plain("admin.database", "ALTER DATABASE", "dbname", "database"),
    "AlterDefaultPrivilegesStmt": Plain("admin.privilege", "ALTER DEFAULT PRIVILEGES"),
    "AlterDomainStmt": Plain("schema", "ALTER DOMAIN", "typeName", "domain"),
    "AlterEnumStmt": Plain("schema", "ALTER TYPE", "typeName", "type"),
    "AlterEventTrigStmt": Plain("admin.code", "ALTER EVENT TRIGGER", "trigname", "event trigger"),
    "AlterExtensionContentsStmt": Plain("admin.extension", "ALTER EXTENSION", "extname", "extension"),
    "AlterExtensionStmt": Plain("admin.extension", "ALTER EXTENSION", "extname", "extension"),
    "AlterFdwStmt": Plain("admin.remote", "ALTER FOREIGN DATA WRAPPER", "fdwname", "foreign data wrapper"),
    "AlterForeignServerStmt": Plain("admin.remote", "ALTER SERVER", "servername", "server"),
    "AlterOpFamilyStmt": Plain("schema.code", "ALTER OPERATOR FAMILY", "opfamilyname", "operator family"),
    "AlterOperatorStmt": Plain("schema.code", "ALTER OPERATOR", "opername", "operator"),
    "AlterPolicyStmt": Plain("admin.privilege", "ALTER POLICY"),
    "AlterPublicationStmt": Plain("admin.replication", "ALTER PUBLICATION", "pubname", "publication"),
    "AlterSeqStmt": Plain("schema", "ALTER SEQUENCE"),
    "AlterStatsStmt": Plain("schema", "ALTER STATISTICS", "defnames", "statistics"),
    "AlterSubscriptionStmt": Plain("admin.replication", "ALTER SUBSCRIPTION", "subname", "subscription"),
    "AlterTSConfigurationStmt": Plain("schema", "ALTER TEXT SEARCH CONFIGURATION", "cfgname", "text search"),
    "AlterTSDictionaryStmt": Plain("schema", "ALTER TEXT SEARCH DICTIONARY", "dictname", "text search"),
    "AlterTableMoveAllStmt": Plain("admin.database", "ALTER TABLE ALL", "orig_tablespacename", "tablespace", False),
    "AlterTableSpaceOptionsStmt": Plain("admin.database", "ALTER TABLESPACE", "tablespacename", "tablespace"),
    "AlterTypeStmt": Plain("schema", "ALTER TYPE", "typeName", "type"),
    "AlterUserMappingStmt": Plain("admin.remote", "ALTER USER MAPPING", "servername", "user mapping"),
    "CheckPointStmt": Plain("admin.maintenance", "CHECKPOINT"),
    "ClusterStmt": Plain("admin.maintenance", "CLUSTER"),
    "CompositeTypeStmt": Plain("schema", "CREATE TYPE"),
    "CreateAmStmt": Plain("admin.language", "CREATE ACCESS METHOD", "amname", "access method"),
    "CreateDomainStmt": Plain("schema", "CREATE DOMAIN", "domainname", "domain"),
    "CreateEnumStmt": Plain("schema", "CREATE TYPE", "typeName", "type"),
    "CreateExtensionStmt": Plain("admin.extension", "CREATE EXTENSION", "extname", "extension"),
    "CreateFdwStmt": Plain("admin.remote", "CREATE FOREIGN DATA WRAPPER", "fdwname", "foreign data wrapper"),
    "CreateForeignServerStmt": Plain("admin.remote", "CREATE SERVER", "servername", "server"),
    "CreateForeignTableStmt": Plain("admin.remote", "CREATE FOREIGN TABLE"),
    "CreateOpFamilyStmt": Plain("schema.code", "CREATE OPERATOR FAMILY", "opfamilyname", "operator family"),
    "CreatePLangStmt": Plain("admin.language", "CREATE LANGUAGE", "plname", "language"),
    "CreatePolicyStmt": Plain("admin.privilege", "CREATE POLICY"),
    "CreatePublicationStmt": Plain("admin.replication", "CREATE PUBLICATION", "pubname", "publication"),
    "CreateRangeStmt": Plain("schema", "CREATE TYPE", "typeName", "type"),
    "CreateStatsStmt": Plain("schema", "CREATE STATISTICS"),
    "CreateSubscriptionStmt": Plain("admin.replication", "CREATE SUBSCRIPTION", "subname", "subscription"),
    "CreateTableSpaceStmt": Plain("admin.database", "CREATE TABLESPACE", "tablespacename", "tablespace"),
    "CreateTransformStmt": Plain("admin.language", "CREATE TRANSFORM", "lang", "language"),
    "CreateUserMappingStmt": Plain("admin.remote", "CREATE USER MAPPING", "servername", "user mapping"),
    "CreatedbStmt": Plain("admin.database", "CREATE DATABASE", "dbname", "database"),
    "DropSubscriptionStmt": Plain("admin.replication", "DROP SUBSCRIPTION", "subname", "subscription", False),
    "DropTableSpaceStmt": Plain("admin.database", "DROP TABLESPACE", "tablespacename", "tablespace", False),
    "DropUserMappingStmt": Plain("admin.remote", "DROP USER MAPPING", "servername", "user mapping", False),
    "DropdbStmt": Plain("admin.database", "DROP DATABASE", "dbname", "database", False),
    "ImportForeignSchemaStmt": Plain("admin.remote", "IMPORT FOREIGN SCHEMA", "server_name", "server"),
    "IndexStmt": Plain("schema", "CREATE INDEX"),
    "LoadStmt": Plain("admin.extension", "LOAD", "filename", "file"),
    "RefreshMatViewStmt": Plain("write", "REFRESH MATERIALIZED VIEW"),
    "ReindexStmt": Plain("admin.maintenance", "REINDEX"),
    # never at the head of a statement, or only after analysis: fail closed should one come
    "PLAssignStmt": Plain("unknown.text", "ASSIGN"),
    "RawStmt": Plain("unknown.text", "RAW"),
    "ReplicaIdentityStmt": Plain("schema", "ALTER TABLE"),
    "SetOperationStmt": Plain("unknown.text", "SET OPERATION"),
}


def create_table(x: Extraction, body: Node, scope: Scope) -> None:
    temporary = is_temporary(body.get("relation"))
    draft = x.add(*(("schema.temporary", "CREATE TEMPORARY TABLE") if temporary else ("schema", "CREATE TABLE")))
    x.rest(body, scope, (), draft)


def create_table_as(x: Extraction, body: Node, scope: Scope) -> None:
    target = body.get("into", {}).get("rel", {})
    command = "CREATE MATERIALIZED VIEW" if body.get("objtype") == "OBJECT_MATVIEW" else "CREATE TABLE AS"
    temporary = is_temporary(target)
    if temporary:
        command = "CREATE TEMPORARY TABLE AS"
    x.add("schema.temporary" if temporary else "schema", command, (relation(target),))
    x.push(body.get("query"), scope)


def alter_table(x: Extraction, body: Node, scope: Scope) -> None:
    """Changing owners, row security or triggers' firing takes a guard away: that part is an administrator's."""
    object_type = words(body.get("objtype", "OBJECT_TABLE"))
    kinds = [item.get("AlterTableCmd", {}).get("subtype", "") for item in body.get("cmds", ())]
    drops = any(kind in ("AT_DropColumn", "AT_DetachPartition", "AT_DropConstraint") for kind in kinds)
    effect = "schema.drop" if drops else "schema"
    if object_type == "FOREIGN TABLE" or any("GenericOptions" in kind for kind in kinds):
        effect = "admin.remote"  # its options may be a file of the server's
    draft = x.add(effect, f"ALTER {object_type}", bounded=False if drops else None)
    guards = sorted({kind for kind in kinds if kind in _GUARDS})
    if guards:
        why = "changes " + " and ".join(sorted({_GUARDS[kind] for kind in guards}))
        x.add("admin.privilege", f"ALTER {object_type}", (relation(body.get("relation", {})),), why=why)
    x.rest(body, scope, (), draft)


_GUARDS: Final = {
    "AT_ChangeOwner": "its owner",
    "AT_EnableRowSecurity": "row security",
    "AT_DisableRowSecurity": "row security",
    "AT_ForceRowSecurity": "row security",
    "AT_NoForceRowSecurity": "row security",
    "AT_DisableTrig": "which triggers fire",
    "AT_DisableTrigAll": "which triggers fire",
    "AT_DisableTrigUser": "which triggers fire",
    "AT_EnableAlwaysTrig": "which triggers fire",
    "AT_EnableReplicaTrig": "which triggers fire",
    "AT_EnableTrig": "which triggers fire",
    "AT_EnableTrigAll": "which triggers fire",
    "AT_EnableTrigUser": "which triggers fire",
    "AT_EnableAlwaysRule": "which rules apply",
    "AT_EnableReplicaRule": "which rules apply",
    "AT_EnableRule": "which rules apply",
    "AT_DisableRule": "which rules apply",
}


def drop(x: Extraction, body: Node, scope: Scope) -> None:
    object_type = words(body.get("removeType", ""))
    kind = object_type.lower()
    draft = x.add(_dropping(object_type), f"DROP {object_type}", bounded=False, why="removes it for good")
    for item in body.get("objects", ()):
        if object_type in ("POLICY", "TRIGGER", "RULE"):
            parts = strings(item.get("List", {}).get("items"))  # schema, table, then its own name
            draft.objects[qualified(parts[:-1], "table")] = None
        else:
            draft.objects[named(item, "table" if kind in _RELATIONS else kind)] = None


_RELATIONS: Final = frozenset({"table", "view", "materialized view", "foreign table"})


def by_object_type(verb: str, field: str, effect: str | None = None, column_last: bool = False) -> Visitor:
    """COMMENT, RENAME, OWNER TO, SET SCHEMA...: ``field`` holds the ObjectType, ``object`` or ``relation`` the name."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        object_type = words(body.get(field, ""))
        command = f"{verb} {object_type}" if verb == "ALTER" else verb
        chosen = effect or effect_on(object_type)
        name: Any = body.get("relation") or body.get("object") or body.get("subname")
        if column_last and body.get(field) in (
            "OBJECT_COLUMN",
            "OBJECT_TABCONSTRAINT",
            "OBJECT_TRIGGER",
            "OBJECT_RULE",
        ):
            name = {"List": {"items": body.get("object", {}).get("List", {}).get("items", [])[:-1]}}
        kind = object_type.lower()
        x.add(chosen, command, [named(name, "table" if kind in _RELATIONS else kind)] if name else [])

    return visit


def rename(x: Extraction, body: Node, scope: Scope) -> None:
    """What a thing is called afterwards counts like what it is called now: rules know things by their names."""
    object_type = words(body.get("renameType", ""))
    kind = "table" if object_type.lower() in _RELATIONS else object_type.lower()
    name: Any = body.get("relation") or body.get("object") or body.get("subname")
    things = [named(name, kind)] if name else []
    if things and body.get("renameType") not in _PARTS:
        new = body.get("newname", "")
        things.append(Object("" if kind in SCHEMALESS else things[0].schema, new, things[0].kind))
    x.add(effect_on(object_type), f"ALTER {object_type}", things)


_PARTS: Final = frozenset({
    "OBJECT_ATTRIBUTE", "OBJECT_COLUMN", "OBJECT_DOMCONSTRAINT", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TABCONSTRAINT",
    "OBJECT_TRIGGER",
})  # fmt: skip


def set_schema(x: Extraction, body: Node, scope: Scope) -> None:
    """The thing leaves one schema and appears in another: both names count."""
    object_type = words(body.get("objectType", ""))
    kind = "table" if object_type.lower() in _RELATIONS else object_type.lower()
    thing = named(body.get("relation") or body.get("object") or "", kind)
    moved = Object(body.get("newschema", ""), thing.name, kind)
    x.add(effect_on(object_type), f"ALTER {object_type}", (thing, moved))


def create_view(x: Extraction, body: Node, scope: Scope) -> None:
    effect = "schema.temporary" if is_temporary(body.get("view")) else "schema"
    draft = x.add(effect, "CREATE VIEW", (relation(body.get("view", {})),))
    draft.through = _written_through(body.get("query", {}).get("SelectStmt", {}))
    x.rest(body, scope, ("view",))


def _written_through(query: Node) -> tuple[Object, ...]:
    """The relation to which PostgreSQL hands on what is written to a view of this query: the only one in FROM."""
    sources = query.get("fromClause", ())
    if len(sources) != 1 or "RangeVar" not in sources[0] or not _COMPUTED.isdisjoint(query):
        return ()
    return (relation(sources[0]["RangeVar"]),)


_COMPUTED: Final = frozenset({
    "distinctClause", "groupClause", "havingClause", "limitCount", "limitOffset", "withClause",
})  # fmt: skip


def create_sequence(x: Extraction, body: Node, scope: Scope) -> None:
    effect = "schema.temporary" if is_temporary(body.get("sequence")) else "schema"
    draft = x.add(effect, "CREATE SEQUENCE")
    x.rest(body, scope, (), draft)


def create_schema(x: Extraction, body: Node, scope: Scope) -> None:
    """Without a name of its own it is called after its owner."""
    owner = role(body["authrole"]) if "authrole" in body else None
    name = body.get("schemaname") or (owner.name if owner else "")
    things = (Object("", name, "schema"),)
    x.add("schema", "CREATE SCHEMA", things)
    if owner is not None and "rolename" in body["authrole"]:
        x.add("admin.privilege", "CREATE SCHEMA", things, why=f"belongs to {owner.name}")
    x.push(body.get("schemaElts"), scope)


def is_temporary(range_var: Node | None) -> bool:
    """``CREATE TABLE pg_temp.t`` is as temporary as ``CREATE TEMPORARY TABLE t``."""
    fields = range_var or {}
    return fields.get("relpersistence") == "t" or fields.get("schemaname") == "pg_temp"


def vacuum(x: Extraction, body: Node, scope: Scope) -> None:
    draft = x.add("admin.maintenance", "VACUUM" if body.get("is_vacuumcmd") else "ANALYZE")
    x.rest(body, scope, (), draft)


def grant(x: Extraction, body: Node, scope: Scope) -> None:
    command = "GRANT" if body.get("is_grant") else "REVOKE"
    draft = x.add("admin.privilege", command, why="changes privileges")
    all_in_schema = body.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    kind = "schema" if all_in_schema else words(body.get("objtype", "")).lower()
    for item in body.get("objects", ()):
        draft.objects[named(item, kind)] = None


def grant_role(x: Extraction, body: Node, scope: Scope) -> None:
    command = "GRANT ROLE" if body.get("is_grant") else "REVOKE ROLE"
    granted = [Object("", item.get("AccessPriv", {}).get("priv_name", ""), "role") for item in body["granted_roles"]]
    x.add("admin.role", command, granted, why="changes who is who")


def roles(command: str, field: str, bounded: bool | None = None, effect: str = "admin.role") -> Visitor:
    """Statements about roles: ``field`` is a RoleSpec, a list of them, or a name."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        value = body.get(field)
        if isinstance(value, str):
            objects = [Object("", value, "role")]
        elif isinstance(value, list):
            objects = [role(item.get("RoleSpec")) for item in value]
        else:
            objects = [role(value)] if value else []
        x.add(effect, command, objects, bounded, "changes who is who")

    return visit


def setting_of(command: str, kind: str, field: str) -> Visitor:
    """ALTER DATABASE, ROLE ... SET and ALTER SYSTEM: a setting for sessions to come. One of role is more than that."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        holder = [role(body[field])] if kind == "role" and field in body else []
        if field and kind != "role":
            holder = [Object("", body.get(field, ""), kind)]
        name = folded(body.get("setstmt", {}).get("name", "all"))
        things = [*holder, Object("", name, "setting")]
        x.add("admin.setting", command, things, why="a setting for sessions to come")
        if setting_effect(name, None)[0] == "admin.become":
            x.add("admin.become", command, things, why="makes sessions to come act as another role")

    return visit


VISITORS: Final[dict[str, Visitor]] = {
    **{kind: _plain(entry) for kind, entry in _PLAIN.items()},
    "AlterDatabaseSetStmt": setting_of("ALTER DATABASE", "database", "dbname"),
    "AlterObjectDependsStmt": by_object_type("ALTER", "objectType"),
    "AlterObjectSchemaStmt": set_schema,
    "AlterOwnerStmt": by_object_type("ALTER", "objectType", "admin.privilege"),
    "AlterRoleSetStmt": setting_of("ALTER ROLE", "role", "role"),
    "AlterRoleStmt": roles("ALTER ROLE", "role"),
    "AlterSystemStmt": setting_of("ALTER SYSTEM", "", ""),
    "AlterTableStmt": alter_table,
    "CommentStmt": by_object_type("COMMENT", "objtype", "schema", column_last=True),
    "CreateRoleStmt": roles("CREATE ROLE", "role"),
    "CreateSchemaStmt": create_schema,
    "CreateSeqStmt": create_sequence,
    "CreateStmt": create_table,
    "CreateTableAsStmt": create_table_as,
    "DropOwnedStmt": roles("DROP OWNED", "roles", False),
    "DropRoleStmt": roles("DROP ROLE", "roles", False),
    "DropStmt": drop,
    "GrantRoleStmt": grant_role,
    "GrantStmt": grant,
    "ReassignOwnedStmt": roles("REASSIGN OWNED", "roles", False),
    "RenameStmt": rename,
    "SecLabelStmt": by_object_type("SECURITY LABEL", "objtype", "admin.privilege", column_last=True),
    "VacuumStmt": vacuum,
    "ViewStmt": create_view,
}
