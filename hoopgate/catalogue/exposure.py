"""What comes out of a relation or a function, under one set of masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from hoopgate.catalogue.snapshot import WHOLE_ROW
from hoopgate.config.model import Mask


@frozen
class Taint:
    """Why a relation or function cannot be used: ``mask`` names whose values would come out."""

    reason: str
    mask: str


@frozen
class Covered:
    """An output under a mask. ``derived``: it was computed with masked values, and is to be hidden whole."""

    mask: Mask
    derived: bool = False


@frozen
class Probed:
    """A masked column that a definition's own conditions look at; ``column`` is its dotted name.

    ``narrow``: the author's conditions, which ask the same each time; not narrow: an order, or what arguments decide.
    """

    mask: Mask
    column: str
    narrow: bool = True


@frozen
class Exposed:
    """What a use of a relation, or a call of a function, brings to light.

    ``columns``: masked outputs by attribute number or position from 1; WHOLE_ROW (0) stands for each output.
    ``probes``: what using it tells besides. ``refused``: it must not be used at all. ``writes``: it changes data.
    ``names``: unqualified relations that a function's text names, which may be the caller's temporary ones.
    """

    columns: Mapping[int, Covered] = field(factory=dict)
    probes: tuple[Probed, ...] = ()
    refused: Taint | None = None
    writes: bool = False
    names: frozenset[str] = frozenset()

    def at(self, position: int) -> Covered | None:
        """What covers this output."""
        return self.columns.get(position) or self.columns.get(WHOLE_ROW)

    @property
    def any(self) -> Covered | None:
        """What covers a value that may hold any of its outputs."""
        found = next(iter(self.columns.values()), None)
        return None if found is None else Covered(found.mask, derived=True)

    @property
    def clear(self) -> bool:
        """Nothing masked has a part in it."""
        return not self.columns and not self.probes and self.refused is None


NOTHING: Final = Exposed()
