"""The walk over one statement's tree that gathers its operations.

Statements and a few expressions have a function each (a *visitor*); nodes known to be harmless are walked through; a
node that nobody knows is an "unknown" operation. The walk keeps its own stack: a tree's depth costs no Python frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from attrs import define, evolve, field, frozen

from hoopgate.policy.operations import Effect, Object, Operation
from hoopgate.policy.sql.conditions import Restriction
from hoopgate.policy.sql.names import CATALOGUES, SCHEMALESS, in_catalogue, relation
from hoopgate.policy.sql.tree import Node

# nodes that carry parts of statements and have no effect of their own (PostgreSQL 18, nodes.h and parsenodes.h)
_HARMLESS: Final = """
A_ArrayExpr A_Const A_Indices A_Indirection A_Star ATAlterConstraint AccessPriv Alias AlterTableCmd BitString BoolExpr
Boolean BooleanTest CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef ColumnRef
CommonTableExpr Constraint CreateOpClassItem CurrentOfExpr DefElem Float FunctionParameter GroupingFunc GroupingSet
IndexElem InferClause IntList Integer IntoClause JoinExpr JsonAggConstructor JsonArgument JsonArrayAgg
JsonArrayConstructor JsonArrayQueryConstructor JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue
JsonObjectAgg JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr JsonTable
JsonTableColumn JsonTablePathSpec JsonValueExpr List MergeSupportFunc MergeWhenClause MinMaxExpr MultiAssignRef
NamedArgExpr NullTest ObjectWithArgs OidList OnConflictClause ParamRef PartitionBoundSpec PartitionCmd PartitionElem
PartitionRangeDatum PartitionSpec PublicationObjSpec PublicationTable RangeFunction RangeSubselect RangeTableFunc
RangeTableFuncCol ResTarget ReturningClause ReturningOption RoleSpec RowExpr SQLValueFunction
SetToDefault StatsElem String TableLikeClause TriggerTransition TypeCast TypeName VacuumRelation
WindowDef WithClause XmlExpr XmlSerialize
"""
HARMLESS: Final = frozenset(_HARMLESS.split())

_SECRETS: Final = frozenset({
    "pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_subscription", "pg_hba_file_rules",
    "pg_ident_file_mappings", "pg_file_settings",
})  # fmt: skip


@frozen(eq=False)
class Scope:
    """The CTEs that a name may mean here, with their queries: the first ``seen`` of one WITH, then outer ones.

    ``level`` counts the functions made around this place, and ``path`` is the search_path of the innermost where it
    has one that says where names stand.
    """

    outer: Scope | None = None
    queries: Mapping[str, tuple[int, Node]] = {}
    seen: int = 0
    level: int = 0
    path: tuple[str, ...] = ()

    def inside(self, queries: Mapping[str, tuple[int, Node]], seen: int) -> Scope:
        """The scope of what stands behind a WITH."""
        return Scope(self, queries, seen, self.level, self.path)

    def get(self, name: str) -> Node | None:
        """The query of the CTE called ``name`` here, or None where there is none."""
        place: Scope | None = self
        while place is not None:
            position, query = place.queries.get(name, (place.seen, {}))
            if position < place.seen:
                return query
            place = place.outer
        return None

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


@define
class Draft:
    """An operation while its objects are still being gathered."""

    effect: str  # the name of an effect, or of a part of one
    command: str
    objects: dict[Object, None] = field(factory=dict)
    bounded: bool | None = None
    why: str = ""
    path: tuple[str, ...] = ()
    through: tuple[Object, ...] = ()

    def finish(self) -> Operation:
        (effect, _, part), why = self.effect.partition("."), self.why
        called = self.command.startswith("CALL")
        if not called and effect in ("schema", "write", "delete") and any(map(_is_systems, self.objects)):
            effect, part, why = "admin", "catalogue", why or "changes the system's own schema"
        objects, through = self._placed(self.objects), self._placed(self.through)
        return Operation(cast(Effect, effect), self.command, objects, self.bounded, why, part, through)

    def _placed(self, things: Iterable[Object]) -> tuple[Object, ...]:
        return tuple(dict.fromkeys(self._places(things))) if self.path else tuple(things)

    def _places(self, things: Iterable[Object]) -> Iterable[Object]:
        """The objects, where the function's own search_path puts those without a schema: in each schema of it."""
        for thing in things:
            if thing.schema or thing.kind in SCHEMALESS or in_catalogue(thing):
                yield thing
            else:
                yield from (evolve(thing, schema=schema) for schema in self.path)


