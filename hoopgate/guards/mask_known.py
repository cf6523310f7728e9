"""What was said under one set of masks and one catalogue: of statements, and of the columns of results."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.config.model import Config, Mask
from hoopgate.guards.mask_memory import SessionMemory
from hoopgate.guards.mask_plans import Planned
from hoopgate.policy.memory import Memory
from hoopgate.policy.sql.parser import Parsed
from hoopgate.policy.sql.shape import shape
from hoopgate.policy.touch import Ask, Direct, Touched

if TYPE_CHECKING:
    pass

INDEXES: Final = 16
JUDGED: Final = 4096
JUDGED_TEXT: Final = 8192  # longer texts are judged each time
_JUDGED_TOTAL: Final = 8 * 1024 * 1024  # characters
PLANS: Final = 1024
_PLANS_TOTAL: Final = 4 * 1024 * 1024  # bytes of RowDescription

SHAPELY: Final = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TransactionStmt"})
"""Of these the same is said whatever their literals are, unless the walk looked at one."""

LASTING: Final = SHAPELY | {"VariableSetStmt", "VariableShowStmt"}
"""Statements that define nothing and run no other: what was said of them stays true under the same index."""


class Compiled:
    """An index, and what was said under it: of texts, by their shape where literals do not count, and of results.

    ``plans``: verdicts on results by their RowDescription and the client's encoding.
    """

    def __init__(self, index: MaskIndex) -> None:
        self.index = index
        self._texts: Memory[str, Touched] = Memory(JUDGED, _JUDGED_TOTAL)
        self._shapes: Memory[str, Touched] = Memory(JUDGED, _JUDGED_TOTAL)
        self.plans: Memory[tuple[bytes, str], Planned] = Memory(PLANS, _PLANS_TOTAL)

    def known(self, text: str) -> Touched | None:
        """What was said of this text, or of another of its shape."""
        found = self._texts.get(text)
        if found is None:
            form = shape(text)
            if form is not None:
                found = self._shapes.get(form)
        return found

    def remember(self, parsed: Parsed, touched: Touched) -> None:
        """Keep what was said, if it would be said again."""
        text = parsed.text
        if len(text) > JUDGED_TEXT or isinstance(touched, Ask) or (isinstance(touched, Direct) and touched.copy):
            return
        shapely = not touched.by_literal
        for statement in parsed.statements:
            (kind, value), *_ = statement.items()
            if kind not in LASTING or "intoClause" in value:
                return
            shapely = shapely and kind in SHAPELY
        form = shape(text) if shapely else None
        if form is None or form == text:  # a text without literals is its own shape
            self._texts.put(text, touched, len(text))
        else:
            self._shapes.put(form, touched, len(form))


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


class Known:
    """What of it concerns one session."""

    def __init__(self, session: Any, indexes: Indexes, memory: SessionMemory) -> None:
        self._session = session
        self._indexes = indexes
        self._memory = memory
        self._last: Compiled | None = None  # and what it is of:
        self._snapshot: Snapshot | None = None
        self._config: Config | None = None
        self._masks: tuple[Mask, ...] = ()

    def compiled(self, snapshot: Snapshot, masks: tuple[Mask, ...]) -> Compiled:
        config = self._session.config
        last = self._last
        if last is None or snapshot is not self._snapshot or config is not self._config or masks is not self._masks:
            last = self._last = self._indexes.compiled(snapshot, config, masks)
            self._snapshot, self._config, self._masks = snapshot, config, masks
        return last

    def said(self, text: str, masks: tuple[Mask, ...]) -> Touched | None:
        """What was said of the same text under today's catalogue."""
        snapshot = self._session.catalogue.fresh
        if snapshot is None or self._memory.own:
            return None
        return self.compiled(snapshot, masks).known(text)
