"""Detectors and canaries over answers: what looks like a secret is hidden, a planted value ends the session.

Behind the masks, since those hide by origin what need not be looked at. Cells are looked at as they pass (the codec
applies the plan); canaries are sought in what is about to reach the client, whole runs of rows at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from zope.interface import classImplements

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.copy import CopyOptions
from hoopgate.codecs.postgresql.rows import CopyPlan, RowEditor, splicer
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Canary, Config, Detector
from hoopgate.detectors.canaries import SHORTEST, Canaries
from hoopgate.errors import HoopgateError
from hoopgate.frames import Columns, Described, Frame, Notice, Rows
from hoopgate.guards.detect_alarm import FOUND, alarm
from hoopgate.guards.detect_cells import CanaryCell
from hoopgate.guards.detect_copy import options_of
from hoopgate.guards.detect_plans import Watch
from hoopgate.guards.detect_streams import StreamGuard
from hoopgate.guards.mask_judge import Fetch, Step
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.verdicts import ALLOW, Block, Mask, Rewrite, Verdict

log = Logger()
_NO_WATCH: Final = Watch((), {})  # most sessions look for nothing, and share this...
_NO_CANARIES: Final = Canaries({})  # ...and this


class Detect:
    """Opens a guard for every session, since a reload may bring detectors.

    ``fetch`` resolves and caches secrets, ``in_thread`` runs a function in a thread, and ``plugins`` has third parties'
    detectors by the name that the configuration gives them.
    """

    def __init__(self, fetch: Fetch, in_thread: Callable[..., Deferred[Any]], plugins: Mapping[str, Any]) -> None:
        self.fetch = fetch
        self.in_thread = in_thread
        self._plugins = plugins
        self._version = ""
        self._watches: dict[tuple[str, ...], Watch] = {}

    def open(self, session: Any) -> DetectGuard | StreamGuard:
        if session.target.protocol == "ssh":
            return StreamGuard(session, self.fetch, self.watch)
        return DetectGuard(session, self)

    def watch(self, config: Config, detectors: Sequence[Detector]) -> Watch:
        """The one for these detectors; a new configuration forgets the others."""
        if config.version != self._version:
            self._version = config.version
            self._watches.clear()
        names = tuple([detector.name for detector in detectors])
        found = self._watches.get(names)
        if found is None:
            found = self._watches[names] = Watch(detectors, self._plugins)
        return found


class DetectGuard:
    """One session's guard."""

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Columns, Described, Rows, Notice})

    def __init__(self, session: Any, factory: Detect) -> None:
        self._session = session
        self._factory = factory
        self._config: Config | None = None
        self._watch = _NO_WATCH
        self._slow: RowEditor | None = None  # by which plug-ins look, in a thread
        self._tally: Counter[str] = Counter()  # what they hid in this session
        self._planted: tuple[Canary, ...] = ()
        self._canaries = _NO_CANARIES
        self._values: dict[str, bytes] = {}
        self._raw: Watch | None = None  # a COPY that cannot be edited is searched as it lies
        self._field: CanaryCell | None = None  # looks for canaries in what a COPY's fields mean

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        session = self._session
        if session.config is not self._config:
            self._reconfigure(session.config)
        if not (self._watch.cells or self._watch.plugged or self._planted):
            return ALLOW
        if isinstance(frame, Rows):
            return self._rows(frame) if self._slow is None else self._slowly(self._slow, frame)
        if self._planted:
            return self._with_canaries(frame)
        return self._begun(frame)

    def closed(self, reason: str) -> None:
        """Nothing outlives the session."""

    def _reconfigure(self, config: Config) -> None:
        session = self._session
        detectors = session.engine.detectors(session.identity, session.target)
        self._watch = self._factory.watch(config, detectors)
        self._planted = session.engine.canaries(session.target)
        self._config = config

    # --- results begin, and what is said of them

    @inlineCallbacks
    def _with_canaries(self, frame: Frame) -> Step:
        """The secrets' cache has the values, or fetches them."""
        values = {}
        for canary in self._planted:
            try:
                value = yield self._factory.fetch(canary.value)
            except HoopgateError as error:
                return self._unread(canary, str(error))
            if len(value) < SHORTEST:
                return self._unread(canary, f"it has fewer than {SHORTEST} bytes")
            values[canary.name] = value
        if values != self._values:
            self._values, self._canaries = values, Canaries(values)
        name = self._canaries.found(frame.raw)  # what columns are called, or an error says
        if not name:
            return self._begun(frame)
        ended = self._alarm(name)
        return Block(FOUND, rule=f"canary.{name}") if isinstance(frame, Columns) else ended

    def _begun(self, frame: Frame) -> Verdict:
        if isinstance(frame, Columns):
            return self._columns(frame)
        return self._notice(frame) if isinstance(frame, Notice) else ALLOW

    def _unread(self, canary: Canary, why: str) -> Block:
        log.error("canary {canary} cannot be sought, so no rows pass: {reason}", canary=canary.name, reason=why)
        self._session.end(
            f'canary "{canary.name}" cannot be sought: tell the gateway\'s operators',
            sqlstate="57P03",
            rule=f"canary.{canary.name}",
        )
        return Block("a canary cannot be sought", rule=f"canary.{canary.name}", sqlstate="57P03")

    def _columns(self, frame: Columns) -> Verdict:
        self._raw = self._slow = self._field = None
        if frame.copy is not None:
            return self._copy(frame)
        encoding = self._session.client_encoding
        key = (frame.description, encoding)
        snapshot = self._session.catalogue.snapshot
        types = {} if snapshot is None else snapshot.types
        if self._watch.plugged:
            limit = self._session.config.limits.row
            self._tally = Counter()
            self._slow = splicer(self._watch.slow_plan(frame.columns, types, encoding, self._tally), frame, limit)
        plan = self._watch.plans.get(key) if frame.description else None
        if plan is None:
            plan = self._watch.plan(frame.columns, types, encoding)
            self._watch.plans.put(key, plan, len(frame.description))
        return Mask(plan)

    def _copy(self, frame: Columns) -> Verdict:
        _, formats = messages.parse_copy_out_response(frame.raw)
        encoding = self._session.client_encoding
        if self._watch.plugged:
            return self._cannot("a detector that is a plug-in cannot look at COPY: select the rows")
        options = options_of(self._session.parser, frame, encoding)
        if options is None:
            if self._planted:
                return self._cannot(
                    "this COPY cannot be searched for canaries: copy in UTF8 with default options, alone"
                )
            self._raw = self._watch
            return Mask(CopyPlan(Plan((None,) * len(formats)), CopyOptions()))
        looks: tuple[CanaryCell, ...] = ()
        if self._planted:
            self._field = CanaryCell(self._canaries)
            looks = (self._field,)
        return Mask(CopyPlan(self._watch.copy_plan(len(formats), encoding, looks), options))

    def _cannot(self, reason: str) -> Block:
        self._session.end(reason, sqlstate="0A000", rule="detectors")
        return Block(reason, rule="detectors", sqlstate="0A000")

    # --- and pass

    def _slowly(self, editor: RowEditor, frame: Rows) -> Deferred[Verdict]:
        """The lane waits for the plug-ins."""

        def looked(raw: bytes) -> Verdict:
            verdict = self._rows(Rows(raw, frame.count))
            return Rewrite(Rows(raw, frame.count)) if verdict is ALLOW and raw is not frame.raw else verdict

        return self._factory.in_thread(editor.splice_run, frame.raw).addCallback(looked)

    def _rows(self, frame: Rows) -> Verdict:
        found = self._watch.take()
        if self._tally:
            found.update(self._tally)
            self._tally.clear()
        if found:
            self._session.event("detected", kinds=dict(found))
            self._session.gateway.metrics.detected.value += found.total()
        if self._raw is not None and any(cells.finder.spans(frame.raw) for cells in self._raw.cells):
            reason = "this COPY holds values that are hidden by detectors, and its options do not allow to edit it"
            self._session.end(f"{reason}: copy in UTF8 with default options", rule="detectors")
            return Rewrite(Rows(b"", 0))
        name = self._field.found if self._field is not None else ""
        name = name or self._canaries.found(frame.raw)
        return self._alarm(name) if name else ALLOW

    def _alarm(self, name: str) -> Verdict:
        alarm(self._session, name)
        return Rewrite(Rows(b"", 0))

    def _notice(self, frame: Notice) -> Verdict:
        encoding = self._session.client_encoding
        clean = {code: self._hidden(text, encoding) for code, text in frame.fields.items()}
        if clean == frame.fields:
            return ALLOW
        raw = messages.fields_response(
            b"E" if frame.error else b"N", {code: text.encode(encoding, "replace") for code, text in clean.items()}
        )
        return Rewrite(Notice(raw, clean, frame.statement, frame.error))

    def _hidden(self, text: str, encoding: str) -> str:
        data = text.encode(encoding, "replace")
        for cells in self._watch.cells:
            data = cells.finder.hide(data)
        return data.decode(encoding, "replace")


classImplements(Detect, IGuardFactory)
classImplements(DetectGuard, IGuard)
