"""Statements that define things: CREATE, ALTER, DROP, GRANT and the server's upkeep.

``_PLAIN`` is the table of those whose effect does not depend on more than their kind; the rest have a function.
"schema" is work in a schema that its owner may do; "admin" concerns roles, privileges, the server, or code that runs
as the server.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from hoopgate.policy.operations import Effect, Object
from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.names import ADMINISTRATIVE, SCHEMALESS, named, qualified, relation, role, strings, words
from hoopgate.policy.sql.session import TRUSTED_LANGUAGES
from hoopgate.policy.sql.tree import Node


@frozen
class Plain:
    """Effect, command, and the field that names the object (none: the RangeVars in the statement are its objects)."""

    effect: Effect
    command: str
    name: str = ""
    kind: str = "table"
    bounded: bool | None = None


def _effect(object_type: str) -> Effect:
    return "admin" if object_type in ADMINISTRATIVE else "schema"


def _plain(entry: Plain) -> Visitor:
    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        objects = [named(body[entry.name], entry.kind)] if body.get(entry.name) else []
        draft = x.add(entry.effect, entry.command, objects, entry.bounded)
        x.rest(body, scope, (entry.name,), draft)

    return visit


_PLAIN: Final[dict[str, Plain]] = {
    "AlterCollationStmt": Plain("schema", "ALTER COLLATION", "collname", "collation"),
    "AlterDatabaseRefreshCollStmt": Plain("admin", "ALTER DATABASE", "dbname", "database"),
    "AlterDatabaseStmt": Plain("admin", "ALTER DATABASE", "dbname", "database"),
    "AlterDefaultPrivilegesStmt": Plain("admin", "ALTER DEFAULT PRIVILEGES"),
    "AlterDomainStmt": Plain("schema", "ALTER DOMAIN", "typeName", "domain"),
    "AlterEnumStmt": Plain("schema", "ALTER TYPE", "typeName", "type"),
    "AlterEventTrigStmt": Plain("admin", "ALTER EVENT TRIGGER", "trigname", "event trigger"),
    "AlterExtensionContentsStmt": Plain("admin", "ALTER EXTENSION", "extname", "extension"),
    "AlterExtensionStmt": Plain("admin", "ALTER EXTENSION", "extname", "extension"),
    "AlterFdwStmt": Plain("admin", "ALTER FOREIGN DATA WRAPPER", "fdwname", "foreign data wrapper"),
    "AlterForeignServerStmt": Plain("admin", "ALTER SERVER", "servername", "server"),
    "AlterFunctionStmt": Plain("schema", "ALTER FUNCTION", "func", "function"),
    "AlterOpFamilyStmt": Plain("schema", "ALTER OPERATOR FAMILY", "opfamilyname", "operator family"),
    "AlterOperatorStmt": Plain("schema", "ALTER OPERATOR", "opername", "operator"),
    "AlterPolicyStmt": Plain("admin", "ALTER POLICY"),
    "AlterPublicationStmt": Plain("admin", "ALTER PUBLICATION", "pubname", "publication"),
    "AlterSeqStmt": Plain("schema", "ALTER SEQUENCE"),
    "AlterStatsStmt": Plain("schema", "ALTER STATISTICS", "defnames", "statistics"),
    "AlterSubscriptionStmt": Plain("admin", "ALTER SUBSCRIPTION", "subname", "subscription"),
    "AlterTSConfigurationStmt": Plain("schema", "ALTER TEXT SEARCH CONFIGURATION", "cfgname", "text search"),
    "AlterTSDictionaryStmt": Plain("schema", "ALTER TEXT SEARCH DICTIONARY", "dictname", "text search"),
    "AlterTableMoveAllStmt": Plain("admin", "ALTER TABLE ALL", "orig_tablespacename", "tablespace", False),
    "AlterTableSpaceOptionsStmt": Plain("admin", "ALTER TABLESPACE", "tablespacename", "tablespace"),
    "AlterTypeStmt": Plain("schema", "ALTER TYPE", "typeName", "type"),
    "AlterUserMappingStmt": Plain("admin", "ALTER USER MAPPING", "servername", "user mapping"),
    "CheckPointStmt": Plain("admin", "CHECKPOINT"),
    "ClusterStmt": Plain("admin", "CLUSTER"),
    "CompositeTypeStmt": Plain("schema", "CREATE TYPE"),
    "CreateAmStmt": Plain("admin", "CREATE ACCESS METHOD", "amname", "access method"),
    "CreateConversionStmt": Plain("schema", "CREATE CONVERSION", "conversion_name", "conversion"),
    "CreateDomainStmt": Plain("schema", "CREATE DOMAIN", "domainname", "domain"),
    "CreateEnumStmt": Plain("schema", "CREATE TYPE", "typeName", "type"),
    "CreateEventTrigStmt": Plain("admin", "CREATE EVENT TRIGGER", "trigname", "event trigger"),
    "CreateExtensionStmt": Plain("admin", "CREATE EXTENSION", "extname", "extension"),
    "CreateFdwStmt": Plain("admin", "CREATE FOREIGN DATA WRAPPER", "fdwname", "foreign data wrapper"),
    "CreateForeignServerStmt": Plain("admin", "CREATE SERVER", "servername", "server"),
    "CreateForeignTableStmt": Plain("admin", "CREATE FOREIGN TABLE"),
    "CreateOpClassStmt": Plain("schema", "CREATE OPERATOR CLASS", "opclassname", "operator class"),
    "CreateOpFamilyStmt": Plain("schema", "CREATE OPERATOR FAMILY", "opfamilyname", "operator family"),
    "CreatePLangStmt": Plain("admin", "CREATE LANGUAGE", "plname", "language"),
    "CreatePolicyStmt": Plain("admin", "CREATE POLICY"),
    "CreatePublicationStmt": Plain("admin", "CREATE PUBLICATION", "pubname", "publication"),
    "CreateRangeStmt": Plain("schema", "CREATE TYPE", "typeName", "type"),
    "CreateSchemaStmt": Plain("schema", "CREATE SCHEMA", "schemaname", "schema"),
    "CreateSeqStmt": Plain("schema", "CREATE SEQUENCE"),
    "CreateStatsStmt": Plain("schema", "CREATE STATISTICS"),
    "CreateSubscriptionStmt": Plain("admin", "CREATE SUBSCRIPTION", "subname", "subscription"),
    "CreateTableSpaceStmt": Plain("admin", "CREATE TABLESPACE", "tablespacename", "tablespace"),
    "CreateTransformStmt": Plain("admin", "CREATE TRANSFORM", "lang", "language"),
    "CreateTrigStmt": Plain("schema", "CREATE TRIGGER"),
    "CreateUserMappingStmt": Plain("admin", "CREATE USER MAPPING", "servername", "user mapping"),
    "CreatedbStmt": Plain("admin", "CREATE DATABASE", "dbname", "database"),
    "DropSubscriptionStmt": Plain("admin", "DROP SUBSCRIPTION", "subname", "subscription", False),
    "DropTableSpaceStmt": Plain("admin", "DROP TABLESPACE", "tablespacename", "tablespace", False),
    "DropUserMappingStmt": Plain("admin", "DROP USER MAPPING", "servername", "user mapping", False),
    "DropdbStmt": Plain("admin", "DROP DATABASE", "dbname", "database", False),
    "ImportForeignSchemaStmt": Plain("admin", "IMPORT FOREIGN SCHEMA", "server_name", "server"),
    "IndexStmt": Plain("schema", "CREATE INDEX"),
    "LoadStmt": Plain("admin", "LOAD", "filename", "file"),
    "RefreshMatViewStmt": Plain("write", "REFRESH MATERIALIZED VIEW"),
    "ReindexStmt": Plain("admin", "REINDEX"),
    "RuleStmt": Plain("schema", "CREATE RULE"),
    "ViewStmt": Plain("schema", "CREATE VIEW"),
    # never at the head of a statement, or only after analysis: fail closed should one come
    "PLAssignStmt": Plain("unknown", "ASSIGN"),
    "RawStmt": Plain("unknown", "RAW"),
    "ReplicaIdentityStmt": Plain("schema", "ALTER TABLE"),
    "ReturnStmt": Plain("schema", "RETURN"),
    "SetOperationStmt": Plain("unknown", "SET OPERATION"),
}


def create_table(x: Extraction, body: Node, scope: Scope) -> None:
    temporary = body.get("relation", {}).get("relpersistence") == "t"
    draft = x.add("schema", "CREATE TEMPORARY TABLE" if temporary else "CREATE TABLE")
    x.rest(body, scope, (), draft)


def create_table_as(x: Extraction, body: Node, scope: Scope) -> None:
    target = body.get("into", {}).get("rel", {})
    command = "CREATE MATERIALIZED VIEW" if body.get("objtype") == "OBJECT_MATVIEW" else "CREATE TABLE AS"
    if target.get("relpersistence") == "t":
        command = "CREATE TEMPORARY TABLE AS"
    x.add("schema", command, (relation(target),))
    x.push(body.get("query"), scope)


def alter_table(x: Extraction, body: Node, scope: Scope) -> None:
    """Changing owners, row security or triggers' firing takes a guard away: that part is an administrator's."""
    object_type = words(body.get("objtype", "OBJECT_TABLE"))
    kinds = [item.get("AlterTableCmd", {}).get("subtype", "") for item in body.get("cmds", ())]
    drops = any(kind in ("AT_DropColumn", "AT_DetachPartition", "AT_DropConstraint") for kind in kinds)
    draft = x.add("schema", f"ALTER {object_type}", bounded=False if drops else None)
    guards = sorted({kind for kind in kinds if kind in _GUARDS})
    if guards:
        why = "changes " + " and ".join(sorted({_GUARDS[kind] for kind in guards}))
        x.add("admin", f"ALTER {object_type}", (relation(body.get("relation", {})),), why=why)
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
    "AT_EnableReplicaTrig": "which triggers fire",
    "AT_EnableReplicaRule": "which rules apply",
    "AT_DisableRule": "which rules apply",
}


def drop(x: Extraction, body: Node, scope: Scope) -> None:
    object_type = words(body.get("removeType", ""))
    kind = object_type.lower()
    draft = x.add(_effect(object_type), f"DROP {object_type}", bounded=False, why="removes it for good")
    for item in body.get("objects", ()):
        if object_type in ("POLICY", "TRIGGER", "RULE"):
            parts = strings(item.get("List", {}).get("items"))  # schema, table, then its own name
            draft.objects[qualified(parts[:-1], "table")] = None
        else:
            draft.objects[named(item, "table" if kind in _RELATIONS else kind)] = None


_RELATIONS: Final = frozenset({"table", "view", "materialized view", "foreign table"})


def by_object_type(verb: str, field: str, effect: Effect | None = None, column_last: bool = False) -> Visitor:
    """COMMENT, RENAME, OWNER TO, SET SCHEMA...: ``field`` holds the ObjectType, ``object`` or ``relation`` the name."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        object_type = words(body.get(field, ""))
        command = f"{verb} {object_type}" if verb == "ALTER" else verb
        chosen = effect or _effect(object_type)
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
    x.add(_effect(object_type), f"ALTER {object_type}", things)


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
    x.add(_effect(object_type), f"ALTER {object_type}", (thing, moved))


