"""Masks: what a statement may do with masked values, and what becomes of the columns of its results.

A statement is judged by its lineage (:mod:`hoopgate.policy.lineage`) against the catalogue; what the catalogue does not
have is looked up anew, and then asked of the client's own session. A result's columns are masked by that lineage and by
the origin that the wire names, whichever is severer (:mod:`hoopgate.guards.witness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twisted.internet.defer import Deferred
from zope.interface import classImplements

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.sure import Sure
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.requests import InputEnd
from hoopgate.config.model import Config, Mask
from hoopgate.frames import BIND, CALL, EXECUTE, PREPARE, SIMPLE, Columns, Frame, Input, Notice, Statement
from hoopgate.guards.mask_judge import RULE, Fetch, Judge, keys
from hoopgate.guards.mask_judged import UNTOLD, Judged
from hoopgate.guards.mask_known import UNSETTLED, Compiled, Indexes, Known
from hoopgate.guards.mask_memory import SessionMemory, renames
from hoopgate.guards.mask_notices import own_part, said_by_code, scrub
from hoopgate.guards.mask_plans import Keys, Planned, copy_cells, copy_plan, copy_problem, planned, row_plan
from hoopgate.guards.mask_refusals import exhausted, full, refused
from hoopgate.guards.mask_reworded import Sources
from hoopgate.guards.mask_writes import Writes
from hoopgate.guards.printed import Printed
from hoopgate.guards.witness import NOTHING_OWN, Cell, Own, witnessed
from hoopgate.guards.witness import UNTOLD as HIDDEN
from hoopgate.inference import Inference
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy.sql.parser import Parsed
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict
from hoopgate.verdicts import Mask as MaskVerdict

if TYPE_CHECKING:
    pass


MOVED: Final = Block(
    "definitions were changed while the COPY waited, so that its columns cannot be told",
    rule=RULE,
    hint="Try again.",
    sqlstate="40001",
)


class Masks:
    """Opens a guard for every session, since a reload may bring masks.

    ``fetch`` resolves the secrets of hash masks, and caches them. ``inference`` counts what identities spend on
    conditions over masked values.
    """

    def __init__(self, fetch: Fetch, inference: Inference) -> None:
        self.fetch = fetch
        self.inference = inference
        self.indexes = Indexes()

    def open(self, session: Any) -> MaskGuard:
        return MaskGuard(session, self)


class MaskGuard:
    """One session's guard."""

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Statement, Columns, Notice, Input, InputEnd})

    # Made once masks come into force: most sessions never have any, and there may be ten thousand of them.
    _memory: SessionMemory
    _known: Known
    _judge: Any
    _sources: Sources
    _writes: Writes

    def __init__(self, session: Any, factory: Masks) -> None:
        self._session = session
        self._factory: Any = factory
        self._fetch: Any = factory.fetch
        self._inference: Any = factory.inference
        self._begun = False  # masks were in force, so that the parts above are there
        session.printed = Printed(session, self)
        self._config: Config | None = None
        self._masks: tuple[Mask, ...] = ()

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        if not self.masks():
            return ALLOW
        if isinstance(frame, Statement):
            return self._statement(frame)
        if isinstance(frame, Columns):
            return self._columns(frame)
        if isinstance(frame, Notice):
            return self._notice(frame)
        return self._writes.sent(frame) or ALLOW

    def closed(self, reason: str) -> None:
        """Nothing outlives the session: its memory goes with the guard."""

    def masks(self) -> tuple[Mask, ...]:
        """The masks in force for this session under today's configuration."""
        session = self._session
        config = session.config
        if config is not self._config:
            self._masks = session.engine.masks(session.identity, session.target)
            self._config = config
            if self._masks and not self._begun:
                self._begin()
        return self._masks

    def _begin(self) -> None:
        session = self._session
        self._begun = True
        self._memory = SessionMemory()
        self._known = Known(session, self._factory.indexes, self._memory)
        self._judge = Judge(session, self._known, self._memory)
        self._sources = Sources(session)
        self._writes = Writes(session)

    def copying(self) -> bool:
        """What the client sends now are rows for masked columns."""
        return self._begun and self._writes.copying()

    def index(self) -> MaskIndex | None:
        """The masks in force with the catalogue as it is known; None before it is, and without masks."""
        masks = self.masks()
        snapshot = self._known.catalogue().snapshot if masks else None
        return None if snapshot is None else self._known.compiled(snapshot, masks).index

    # --- statements

    def _statement(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        phase = frame.phase
        if phase is CALL:
            return Block(
                "function calls by number cannot be judged while masks are in force",
                rule=RULE,
                hint="Call the function in a SELECT.",
            )
        if phase is not EXECUTE:  # of which the target looked the names up as it was bound
            frame.judged_at = self._known.catalogue().changes
        places = self._session.places
        path: tuple[str, ...] | None = None if places is None else places.schemas
        # The target may go by what names meant as the statement was parsed or bound, which was not judged then.
        settled = frame.judged is not None or phase is SIMPLE or phase is PREPARE
        where = self._known.where(path) if settled else UNSETTLED
        judged = self._known.said(frame.text, self._masks, where, phase is BIND or phase is EXECUTE)
        if judged is not None:
            return self._verdict(frame, judged)
        answer: Deferred[Any] = self._judge.answer(frame.text, self._masks, path, settled=settled)
        return answer.addCallback(self._said, frame)

    def _said(self, found: Block | tuple[Parsed, Judged], frame: Statement) -> Verdict:
        if isinstance(found, Block):
            return found
        parsed, judged = found
        runs = frame.phase is SIMPLE or frame.phase is EXECUTE
        if runs and not self._memory.moved.room_for(judged.moved):
            return full(judged)
        verdict = self._verdict(frame, judged)
        if runs and not isinstance(verdict, Block):
            if renames(parsed.statements):
                self._known.catalogue().defining(self._session)
            self._memory.note(parsed)
            self._sources.note(parsed, judged)
            for name, outputs in (judged.declares or {}).items():
                self._memory.open(name, outputs)
        return verdict

    def _verdict(self, frame: Statement, judged: Judged) -> Verdict:
        before, now = frame.judged, judged
        if before is not None and before is not judged:
            snapshot = self._known.catalogue().snapshot
            judged = self._known.compiled(snapshot, self._masks).both(before, judged)
        frame.judged = judged
        self._writes.ran()
        if not judged.plain:
            block = self._problem(frame, judged)
            if block is not None:
                return block
        verdict = self._sources.verdict(frame, now, before) if now.sourced or frame.respelled is not None else ALLOW
        return verdict if isinstance(verdict, Block) else self._named(frame, judged, verdict)

    def _named(self, frame: Statement, judged: Judged, verdict: Verdict) -> Verdict:
        phase = frame.phase
        if phase is PREPARE and frame.name:
            self._memory.prepared.add(frame.name, frame.text)  # SQL's EXECUTE knows it too
            self._sources.sent(frame.text, 0, judged)
        elif phase is BIND and frame.portal:
            self._memory.cursors.add(frame.portal, frame.text)  # and FETCH the portal
            self._memory.open(frame.portal, judged.shape(0).outputs)
            self._sources.sent(frame.text, 0, judged)
        return verdict

    def _problem(self, frame: Statement, judged: Judged) -> Block | None:
        """Why a statement must not run that does more than read what it shows; what it does is accounted for."""
        if judged.refused is not None:
            return refused(judged.refused, self._session.transaction)
        if judged.copy is not None:
            session = self._session
            problem = copy_problem(judged.copy, session.client_encoding, sure=not session.tentative)
            if problem:
                return Block(problem, rule=RULE, hint="Use other options for COPY, such as ENCODING 'UTF8'.")
        phase = frame.phase
        written = self._writes.problem(frame, judged)
        if written is not None:
            return written
        # What people released was paid for as it was held.
        if judged.costs and (phase is SIMPLE or phase is BIND) and not frame.released:
            short = self._probed(judged)
            if short is not None:
                return short
        if judged.moved and (phase is SIMPLE or phase is EXECUTE):
            self._memory.moved.move(judged.moved)
        return None

    def _probed(self, judged: Judged) -> Block | None:
        """Conditions over masked values cost something, and are told of."""
        session = self._session
        limits, metrics = session.config.limits, session.gateway.metrics
        window = limits.inference_window
        short = self._inference.spend(session.identity.key, judged.costs, window=window, most=limits.inference_counts)
        if short is not None:
            metrics.probes_refused.value += 1
            return exhausted(short, window)
        metrics.probes.value += 1
        session.later(judged.event)
        return None

    # --- answers

    def _columns(self, frame: Columns) -> Verdict | Deferred[Verdict]:
        statement = frame.statement
        judged: Judged | None = None if statement is None else statement.judged
        catalogue = self._known.catalogue()
        # What its names meant may have changed before the target looked at them; of what is clear no masked table had a
        # part in it, and none can take another's name.
        sure: Sure = catalogue.sure
        moved = (
            judged is not None
            and not judged.clear
            and (
                (statement is not None and statement.judged_at != catalogue.changes)
                or (sure.defining and catalogue.moving(self._session))
            )
        )
        if frame.copy is not None:
            return self._copied(frame, judged, moved=moved)
        snapshot = catalogue.snapshot
        if snapshot is None or moved:
            return self._looked_up(frame, judged)
        compiled = self._known.compiled(snapshot, self._masks)
        shape = UNTOLD if judged is None else judged.shape(frame.place)
        description = frame.description
        if description and not self._memory.moved.masks:
            known = compiled.plan(shape, description, self._session.client_encoding)
            if known is not None:
                return self._told(known)
        return self._new(frame, judged, compiled, looked=False)

    def _new(
        self, frame: Columns, judged: Judged | None, compiled: Compiled, *, looked: bool
    ) -> Verdict | Deferred[Verdict]:
        """A result of a sort that was not seen yet. ``looked``: the catalogue was read since it began."""
        index, memory = compiled.index, self._memory
        shape = UNTOLD if judged is None else judged.shape(frame.place)
        cells, unknown = witnessed(shape.outputs, frame.columns, index, NOTHING_OWN, clear=shape.clear)
        # Not where what the session alone knows had a part in it, or a key that may change.
        lasting = bool(frame.description) and not unknown and not memory.moved.masks and not _hashes(cells)
        if unknown or memory.moved.masks:
            own = Own(memory.learnt, memory.moved.masks)
            cells, unknown = witnessed(shape.outputs, frame.columns, index, own, clear=shape.clear)
        if not looked and (
            unknown or (judged is not None and any(cell is not None and cell.doubted for cell in cells))
        ):
            return self._looked_up(frame, judged)
        if not lasting:
            return self._rows(frame, cells, index)
        made = self._planned(frame, cells, index, {})
        compiled.keep_plan(shape, frame.description, self._session.client_encoding, made)
        return self._told(made)

    def _looked_up(self, frame: Columns, judged: Judged | None) -> Deferred[Verdict]:
        """The witnesses do not agree, or nobody knows a relation: perhaps the catalogue is out of date. Read it, and
        judge the statement anew; what is doubtful then is masked."""

        def looked(found: tuple[Compiled, Judged | None]) -> Verdict | Deferred[Verdict]:
            compiled, now = found
            both = None if judged is None or now is None else compiled.both(judged, now)
            return self._new(frame, both, compiled, looked=True)

        text = "" if frame.statement is None else frame.statement.text
        answer: Deferred[Any] = self._judge.again(text, self._masks)
        return answer.addCallback(looked)

    def _rows(self, frame: Columns, cells: Sequence[Cell | None], index: MaskIndex) -> Verdict | Deferred[Verdict]:
        return self._with_keys(cells, lambda keys: self._told(self._planned(frame, cells, index, keys)))

    def _planned(self, frame: Columns, cells: Sequence[Cell | None], index: MaskIndex, keys: Keys) -> Planned:
        if not any(cells):
            return Planned(ALLOW, b"", 0, 0, frozenset())
        plan = row_plan(frame.columns, cells, index, keys, self._session.client_encoding)
        return planned(MaskVerdict(plan), cells, [column.name for column in frame.columns])

    def _copied(self, frame: Columns, judged: Judged | None, *, moved: bool) -> Verdict | Deferred[Verdict]:
        """``moved``: its columns cannot be told, and are hidden."""
        if judged is None or not (judged.clear or judged.copy is not None):
            return Block("COPY was answered, but no COPY was judged", rule=RULE, sqlstate="XX000")
        shape = judged.copy
        if shape is None or not shape.outputs:  # it shows nothing masked
            return MOVED if moved else ALLOW
        # Since it was judged the target may have told of another, which what was sent before it had set.
        problem = copy_problem(shape, self._session.client_encoding, sure=True)
        if problem:
            return Block(problem, rule=RULE)
        _, formats = messages.parse_copy_out_response(frame.raw)
        cells = [HIDDEN] * len(formats) if moved else copy_cells(shape, len(formats))
        if not any(cells):
            return ALLOW
        names = [f"column {position}" for position in range(1, len(cells) + 1)]
        index = self._known.compiled(self._known.catalogue().snapshot, self._masks).index

        def with_keys(keys: Keys) -> Verdict:
            plan = copy_plan(frame, shape, cells, index, keys, self._session.client_encoding)
            return self._told(planned(MaskVerdict(plan), cells, names))

        return self._with_keys(cells, with_keys)

    def _told(self, made: Planned) -> Verdict:
        """Record and count what is masked."""
        if made.masked:
            self._session.later(made.event)
            self._writes.shown |= made.masks
            metrics = self._session.gateway.metrics
            metrics.masked_columns.value += made.masked
            if made.doubted:
                metrics.doubted_columns.value += made.doubted
        return made.verdict

    def _with_keys(self, cells: Iterable[Cell | None], then: Callable[[Keys], Verdict]) -> Verdict | Deferred[Verdict]:
        wanted = _hashes(cells)
        return keys(self._fetch, wanted).addCallback(then) if wanted else then({})

    def _notice(self, frame: Notice) -> Verdict:
        judged: Judged | None = None if frame.statement is None else frame.statement.judged
        if judged is not None and judged.clear and not said_by_code(frame.fields):
            return ALLOW
        index = self.index()
        encoding = self._session.client_encoding
        written = own_part(frame.statement, reads=judged is None or judged.reads, encoding=encoding)
        clean = scrub(frame.fields, index, written)
        if clean is frame.fields:
            return ALLOW
        raw = messages.fields_response(
            b"E" if frame.error else b"N", {code: text.encode(encoding, "replace") for code, text in clean.items()}
        )
        return Rewrite(Notice(raw, clean, frame.statement, frame.error))


def _hashes(cells: Iterable[Cell | None]) -> dict[str, Any]:
    """The keys of the masks whose hashes are shown."""
    found = [cell.mask for cell in cells if cell is not None and cell.mask.kind == "hash" and not cell.derived]
    return {mask.name: mask.key for mask in found}


classImplements(Masks, IGuardFactory)
classImplements(MaskGuard, IGuard)
