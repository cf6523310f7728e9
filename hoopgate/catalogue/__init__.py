"""What the gateway knows of a target's relations: snapshots of its catalogue, and the columns that masks cover."""

from hoopgate.catalogue.catalogue import Catalogue
from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.snapshot import Snapshot

__all__ = ["Catalogue", "MaskIndex", "Snapshot", "compile_masks"]
