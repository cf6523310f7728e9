"""Judging one statement against masks: the catalogue first, a newer one then, the client's own session last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.session_view import session_query, session_relations
from hoopgate.catalogue.snapshot import Relation, Snapshot
from hoopgate.config.model import Config, Mask
from hoopgate.errors import HoopgateError
from hoopgate.guards.mask_memory import Bodies, Memory, names_run, relation_names
from hoopgate.policy.sql.parser import Node, Parsed
from hoopgate.policy.touch import Ask, Direct, RelationName, Touched, touch

if TYPE_CHECKING:
    from hoopgate.session import Session

log = Logger()

Step = Generator[Deferred[Any], Any, Any]

INDEXES: Final = 16
JUDGED: Final = 4096
JUDGED_TEXT: Final = 8192  # longer texts are judged each time
_ROUNDS: Final = 4

LASTING: Final = frozenset(
    {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TransactionStmt", "VariableSetStmt",
     "VariableShowStmt"}
)  # fmt: skip
"""Statements that define nothing and run no other: what was said of them stays true under the same index."""


@define(eq=False)
class Compiled:
    """An index, and what was said of texts under it."""

    index: MaskIndex
    judged: OrderedDict[str, Touched] = field(factory=OrderedDict)

    def remember(self, parsed: Parsed, touched: Touched) -> None:
        """Keep what was said, if it would be said again."""
        if len(parsed.text) > JUDGED_TEXT or (isinstance(touched, Direct) and touched.copy is not None):
            return
        for statement in parsed.statements:
            (kind, value), *_ = statement.items()
            if kind not in LASTING or "intoClause" in value:
                return
        self.judged[parsed.text] = touched
        if len(self.judged) > JUDGED:
            self.judged.popitem(last=False)


class Indexes:
    """Compiled indexes, shared by all sessions under the same masks, of which there are few."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[Snapshot, str, tuple[str, ...]], Compiled] = OrderedDict()

    def compiled(self, snapshot: Snapshot, config: Config, masks: tuple[Mask, ...]) -> Compiled:
        key = (snapshot, config.version, tuple(mask.name for mask in masks))
        found = self._compiled.get(key)
        if found is None:
            index = compile_masks(snapshot, masks, functions_safe=config.functions_safe)
            found = self._compiled[key] = Compiled(index)
            if len(self._compiled) > INDEXES:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return found


class Judge:
    """Judges statements of one session."""

    def __init__(self, session: Session, indexes: Indexes, memory: Memory) -> None:
        self._session = session
        self._indexes = indexes
        self._memory = memory

    def compiled(self, snapshot: Snapshot, masks: tuple[Mask, ...]) -> Compiled:
        return self._indexes.compiled(snapshot, self._session.config, masks)

    def known(self, text: str, masks: tuple[Mask, ...]) -> Touched | None:
        """What was said of the same text under today's catalogue."""
        snapshot = self._session.catalogue.fresh
        if snapshot is None or self._memory.own:
            return None
        return self.compiled(snapshot, masks).judged.get(text)

    @inlineCallbacks
    def judge(self, parsed: Parsed, masks: tuple[Mask, ...]) -> Step:
        """Fire with what :func:`touch` says at last. Fails if the catalogue cannot be read."""
        session, catalogue = self._session, self._session.catalogue
        run = names_run(parsed.statements)
        prepared = yield self._bodies(self._memory.prepared, run[0])
        cursors = yield self._bodies(self._memory.cursors, run[1])
        snapshot = yield catalogue.current()
        relations: dict[RelationName, Relation | None] = {}
        if self._memory.own and session.transaction == "I":
            # Whatever this session defined is committed, or gone.
            snapshot = yield catalogue.refresh()
            self._memory.own.clear()
        elif self._memory.own:
            own = [name for name in relation_names(parsed.statements) if name[1] in self._memory.own]
            relations = yield self._ask(own)
        refreshed = False
        for _ in range(_ROUNDS):
            compiled = self.compiled(snapshot, masks)
            touched = touch(
                parsed,
                compiled.index,
                session_relations=relations,
                prepared=prepared,
                cursors=cursors,
                refreshed=refreshed,
            )
            if not isinstance(touched, Ask):
                if not relations:
                    compiled.remember(parsed, touched)
                return touched
            if not refreshed:
                snapshot = yield catalogue.refresh()
                refreshed = True
            else:
                relations |= yield self._ask(touched.relations)
        raise HoopgateError("the relations of the statement cannot be told")

    @inlineCallbacks
    def parsed(self, text: str) -> Step:
        """Fire with the parsed text. Fails with Unparsable."""
        decision = self._session.decision
        if decision is not None and decision.parsed is not None and decision.parsed.text == text:
            return decision.parsed
        return (yield maybeDeferred(self._session.parser.parse, text))

    @inlineCallbacks
    def _bodies(self, known: Bodies, names: Iterable[str]) -> Step:
        found: dict[str, list[Node]] = {}
        for name in names:
            for text in known.of(name):
                parsed = yield maybeDeferred(self._session.parser.parse, text)
                found.setdefault(name, []).extend(parsed.statements)
        return found

    @inlineCallbacks
    def _ask(self, names: Iterable[RelationName]) -> Step:
        """What the session sees under these names; nothing if it cannot be asked (its transaction has failed)."""
        wanted = sorted(names, key=lambda name: (name[0] or "", name[1]))
        if not wanted:
            return {}
        try:
            rows = yield self._session.ask(session_query(wanted))
        except HoopgateError as error:
            log.debug("session {session} cannot be asked: {error}", session=self._session.id, error=str(error))
            return dict.fromkeys(wanted)
        found = session_relations(wanted, rows)
        for relation in found.values():
            if relation is not None:
                self._memory.learn(relation)
        return found
