"""What breaks round a running gateway, and what it then does: it fails closed, says why, and comes back."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.development.certificates import Authority
from tests.live.gate import Gate, World, wait_for
from tests.live.test_holds import held
from tests.live.wire import error

HOLDS = """
[[rule]]
name = "deletes-wait"
what = { target = ["shop"], effect = ["delete"] }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1m"
[[rule]]
name = "rest"
what = { target = ["shop"] }
then = "allow"
"""


def shop(world: World, rules: str = HOLDS) -> str:
    return world.target("shop", allow=False) + rules


@pytest.fixture
def filled(world: World) -> None:
    world.behind("TRUNCATE held; INSERT INTO held SELECT n, 'n' FROM generate_series(1, 5) n")


# --- the disk


def test_a_disk_that_is_full_in_mid_session_ends_the_session_alone(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("shop"), command=["prlimit", "--fsize=3000000"])
    with gate.connect("shop") as other, gate.connect("shop") as session:
        with pytest.raises(psycopg.OperationalError) as caught:
            session.execute("SELECT repeat('x', 100) FROM generate_series(1, 100000)")
        assert caught.value is not None
        assert other.execute("SELECT 1").fetchone() == (1,)
        ended = wait_for(lambda: re.search(r"session (\w+) ended: the recording failed", gate.log()), "the end")
        report = gate.verify(gate.recorded(ended[1]))
        assert report.truncated  # no end could be written, and that shows
        assert report.proven > 0
        status, metrics = gate.http("/metrics")
        assert (status, 'end="recorder"' in metrics) == (200, True)
    # the watch over sessions goes on
    with gate.connect("shop", password=gateway_token(gate, lifetime=2)) as short:
        assert short.execute("SELECT 1").fetchone() == (1,)
        wait_for(lambda: not lives(short), "the end of a session whose token has expired", 10)


def test_a_disk_that_is_full_at_the_start_of_a_session_refuses_it(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("shop"))
    directory = gate.directory / "recordings"
    for path in list(directory.iterdir()):
        path.unlink()
    directory.rmdir()
    with pytest.raises(psycopg.OperationalError, match="the session cannot be recorded"):
        gate.connect("shop")
    directory.mkdir(mode=0o700)
    with gate.connect("shop") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    (directory / "public-key.pem").write_bytes(b"")
    gate.stop()
    for path in gate.recordings():  # their key went with the directory
        path.unlink()


def gateway_token(gate: Gate, person: str = "ada", **form: Any) -> str:
    return str(exchanged(gate, person, **form)["access_token"])


def exchanged(gate: Gate, person: str = "ada", **form: Any) -> dict[str, Any]:
    options = [f"--{name}={value}" for name, value in form.items()]
    done = gate.hoopgate(person, "token", "--gateway", "--json", *options)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    return {"access_token": found["token"], "token_id": found["token_id"]}


def lives(session: psycopg.Connection[Any]) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


# --- the store


@contextlib.contextmanager
def locked(gate: Gate) -> Iterator[None]:
    """Another process writes to the store and does not end."""
    other = sqlite3.connect(gate.directory / "state/hoopgate.sqlite3", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_store_that_is_locked_refuses_and_recovers(make_gate: Any, world: World, filled: None) -> None:
    gate: Gate = make_gate(shop(world))
    with gate.connect("shop") as session:
        with locked(gate):
            with pytest.raises(psycopg.OperationalError, match="the store failed: database is locked"):
                gate.connect("shop")
            status, answer = gate.api("grace", "POST", "/v1/grants", {"scope": "x", "seconds": 1, "reason": "y"})
            assert status in (422, 503), answer
            with pytest.raises(psycopg.Error):
                session.execute("DELETE FROM held")  # what cannot be kept is not held, and does not run
            assert session.execute("SELECT 1").fetchone() == (1,)
        assert world.behind("SELECT count(*) FROM held").strip() == "5"
        with gate.connect("shop") as again:
            assert again.execute("SELECT 1").fetchone() == (1,)
        assert lives(session)
    wait_for(lambda: live_sessions(gate) == [], "the ends that the store missed", 15)


def live_sessions(gate: Gate) -> list[Any]:
    return list(gate.api("operator", "GET", "/v1/sessions")[1]["sessions"])


# --- the end


@pytest.mark.parametrize("decide", [True, False])
def test_what_is_held_can_still_be_decided_while_the_gateway_drains(
    make_gate: Any, world: World, filled: None, decide: bool
) -> None:
    gate: Gate = make_gate(shop(world) + '[limits]\ndrain = "4s"\n')
    wire = gate.wire("shop")
    wire.send(m.query(b"DELETE FROM held"))
    request = held(wire)
    gate.signal(signal.SIGTERM)
    wait_for(lambda: refuses(gate), "closed doors")
    time.sleep(1.2)  # the watch over sessions looks twice a second
    assert gate.alive()
    assert gate.http("/healthz")[0] == 503
    if decide:
        gate.approve(request)
        got = wire.until("Z")
        assert got[0] == m.command_complete(b"DELETE 5")
    last = error(wire.closed())
    assert (last["C"], last["M"]) == ("57P01", "terminating connection: the gateway is shutting down")
    gate.ended()
    assert world.behind("SELECT count(*) FROM held").strip() == ("0" if decide else "5")
    gate.start()
    assert gate.request(request)["state"] == ("approved" if decide else "withdrawn")
    for path in gate.recordings():
        assert gate.verify(path).ok


def refuses(gate: Gate) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", gate.ports["plain"])) != 0


# --- certificates


def test_a_listener_shows_a_renewed_certificate_after_a_reload(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("shop"))
    seen = {name: fingerprint(gate, name) for name in ("api",)}
    with gate.connect("shop", listener="tls") as session:
        assert gate.world.authority.server().write(gate.directory, "gateway")
        assert gate.reload().reload.ok  # type: ignore[union-attr]
        wait_for(lambda: fingerprint(gate, "api") != seen["api"], "the new certificate")
        wait_for(lambda: "listener tls shows a new certificate" in gate.log(), "the listener's")
        assert session.execute("SELECT 1").fetchone() == (1,)  # open ones keep theirs
    with gate.connect("shop", listener="tls") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    now = fingerprint(gate, "api")
    (gate.directory / "gateway.key").write_bytes(Authority("another").server().key)
    gate.reload()
    wait_for(lambda: "keeps its certificate" in gate.log(), "a word on the half pair")
    assert fingerprint(gate, "api") == now


def fingerprint(gate: Gate, port: str) -> bytes:
    context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
    raw = socket.create_connection(("localhost", gate.ports[port]))
    with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
        found = wrapped.getpeercert(binary_form=True)
        assert found
        return found


def test_operators_change_with_a_reload_and_listeners_do_not(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("shop"))
    with gate.connect("shop") as session:
        assert len(live_sessions(gate)) == 1
        text = gate.config.read_text()
        gate.config.write_text(text.replace('operators = ["operators"]', "operators = []"))
        gate.signal(signal.SIGHUP)
        wait_for(lambda: live_sessions(gate) == [], "the reload")
        gate.config.write_text(text.replace(f"port = {gate.ports['oauth']}", "port = 1"))
        assert "listeners" in str(refused(gate))
        assert live_sessions(gate) == []  # all of a file or nothing
        assert session.execute("SELECT 1").fetchone() == (1,)


def refused(gate: Gate) -> tuple[str, ...]:
    before = gate.status().reload
    gate.signal(signal.SIGHUP)
    wait_for(lambda: gate.status().reload != before, "the reload")
    found = gate.status().reload
    assert found is not None
    assert not found.ok
    return found.errors


# --- grants and tokens, from the file to the live session


GRANTED = """
[[rule]]
name = "visit"
who = { groups = ["visitors"] }
what = { target = ["shop"] }
then = "allow"
grant = true
approvers = { groups = ["approvers"] }
"""


def test_a_grant_opens_and_its_end_closes_live_sessions(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(shop(world, GRANTED))
    with pytest.raises(psycopg.OperationalError, match="no rule allows"):
        gate.connect("shop", "visitor")
    for end in ("time", "revocation"):
        asked = gate.hoopgate("visitor", "grants", "request", "target:shop", "--for",
                              "6s" if end == "time" else "1h", "--reason", "ticket 7", "--json")  # fmt: skip
        assert asked.code == 0, asked.err
        request = json.loads(asked.out)["id"]
        assert gate.hoopgate("visitor", "grants", "approve", request).code == 4
        done = gate.hoopgate("grace", "grants", "approve", request)
        assert done.code == 0, done.err
        with gate.connect("shop", "visitor") as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
            if end == "revocation":
                assert gate.hoopgate("grace", "grants", "revoke", request, "--reason", "enough").code == 0
            began = time.monotonic()
            wait_for(lambda session=session: not lives(session), "the session's end", 10)
            assert end == "time" or time.monotonic() - began < 2
    assert 'rule=\\"default-deny\\"' in gate.log() or "default-deny" in gate.log()


def test_a_revoked_token_ends_its_session_within_two_seconds(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("shop"))
    made = exchanged(gate)
    with gate.connect("shop", password=made["access_token"]) as session:
        context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
        body = f"token={made['access_token']}".encode()
        raw = socket.create_connection(("localhost", gate.ports["api"]))
        with context.wrap_socket(raw, server_hostname="localhost") as api:
            api.sendall(
                b"POST /v1/token/revoke HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n"
                + f"Authorization: Bearer {gate.token('ada')}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            assert api.recv(100).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        wait_for(lambda: not lives(session), "the session's end", 10)
        assert time.monotonic() - began < 2
    with pytest.raises(psycopg.OperationalError, match="the token was revoked"):
        gate.connect("shop", password=made["access_token"])


# --- the identity provider


class Provider:
    """An issuer that misbehaves: ``mode`` is slow, redirect, huge, junk or down."""

    def __init__(self, gate: Gate) -> None:
        self.mode = "good"
        self.asked = 0
        outer, people = self, gate.world.people

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                with contextlib.suppress(OSError):
                    outer.answer(self, people)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, people: Any) -> None:
        if self.mode == "redirect":
            request.send_response(302)
            request.send_header("Location", people.url + request.path)
            request.end_headers()
            return
        document = people.issuer.jwks() if request.path == "/jwks" else people.issuer.metadata()
        document = json.loads(json.dumps(document).replace(people.url, self.url))
        body = b"{" if self.mode == "junk" else json.dumps(document).encode()
        request.send_response(200)
        if self.mode == "slow":
            for _ in range(200):
                request.wfile.write(b"X-Slow: 1\r\n")
                request.wfile.flush()
                time.sleep(0.1)
        request.end_headers()
        if self.mode == "huge":
            for _ in range(1000):
                request.wfile.write(b" " * 65536)
        request.wfile.write(body)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("mode", ["slow", "redirect", "huge", "junk"])
def test_an_issuer_that_misbehaves_delays_nobody_else(make_gate: Any, world: World, mode: str) -> None:
    gate: Gate = make_gate(world.target("shop"), start=False)
    provider = Provider(gate)
    gate.text += f"""
