"""One run of one workload through one peer."""

from __future__ import annotations

from attrs import frozen


class FailedRunError(Exception):
    """A client failed: there is nothing to compare."""


@frozen
class Result:
    """What was done. ``cpu`` is µs of what stands between client and server for each unit; times are ms.

    ``peak`` is the most memory that one process of it held, in MB. What was not measured is None.
    """

    per_second: float
    cpu: float = 0.0
    p50: float | None = None
    p99: float | None = None
    peak: float | None = None
