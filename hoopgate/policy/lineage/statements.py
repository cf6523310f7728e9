"""Statements of every kind: which are queries, which only change definitions, and which nobody can judge.

A kind that is in no list is refused. What runs code that we cannot read (functions, triggers, extensions, foreign
servers, DO, CALL) is refused too, while masks are in force: it could carry masked values to where none is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from hoopgate.policy.lineage.calls import CODE, HINT, check_setting
from hoopgate.policy.lineage.copying import copy_shape, input_shape, table_rows
from hoopgate.policy.lineage.creations import Creations
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import UNSEEN
from hoopgate.policy.lineage.results import Assigned, CopyInput, CopyShape, Output
from hoopgate.policy.lineage.scope import At, Level, Rows
from hoopgate.policy.lineage.values import Node, Taint, Value, computed, output_columns

Bodies = Mapping[str, Sequence[Node]]
Outputs = tuple[Output, ...] | None

HARMLESS: Final = frozenset(
    {"CheckPointStmt", "ClosePortalStmt", "DeallocateStmt", "DiscardStmt", "LockStmt", "NotifyStmt", "UnlistenStmt"}
)
"""Read nothing, and their errors quote nothing."""

SCRUBBED: Final = frozenset(
    {
        "AlterCollationStmt", "AlterDatabaseRefreshCollStmt", "AlterDatabaseStmt", "AlterDefaultPrivilegesStmt",
        "AlterEnumStmt", "AlterObjectDependsStmt", "AlterOwnerStmt", "AlterPublicationStmt", "AlterRoleStmt",
        "AlterSeqStmt", "AlterStatsStmt", "AlterTableMoveAllStmt", "AlterTableSpaceOptionsStmt",
        "AlterTSConfigurationStmt", "AlterTSDictionaryStmt", "CommentStmt", "CompositeTypeStmt", "ConstraintsSetStmt",
        "CreateEnumStmt", "CreatePublicationStmt", "CreateRoleStmt", "CreateSeqStmt", "CreateTableSpaceStmt",
        "CreatedbStmt", "DropRoleStmt", "DropTableSpaceStmt", "DropUserMappingStmt",
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

QUICK: Final = frozenset({"TransactionStmt", "VariableSetStmt"})
"""Statements behind which another does not wait."""

_QUERIES: Final = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_STEADY: Final = frozenset({"VariableShowStmt", "LockStmt", "NotifyStmt", "DeclareCursorStmt", "FetchStmt"})
"""After these, as after queries, names mean what they meant before."""


@define(eq=False)
class Statements(Creations):
    """Judges whole statements. ``prepared`` and ``cursors`` hold what the session has run under these names.

    ``results``: of each statement judged, what it answers. ``carries``: and ``uncosted``: see :class:`Traced`.
    """

    prepared: Bodies = field(factory=dict)
    cursors: Bodies = field(factory=dict)
    alone: bool = True
    copy: CopyShape | None = None
    copy_input: CopyInput | None = None
    results: list[Outputs] = field(factory=list)
    carries: bool = False
    uncosted: list[int] = field(factory=list)
    _answer: Outputs = ()

    def message(self, statements: Sequence[Node]) -> None:
        """Judge all statements of a message. Raises Refusal."""
        waits = False
        for node in statements:
            self._answer = ()
            self._wide.clear()
            self.relations.named.clear()
            self.relations.reached.clear()
            self.carried, effects = False, self.calls.effects
            self.statement(node)
            if self._carries(effects):
                self.carries = True
                if waits:
                    raise refuse("what reads masked tables and others, and writes, must not wait behind other "
                                 "statements of a message", CODE, "Send it alone.")  # fmt: skip
            waits |= not QUICK.issuperset(node)
            self.results.append(self._answer)
            (kind,) = node
            steady = kind in _QUERIES or kind in _STEADY
            if not steady or "intoClause" in node[kind] or self.calls.literal:
                self.relations.unsettle()

    def statement(self, node: Node) -> None:
        """Judge one statement. Raises Refusal."""
        (kind, value), *more = node.items()
        if more:
            raise refuse("the gateway does not know this statement", "unknown")
        if "intoClause" in value:
            self.select_into(value)
        elif kind in _QUERIES:
            self._answers(self.query(node, At()))
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

    def _carries(self, effects: int) -> bool:
        """Whether a statement takes somewhere what it reads, or acts by it, and could take masked values if names came
        to mean something else: one relation alone has none that another could take."""
        relations = self.relations
        acts = self.carried or self.calls.effects > effects
        return acts and bool(relations.reached) and len(relations.named) > 1

    def _answers(self, rows: Rows) -> None:
        self._answer = None if rows.rest is not None else output_columns(rows.columns)

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

    def _show(self, node: Node) -> None:
        self._answer = (Output(),) * (3 if node.get("name") == "all" else 1)

    def _set_elsewhere(self, node: Node) -> None:
        self.scrub = True
        self._set(node.get("setstmt", {}))

    def _explain(self, node: Node) -> None:
        self.scrub = True
        moved, read, used = len(self.moved), len(self.reads), set(self.used)
        self.statement(node["query"])
        shown = [output.mask for output in self._answer or () if output.mask is not None]
        shown += [mask for each in self.moved[moved:] for mask in each.columns.values()]
        shown += [taint.mask for taint in self.used if taint not in used and taint.mask is not UNSEEN]
        self._answer = (Output(),)
        runs = _runs(node)
        if runs:
            # What was measured as it ran: how much memory, log and output the values took.
            shown += self.relations.reached.values()
        elif not _estimates(node):
            return
        # Estimates come of statistics: of how long values are, and how many are alike.
        closed = [mask.name for mask in shown if not mask.inference or mask.reading == "source"]
        if closed or len(self.reads) > read:
            if runs:
                name = closed[0] if closed else min(self.relations.met)
                reason = "EXPLAIN ANALYZE shows sizes, which depend on masked values"
                raise refuse(reason, name, "Use EXPLAIN without ANALYZE.")
            self.uncosted.append(len(self.results))
            return
        taints = [Taint(mask, "sizes" if runs else "estimates") for mask in dict.fromkeys(shown)]
        self.probe(taints, narrow=not runs)

    def _unanswered(self, node: Node) -> None:
        """PREPARE and DECLARE CURSOR: the answer comes later."""
        self.statement(node["query"])
        self._answer = ()

    def _execute(self, node: Node) -> None:
        given = [self.value(each, At()) for each in node.get("params", ())]
        before = len(self.assigned)
        self._bodies(self.prepared, node.get("name", ""), "prepared statement", "26000")
        bound = [each for assigned in self.assigned[before:] for each in _with_arguments(assigned, given)]
        self.literal |= any(isinstance(each.value, str) for each in bound)
        self.assigned[before:] = bound

    def _fetch(self, node: Node) -> None:
        # A cursor sees what its names meant when it was opened.
        relations, settled = self.relations, self.relations.settled
        relations.unsettle()
        self._bodies(self.cursors, node.get("portalname", ""), "cursor", "34000")
        relations.settled = settled
        if node.get("ismove"):
            self._answer = ()

    def _bodies(self, known: Bodies, name: str, what: str, sqlstate: str) -> None:
        """Judge again what runs under a name: masks may have changed since it was defined."""
        bodies = known.get(name)
        if bodies is None:
            raise refuse(
                f'{what} "{name}" does not exist, or is older than the masks in force',
                CODE,
                "Define it again.",
                sqlstate,
            )
        self.scrub = True
        answers: list[Outputs] = []
        here, self.read_here = self.read_here, False
        for body in bodies:
            (kind,) = body
            if kind in ("ExecuteStmt", "FetchStmt", "CopyStmt"):
                raise refuse(f'{what} "{name}" cannot be judged by its name', CODE, "Send its text.")
            if kind in ("PrepareStmt", "DeclareCursorStmt"):
                body = body[kind]["query"]
            self._answer = ()
            self.statement(body)
            answers.append(self._answer)
        self.read_here = here
        self._answer = _one_of(answers)

    def _copy(self, node: Node) -> None:
        if "filename" in node or node.get("is_program"):
            raise refuse("COPY with a file or a program of the server cannot be judged while masks are in force", CODE)
        if node.get("is_from"):
            self.scrub = True
            item, _ = self.target(node["relation"])
            self.condition(node.get("whereClause"), At(Level(None, [item])))
            self._copy_input(node)
            return
        self.carried = True  # no second witness tells of what it shows
        rows = self._copied_table(node) if "relation" in node else self.query(node["query"], At())
        self.copy = copy_shape(rows, node)
        if self.copy.masked:
            # The order of the columns decides, so only the session's own word on them will do.
            self._copies_alone()

    def _copy_input(self, node: Node) -> None:
        self.copy_input = input_shape(self.relations.find(node["relation"], write=True), node)
        if self.copy_input is not None:
            self._copies_alone()

    def _copies_alone(self) -> None:
        self.relations.doubt()
        if not self.alone:
            raise refuse(
                "COPY of masked columns must be sent alone, not with other statements in one message",
                CODE,
                "Send it alone.",
            )

    def _copied_table(self, node: Node) -> Rows:
        sources = self.relations.find(node["relation"])
        if len(sources) == 1:
            return table_rows(sources[0], node)
        rows = [table_rows(source, node) for source in sources]
        return Rows(rest=computed(value for each in rows for value in each.every))


def _estimates(node: Node) -> bool:
    """Whether an EXPLAIN shows costs, as it does unless it says otherwise. In doubt it does."""
    said = _said(node, "costs")
    return not said or not all(_off(value) for value in said)


def _runs(node: Node) -> bool:
    """Whether an EXPLAIN runs the statement and measures it. In doubt it does."""
    return not all(_off(value) for value in _said(node, "analyze"))


def _said(node: Node, name: str) -> list[Node]:
    """The values that an EXPLAIN gives to one of its options."""
    options = [each.get("DefElem", {}) for each in node.get("options", ())]
    return [option.get("arg", {}) for option in options if option.get("defname") == name]


def _off(value: Node) -> bool:
    text = value.get("String", {}).get("sval", "").lower()
    number = value.get("Integer")
    return text in ("off", "false", "no") or (number is not None and not number.get("ival", 0))


def _one_of(answers: Sequence[Outputs]) -> Outputs:
    """What a name answers that may stand for several statements."""
    first = answers[0] if answers else ()
    return first if all(answer == first for answer in answers) else None


def _with_arguments(assigned: Assigned, given: Sequence[Value]) -> list[Assigned]:
    """The same where a parameter of the body is what EXECUTE gives for it."""
    number = assigned.value
    if not isinstance(number, int):
        return [assigned]
    argument = given[number - 1] if 0 < number <= len(given) else None
    constants = None if argument is None else argument.constants
    return [evolve(assigned, value=constant) for constant in (constants if constants is not None else (None,))]


_STATEMENTS: dict[str, Callable[[Any, Node], None]] = {
    "TransactionStmt": Statements._transaction,
    "ListenStmt": Statements._listen,
    "VariableSetStmt": Statements._set,
    "VariableShowStmt": Statements._show,
    "AlterRoleSetStmt": Statements._set_elsewhere,
    "AlterDatabaseSetStmt": Statements._set_elsewhere,
    "AlterSystemStmt": Statements._set_elsewhere,
    "ExplainStmt": Statements._explain,
    "PrepareStmt": Statements._unanswered,
    "DeclareCursorStmt": Statements._unanswered,
    "ExecuteStmt": Statements._execute,
    "FetchStmt": Statements._fetch,
    "CreateTableAsStmt": Statements.create_as,
    "ViewStmt": Statements.view,
    "CopyStmt": Statements._copy,
    "CreateStmt": Statements.create_table,
    "CreateSchemaStmt": Statements.create_schema,
    "CreateDomainStmt": Statements.domain,
    "AlterDomainStmt": Statements.domain,
    "IndexStmt": Statements.index,
    "CreateStatsStmt": Statements.statistics,
    "AlterTableStmt": Statements.alter_table,
    "RenameStmt": Statements.rename,
    "DropStmt": Statements.drop,
    "DropOwnedStmt": Statements.drop_owned,
    "AlterObjectSchemaStmt": Statements.change_schema,
    "ClusterStmt": Statements.cluster,
}
