"""What Prometheus is told: one registry a process, every label of bounded cardinality.

Target names come from the configuration (others count as ``other``), every other label from a list in this file. On
the hot path (bytes, appends, statements) a plain integer is added; the exposition format is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from hoopgate.policy.operations import EFFECTS

OTHER: Final = "other"
ENDS: Final = (
    "client", "target", "admission", "grant", "revoked", "expired", "policy", "limit", "protocol", "recorder",
    "shutdown", "internal", OTHER,
)  # fmt: skip
VERDICTS: Final = ("allow", "deny", "hold", "mask")
_ANSWERS: Final = (*VERDICTS, OTHER)
LOGIN_FAILURES: Final = (
    "token", "access", "expired", "issuer", "audience", "signature", "revoked", "timeout", "protocol", "tls", "limit",
    OTHER,
)  # fmt: skip
DIRECTIONS: Final = ("from_client", "from_target")
_WAITS: Final = (1, 5, 15, 60, 300, 900, 3600)
_CONNECTS: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FIRST_BUCKET: Final = 12  # 2**12 ns, 4 µs; doubling up to 2**34 ns, 17 s
_BUCKETS: Final = 23


class Bytes(Collector):
    """Bytes by direction; ``moved[0]`` from clients, ``moved[1]`` from targets."""

    def __init__(self) -> None:
        self.moved = [0, 0]

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily("hoopgate_bytes", "Wire bytes forwarded, by direction", labels=["direction"])
        for direction, count in zip(DIRECTIONS, self.moved, strict=True):
            family.add_metric([direction], count)
        yield family


class Appends(Collector):
    """A histogram of nanoseconds whose buckets double, so that observing is one list access."""

    def __init__(self) -> None:
        self._counts = [0] * (_BUCKETS + 1)
        self._sum = 0

    def observe(self, nanoseconds: int) -> None:
        at = nanoseconds.bit_length() - _FIRST_BUCKET
        self._counts[0 if at < 0 else at if at < _BUCKETS else _BUCKETS] += 1
        self._sum += nanoseconds

    def collect(self) -> Iterable[HistogramMetricFamily]:
        total = 0
        buckets = []
        for at, count in enumerate(self._counts):
            total += count
            bound = f"{(1 << (_FIRST_BUCKET + at)) / 1e9:g}" if at < _BUCKETS else "+Inf"
            buckets.append((bound, total))
        family = HistogramMetricFamily("hoopgate_recorder_append_seconds", "How long one append to a recording took")
        family.add_metric([], buckets, sum_value=self._sum / 1e9)
        yield family


class Statements(Collector):
    """Statements judged, by effect and verdict. ``counts`` are added to at the places that :meth:`places` gives."""

    def __init__(self) -> None:
        self.counts = [0] * (len(EFFECTS) * len(_ANSWERS))

    def places(self, effects: Iterable[str], verdict: str) -> tuple[int, ...]:
        """Where a statement with these effects counts; one that has none, or an unheard-of one, as unknown."""
        answer = _ANSWERS.index(verdict if verdict in VERDICTS else OTHER)
        known = [effect if effect in EFFECTS else "unknown" for effect in effects] or ["unknown"]
        return tuple([EFFECTS.index(effect) * len(_ANSWERS) + answer for effect in known])

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "hoopgate_statements", "Statements judged, by effect and verdict", labels=["effect", "verdict"]
        )
        for place, count in enumerate(self.counts):
            effect, answer = divmod(place, len(_ANSWERS))
            family.add_metric([EFFECTS[effect], _ANSWERS[answer]], count)
        yield family


class Count(Collector):
    """A counter without labels; ``value`` is added to."""

    def __init__(self, name: str, documentation: str) -> None:
        self.value = 0
        self._name = name
        self._documentation = documentation

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._documentation, value=self.value)


class Metrics:
    """The metric set. Gauges without labels take ``set_function`` where the truth is kept elsewhere."""

    def __init__(self, targets: Iterable[str] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        self._targets = frozenset(targets)
        self.bytes = Bytes()
        self.appends = Appends()
        self.statements = Statements()
        self.masked_columns = Count("hoopgate_masked_columns", "Result columns masked")
        self.doubted_columns = Count(
            "hoopgate_doubted_columns", "Of these, columns whose lineage and origin on the wire did not agree"
        )
        self.probes = Count("hoopgate_mask_probes", "Statements with conditions over masked values that ran")
        self.probes_refused = Count("hoopgate_mask_probes_refused", "The same that mask.inference did not allow")
        self.detected = Count("hoopgate_detected_values", "Values hidden by what they look like")
        self.canaries = Count("hoopgate_canaries", "Planted values that an answer held")
        counts = (self.masked_columns, self.doubted_columns, self.probes, self.probes_refused)
        for collector in (self.bytes, self.appends, self.statements, *counts, self.detected, self.canaries):
            registry.register(collector)
        self.sessions_open = Gauge(
            "hoopgate_sessions_open", "Sessions open now, by target", ["target"], registry=registry
        )
        self.sessions = Counter(
            "hoopgate_sessions", "Sessions that ended, by target and why", ["target", "end"], registry=registry
        )
        self.half_open = Gauge("hoopgate_half_open_connections", "Connections not logged in yet", registry=registry)
        self.holds_pending = Gauge("hoopgate_holds_pending", "Statements that wait for approval", registry=registry)
        self.hold_wait = Histogram(
            "hoopgate_hold_wait_seconds", "How long a held statement waited", buckets=_WAITS, registry=registry
        )
        self.login_failures = Counter(
            "hoopgate_login_failures", "Logins that failed, by reason", ["reason"], registry=registry
        )
        self.catalogue_refreshes = Counter(
            "hoopgate_catalogue_refreshes", "Readings of a target's catalogue", ["target", "outcome"], registry=registry
        )
        self.upstream_connect = Histogram(
            "hoopgate_upstream_connect_seconds", "From connecting to a target to being logged in", ["target"],
            buckets=_CONNECTS, registry=registry,
        )  # fmt: skip

    def set_targets(self, names: Iterable[str]) -> None:
        """The targets that the configuration now has; only these become labels."""
        self._targets = frozenset(names)

    def session_opened(self, target: str) -> None:
        self.sessions_open.labels(self._target(target)).inc()

    def session_ended(self, target: str, reason: str, rule: str = "") -> None:
        label = self._target(target)
        self.sessions_open.labels(label).dec()
        self.sessions.labels(label, end_label(reason, rule)).inc()

    def login_failed(self, reason: str) -> None:
        """``reason`` is one of LOGIN_FAILURES."""
        self.login_failures.labels(reason if reason in LOGIN_FAILURES else OTHER).inc()

    def catalogue_refreshed(self, target: str, ok: bool) -> None:
        self.catalogue_refreshes.labels(self._target(target), "ok" if ok else "failed").inc()

    def connected(self, target: str, seconds: float) -> None:
        self.upstream_connect.labels(self._target(target)).observe(seconds)

    def event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A session's event, as the recording hears it: statements, holds, masks are counted here."""
        if kind == "statement":
            for place in self.statements.places(fields.get("effects", ()), fields.get("verdict", "")):
                self.statements.counts[place] += 1
        elif kind == "decided":
            self.hold_wait.observe(float(fields.get("waited", 0.0)))
        elif kind == "masked":
            self.masked_columns.value += len(fields.get("columns", ()))

    def _target(self, name: str) -> str:
        return name if name in self._targets else OTHER


# The first that is found in rule or reason names the end.
_SIGNS: Final = (
    ("recorder", "recorder"), ("recording", "recorder"), ("protocol", "protocol"), ("limits.", "limit"),
    ("shut", "shutdown"), ("drain", "shutdown"), ("revo", "revoked"), ("grant", "grant"), ("expire", "expired"),
    ("internal", "internal"), ("the gateway failed", "internal"), ("policy", "policy"), ("rule", "policy"),
    ("the client", "client"), ("the target", "target"), ("target", "target"),
)  # fmt: skip


def end_label(reason: str, rule: str = "") -> str:
    """One of ENDS for the free text of a session's end."""
    if reason in ENDS:
        return reason
    said = f"{rule} {reason}".lower()
    return next((label for sign, label in _SIGNS if sign in said), OTHER)
