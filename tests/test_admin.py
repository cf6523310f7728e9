"""The admin listener where there are several workers: what it adds up, whom it lists, and when it is degraded."""

from __future__ import annotations

import json
from typing import Any

import pytest_twisted
import treq
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from hoopgate.admin import Health, admin_site
from hoopgate.config.status import WorkerStatus
from hoopgate.metrics import Metrics
from hoopgate.workers.tally import Tally, plain


@define
class FakeCrew:
    """``answers`` fires when the others have said what they count."""

    tally: Tally = field(factory=Tally)
    answers: Deferred[None] = field(factory=Deferred)
    cancelled: bool = False

    async def measure(self) -> None:
        other = Metrics(["shop"])
        other.session_opened("shop")
        try:
            await self.answers
        except CancelledError:
            self.cancelled = True
            raise
        self.tally.saw(1, plain(other.registry))


class Served:
    """An admin listener on a port of its own."""

    def __init__(self, health: Health, **more: Any) -> None:
        self.metrics = Metrics(["shop"])
        self.port: Any = reactor.listenTCP(0, admin_site(self.metrics, health, **more), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.base = f"http://127.0.0.1:{self.port.getHost().port}"

    async def get(self, path: str) -> tuple[int, str]:
        answer = await treq.get(self.base + path, agent=Agent(reactor))
        return answer.code, await answer.text()


@pytest_twisted.ensureDeferred
async def test_metrics_wait_for_the_others_and_add_up() -> None:
    crew = FakeCrew()
    served = Served(Health(ready=True), crew=crew)
    served.metrics.session_opened("shop")
    reactor.callLater(0.05, crew.answers.callback, None)  # type: ignore[attr-defined]
    code, text = await served.get("/metrics")
    assert code == 200
    assert 'hoopgate_sessions_open{target="shop"} 2.0' in text
    await served.port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_scraper_that_leaves_is_not_waited_for() -> None:
    crew = FakeCrew()
    served = Served(Health(ready=True), crew=crew)
    asked = treq.get(served.base + "/metrics", agent=Agent(reactor))
    await deferLater(reactor, 0.1)  # type: ignore[arg-type]
    asked.addErrback(lambda failure: None)
    asked.cancel()
    for _ in range(100):
        if crew.cancelled:
            break
        await deferLater(reactor, 0.02)  # type: ignore[arg-type]
    assert crew.cancelled
    await served.port.stopListening()


@pytest_twisted.ensureDeferred
async def test_workers_are_listed() -> None:
    served = Served(Health(ready=True), workers=lambda: (WorkerStatus(0, 7, "v", "serving", "compiled", 3),))
    code, text = await served.get("/workers")
    assert code == 200
    assert json.loads(text) == [
        {
            "number": 0,
            "pid": 7,
            "config_version": "v",
            "state": "serving",
            "core": "compiled",
            "sessions": 3,
            "deaths": 0,
        }
    ]
    await served.port.stopListening()


@pytest_twisted.ensureDeferred
async def test_what_can_be_done_without_degrades() -> None:
    """A load balancer must not take a gateway out that serves, and whoever watches must see that it lacks something."""
    health = Health(ready=True, notes={"workers": lambda: "worker 2 is dead"})
    served = Served(health)
    code, text = await served.get("/healthz")
    told = json.loads(text)
    assert (code, told["status"], told["ready"]) == (200, "degraded", True)
    assert told["checks"] == {"workers": "worker 2 is dead"}
    health.checks["store"] = lambda: "the store does not answer"
    code, text = await served.get("/healthz")
    assert (code, json.loads(text)["status"]) == (503, "unavailable")
    await served.port.stopListening()
