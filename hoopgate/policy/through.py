"""Views through which PostgreSQL lets people write (manual, CREATE VIEW, "Updatable Views").

Rules know a view by its own name, so whoever makes one could reach tables by a name under which more is allowed. Where
a rule would let somebody write to the view, and none to what it shows, making it counts as that write too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve

from hoopgate.policy.operations import Effect, Operation

_WRITES: Final[tuple[tuple[Effect, str], ...]] = (("write", "UPDATE"), ("delete", "DELETE"))


def opened(operations: tuple[Operation, ...], severity: Callable[[Operation], int]) -> tuple[Operation, ...]:
    """The operations, and the writes that a new view opens. ``severity`` of an operation: that of its answer."""
    if not any(operation.through for operation in operations):
        return operations
    return (*operations, *dict.fromkeys(_opened(operations, severity)))


def _opened(operations: tuple[Operation, ...], severity: Callable[[Operation], int]) -> Iterator[Operation]:
    for operation in operations:
        names = [(thing,) for thing in operation.objects]
        if operation.through and operation.part == "temporary":
            names += [(evolve(thing, schema="pg_temp"),) for thing in operation.objects]
        for effect, command in _WRITES if operation.through else ():
            for bounded in (True, False):
                write = Operation(effect, command, operation.through, bounded, f"through the view {names[0][0]}")
                if severity(write) > min(severity(evolve(write, objects=name)) for name in names):
                    yield write
