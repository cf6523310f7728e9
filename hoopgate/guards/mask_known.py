"""What was said under one set of masks and one catalogue: of statements, and of the columns of results.

What is known of a text hangs on where the session looks for names as well, a result's plan on the lineage of its
statement.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import Any, Final

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.catalogue.sure import Sure
from hoopgate.config.model import Config, Mask
from hoopgate.guards.mask_judged import UNTOLD, UNTOLD_CLEAR, Judged, Outputs, Shape, combined, costs_of, shape_key
from hoopgate.guards.mask_memory import SessionMemory
from hoopgate.guards.mask_plans import Planned
from hoopgate.policy.lineage.results import Answer, Traced, Untouched
from hoopgate.policy.memory import Memory
from hoopgate.policy.sql.parser import Parsed
from hoopgate.policy.sql.shape import shape

INDEXES: Final = 16
JUDGED: Final = 4096
JUDGED_TEXT: Final = 8192  # longer texts are judged each time
_JUDGED_TOTAL: Final = 8 * 1024 * 1024  # characters
OUTPUTS: Final = 4096
_OUTPUTS_TOTAL: Final = 256 * 1024  # columns
PLANS: Final = 1024
_PLANS_TOTAL: Final = 4 * 1024 * 1024  # bytes of RowDescription

SHAPELY: Final = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TransactionStmt"})
"""Of these the same is said whatever their literals are, unless the walk looked at one."""

LASTING: Final = SHAPELY | {"VariableSetStmt", "VariableShowStmt"}
"""Statements that define nothing and run no other: what was said of them stays true under the same index."""

UNCHARGED: Final = frozenset({"PrepareStmt", "FetchStmt", "ClosePortalStmt", "DeallocateStmt"})
"""They run nothing yet, or what was paid for as it was declared."""

ANYWHERE: Final = "*"
"""Where a session looks for names, if that is not known."""

UNSETTLED: Final = "?"
"""Where it looked for those of a statement, if nobody saw it."""


_NOBODY: Final = object()
_serials: Final = count(1)


class Compiled:
    """An index, and what was said under it: of texts, by their shape where literals do not count, and of results.

    A verdict on a result hangs on the lineage of its statement, its RowDescription and the client's encoding.
    """

    def __init__(self, index: MaskIndex) -> None:
        self.index = index
        self._serial = next(_serials)
        self._texts: Memory[tuple[str, str], Judged] = Memory(JUDGED, _JUDGED_TOTAL)
        self._shapes: Memory[tuple[str, str], Judged] = Memory(JUDGED, _JUDGED_TOTAL)
        self._outputs: Memory[tuple[object, ...], Shape] = Memory(OUTPUTS, _OUTPUTS_TOTAL)
        self._plans: Memory[tuple[Shape, bytes, str], Planned] = Memory(PLANS, _PLANS_TOTAL)

    def plan(self, shape: Shape, description: bytes, encoding: str) -> Planned | None:
        """What becomes of such a result, if one was seen before."""
        recent: Recent | None = shape.recent
        if recent is not None and recent.fits(self._serial, description, encoding):
            return recent.planned
        found = self._plans.get((shape, description, encoding))
        if found is not None:
            shape.recent = Recent(self._serial, description, encoding, found)
        return found

    def keep_plan(self, shape: Shape, description: bytes, encoding: str, made: Planned) -> None:
        """The same will become of all like it."""
        self._plans.put((shape, description, encoding), made, len(description))

    def known(self, where: str, text: str) -> Judged | None:
        """What was said of this text, or of another of its shape, where names are looked for there."""
        found = self._texts.get((where, text))
        if found is None:
            form = shape(text)
            if form is not None:
                found = self._shapes.get((where, form))
        return found

    def judged(self, parsed: Parsed, answer: Answer) -> Judged:
        """The answer with what the guard needs of it."""
        shapes: tuple[Shape, ...] = ()
        costs: Any = ()
        if isinstance(answer, Untouched):
            shapes = tuple([self.shape(outputs, True) for outputs in answer.results])
        elif isinstance(answer, Traced):
            shapes = tuple([self.shape(outputs, False) for outputs in answer.results])
            if any(next(iter(statement)) not in UNCHARGED for statement in parsed.statements):
                costs = costs_of(answer.probes)
        return Judged(answer, shapes, costs)

    def shape(self, outputs: Outputs, clear: bool) -> Shape:
        """The one object for these outputs."""
        if outputs is None:
            return UNTOLD_CLEAR if clear else UNTOLD
        key = shape_key(outputs, clear)
        found = self._outputs.get(key)
        if found is None:
            found = Shape(outputs, clear, key)
            self._outputs.put(key, found, len(outputs) + 1)
        return found

    def both(self, before: Judged, now: Judged) -> Judged:
        """What holds for a statement of which something else was said before: the target may still go by that."""
        if now.refused is not None or before.source is now:
            return now if now.refused is not None else before
        count = max(len(before.shapes), len(now.shapes))
        pairs = [(before.shape(place), now.shape(place)) for place in range(count)]
        moved = now.moved + tuple([each for each in before.moved if each not in now.moved])
        if len(moved) == len(now.moved) and all(one.key == other.key for one, other in pairs):
            return now
        clear = before.clear and now.clear
        shapes = [self.shape(combined(one.outputs, other.outputs), clear) for one, other in pairs]
        made = Judged(now.answer, tuple(shapes), now.costs)
        made.clear = clear
        made.reads = before.reads or now.reads
        made.moved = moved
        made.plain = now.plain and not moved
        made.source = now
        return made

    def remember(self, where: str, parsed: Parsed, judged: Judged) -> None:
        """Keep what was said, if it would be said again."""
        text = parsed.text
        if len(text) > JUDGED_TEXT or judged.copy is not None:
            return
        shapely = not judged.answer.by_literal and (judged.rewording is None or not judged.rewording.by_literal)
        for statement in parsed.statements:
            (kind, value), *_ = statement.items()
            if kind not in LASTING or "intoClause" in value:
                return
            shapely = shapely and kind in SHAPELY
        form = shape(text) if shapely else None
        if form is None or form == text:  # a text without literals is its own shape
            self._texts.put((where, text), judged, len(text))
        else:
            self._shapes.put((where, form), judged, len(form))


class Recent:
    """The last plan for the results of a shape, which mostly are all described alike. ``of``: whose it is."""

    __slots__ = ("description", "encoding", "of", "planned")

    def __init__(self, of: int, description: bytes, encoding: str, planned: Planned) -> None:
        self.of = of
        self.description = description
        self.encoding = encoding
        self.planned = planned

    def fits(self, of: int, description: bytes, encoding: str) -> bool:
        return self.of == of and self.description == description and self.encoding == encoding


class Indexes:
    """Compiled indexes, shared by all sessions under the same masks, of which there are few."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[Snapshot, str, tuple[str, ...]], Compiled] = OrderedDict()

    def compiled(self, catalogue: Any, snapshot: Snapshot, config: Config, masks: tuple[Mask, ...]) -> Compiled:
        key = (snapshot, config.version, tuple(mask.name for mask in masks))
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = Compiled(catalogue.index(snapshot, masks, config.functions_safe))
            if len(self._compiled) > INDEXES:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return found


