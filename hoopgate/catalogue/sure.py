"""What is known of a database, for as long as nobody needs to ask whether it still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hoopgate.catalogue.snapshot import Snapshot


class Sure:
    """Asked at each statement under masks, so that the catalogue itself is asked only now and then.

    ``until`` is a time of ``clock``; the catalogue doubts what is here at once where something else may count.
    ``defining``: some session may be changing what names mean (see ``Catalogue.moving``).
    """

    __slots__ = ("_seconds", "_snapshot", "_until", "defining")

    def __init__(self, clock: Any) -> None:
        self._seconds: Any = clock.seconds
        self._snapshot: Snapshot | None = None
        self._until = 0.0
        self.defining = False

    def trust(self, snapshot: Snapshot, until: float) -> None:
        self._snapshot = snapshot
        self._until = until

    def doubt(self) -> None:
        self._snapshot = None

    def fresh(self) -> Snapshot | None:
        """As ``Catalogue.fresh``; None: that has to be asked."""
        found = self._snapshot
        if found is not None:
            now: float = self._seconds()
            if now > self._until:
                found = self._snapshot = None
        return found
