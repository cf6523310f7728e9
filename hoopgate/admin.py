"""The admin listener: ``/healthz`` for supervisors, ``/metrics`` for Prometheus. It never leaves loopback unless told.

``GET /healthz`` answers 200 while the gateway is live and ready and 503 else; ``/healthz/live`` and
``/healthz/ready`` ask for one of the two. The body is JSON: ``status``, ``live``, ``ready``, ``checks``. ``status`` is
``degraded`` (and the answer 200) where a worker is missing and the others serve. ``/metrics`` adds up all workers';
``GET /workers`` lists them as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import asdict, define, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hoopgate.config.status import WorkerStatus
from hoopgate.metrics import Metrics
from hoopgate.workers.tally import Sums

if TYPE_CHECKING:
    from hoopgate.workers.crew import Crew

log = Logger()

Check = Callable[[], str]


@define
class Health:
    """What the gateway knows of itself.

    A check returns "" while all is well, else what is wrong, in words without secrets; one that raises counts as
    wrong. ``ready`` is set once the service listens and cleared as it drains. ``notes`` are checks too, of what the
    gateway can do without for a while.
    """

    ready: bool = False
    checks: dict[str, Check] = field(factory=dict)
    notes: dict[str, Check] = field(factory=dict)

    def findings(self) -> dict[str, str]:
        """The outcome of each check: ``ok``, or what is wrong."""
        return {name: _outcome(name, check) for name, check in self.checks.items()}

    def noted(self) -> dict[str, str]:
        """The same of the notes."""
        return {name: _outcome(name, check) for name, check in self.notes.items()}


def _outcome(name: str, check: Check) -> str:
    try:
        return check() or "ok"
    except Exception:  # whatever a check meets, its part of the gateway is not well
        log.failure("health check {name} failed", name=name)
        return "the check failed"


class HealthResource(Resource):
    """``kind``: "" for both, ``live`` or ``ready``."""

    def __init__(self, health: Health, kind: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._health = health
        self._kind = kind
        if not kind:
            self.putChild(b"live", HealthResource(health, "live"))
            self.putChild(b"ready", HealthResource(health, "ready"))

    def render_GET(self, request: Request) -> bytes:
        findings, noted = self._health.findings(), self._health.noted()
        ready = self._health.ready and all(outcome == "ok" for outcome in findings.values())
        good = True if self._kind == "live" else ready
        whole = all(outcome == "ok" for outcome in noted.values())
        status = "unavailable" if not good else "ok" if whole else "degraded"
        request.setResponseCode(200 if good else 503)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        body = {"status": status, "live": True, "ready": ready, "checks": {**findings, **noted}}
        return json.dumps(body).encode() + b"\n"


class MetricsResource(Resource):
    """The registry in the format that the scraper asks for; rendered on the reactor, which it is read from.

    Of several workers the others are asked first, and then all are added up.
    """

    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(self, registry: CollectorRegistry, crew: Crew | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._crew = crew

    def render_GET(self, request: Request) -> bytes | int:
        if self._crew is None:
            return _exposed(self._registry, request)
        asked = Deferred.fromCoroutine(self._crew.measure())
        gone = request.notifyFinish()
        gone.addErrback(lambda failure: asked.cancel())  # the scraper has left
        asked.addCallback(self._answer, request, Sums(self._crew.tally, self._registry))
        asked.addErrback(_unanswered)
        return NOT_DONE_YET

    def _answer(self, outcome: None, request: Request, sums: CollectorRegistry) -> None:
        request.write(_exposed(sums, request))
        request.finish()


def _unanswered(failure: Failure) -> None:
    if not failure.check(CancelledError):
        log.failure("a scrape failed", failure)


def _exposed(registry: CollectorRegistry, request: Request) -> bytes:
    encode, content_type = choose_encoder(request.getHeader("accept") or "")
    request.setHeader("content-type", content_type)
    return encode(registry)


class WorkersResource(Resource):
    """Who the workers are, and how they are."""

    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(self, workers: Callable[[], Iterable[WorkerStatus]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._workers = workers

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps([asdict(each) for each in self._workers()]).encode() + b"\n"


def admin_site(metrics: Metrics, health: Health, workers: Callable[[], Iterable[WorkerStatus]] = tuple,
               crew: Crew | None = None) -> Site:  # fmt: skip
    """The site to listen with, on ``admin.address`` and ``admin.port``. ``workers()`` are all, worker 0 among them."""
    root = Resource()
    root.putChild(b"healthz", HealthResource(health))
    root.putChild(b"metrics", MetricsResource(metrics.registry, crew))
    root.putChild(b"workers", WorkersResource(workers))
    site = Site(root, timeout=15)
    site.noisy = False
    return site
