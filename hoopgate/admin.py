"""The admin listener: ``/healthz`` for supervisors, ``/metrics`` for Prometheus. It never leaves loopback unless told.

``GET /healthz`` answers 200 while the gateway is live and ready and 503 else; ``/healthz/live`` and
``/healthz/ready`` ask for one of the two. The body is JSON: ``status``, ``live``, ``ready``, ``checks``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from attrs import define, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from hoopgate.metrics import Metrics

log = Logger()

Check = Callable[[], str]


@define
class Health:
    """What the gateway knows of itself.

    A check returns "" while all is well, else what is wrong, in words without secrets; one that raises counts as
    wrong. ``ready`` is set once the service listens and cleared as it drains.
    """

    ready: bool = False
    checks: dict[str, Check] = field(factory=dict)

    def findings(self) -> dict[str, str]:
        """The outcome of each check: ``ok``, or what is wrong."""
        return {name: _outcome(name, check) for name, check in self.checks.items()}


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
        findings = self._health.findings()
        ready = self._health.ready and all(outcome == "ok" for outcome in findings.values())
        good = True if self._kind == "live" else ready
        request.setResponseCode(200 if good else 503)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        body = {"status": "ok" if good else "unavailable", "live": True, "ready": ready, "checks": findings}
        return json.dumps(body).encode() + b"\n"


class MetricsResource(Resource):
    """The registry in the format that the scraper asks for; rendered on the reactor, which it is read from."""

    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        encode, content_type = choose_encoder(request.getHeader("accept") or "")
        request.setHeader("content-type", content_type)
        return encode(self._registry)


def admin_site(metrics: Metrics, health: Health) -> Site:
    """The site to listen with, on ``admin.address`` and ``admin.port``."""
    root = Resource()
    root.putChild(b"healthz", HealthResource(health))
    root.putChild(b"metrics", MetricsResource(metrics.registry))
    site = Site(root, timeout=15)
    site.noisy = False
    return site