class Known:
    """What of it concerns one session."""

    def __init__(self, session: Any, indexes: Indexes, memory: SessionMemory) -> None:
        self._session = session
        self._indexes = indexes
        self._memory = memory
        self._catalogue: Any = None
        self._sure: Any = None  # a part of it; and whose it is:
        self._target: Any = _NOBODY
        self._last: Compiled | None = None  # and what it is of:
        self._snapshot: Snapshot | None = None
        self._config: Config | None = None
        self._masks: tuple[Mask, ...] = ()
        self._path: tuple[str, ...] | None = None  # and its name:
        self._where = ANYWHERE
        self._text = ""  # bound last, and what was said of it there under that
        self._at = ANYWHERE
        self._under: Compiled | None = None
        self._said: Judged | None = None
        self._repeated: tuple[str, tuple[str, ...], Config, Compiled, Judged] | None = None

    def catalogue(self) -> Any:
        """The session's. Its target is another object after a reload, and its database stays the same."""
        target = self._session.target
        if target is not self._target:
            self._target, self._catalogue = target, self._session.catalogue
            self._sure = self._catalogue.sure
        return self._catalogue

    def compiled(self, snapshot: Snapshot, masks: tuple[Mask, ...]) -> Compiled:
        config = self._session.config
        last = self._last
        if last is None or snapshot is not self._snapshot or config is not self._config or masks is not self._masks:
            last = self._last = self._indexes.compiled(self.catalogue(), snapshot, config, masks)
            self._snapshot, self._config, self._masks = snapshot, config, masks
        return last

    def where(self, path: tuple[str, ...] | None) -> str:
        """The key of a search_path (None: not known)."""
        if path is not self._path:
            self._path = path
            self._where = ANYWHERE if path is None else "\0".join(["", *path])
        return self._where

    def said(self, text: str, masks: tuple[Mask, ...], where: str, bound: bool) -> Judged | None:
        """What was said of the same text under today's catalogue, where names are looked for as now.

        ``bound``: the text is that of a Bind or an Execute, and the same object each time.
        """
        catalogue = self.catalogue()
        sure: Sure = self._sure
        snapshot = sure.fresh()
        if snapshot is None:
            snapshot = catalogue.fresh
        memory = self._memory
        repeated, self._repeated = self._repeated, None
        if snapshot is None or memory.moved.masks:
            return None
        compiled = self.compiled(snapshot, masks)
        if repeated is not None and repeated[0] == text and where is self._where:
            _, path, config, under, judged = repeated
            # The path is a new object after whatever may have moved it, and so is the configuration after a reload.
            if path is self._path and config is self._session.config and under is compiled:
                self._repeated = repeated
                return judged
        if memory.own:
            return None
        if text is self._text and where is self._at and compiled is self._under:
            return self._said
        found = compiled.known(where, text)
        if bound and found is not None:
            self._text, self._at, self._under, self._said = text, where, compiled, found
        return found

    def repeat(self, text: str, path: tuple[str, ...], compiled: Compiled, judged: Judged) -> None:
        """Keep what was said of a statement over the session's own temporary tables, until any other one comes: only
        another statement of the session can change what it names."""
        if path is self._path and len(text) <= JUDGED_TEXT:
            self._repeated = (text, path, self._session.config, compiled, judged)
