"""Judging one statement against masks: the catalogue first, a newer one then, the client's own session last."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger

from hoopgate.catalogue.session_view import session_query, session_relations
from hoopgate.catalogue.snapshot import Relation
from hoopgate.config.model import Mask, SecretRef
from hoopgate.errors import HoopgateError, QuestionError
from hoopgate.guards.mask_judged import Judged
from hoopgate.guards.mask_known import SHAPELY, UNSETTLED, Compiled, Known
from hoopgate.guards.mask_memory import Bodies, SessionMemory, declared, in_doubt, names_run, relation_names
from hoopgate.guards.mask_sources import UNKNOWN, Words, masked_form
from hoopgate.policy.lineage.remembered import Rewording
from hoopgate.policy.lineage.results import Answer, Ask, Refused, RelationName, Traced, Untouched
from hoopgate.policy.lineage.trace import trace
from hoopgate.policy.sql.parser import Node, Parsed, Unparsable
from hoopgate.verdicts import Block

if TYPE_CHECKING:
    from hoopgate.session import Session

log = Logger()

Step = Generator[Deferred[Any], Any, Any]
Fetch = Callable[[SecretRef], "Deferred[bytes]"]

RULE: Final = "masks"
"""What refusals name where no single mask is concerned."""

_ROUNDS: Final = 5
NOTHING: Final = "SELECT 1"  # answered once all is answered that was sent before
MOVING: Final = Refused(
    "another session is changing definitions, so that what would be written cannot be told",
    "Try again when that is done.",
    RULE,
    "55006",  # object_in_use
    by_literal=True,
)
Path = tuple[str, ...] | None
Texts = dict[str, list[Node]]


@frozen
class Names:
    """How names are to be resolved; see :meth:`Judge.answer`. ``relations``: what the session itself answered."""

    path: Path
    relations: Mapping[RelationName, Relation | None]
    settled: bool


class Judge:
    """Judges statements of one session, and asks whom that takes."""

    def __init__(self, session: Session, known: Known, memory: SessionMemory) -> None:
        self._session = session
        self._known = known
        self._memory = memory

    @inlineCallbacks
    def answer(self, text: str, masks: tuple[Mask, ...], path: Path, *, settled: bool) -> Step:
        """Fire with the parsed text and what was judged of it, or with a Block where nothing can be said.

        ``path``: where the session looks for names now, None where that is not known. Without ``settled`` a name may
        mean a relation of any schema, as where the server has resolved it at a time that nobody saw.
        """
        try:
            parsed = yield self.parsed(text)
            return parsed, (yield self.judge(parsed, masks, path, settled=settled))
        except Unparsable as error:
            # PostgreSQL's own error would tell more, but what it does not parse we cannot either.
            return Block(error.reason, rule=RULE, sqlstate="42601")
        except HoopgateError as error:
            log.warn("session {session}: masks cannot be judged: {error}", session=self._session.id, error=str(error))
            return Block(
                "masks are in force, and the target's catalogue cannot be read now",
                rule=RULE,
                hint="Try again; if it stays so, tell the gateway's operators.",
                sqlstate="57P03",
            )

    @inlineCallbacks
    def judge(self, parsed: Parsed, masks: tuple[Mask, ...], path: Path, *, settled: bool) -> Step:
        """Fire with the :class:`Judged` of the statements. Fails if the catalogue cannot be read."""
        session, memory, catalogue = self._session, self._memory, self._session.catalogue
        run = names_run(parsed.statements)
        prepared = yield self._bodies(memory.prepared, run[0])
        cursors = yield self._bodies(memory.cursors, run[1])
        snapshot = (yield catalogue.prepared(masks, session.config.functions_safe)).snapshot
        relations: dict[RelationName, Relation | None] = {}
        if memory.own and session.transaction == "I" and not (session.running or session.tentative):
            # Whatever this session defined is committed, or gone: nothing is under way any more.
            snapshot = yield catalogue.refresh()
            memory.own.clear()
        elif memory.own:
            relations = yield self._ask(in_doubt(relation_names(parsed.statements), memory.own))
        refreshed = still = False
        for _ in range(_ROUNDS):
            compiled = self._known.compiled(snapshot, masks)
            names = Names(path, relations, settled and not any(run))
            answer = self._said(parsed, compiled, names, prepared, cursors, refreshed=refreshed)
            if isinstance(answer, Traced) and answer.carries and not still:
                if catalogue.moving(session):
                    return compiled.judged(parsed, MOVING)
                if session.running:
                    # It would wait behind what runs, and its names could come to mean something else meanwhile.
                    yield self._rest()
                    snapshot, still = (yield catalogue.current()), True
                    continue
            if not isinstance(answer, Ask):
                judged = yield self._read(parsed, answer, compiled, names)
                if names.path is not None and names.settled and self._own_alone(parsed, names.relations):
                    self._known.repeat(parsed.text, names.path, compiled, judged)
                return judged
            if not refreshed:
                snapshot = yield catalogue.refresh()
                refreshed = True
            else:
                relations |= yield self._ask(answer.relations)
        raise HoopgateError("the relations of the statement cannot be told")

    def _own_alone(self, parsed: Parsed, relations: Mapping[RelationName, Relation | None]) -> bool:
        """Whether one statement, which defines nothing, names temporary tables of the session and nothing else. They
        stand as they were answered: no statement is under way that could make them or take them away, and the end of
        an open transaction is another statement."""
        session = self._session
        if not relations or self._memory.moved.masks:
            return False
        if session.running or (session.transaction != "T" and (session.transaction != "I" or session.tentative)):
            return False
        (kind, value), *more = parsed.statements[0].items() if len(parsed.statements) == 1 else [("", {})]
        if more or kind not in SHAPELY or kind == "TransactionStmt" or "intoClause" in value:
            return False
        named = relation_names(parsed.statements)
        found = [relations.get(name) for name in named]
        return bool(named) and all(each is not None and each.schema.startswith("pg_temp") for each in found)

    def _said(
        self, parsed: Parsed, compiled: Compiled, names: Names, prepared: Texts, cursors: Texts, *, refreshed: bool
    ) -> Answer:
        return trace(
            parsed,
            compiled.index,
            path=names.path,
            session_relations=names.relations,
            own=self._memory.moved.masks,
            prepared=prepared,
            cursors=cursors,
            refreshed=refreshed,
            settled=names.settled,
        )

    @inlineCallbacks
    def _read(self, parsed: Parsed, answer: Answer, compiled: Compiled, names: Names) -> Step:
        """The answer as it is kept, with the words in which the statement reads masks in place of tables."""
        explains = isinstance(answer, Traced) and bool(answer.uncosted)
        if not explains and all(mask.reading != "source" for mask in compiled.index.masks):
            return self._judged(parsed, answer, compiled, names, None)
        if isinstance(answer, Traced) and (answer.reads or answer.uncosted) and parsed.pruned:
            # Its places are those of a shortened text.
            parsed = yield maybeDeferred(self._session.parser.parse, parsed.text, whole=True)
            answer = self._said(parsed, compiled, names, {}, {}, refreshed=True)
        answer, rewording = yield self._reworded(parsed, answer, compiled)
        judged = self._judged(parsed, answer, compiled, names, rewording)
        run = names_run(parsed.statements)
        if any(run):
            bodies = [text for name in run[0] for text in self._memory.prepared.of(name)]
            bodies += [text for name in run[1] for text in self._memory.cursors.of(name)]
            now = evolve(names, settled=True)  # what was put in has its schema, and the rest is looked up anew
            runs: list[tuple[str, Words]] = []
            for text in bodies:
                body = yield maybeDeferred(self._session.parser.parse, text)
                inner = self._said(body, compiled, now, {}, {}, refreshed=True)
                if isinstance(inner, Ask):  # what runs it has no names of its own, for which somebody had asked
                    now = evolve(now, relations={**now.relations, **(yield self._ask(inner.relations))})
                    inner = self._said(body, compiled, now, {}, {}, refreshed=True)
                inner, made = yield self._reworded(body, inner, compiled)
                told = isinstance(inner, Untouched | Traced)
                runs.append((text, UNKNOWN if not told else () if made is None else made.words[0]))
            judged.runs = tuple(runs)
        return judged

    def _reworded(self, parsed: Parsed, answer: Answer, compiled: Compiled) -> Deferred[Any]:
        own = {*self._memory.own, *self._memory.moved.masks}
        return masked_form(self._session, parsed, answer, compiled.index, own)

    def _judged(
        self, parsed: Parsed, answer: Answer, compiled: Compiled, names: Names, rewording: Rewording | None
    ) -> Judged:
        """The answer as it is kept; of what it opens, and of what was open, the lineage of that moment counts."""
        memory = self._memory
        if isinstance(answer, Untouched | Traced):
            answer = evolve(answer, results=memory.as_opened(parsed.statements, answer.results))
        judged = compiled.judged(parsed, answer)
        judged.rewording = rewording
        opened = declared(parsed.statements)
        if opened:
            judged.declares = {}
            for name, query in opened.items():
                alone = evolve(parsed, statements=(query,))
                inner = self._said(alone, compiled, names, {}, {}, refreshed=True)
                results = inner.results if isinstance(inner, Untouched | Traced) else ()
                judged.declares[name] = results[0] if results else None
        carries = isinstance(answer, Traced) and answer.carries  # which is looked at each time
        if not (names.relations or memory.moved.masks or carries):
            compiled.remember(self._known.where(names.path) if names.settled else UNSETTLED, parsed, judged)
        return judged

    @inlineCallbacks
    def parsed(self, text: str) -> Step:
        """Fire with the parsed text. Fails with Unparsable."""
        decision = self._session.decision
        if decision is not None and decision.parsed is not None and decision.parsed.text == text:
            return decision.parsed
        return (yield maybeDeferred(self._session.parser.parse, text))

    @inlineCallbacks
    def _bodies(self, known: Bodies, names: Iterable[str]) -> Step:
        found: Texts = {}
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

    @inlineCallbacks
    def _rest(self) -> Step:
        """Fire once the target has answered all that was sent."""
        try:
            yield self._session.ask(NOTHING)
        except QuestionError as error:
            if not error.aborted:  # then it will not run what comes now either
                raise

    @inlineCallbacks
    def again(self, text: str, masks: tuple[Mask, ...]) -> Step:
        """Fire with what is known under a catalogue that was read just now, and with what is judged under it of a
        statement that runs already; None where nothing can be said of it. The target may have looked its names up at
        any moment since, so all relations that have them count."""
        snapshot = yield self.refreshed()
        compiled = self._known.compiled(snapshot, masks)
        try:
            parsed = yield maybeDeferred(self._session.parser.parse, text)
        except Unparsable:
            return compiled, None
        memory, run = self._memory, names_run(parsed.statements)
        prepared = yield self._bodies(memory.prepared, run[0])
        cursors = yield self._bodies(memory.cursors, run[1])
        seen = {(schema, each.name): each for each in memory.learnt.values() for schema in (None, each.schema)}
        names = Names(None, seen, settled=False)
        answer = self._said(parsed, compiled, names, prepared, cursors, refreshed=True)
        if not isinstance(answer, Untouched | Traced) or (isinstance(answer, Traced) and answer.reads):
            return compiled, None
        results = memory.as_opened(parsed.statements, answer.results)
        return compiled, compiled.judged(parsed, evolve(answer, results=results))

    @inlineCallbacks
    def refreshed(self) -> Step:
        """Fire with a snapshot that was checked just now, or the last one where that fails; fail if there is none."""
        catalogue = self._session.catalogue
        try:
            yield catalogue.refresh()
        except Exception as error:
            if catalogue.snapshot is None:
                raise
            log.warn("session {session}: unknown columns are masked: {error}", session=self._session.id, error=error)
        return catalogue.snapshot


@inlineCallbacks
def keys(fetch: Fetch, wanted: Mapping[str, SecretRef | None]) -> Step:
    """The secrets of hash masks by the mask's name; one that cannot be had is left out, and its mask hides all."""
    found: dict[str, bytes] = {}
    for name, reference in wanted.items():
        if reference is None:
            continue
        try:
            found[name] = yield fetch(reference)
        except HoopgateError as error:
            log.error("mask {mask} has no key, so it hides values whole: {error}", mask=name, error=str(error))
    return found
