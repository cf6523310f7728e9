"""Statements of every kind: which are queries, which only change definitions, and which nobody can judge.

A kind that is in no list is refused. What runs code that we cannot read (functions, triggers, extensions, foreign
servers, DO, CALL) is refused too, while masks are in force: it could carry masked values to where none is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from hoopgate.policy.touch_calls import CODE, HINT, check_setting
from hoopgate.policy.touch_copy import query_shape, table_shape
from hoopgate.policy.touch_definitions import DefinitionWalk
from hoopgate.policy.touch_query import WRITTEN
from hoopgate.policy.touch_results import CopyShape, refuse
from hoopgate.policy.touch_scope import Level, Node
from hoopgate.policy.touch_walk import At

Bodies = Mapping[str, Sequence[Node]]

HARMLESS: Final = frozenset(
    {
        "CheckPointStmt", "ClosePortalStmt", "DeallocateStmt", "DiscardStmt", "LockStmt", "NotifyStmt", "UnlistenStmt",
        "VariableShowStmt",
    }
)  # fmt: skip
"""Read nothing, and their errors quote nothing."""

SCRUBBED: Final = frozenset(
    {
        "AlterCollationStmt", "AlterDatabaseRefreshCollStmt", "AlterDatabaseStmt", "AlterDefaultPrivilegesStmt",
        "AlterEnumStmt", "AlterObjectDependsStmt", "AlterOwnerStmt", "AlterPublicationStmt", "AlterRoleStmt",
        "AlterSeqStmt", "AlterStatsStmt", "AlterTableMoveAllStmt", "AlterTableSpaceOptionsStmt",
        "AlterTSConfigurationStmt", "AlterTSDictionaryStmt", "CommentStmt", "CompositeTypeStmt", "ConstraintsSetStmt",
        "CreateEnumStmt", "CreatePublicationStmt", "CreateRoleStmt", "CreateSeqStmt", "CreateTableSpaceStmt",
        "CreatedbStmt", "DropOwnedStmt", "DropRoleStmt", "DropStmt", "DropTableSpaceStmt", "DropUserMappingStmt",
        "DropdbStmt", "GrantRoleStmt", "GrantStmt", "ReassignOwnedStmt", "RefreshMatViewStmt", "ReindexStmt",
        "SecLabelStmt", "TruncateStmt", "VacuumStmt",
    }
)  # fmt: skip
"""Read nothing that comes out, but errors and notices may quote rows."""

CODE_STATEMENTS: Final = {
    "DoStmt": "DO", "CallStmt": "CALL", "LoadStmt": "LOAD",
    "CreateFunctionStmt": "CREATE FUNCTION", "AlterFunctionStmt": "ALTER FUNCTION", "CreateTrigStmt": "CREATE TRIGGER",
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER", "AlterEventTrigStmt": "ALTER EVENT TRIGGER",
    "RuleStmt": "CREATE RULE", "CreatePolicyStmt": "CREATE POLICY", "AlterPolicyStmt": "ALTER POLICY",
    "CreateCastStmt": "CREATE CAST", "CreateOpClassStmt": "CREATE OPERATOR CLASS",
    "CreateOpFamilyStmt": "CREATE OPERATOR FAMILY", "AlterOpFamilyStmt": "ALTER OPERATOR FAMILY",
    "AlterOperatorStmt": "ALTER OPERATOR", "DefineStmt": "CREATE AGGREGATE, OPERATOR or TYPE",
    "AlterTypeStmt": "ALTER TYPE", "CreateRangeStmt": "CREATE TYPE AS RANGE",
    "CreateTransformStmt": "CREATE TRANSFORM", "CreatePLangStmt": "CREATE LANGUAGE",
    "CreateConversionStmt": "CREATE CONVERSION", "CreateAmStmt": "CREATE ACCESS METHOD",
    "CreateExtensionStmt": "CREATE EXTENSION", "AlterExtensionStmt": "ALTER EXTENSION",
    "AlterExtensionContentsStmt": "ALTER EXTENSION", "CreateFdwStmt": "CREATE FOREIGN DATA WRAPPER",
    "AlterFdwStmt": "ALTER FOREIGN DATA WRAPPER", "CreateForeignServerStmt": "CREATE SERVER",
    "AlterForeignServerStmt": "ALTER SERVER", "CreateUserMappingStmt": "CREATE USER MAPPING",
    "AlterUserMappingStmt": "ALTER USER MAPPING", "CreateForeignTableStmt": "CREATE FOREIGN TABLE",
    "ImportForeignSchemaStmt": "IMPORT FOREIGN SCHEMA", "CreateSubscriptionStmt": "CREATE SUBSCRIPTION",
    "AlterSubscriptionStmt": "ALTER SUBSCRIPTION", "DropSubscriptionStmt": "DROP SUBSCRIPTION",
}  # fmt: skip

_QUERY_KINDS: Final = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})


@define(eq=False)
class StatementWalk(DefinitionWalk):
    """Judges whole statements. ``prepared`` and ``cursors`` hold what the session has run under these names."""

    prepared: Bodies = field(factory=dict)
    cursors: Bodies = field(factory=dict)
    alone: bool = True
    copy: CopyShape | None = None

    def statement(self, node: Node) -> None:
        """Judge one statement. Raises Refusal."""
        (kind, value), *more = node.items()
        if more:
            raise refuse("the gateway does not know this statement", "unknown")
        if kind in _QUERY_KINDS:
            self.run(node, At(), outermost=True)
        elif kind in CODE_STATEMENTS and value.get("kind") != "OBJECT_COLLATION":
            raise refuse(
                f"{CODE_STATEMENTS[kind]} is code whose reads the gateway cannot see, and masks are in force",
                CODE,
                HINT,
            )
        elif kind in SCRUBBED or kind in CODE_STATEMENTS:
            self.scrub = True
        elif kind not in HARMLESS:
            judge = _STATEMENTS.get(kind)
            if judge is None:
                raise refuse(f"the gateway does not know the statement {kind}, and masks are in force", "unknown")
            judge(self, value)

    def _listen(self, node: Node) -> None:
        raise refuse("LISTEN would bring what triggers tell of rows, and masks are in force", CODE)

    def _transaction(self, node: Node) -> None:
        # Deferred constraints and triggers report at the end.
        self.scrub |= node.get("kind") in ("TRANS_STMT_COMMIT", "TRANS_STMT_PREPARE", "TRANS_STMT_COMMIT_PREPARED")

    def _set(self, node: Node) -> None:
        name = node.get("name", "")
        value = node.get("args", [{}])[0].get("A_Const", {}).get("sval", {}).get("sval", "").lower()
        kind = node.get("kind")
        if kind == "VAR_SET_CURRENT" or (kind == "VAR_SET_VALUE" and value not in ("on", "true", "yes")):
            check_setting(name)

    def _set_elsewhere(self, node: Node) -> None:
        self.scrub = True
        self._set(node.get("setstmt", {}))

    def _nested(self, node: Node) -> None:  # type: ignore[override]
        self.scrub = True
        self.statement(node["query"])

    def _cursor(self, node: Node) -> None:
        self.run(node["query"], At(), outermost=True)

    def _execute(self, node: Node) -> None:
        self.expression(node.get("params"), At())
        self._bodies(self.prepared, node.get("name", ""), "prepared statement", "26000")

    def _fetch(self, node: Node) -> None:
        self._bodies(self.cursors, node.get("portalname", ""), "cursor", "34000")

    def _bodies(self, known: Bodies, name: str, what: str, sqlstate: str) -> None:
        """Judge again what runs under a name: masks may have changed since it was defined."""
        bodies = known.get(name)
        if bodies is None:
            raise refuse(
                f'{what} "{name}" does not exist, or is older than the masks in force',
                CODE,
                "Define it again.",
                "26000",
            )
        self.scrub = True
        for body in bodies:
            (kind,) = body
            if kind in ("ExecuteStmt", "FetchStmt", "CopyStmt"):
                raise refuse(f'{what} "{name}" cannot be judged by its name', CODE, "Send its text.")
            self.statement(body)

    def _create_as(self, node: Node) -> None:
        self.scrub = True
        if "ExecuteStmt" in node["query"]:
            raise refuse("CREATE TABLE AS EXECUTE cannot be judged while masks are in force", CODE, HINT)
        self.query(node["query"], At(Level(), where=WRITTEN))

    def _view(self, node: Node) -> None:
        self.scrub = True
        self.query(node["query"], At(Level(), where="shown by a view"))

    def _copy(self, node: Node) -> None:
        if "filename" in node or node.get("is_program"):
            raise refuse("COPY with a file or a program of the server cannot be judged while masks are in force", CODE)
        if node.get("is_from"):
            self.scrub = True
            at = At(Level())
            self.target(node["relation"], at)
            at.level.complete = True
            self.expression(node.get("whereClause"), at.to("used in WHERE"))
            return
        shape = self._copy_table(node) if "relation" in node else self._copy_query(node)
        if shape is not None and shape.masked and not self.alone:
            raise refuse(
                "COPY of masked columns must be sent alone, not with other statements in one message",
                CODE,
                "Send it alone.",
            )
        self.copy = shape

    def _copy_table(self, node: Node) -> CopyShape | None:
        self.sources.find(node["relation"])
        source = self.sources.exact(node["relation"])
        return table_shape(source, node) if source is not None else None

    def _copy_query(self, node: Node) -> CopyShape | None:
        self.output = None
        self.run(node["query"], At(), outermost=True)
        return query_shape(self.output, self.sources, node) if self.output is not None else CopyShape(())


_STATEMENTS: dict[str, Callable[[Any, Node], None]] = {
    "TransactionStmt": StatementWalk._transaction,
    "ListenStmt": StatementWalk._listen,
    "VariableSetStmt": StatementWalk._set,
    "AlterRoleSetStmt": StatementWalk._set_elsewhere,
    "AlterDatabaseSetStmt": StatementWalk._set_elsewhere,
    "AlterSystemStmt": StatementWalk._set_elsewhere,
    "ExplainStmt": StatementWalk._nested,
    "PrepareStmt": StatementWalk._cursor,
    "DeclareCursorStmt": StatementWalk._cursor,
    "ExecuteStmt": StatementWalk._execute,
    "FetchStmt": StatementWalk._fetch,
    "CreateTableAsStmt": StatementWalk._create_as,
    "ViewStmt": StatementWalk._view,
    "CopyStmt": StatementWalk._copy,
    "CreateStmt": StatementWalk.create_table,
    "CreateSchemaStmt": StatementWalk.create_schema,
    "CreateDomainStmt": StatementWalk.domain,
    "AlterDomainStmt": StatementWalk.domain,
    "IndexStmt": StatementWalk.index,
    "CreateStatsStmt": StatementWalk.statistics,
    "AlterTableStmt": StatementWalk.alter_table,
    "RenameStmt": StatementWalk.rename,
    "AlterObjectSchemaStmt": StatementWalk.change_schema,
    "ClusterStmt": StatementWalk.cluster,
}
