"""Labels stay bounded whatever names arrive; the exposition parses; health is what its checks say."""

from __future__ import annotations

import json

import pytest
import pytest_twisted
import treq
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.web.client import Agent
from twisted.web.resource import getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from hoopgate.admin import Health, admin_site
from hoopgate.metrics import ENDS, Metrics, end_label


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_every_metric_is_exposed() -> None:
    metrics = Metrics(["shop"])
    metrics.session_opened("shop")
    metrics.session_opened("shop")
    metrics.session_ended("shop", "the client disconnected")
    metrics.half_open.set_function(lambda: 3)
    metrics.holds_pending.inc()
    metrics.event("statement", {"effects": ["read", "write"], "verdict": "allow"})
    metrics.event("decided", {"waited": 2.5})
    metrics.event("masked", {"columns": ["a", "b"]})
    metrics.login_failed("expired")
    metrics.catalogue_refreshed("shop", False)
    metrics.connected("shop", 0.03)
    metrics.bytes.moved[1] += 42
    metrics.appends.observe(3_000)
    metrics.appends.observe(30_000_000_000)
    found = samples(metrics)
    assert found["hoopgate_sessions_open", (("target", "shop"),)] == 1
    assert found["hoopgate_sessions_total", (("end", "client"), ("target", "shop"))] == 1
    assert found["hoopgate_half_open_connections", ()] == 3
    assert found["hoopgate_holds_pending", ()] == 1
    assert found["hoopgate_statements_total", (("effect", "write"), ("verdict", "allow"))] == 1
    assert found["hoopgate_hold_wait_seconds_sum", ()] == 2.5
    assert found["hoopgate_masked_columns_total", ()] == 2
    assert found["hoopgate_login_failures_total", (("reason", "expired"),)] == 1
    assert found["hoopgate_catalogue_refreshes_total", (("outcome", "failed"), ("target", "shop"))] == 1
    assert found["hoopgate_upstream_connect_seconds_count", (("target", "shop"),)] == 1
    assert found["hoopgate_bytes_total", (("direction", "from_target"),)] == 42
    assert found["hoopgate_recorder_append_seconds_count", ()] == 2
    assert found["hoopgate_recorder_append_seconds_sum", ()] == pytest.approx(30.000003)


def test_append_buckets_hold_what_they_say() -> None:
    metrics = Metrics()
    for nanoseconds in (0, 4095, 4096, 1_000_000, 2**34 - 1, 2**34):
        metrics.appends.observe(nanoseconds)
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in samples(metrics).items()
        if name == "hoopgate_recorder_append_seconds_bucket"
    }
    for bound, count in buckets.items():
        exact = sum(each / 1e9 <= bound * 1.000_01 for each in (0, 4095, 4096, 1_000_000, 2**34 - 1, 2**34))
        assert abs(count - exact) <= (1 if bound in (4.096e-06, 17.1799) else 0), bound
    assert buckets[float("inf")] == 6


def test_names_from_outside_do_not_become_labels() -> None:
    metrics = Metrics(["shop"])
    for number in range(1000):
        metrics.session_opened(f"made-up-{number}")
        metrics.session_ended(f"made-up-{number}", f"reason {number}", f"rule {number}")
        metrics.login_failed(f"reason {number}")
        metrics.connected(f"made-up-{number}", 1)
        metrics.catalogue_refreshed(f"made-up-{number}", True)
        metrics.event("statement", {"effects": [f"effect {number}"], "verdict": f"verdict {number}"})
    assert len(samples(metrics)) < 150


@pytest.mark.parametrize(
    ("reason", "rule", "label"),
    [
        ("the client disconnected", "", "client"),
        ("the target closed the connection", "", "target"),
        ("the recording failed: disk", "recorder", "recorder"),
        ("session limit", "limits.session", "limit"),
        ("the client broke the protocol: x", "protocol", "protocol"),
        ("the gateway failed", "internal", "internal"),
        ("the gateway is shutting down", "shutdown", "shutdown"),
        ("your grant ended", "", "grant"),
        ("something new", "", "other"),
    ],
)
def test_end_labels(reason: str, rule: str, label: str) -> None:
    assert end_label(reason, rule) == label
    assert label in ENDS


def get(health: Health, path: str) -> tuple[int, bytes]:
    request = DummyRequest([part.encode() for part in path.split("/")])
    site = admin_site(Metrics(), health)
    resource = getChildForRequest(site.resource, request)
    body = resource.render(request)
    return request.responseCode or 200, body if isinstance(body, bytes) else b"".join(request.written)


def test_health() -> None:
    health = Health()
    assert get(health, "healthz")[0] == 503
    assert get(health, "healthz/live")[0] == 200
    health.ready = True
    health.checks["store"] = lambda: ""
    code, body = get(health, "healthz")
    assert code == 200
    assert json.loads(body) == {"status": "ok", "live": True, "ready": True, "checks": {"store": "ok"}}
    health.checks["recorder"] = lambda: "disk full"
    code, body = get(health, "healthz/ready")
    assert code == 503
    assert json.loads(body)["checks"]["recorder"] == "disk full"


def test_health_check_that_raises_is_unhealthy() -> None:
    health = Health(ready=True, checks={"store": lambda: str(1 // 0)})
    code, body = get(health, "healthz")
    assert code == 503
    assert json.loads(body)["checks"] == {"store": "the check failed"}


@pytest_twisted.ensureDeferred
async def test_metrics_are_served() -> None:
    from twisted.internet import reactor

    port = reactor.listenTCP(0, admin_site(Metrics(), Health(ready=True)), interface="127.0.0.1")
    try:
        base = f"http://127.0.0.1:{port.getHost().port}"
        agent = Agent(reactor)
        answer = await treq.get(f"{base}/metrics", agent=agent)
        assert answer.code == 200
        assert answer.headers.getRawHeaders("content-type")[0].startswith("text/plain")
        assert b"hoopgate_sessions" in await answer.content()
        for path, code in (("/healthz", 200), ("/other", 404), ("/", 404)):
            answer = await treq.get(base + path, agent=agent)
            assert answer.code == code, path
            await answer.content()
        answer = await treq.post(f"{base}/metrics", data=b"x", agent=agent)
        assert answer.code == 405
        await answer.content()
    finally:
        await port.stopListening()