def define(x: Extraction, body: Node, scope: Scope) -> None:
    object_type = words(body.get("kind", ""))
    x.add("schema", f"CREATE {object_type}", (named(body.get("defnames", []), object_type.lower()),))


def create_function(x: Extraction, body: Node, scope: Scope) -> None:
    """What a function does is judged when it is called ("execute"); what an untrusted language may do never is."""
    command = "CREATE PROCEDURE" if body.get("is_procedure") else "CREATE FUNCTION"
    thing = named(body.get("funcname", []), "function")
    x.add("schema", command, (thing,))
    options = [item.get("DefElem", {}) for item in body.get("options", ())]
    for option in options:
        if option.get("defname") == "language":
            language = named(option.get("arg", {}), "language").name
            if language.lower() not in TRUSTED_LANGUAGES:
                x.add("admin", command, (thing,), why=f"untrusted language {language}")
        elif option.get("defname") == "support":
            x.add("admin", command, (thing,), why="a planner support function")
        elif option.get("defname") == "set":
            _function_setting(x, option.get("arg", {}).get("VariableSetStmt", {}), scope)
    x.rest(body, scope, ("funcname", "options"))


def _function_setting(x: Extraction, setting: Node, scope: Scope) -> None:
    """A search_path pinned on a function guards it, and concerns nobody else."""
    if setting.get("name") != "search_path":
        x.push({"VariableSetStmt": setting}, scope)