def _is_systems(thing: Object) -> bool:
    """Something that stands in the system's own schemas. (What a call of a function there does is in the call.)"""
    return thing.schema in CATALOGUES


Visitor: TypeAlias = "Callable[[Extraction, Node, Scope], None]"
_Pending: TypeAlias = "tuple[Any, Scope, Draft | None]"


class Extraction:
    """Gathers the operations of one statement. ``literal``, ``parameter``: the value of one was looked at."""

    def __init__(self, visitors: Mapping[str, Visitor]) -> None:
        self.literal = False
        self.parameter = False
        self.visitors = visitors
        self._drafts: list[Draft] = []
        self._reads: dict[tuple[str, tuple[str, ...]], Draft] = {}
        self._path: tuple[str, ...] = ()
        self._pending: list[_Pending] = []

    def run(self, statement: Node) -> tuple[Operation, ...]:
        """The statement's operations in order, each once."""
        self.push(statement, Scope())
        while self._pending:
            value, scope, owner = self._pending.pop()
            self._path = scope.path
            if type(value) is list:
                self._pending.extend((item, scope, owner) for item in reversed(value))
            elif type(value) is dict:
                self._open(value, scope, owner)
        return tuple(dict.fromkeys(draft.finish() for draft in self._drafts))

    def push(self, value: Any, scope: Scope, owner: Draft | None = None) -> None:
        """Walk ``value`` later. RangeVars found in it are objects of ``owner``, or read where that is None."""
        if value:
            self._pending.append((value, scope, owner))

    def rest(self, body: Node, scope: Scope, done: Iterable[str], owner: Draft | None = None) -> None:
        """Walk all fields of ``body`` but those in ``done``."""
        self.push({key: value for key, value in body.items() if key not in done}, scope, owner)

    def add(
        self,
        effect: str,
        command: str,
        objects: Iterable[Object] = (),
        bounded: bool | None = None,
        why: str = "",
    ) -> Draft:
        """Note an operation, by the name of its effect or a part of one; its objects may still grow."""
        draft = Draft(effect, command, dict.fromkeys(objects), bounded, why, self._path)
        self._drafts.append(draft)
        return draft

    def judged(self, test: Restriction) -> bool:
        """Whether a condition restricts, having noted what it was found out by."""
        self.literal = self.literal or test.literal
        self.parameter = self.parameter or test.parameter
        return test.effective

    def read(self, *objects: Object) -> None:
        """Note that the statement reads these; all reads of a statement are one operation."""
        reads = self._read("read", "")
        for thing in objects:
            if in_catalogue(thing) and thing.name in _SECRETS:
                self._read("admin.secret", "holds passwords, keys or how the server is reached").objects[thing] = None
            else:
                reads.objects[thing] = None

    def _read(self, effect: str, why: str) -> Draft:
        key = (effect, self._path)
        if key not in self._reads:
            self._reads[key] = self.add(effect, "SELECT", why=why)
        return self._reads[key]

    def _open(self, fields: Node, scope: Scope, owner: Draft | None) -> None:
        children: list[_Pending] = []
        for key, child in fields.items():
            if key[:1].isupper():
                self._node(key, child, scope, owner, children)
            elif type(child) is list:
                children.append((child, scope, owner))
            elif type(child) is dict:
                if "relname" in child:
                    self._relation(child, scope, owner)
                else:
                    children.append((child, scope, owner))
        self._pending.extend(reversed(children))

    def _node(self, kind: str, body: Node, scope: Scope, owner: Draft | None, children: list[_Pending]) -> None:
        if kind == "RangeVar":
            self._relation(body, scope, owner)
        elif kind in self.visitors:
            self.visitors[kind](self, body, scope)
        elif kind in HARMLESS:
            children.append((body, scope, owner))
        else:
            self.add("unknown.text", kind, why=f"{kind} is nothing that this release knows")

    def _relation(self, body: Node, scope: Scope, owner: Draft | None) -> None:
        thing = relation(body)
        if owner is not None:
            owner.objects[thing] = None
        elif thing.schema or thing.name not in scope:
            self.read(thing)
