"""Masks: statements that would walk round them are refused, result columns are masked by their origin.

A statement is judged against the catalogue (:mod:`hoopgate.policy.touch`); what the catalogue does not have is looked
up anew, and then asked of the client's own session. A result's columns are masked by table oid and attribute number; a
column of a relation that nobody knows is masked whatever it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred
from zope.interface import classImplements

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.codecs.postgresql import messages
from hoopgate.config.model import Config, Mask
from hoopgate.frames import BIND, CALL, EXECUTE, PREPARE, SIMPLE, Columns, Frame, Notice, Statement
from hoopgate.guards.mask_judge import RULE, Fetch, Judge, keys
from hoopgate.guards.mask_known import Indexes, Known
from hoopgate.guards.mask_memory import SessionMemory
from hoopgate.guards.mask_notices import said_by_code, scrub
from hoopgate.guards.mask_plans import Keys, Planned, copy_plan, copy_problem, origins, planned, row_plan
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy.sql.parser import Parsed
from hoopgate.policy.touch import CopyShape, Direct, Refused, Touched, Untouched
from hoopgate.policy.touch_sources import UNSEEN
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict
from hoopgate.verdicts import Mask as MaskVerdict

if TYPE_CHECKING:
    pass


class Masks:
    """Opens a guard for every session, since a reload may bring masks.

    ``fetch`` resolves the secrets of hash masks, and caches them.
    """

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.indexes = Indexes()

    def open(self, session: Any) -> MaskGuard:
        return MaskGuard(session, self)


class MaskGuard:
    """One session's guard."""

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Statement, Columns, Notice})

    def __init__(self, session: Any, factory: Masks) -> None:
        self._session = session
        self._fetch: Any = factory.fetch
        self._memory = SessionMemory()
        self._known = Known(session, factory.indexes, self._memory)
        self._judge: Any = Judge(session, self._known, self._memory)
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
        return ALLOW

    def closed(self, reason: str) -> None:
        """Nothing outlives the session: its memory goes with the guard."""

    def masks(self) -> tuple[Mask, ...]:
        """The masks in force for this session under today's configuration."""
        session = self._session
        config = session.config
        if config is not self._config:
            self._masks = session.engine.masks(session.identity, session.target)
            self._config = config
        return self._masks

    # --- statements

    def _statement(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        if frame.phase is CALL:
            return Block(
                "function calls by number cannot be judged while masks are in force",
                rule=RULE,
                hint="Call the function in a SELECT.",
            )
        known = self._known.said(frame.text, self._masks)
        return self._judged(frame) if known is None else self._verdict(frame, known)

    def _judged(self, frame: Statement) -> Deferred[Verdict]:
        answer: Deferred[Any] = self._judge.answer(frame.text, self._masks)
        return answer.addCallback(self._said, frame)

    def _said(self, found: Block | tuple[Parsed, Touched], frame: Statement) -> Verdict:
        if isinstance(found, Block):
            return found
        parsed, touched = found
        verdict = self._verdict(frame, touched)
        if verdict is ALLOW and (frame.phase is SIMPLE or frame.phase is EXECUTE):
            self._memory.note(parsed)
        return verdict

    def _verdict(self, frame: Statement, touched: Touched) -> Verdict:
        memory = self._memory
        untouched = isinstance(touched, Untouched)
        memory.set_clear(frame.text, untouched)
        if untouched:
            return self._named(frame)
        if isinstance(touched, Refused):
            if touched.mask == UNSEEN.name and self._session.transaction == "E":
                # Nobody can be asked which relation is meant; PostgreSQL would not say more either.
                reason = "current transaction is aborted, commands ignored until end of transaction block"
                return Block(reason, rule=RULE, sqlstate="25P02")
            return Block(touched.reason, rule=touched.mask, hint=touched.hint, sqlstate=touched.sqlstate)
        if isinstance(touched, Direct) and touched.copy is not None:
            problem = copy_problem(touched.copy, self._session.client_encoding)
            if problem:
                return Block(problem, rule=RULE, hint="Use other options for COPY.")
            if frame.phase is SIMPLE or frame.phase is EXECUTE:
                memory.expect_copy(frame, touched.copy)
        return self._named(frame)

    def _named(self, frame: Statement) -> Verdict:
        if frame.phase is PREPARE and frame.name:
            self._memory.prepared.add(frame.name, frame.text)  # SQL's EXECUTE knows it too
        elif frame.phase is BIND and frame.portal:
            self._memory.cursors.add(frame.portal, frame.text)  # and FETCH the portal
        return ALLOW

    # --- answers

    def _columns(self, frame: Columns) -> Verdict | Deferred[Verdict]:
        if frame.copy is not None:
            shape = self._memory.shape_of(frame.statement)
            if shape is None:
                return Block("COPY was answered, but no COPY was judged", rule=RULE, sqlstate="XX000")
            return self._copy(frame, shape) if shape.masked else ALLOW
        snapshot = self._session.catalogue.snapshot
        if snapshot is None:
            return self._looked_up(frame)
        compiled = self._known.compiled(snapshot, self._masks)
        description = frame.description
        key = (description, self._session.client_encoding)
        known = compiled.plans.get(key) if description else None
        if known is not None:
            return self._told(known)
        index = compiled.index
        masks, unknown = origins(frame.columns, index, {})
        lasting = bool(description) and not unknown and all(mask is None or mask.kind != "hash" for mask in masks)
        if unknown:
            masks, unknown = origins(frame.columns, index, self._memory.learnt)
        if unknown:
            return self._looked_up(frame)
        if not lasting:
            return self._rows(frame, masks, index)
        # What the session alone knows had no part in it, nor a key that may change.
        made = self._planned(frame, masks, index, {})
        compiled.plans.put(key, made, len(description))
        return self._told(made)

    def _compiled(self, snapshot: Snapshot) -> MaskIndex:
        return self._known.compiled(snapshot, self.masks()).index

    def _looked_up(self, frame: Columns) -> Deferred[Verdict]:
        """A column's relation is not known: look anew, and mask what then is still unknown."""

        def looked(snapshot: Snapshot) -> Verdict | Deferred[Verdict]:
            index = self._compiled(snapshot)
            masks, _ = origins(frame.columns, index, self._memory.learnt)
            return self._rows(frame, masks, index)

        answer: Deferred[Any] = self._judge.refreshed()
        return answer.addCallback(looked)

    def _rows(self, frame: Columns, masks: Sequence[Mask | None], index: MaskIndex) -> Verdict | Deferred[Verdict]:
        return self._with_keys(masks, lambda keys: self._told(self._planned(frame, masks, index, keys)))

    def _planned(self, frame: Columns, masks: Sequence[Mask | None], index: MaskIndex, keys: Keys) -> Planned:
        if not any(masks):
            return Planned(ALLOW, b"", 0)
        plan = row_plan(frame.columns, masks, index, keys, self._session.client_encoding)
        return planned(MaskVerdict(plan), masks, [column.name for column in frame.columns])

    def _copy(self, frame: Columns, shape: CopyShape) -> Verdict | Deferred[Verdict]:
        masks = [None if cell is None else cell[0] for cell in shape.columns]
        names = [f"column {position}" for position in range(1, len(masks) + 1)]
        index = self._compiled(self._session.catalogue.snapshot)

        def with_keys(keys: Keys) -> Verdict:
            plan = copy_plan(frame, shape, index, keys, self._session.client_encoding)
            return self._told(planned(MaskVerdict(plan), masks, names))

        return self._with_keys(masks, with_keys)

    def _told(self, made: Planned) -> Verdict:
        """Record and count what is masked."""
        if made.masked:
            self._session.later(made.event)
            self._session.gateway.metrics.masked_columns.value += made.masked
        return made.verdict

    def _with_keys(self, masks: Iterable[Mask | None], then: Callable[[Keys], Verdict]) -> Verdict | Deferred[Verdict]:
        wanted = {mask.name: mask.key for mask in masks if mask is not None and mask.kind == "hash"}
        return keys(self._fetch, wanted).addCallback(then) if wanted else then({})

    def _notice(self, frame: Notice) -> Verdict:
        quiet = frame.statement is not None and self._memory.is_clear(frame.statement.text)
        if quiet and not said_by_code(frame.fields):
            return ALLOW
        snapshot = self._session.catalogue.snapshot
        clean = scrub(frame.fields, None if snapshot is None else self._compiled(snapshot))
        if clean is frame.fields:
            return ALLOW
        encoding = self._session.client_encoding
        raw = messages.fields_response(
            b"E" if frame.error else b"N", {code: text.encode(encoding, "replace") for code, text in clean.items()}
        )
        return Rewrite(Notice(raw, clean, frame.statement, frame.error))


classImplements(Masks, IGuardFactory)
classImplements(MaskGuard, IGuard)
