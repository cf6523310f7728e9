"""The API over real TLS: who may do what, and how errors look."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_twisted
from attrs import evolve
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.task import deferLater
from twisted.web.client import ResponseNeverReceived

from hoopgate.config import model
from hoopgate.console.site import listen
from hoopgate.development.certificates import Authority
from hoopgate.errors import ConfigError, LimitError
from hoopgate.stores.records import SessionRecord
from hoopgate.voting import person_of
from tests.console.api import CONFIG, DIGEST, OPERATOR, Reply, Server, server
from tests.stores.parts import AGENT, ALICE, BOB, CAROL, held, person

__all__ = ["server"]

STRANGER = person("mallory", "dev")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def problem(reply: Reply, status: int, name: str) -> Any:
    assert (reply.status, reply.json["status"]) == (status, status), reply.raw
    assert reply.json["type"] == f"urn:hoopgate:problem:{name}"
    assert reply.headers.getRawHeaders("content-type") == ["application/problem+json"]
    return reply.json


async def hold(server: Server, **changes: Any) -> Any:
    return await server.node.approvals.open(held(**changes))


def session(identity: Any = ALICE, id: str = "s1") -> SessionRecord:
    return SessionRecord(
        id, "node-1", identity, person_of(identity), "shop", "app_rw", "postgresql", "127.0.0.1:1", 5.0
    )


@pytest_twisted.ensureDeferred
async def test_whoami(server: Server) -> None:
    told = (await server.get(ALICE, "/v1/whoami")).json
    assert (told["subject"], told["groups"], told["grants"], told["operator"]) == ("alice", ["dev"], [], False)
    assert told["token_id"].startswith("tok_")
    assert (await server.get(OPERATOR, "/v1/whoami")).json["operator"] is True


@pytest_twisted.ensureDeferred
async def test_every_answer_is_closed_to_browsers(server: Server) -> None:
    for reply in (
        await server.get(ALICE, "/v1/whoami", headers={"Origin": "https://evil"}),
        await server.get(None, "/"),
    ):
        headers = {name.lower(): values for name, values in reply.headers.getAllRawHeaders()}
        assert headers[b"cache-control"] == [b"no-store"]
        assert headers[b"content-security-policy"] == [b"default-src 'none'; frame-ancestors 'none'"]
        assert headers[b"x-content-type-options"] == [b"nosniff"]
        assert headers[b"x-frame-options"] == [b"DENY"]
        assert headers[b"server"] == [b"hoopgate"]
        assert not any(name.startswith(b"access-control") or name == b"set-cookie" for name in headers)
    preflight = await server.call(ALICE, "OPTIONS", "/v1/whoami", headers={"Origin": "https://evil"})
    problem(preflight, 405, "method")
    assert preflight.headers.getRawHeaders("allow") == ["GET"]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/whoami/", "//v1/whoami", "/v1/%77hoami", "/v2/whoami", "/v1/approvals/a/b/c"]
)
@pytest_twisted.ensureDeferred
async def test_only_what_is_routed_is_served(server: Server, path: str) -> None:
    problem(await server.get(ALICE, path), 404, "not-found")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer two tokens"},
        {"Authorization": "Bearer hgt_forged"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": ["Bearer a", "Bearer b"]},
    ],
)
@pytest.mark.parametrize("path", ["/v1/whoami", "/v1/approvals", "/v1/approvals/watch", "/v1/grants", "/v1/sessions"])
@pytest_twisted.ensureDeferred
async def test_without_a_good_token_nothing_is_told(server: Server, headers: Any, path: str) -> None:
    reply = await server.get(None, path, headers=headers)
    assert reply.status in (400, 401)
    if reply.status == 401:
        told = problem(reply, 401, "unauthorized")
        assert reply.headers.getRawHeaders("www-authenticate")[0].startswith('Bearer realm="hoopgate"')
        assert "forged" not in str(told)


@pytest.mark.parametrize(
    "path", ["/v1/approvals/x/approve", "/v1/grants", "/v1/grants/x/revoke", "/v1/sessions/x/end", "/v1/token/revoke"]
)
@pytest_twisted.ensureDeferred
async def test_without_a_token_nothing_is_done(server: Server, path: str) -> None:
    problem(await server.post(None, path, {"digest": DIGEST, "reason": "x"}), 401, "unauthorized")


@pytest_twisted.ensureDeferred
async def test_approve(server: Server) -> None:
    ticket = await hold(server)
    (listed,) = (await server.get(BOB, "/v1/approvals?state=pending")).json["approvals"]
    shown = (await server.get(BOB, f"/v1/approvals/{ticket.id}")).json
    assert shown == listed
    assert (shown["statement"], shown["may_decide"], shown["own"]) == ("DELETE FROM orders", True, False)
    assert (shown["risk"], shown["requires"]) == (65, [{"groups": ["dba", "security"], "count": 1}])
    done = await server.post(BOB, f"/v1/approvals/{ticket.id}/approve", {"digest": shown["digest"]})
    assert (done.status, done.json["state"], done.json["decided_by"]) == (200, "approved", [BOB.key])
    assert (await ticket.outcome).status == "approved"
    again = await server.post(CAROL, f"/v1/approvals/{ticket.id}/approve", {"digest": shown["digest"]})
    assert problem(again, 409, "request-closed")["state"] == "approved"


@pytest_twisted.ensureDeferred
async def test_deny_needs_a_reason(server: Server) -> None:
    ticket = await hold(server)
    problem(await server.post(BOB, f"/v1/approvals/{ticket.id}/deny", {}), 400, "bad-request")
    problem(await server.post(BOB, f"/v1/approvals/{ticket.id}/deny", {"reason": " "}), 422, "reason")
    done = await server.post(BOB, f"/v1/approvals/{ticket.id}/deny", {"reason": "no"})
    assert (done.json["state"], done.json["end_reason"]) == ("denied", "no")


@pytest_twisted.ensureDeferred
async def test_refusals_of_votes(server: Server) -> None:
    ticket = await hold(server, approvers=evolve(held().approvers, count=2))
    path = f"/v1/approvals/{ticket.id}/approve"
    problem(await server.post(BOB, path, {"digest": "e" * 64}), 409, "digest-mismatch")
    problem(await server.post(BOB, path, {}), 400, "bad-request")
    problem(await server.post(ALICE, path, {"digest": DIGEST}), 403, "not-eligible")
    problem(await server.post(STRANGER, path, {"digest": DIGEST}), 404, "not-found")
    problem(await server.post(BOB, "/v1/approvals/none/approve", {"digest": DIGEST}), 404, "not-found")
    assert (await server.post(BOB, path, {"digest": DIGEST})).json["state"] == "pending"
    problem(await server.post(BOB, path, {"digest": DIGEST}), 409, "already-voted")


@pytest_twisted.ensureDeferred
async def test_nobody_else_sees_a_statement(server: Server) -> None:
    ticket = await hold(server)
    assert (await server.get(STRANGER, "/v1/approvals")).json["approvals"] == []
    problem(await server.get(STRANGER, f"/v1/approvals/{ticket.id}"), 404, "not-found")
    assert (await server.get(OPERATOR, "/v1/approvals")).json["approvals"] == []
    assert (await server.get(AGENT, "/v1/approvals")).json["approvals"] == []
    (own,) = (await server.get(ALICE, "/v1/approvals")).json["approvals"]
    assert (own["own"], own["may_decide"]) == (True, False)


@pytest_twisted.ensureDeferred
async def test_lists_are_bounded(server: Server) -> None:
    for number in range(3):
        await hold(server, session=f"s{number}")
    two = (await server.get(BOB, "/v1/approvals?limit=2")).json
    assert (len(two["approvals"]), two["more"]) == (2, True)
    assert (await server.get(BOB, "/v1/approvals?limit=3")).json["more"] is False
    for query in ("limit=1001", "limit=-1", "limit=x", "limit=1&limit=2", "state=all", "unknown=1", "limit=%ff", "&"):
        problem(await server.get(BOB, f"/v1/approvals?{query}"), 400, "bad-request")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415),
        (b"scope=fix-data&seconds=5&reason=x", FORM, 415),
        (b"", {}, 400),
        (b"[]", {}, 400),
        (b'{"scope":"a","scope":"b","seconds":1,"reason":"x"}', {}, 400),
        (b'{"scope":"fix-data","seconds":NaN,"reason":"x"}', {}, 400),
        (b"[" * 50000, {}, 400),
        (b'{"scope":"fix-data","seconds":5,"reason":"x","more":1}', {}, 400),
        (b'{"scope":"fix-data","seconds":"5","reason":"x"}', {}, 400),
        (b'{"scope":"fix-data","seconds":true,"reason":"x"}', {}, 400),
        (b'{"scope":["fix-data"],"seconds":5,"reason":"x"}', {}, 400),
        (b'{"scope":"fix-data","seconds":1' + b"0" * 400 + b',"reason":"x"}', {}, 400),
        (b'{"scope":"fix-data","seconds":5,"reason":"' + b"x" * 2001 + b'"}', {}, 422),
        (b'{"scope":"fix-data","seconds":5,"reason":"x"}' + b" " * 70000, {}, 413),
    ],
)
@pytest_twisted.ensureDeferred
async def test_bodies_are_read_strictly(server: Server, body: bytes, headers: Any, status: int) -> None:
    reply = await server.post(ALICE, "/v1/grants", body, headers=headers)
    assert reply.status == status, reply.raw
    assert reply.headers.getRawHeaders("content-type") == ["application/problem+json"]
    assert (await server.get(ALICE, "/v1/grants")).json["grants"] == []


@pytest_twisted.ensureDeferred
async def test_a_grant_from_request_to_revocation(server: Server) -> None:
    asked = await server.post(ALICE, "/v1/grants", {"scope": "fix-data", "seconds": 600, "reason": "ticket 7"})
    assert asked.status == 201
    grant = asked.json["id"]
    assert asked.headers.getRawHeaders("location") == [f"/v1/grants/{grant}"]
    problem(await server.post(ALICE, f"/v1/grants/{grant}/approve"), 403, "not-eligible")
    problem(await server.post(STRANGER, f"/v1/grants/{grant}/approve"), 404, "not-found")
    assert (await server.get(BOB, "/v1/grants?state=pending")).json["grants"][0]["reason"] == "ticket 7"
    approved = (await server.post(BOB, f"/v1/grants/{grant}/approve")).json
    assert approved["state"] == "approved"
    assert approved["ends"] - approved["decided"] == 600
    assert (await server.get(ALICE, "/v1/whoami")).json["grants"] == ["fix-data"]
    problem(await server.post(STRANGER, f"/v1/grants/{grant}/revoke", {"reason": "x"}), 404, "not-found")
    assert (await server.post(OPERATOR, f"/v1/grants/{grant}/revoke", {"reason": "over"})).json["state"] == "revoked"
    assert (await server.get(ALICE, "/v1/whoami")).json["grants"] == []
    assert (await server.get(ALICE, f"/v1/grants/{grant}")).json["end_reason"] == "over"


@pytest_twisted.ensureDeferred
async def test_a_grant_denied(server: Server) -> None:
    asked = (await server.post(ALICE, "/v1/grants", {"scope": "target:shop", "seconds": 60, "reason": "x"})).json
    problem(await server.post(BOB, f"/v1/grants/{asked['id']}/deny", {}), 400, "bad-request")
    assert (await server.post(BOB, f"/v1/grants/{asked['id']}/deny", {"reason": "no"})).json["state"] == "denied"


@pytest.mark.parametrize(
    ("scope", "seconds", "name"), [("none", 60, "scope"), ("fix-data", 10**6, "limit"), ("fix-data", 0, "scope")]
)
@pytest_twisted.ensureDeferred
async def test_grants_that_cannot_be(server: Server, scope: str, seconds: int, name: str) -> None:
    problem(await server.post(ALICE, "/v1/grants", {"scope": scope, "seconds": seconds, "reason": "x"}), 422, name)


@pytest_twisted.ensureDeferred
async def test_sessions_are_seen_and_ended_by_their_own_and_by_operators(server: Server) -> None:
    store = server.node.store
    await store.open_session(session())
    await store.open_session(session(AGENT, "s2"))
    for who, ids in ((ALICE, ["s2", "s1"]), (AGENT, ["s2"]), (OPERATOR, ["s2", "s1"]), (BOB, []), (STRANGER, [])):
        found = (await server.get(who, "/v1/sessions")).json
        assert [each["id"] for each in found["sessions"]] == ids
    heard: list[Any] = []
    server.node.feed.subscribe("session", heard.append)
    problem(await server.post(BOB, "/v1/sessions/s1/end", {"reason": "x"}), 404, "not-found")
    problem(await server.post(AGENT, "/v1/sessions/s1/end", {"reason": "x"}), 404, "not-found")
    problem(await server.post(ALICE, "/v1/sessions/s1/end", {"reason": ""}), 422, "reason")
    assert (await server.post(OPERATOR, "/v1/sessions/s1/end", {"reason": "odd"})).status == 202
    assert (await server.post(ALICE, "/v1/sessions/s2/end", {"reason": "mine"})).status == 202
    await server.node.feed.poll()
    assert [(each.subject, each.action, each.by) for each in heard] == [
        ("s1", "end", OPERATOR.key),
        ("s2", "end", ALICE.key),
    ]
    await store.close_session("s1", 9.0, "ended")
    problem(await server.post(ALICE, "/v1/sessions/s1/end", {"reason": "x"}), 409, "session-ended")


@pytest_twisted.ensureDeferred
async def test_a_token_bound_to_targets_reaches_no_further(server: Server) -> None:
    ticket = await hold(server)
    await server.node.store.open_session(session())
    bound = await server.token(BOB, ("ledger",))
    problem(await server.post(bound, f"/v1/approvals/{ticket.id}/approve", {"digest": DIGEST}), 404, "not-found")
    problem(
        await server.post(await server.token(ALICE, ("ledger",)), "/v1/sessions/s1/end", {"reason": "x"}),
        404,
        "not-found",
    )
    good = await server.token(BOB, ("shop",))
    assert (await server.post(good, f"/v1/approvals/{ticket.id}/approve", {"digest": DIGEST})).status == 200


@pytest_twisted.ensureDeferred
async def test_tokens_are_revoked_by_their_owner(server: Server) -> None:
    token = await server.token(ALICE)
    token_id = (await server.get(token, "/v1/whoami")).json["token_id"]

    async def revoke(who: Any, **form: str) -> int:
        return (await server.post(who, "/v1/token/revoke", urlencode(form).encode(), headers=FORM)).status

    assert await revoke(STRANGER, token=token) == 200
    assert await revoke(BOB, token_id=token_id) == 200
    assert await revoke(AGENT, token_id=token_id) == 200
    assert await revoke(await server.token(ALICE, ("shop",)), token_id=token_id) == 200
    assert (await server.get(token, "/v1/whoami")).status == 200
    assert await revoke(ALICE, token=token) == 200
    problem(await server.get(token, "/v1/whoami"), 401, "unauthorized")
    assert await revoke(ALICE, token=token) == 200
    assert await revoke(ALICE, token="hgt_nonsense") == 200
    assert await revoke(ALICE, token="a", token_id="b") == 400
    assert await revoke(ALICE) == 400
    other = await server.token(BOB)
    assert await revoke(OPERATOR, token=other) == 200
    assert (await server.get(other, "/v1/whoami")).status == 401


@pytest_twisted.ensureDeferred
async def test_the_token_endpoint_speaks_oauth(server: Server) -> None:
    reply = await server.post(None, "/v1/token", b"grant_type=password&username=a", headers=FORM)
    assert (reply.status, reply.json["error"]) == (400, "unsupported_grant_type")
    assert reply.headers.getRawHeaders("cache-control") == ["no-store"]
    assert (await server.post(None, "/v1/token", b"{}")).json["error"] == "invalid_request"
    assert (await server.post(None, "/v1/token", b"a=%ff", headers=FORM)).json["error"] == "invalid_request"


@pytest_twisted.ensureDeferred
async def test_a_watcher_hears_of_what_concerns_it(server: Server) -> None:
    first = await hold(server)
    begun = (await server.get(BOB, "/v1/approvals/watch")).json
    assert [each["id"] for each in begun["approvals"]] == [first.id]
    path = f"/v1/approvals/watch?since={begun['sequence']}&seconds=10"
    waiting = gatherResults([Deferred.fromCoroutine(server.get(who, path)) for who in (BOB, ALICE)])
    stranger = Deferred.fromCoroutine(server.get(STRANGER, path.replace("=10", "=2")))
    await deferLater(reactor, 0.2)
    second = await hold(server, session="s2")
    for reply in await waiting:
        assert [each["id"] for each in reply.json["approvals"]] == [second.id]
        assert reply.json["sequence"] > begun["sequence"]
    assert (await stranger).json["approvals"] == []


@pytest_twisted.ensureDeferred
async def test_a_watcher_that_was_away_misses_nothing(server: Server) -> None:
    begun = (await server.get(BOB, "/v1/approvals/watch")).json
    ticket = await hold(server)
    await server.node.approvals.withdraw(ticket.id, "ctrl-c")
    reply = (await server.get(BOB, f"/v1/approvals/watch?since={begun['sequence']}")).json
    assert [(each["id"], each["state"]) for each in reply["approvals"]] == [(ticket.id, "withdrawn")]
    nothing = (await server.get(BOB, f"/v1/approvals/watch?since={reply['sequence']}&seconds=0")).json
    assert nothing == {"sequence": reply["sequence"], "approvals": []}


@pytest_twisted.ensureDeferred
async def test_watching_is_bounded(server: Server) -> None:
    await server.get(BOB, "/v1/whoami")
    path = f"/v1/approvals/watch?since={await server.node.store.latest()}&seconds=2"
    replies = await gatherResults([Deferred.fromCoroutine(server.get(BOB, path)) for _ in range(6)])
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 200, 429, 429]
    problem(await server.get(BOB, "/v1/approvals/watch?since=0&seconds=31"), 400, "bad-request")


@pytest_twisted.ensureDeferred
async def test_a_store_that_fails_is_a_503_and_tells_nothing(server: Server) -> None:
    token = await server.token(BOB)
    await server.node.store.close()
    reply = await server.get(token, "/v1/approvals")
    assert problem(reply, 503, "store")["title"] == "The store does not answer"


async def raw(server: Server, *parts: bytes) -> bytes:
    """Bytes of our own over TLS, to send what no client library would."""
    from twisted.internet import ssl
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
    from twisted.internet.protocol import Protocol

    class Collect(Protocol):
        def __init__(self) -> None:
            self.data = b""
            self.done: Deferred[bytes] = Deferred()

        def dataReceived(self, data: bytes) -> None:
            self.data += data

        def connectionLost(self, reason: Any = None) -> None:
            self.done.callback(self.data)

    trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(server.ca)])
    options = ssl.optionsForClientTLS("localhost", trust)
    endpoint = wrapClientTLS(options, TCP4ClientEndpoint(reactor, "127.0.0.1", server.port))
    protocol = await connectProtocol(endpoint, Collect())
    for part in parts:
        protocol.transport.write(part)
    return await protocol.done.addTimeout(10, reactor)


HEAD = b"POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest_twisted.ensureDeferred
async def test_endless_bodies_are_cut_off(server: Server) -> None:
    assert await raw(server, HEAD + b"Content-Length: 99999999999\r\n\r\n") == b""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert b"200" not in await raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)


@pytest_twisted.ensureDeferred
async def test_ambiguous_framing_is_refused(server: Server) -> None:
    both = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"
    assert (await raw(server, HEAD + both)).startswith(b"HTTP/1.1 400")
    assert (await raw(server, HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")).startswith(b"HTTP/1.1 400")


@pytest_twisted.ensureDeferred
async def test_a_call_that_trickles_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.console.site.RECEIVE", 0.3)
    assert await raw(server, HEAD + b"Content-Length: 10\r\n\r\n{") == b""


@pytest_twisted.ensureDeferred
async def test_more_connections_than_the_limit_are_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.console.site.CONNECTIONS", 0)
    with pytest.raises(ResponseNeverReceived):
        await server.get(ALICE, "/v1/whoami")


async def idle(server: Server, ca: bytes) -> Any:
    """A connection over TLS that says nothing."""
    from twisted.internet import ssl
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
    from twisted.internet.protocol import Protocol

    class Idle(Protocol):
        lost = False

        def connectionLost(self, reason: Any = None) -> None:
            self.lost = True

    trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(ca)])
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)
    return await connectProtocol(wrapClientTLS(ssl.optionsForClientTLS("localhost", trust), endpoint), Idle())


@pytest_twisted.ensureDeferred
async def test_long_statements_keep_nobody_from_the_list(server: Server) -> None:
    long = "DELETE FROM a -- " + "\u0001" * 200_000
    for number in range(19):
        await hold(server, session=f"s{number}", statement=long)
    short = await hold(server, session="short")
    listed = await server.get(BOB, "/v1/approvals")
    assert len(listed.raw) < 20 * 40_000
    cut, whole = [[each for each in listed.json["approvals"] if each["cut"] is is_cut] for is_cut in (True, False)]
    assert (len(cut), [each["id"] for each in whole]) == (19, [short.id])
    assert all(each["digest"] == "" and each["statement"].endswith("…") for each in cut)
    assert whole[0]["digest"] == DIGEST
    watched = await server.get(BOB, "/v1/approvals/watch")
    assert watched.json["approvals"] == listed.json["approvals"]
    one = await server.get(BOB, f"/v1/approvals/{cut[0]['id']}")
    assert (one.json["statement"], one.json["digest"]) == (long, DIGEST)
    assert len(one.raw) < 8 * 1024 * 1024  # what the command line reads
    with pytest.raises(LimitError):  # nobody can judge what else would be shown either
        await hold(server, session="path", search_path="x" * 300_000)


@pytest_twisted.ensureDeferred
async def test_connections_that_say_nothing_keep_nobody_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.console.site.CONNECTIONS", 5)
    watching = server.get(BOB, "/v1/approvals/watch?since=0&seconds=2")  # a connection with a good token stays
    watch = Deferred.fromCoroutine(watching)
    await deferLater(reactor, 0.3)
    strangers = [await idle(server, server.ca) for _ in range(8)]
    assert (await server.get(ALICE, "/v1/whoami")).status == 200
    assert (await watch).status == 200
    assert sum(not each.lost for each in strangers) <= 5
    for each in strangers:
        if not each.lost:
            each.transport.abortConnection()


@pytest_twisted.ensureDeferred
async def test_clients_show_a_certificate_where_one_is_asked_for(tmp_path: Path) -> None:
    from hoopgate.console.site import tls_context

    pair, other = Authority("api").server(), Authority("clients")
    context = tls_context(pair.certificate, pair.key, other.pem).getContext()
    must = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    assert context.get_verify_mode() & must == must
    assert tls_context(pair.certificate, pair.key).getContext().get_verify_mode() == SSL.VERIFY_NONE
    for bad in (b"junk", pair.key):
        with pytest.raises(ConfigError):
            tls_context(pair.certificate, pair.key, bad)
    with pytest.raises(ConfigError):
        tls_context(pair.certificate, Authority("api").server().key)


@pytest_twisted.ensureDeferred
async def test_changes_are_told_in_their_order_however_slowly_they_are_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told of the later one first never hears of the earlier."""
    first = await server.node.approvals.open(held())
    second = await server.node.approvals.open(held(session="s2"))
    await server.node.feed.poll()
    since = await server.node.store.latest()
    read = server.node.store.request

    def slow(request_id: str) -> Any:
        late = 0.3 if request_id == first.id else 0.0
        return deferLater(reactor, late, read, request_id)

    monkeypatch.setattr(server.node.store, "request", slow)
    waiting = Deferred.fromCoroutine(server.get(BOB, f"/v1/approvals/watch?since={since}&seconds=10"))
    await deferLater(reactor, 0.3)
    for each in (first, second):
        await server.node.approvals.withdraw(each.id, "left")
    await server.node.feed.poll()
    told = [each["id"] for each in (await waiting).json["approvals"]]
    assert told[0] == first.id


@pytest.mark.parametrize(
    "api",
    [
        model.Api(),
        model.Api(address="0.0.0.0", plaintext=True),
        model.Api(tls=model.ServerTls(model.SecretRef("test", "junk"), model.SecretRef("test", "junk"))),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_listener_insists_on_tls(api: model.Api, tmp_path: Path) -> None:
    from twisted.web.resource import Resource

    with pytest.raises(ConfigError):
        await listen(reactor, lambda: evolve(CONFIG, api=api), lambda ref: succeed(b"junk"), Resource())
