"""Snapshots under sets of masks: few sets, shared by all sessions, and each made from the one before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from hoopgate.catalogue.index import MaskIndex, compiling
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.config.model import Mask

_KEPT: Final = 16
_Key = tuple[tuple[Mask, ...], tuple[str, ...]]


class Indexes:
    """The newest index of each set of masks that is in use."""

    def __init__(self) -> None:
        self._newest: OrderedDict[_Key, MaskIndex] = OrderedDict()

    def index(self, snapshot: Snapshot, masks: tuple[Mask, ...], functions_safe: tuple[str, ...]) -> MaskIndex:
        """Of this snapshot; at once if it was asked for before."""
        for _ in self.making(snapshot, masks, functions_safe):
            pass
        key = (masks, functions_safe)
        self._newest.move_to_end(key)
        return self._newest[key]

    def making(self, snapshot: Snapshot, masks: tuple[Mask, ...], functions_safe: tuple[str, ...]) -> Iterator[None]:
        """Make the index, step by step, if there is none."""
        key = (masks, functions_safe)
        known = self._newest.get(key)
        if known is None or known.snapshot is not snapshot:
            yield from self._making(key, snapshot)

    def renewing(self, snapshot: Snapshot) -> Iterator[None]:
        """Make the indexes of a newer snapshot, step by step."""
        for key in list(self._newest):
            yield from self._making(key, snapshot)

    def _making(self, key: _Key, snapshot: Snapshot) -> Iterator[None]:
        masks, functions_safe = key
        made = yield from compiling(snapshot, masks, functions_safe=functions_safe, before=self._newest.get(key))
        self._newest[key] = made
        if len(self._newest) > _KEPT:
            self._newest.popitem(last=False)