def create_cast(x: Extraction, body: Node, scope: Scope) -> None:
    binary = "func" not in body and not body.get("inout")
    target = named({"TypeName": body.get("targettype", {})}, "type")
    x.add("admin" if binary else "schema", "CREATE CAST", (target,))


def vacuum(x: Extraction, body: Node, scope: Scope) -> None:
    draft = x.add("admin", "VACUUM" if body.get("is_vacuumcmd") else "ANALYZE")
    x.rest(body, scope, (), draft)


def grant(x: Extraction, body: Node, scope: Scope) -> None:
    command = "GRANT" if body.get("is_grant") else "REVOKE"
    draft = x.add("admin", command, why="changes privileges")
    all_in_schema = body.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    kind = "schema" if all_in_schema else words(body.get("objtype", "")).lower()
    for item in body.get("objects", ()):
        draft.objects[named(item, kind)] = None


def grant_role(x: Extraction, body: Node, scope: Scope) -> None:
    command = "GRANT ROLE" if body.get("is_grant") else "REVOKE ROLE"
    granted = [Object("", item.get("AccessPriv", {}).get("priv_name", ""), "role") for item in body["granted_roles"]]
    x.add("admin", command, granted, why="changes who is who")


def roles(command: str, field: str, bounded: bool | None = None) -> Visitor:
    """Statements about roles: ``field`` is a RoleSpec, a list of them, or a name."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        value = body.get(field)
        if isinstance(value, str):
            objects = [Object("", value, "role")]
        elif isinstance(value, list):
            objects = [role(item.get("RoleSpec")) for item in value]
        else:
            objects = [role(value)] if value else []
        x.add("admin", command, objects, bounded, "changes who is who")

    return visit


def setting_of(command: str, kind: str, field: str) -> Visitor:
    """ALTER DATABASE ... SET and ALTER SYSTEM: a setting for sessions to come."""

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        holder = Object("", body.get(field, ""), kind) if field else None
        setting = Object("", body.get("setstmt", {}).get("name", "all").lower(), "setting")
        x.add("admin", command, (holder, setting) if holder else (setting,), why="a setting for sessions to come")

    return visit


VISITORS: Final[dict[str, Visitor]] = {
    **{kind: _plain(entry) for kind, entry in _PLAIN.items()},
    "AlterDatabaseSetStmt": setting_of("ALTER DATABASE", "database", "dbname"),
    "AlterObjectDependsStmt": by_object_type("ALTER", "objectType"),
    "AlterObjectSchemaStmt": set_schema,
    "AlterOwnerStmt": by_object_type("ALTER", "objectType", "admin"),
    "AlterRoleSetStmt": roles("ALTER ROLE", "role"),
    "AlterRoleStmt": roles("ALTER ROLE", "role"),
    "AlterSystemStmt": setting_of("ALTER SYSTEM", "", ""),
    "AlterTableStmt": alter_table,
    "CommentStmt": by_object_type("COMMENT", "objtype", "schema", column_last=True),
    "CreateCastStmt": create_cast,
    "CreateFunctionStmt": create_function,
    "CreateRoleStmt": roles("CREATE ROLE", "role"),
    "CreateStmt": create_table,
    "CreateTableAsStmt": create_table_as,
    "DefineStmt": define,
    "DropOwnedStmt": roles("DROP OWNED", "roles", False),
    "DropRoleStmt": roles("DROP ROLE", "roles", False),
    "DropStmt": drop,
    "GrantRoleStmt": grant_role,
    "GrantStmt": grant,
    "ReassignOwnedStmt": roles("REASSIGN OWNED", "roles", False),
    "RenameStmt": rename,
    "SecLabelStmt": by_object_type("SECURITY LABEL", "objtype", "admin", column_last=True),
    "VacuumStmt": vacuum,
}