[[issuer]]
name = "bad"
url = "{provider.url}"
audience = ["hoopgate"]
development = true
"""
    try:
        gate.start()
        provider.mode = mode
        theirs = world.people.token("ada", iss=provider.url)
        before = gate.memory()
        failures: list[str] = []

        def log_in() -> None:
            try:
                gate.connect("shop", password=theirs).close()
                failures.append("let in")
            except psycopg.OperationalError as error:
                failures.append(str(error))

        many = [threading.Thread(target=log_in) for _ in range(20)]
        for each in many:
            each.start()
        began = time.monotonic()
        with gate.connect("shop") as session:  # of the good issuer
            assert session.execute("SELECT 1").fetchone() == (1,)
        assert time.monotonic() - began < 3
        for each in many:
            each.join(30)
        assert len(failures) == 20
        assert all("the identity provider cannot be reached" in each for each in failures), failures[0]
        assert provider.asked <= 2  # one fetch for all, and none again within its pause
        assert gate.memory() - before < 64 * 1024 * 1024
        provider.mode = "good"
        wait_for(lambda: lets_in(gate, theirs), "the issuer's recovery", 20)
        provider.stop()  # and now its outage: cached keys serve
        assert lets_in(gate, world.people.token("grace", iss=provider.url))
    finally:
        with contextlib.suppress(OSError):
            provider.stop()


def lets_in(gate: Gate, token: str) -> bool:
    try:
        gate.connect("shop", password=token).close()
    except psycopg.OperationalError:
        return False
    return True


# --- what must not be told


def test_log_metrics_and_store_hold_neither_tokens_nor_literals(make_gate: Any, world: World, filled: None) -> None:
    gate: Gate = make_gate(shop(world))
    own = gateway_token(gate)
    secrets = [gate.token("ada").rpartition(".")[2], own, own[4:40], world.password, "literal-of-a-select"]
    with gate.connect("shop") as session, gate.connect("shop", password=own) as other:
        session.execute("SELECT 'literal-of-a-select'")
        other.execute("SELECT %s", ("literal-of-a-select",))
        with pytest.raises(psycopg.Error):
            session.execute("SELEKT 'literal-of-a-select'")
    with pytest.raises(psycopg.OperationalError):
        gate.connect("shop", password=gate.token("ada") + "x")
    assert gate.hoopgate("ada", "grants", "request", "target:nothing", "--for", "1h", "--reason", "x").code == 4
    told = gate.log() + gate.http("/metrics")[1] + gate.http("/healthz")[1]
    gate.stop()
    for name in ("hoopgate.sqlite3", "hoopgate.sqlite3-wal", "status.json"):
        path = gate.directory / "state" / name
        told += path.read_bytes().decode("latin-1") if path.exists() else ""
    assert "session" in told
    for secret in secrets:
        assert secret not in told
    for line in gate.log().splitlines():
        json.loads(line)
