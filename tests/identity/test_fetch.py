"""Fetching keys: over TLS that is verified, bounded, never redirected, never inflated."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hoopgate.config.model import SecretRef
from hoopgate.development.certificates import Authority
from hoopgate.identity.fetch import Fetcher

pytestmark = pytest.mark.live
CA = SecretRef("file", "/ca.pem")


class Page(Resource):
    isLeaf = True

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        super().__init__()
        self.seen: list[bytes] = []
        self.answer = answer

    def render_GET(self, request: Request) -> Any:
        self.seen.append(request.path or b"")
        return self.answer(request)

    render_POST = render_GET


def moved(request: Request) -> bytes:
    if request.path == b"/there":
        return b"{}"
    request.redirect(b"/there")
    return b""


def endless(request: Request) -> Any:
    def more() -> None:
        if not request._disconnected:
            request.write(b"x" * 65536)
            reactor.callLater(0, more)  # type: ignore[attr-defined]

    more()
    return NOT_DONE_YET


def bomb(request: Request) -> bytes:
    request.setHeader("Content-Encoding", "gzip")
    return gzip.compress(bytes(10_000_000))


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(answer, options)``: the URL of a server on loopback, with TLS if there are options."""
    ports: list[Any] = []

    def listen(page: Page, options: Any = None) -> str:
        listening: Any = reactor
        site = Site(page)
        if options is None:
            ports.append(listening.listenTCP(0, site, interface="127.0.0.1"))
        else:
            ports.append(listening.listenSSL(0, site, options, interface="127.0.0.1"))
        return f"{'http' if options is None else 'https'}://127.0.0.1:{ports[-1].getHost().port}"

    yield listen
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


def options(authority: Authority, names: tuple[str, ...]) -> Any:
    pair = authority.server(names)
    return ssl.PrivateCertificate.loadPEM(pair.key + pair.certificate).options()


def trusting(pem: bytes) -> Any:
    def secret(ref: SecretRef) -> Deferred[bytes]:
        assert ref == CA
        return succeed(pem)

    return Fetcher(reactor, secret).trusting(CA)


@pytest_twisted.ensureDeferred
async def test_an_issuers_own_authority_is_trusted_for_it_alone(authority: Authority, serve: Serve) -> None:
    url = serve(Page(lambda _: b'{"a": 1}'), options(authority, ("127.0.0.1",)))
    assert await trusting(authority.pem)(url) == b'{"a": 1}'
    for fetch in (Fetcher(reactor), trusting(Authority("another").pem)):
        with pytest.raises(Exception, match=r"certificate verify failed|unable to get|self.signed"):
            await fetch(url)


@pytest_twisted.ensureDeferred
async def test_a_certificate_for_another_name_is_refused(authority: Authority, serve: Serve) -> None:
    url = serve(Page(lambda _: b"{}"), options(authority, ("id.example.com",)))
    with pytest.raises(Exception, match=r"Verification|verify"):
        await trusting(authority.pem)(url)


@pytest_twisted.ensureDeferred
async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    page = Page(moved)
    url = serve(page)
    with pytest.raises(ValueError, match="302"):
        await Fetcher(reactor)(url + "/here")
    assert page.seen == [b"/here"]


@pytest_twisted.ensureDeferred
async def test_a_form_is_posted_and_any_status_answered(authority: Authority, serve: Serve) -> None:
    def answer(request: Request) -> bytes:
        request.setResponseCode(400)
        return b"&".join(name + b"=" + values[0] for name, values in sorted((request.args or {}).items()))

    url = serve(Page(answer), options(authority, ("127.0.0.1",)))
    ca = SecretRef("file", "/ca.pem")
    fetcher = Fetcher(reactor, lambda _: succeed(authority.pem))
    assert await fetcher.post(url, {"a": "1 &", "b": "2"}, ca) == (400, b"a=1 &&b=2")
    with pytest.raises(Exception, match=r"certificate verify failed|unable to get|self.signed"):
        await fetcher.post(url, {"a": "1"})
    page = Page(moved)
    assert (await fetcher.post(serve(page), {"a": "1"}))[0] == 302
    assert page.seen == [b"/"]


@pytest_twisted.ensureDeferred
async def test_an_endless_answer_ends_at_its_bound(serve: Serve) -> None:
    with pytest.raises(ValueError, match="longer"):
        await Fetcher(reactor)(serve(Page(endless)))


@pytest_twisted.ensureDeferred
async def test_a_compressed_answer_is_not_inflated(serve: Serve) -> None:
    assert len(await Fetcher(reactor)(serve(Page(bomb)))) < 20_000


@pytest.mark.parametrize("status", [204, 404, 500])
@pytest_twisted.ensureDeferred
async def test_only_200_is_an_answer(status: int, serve: Serve) -> None:
    def answer(request: Request) -> bytes:
        request.setResponseCode(status)
        return b""

    with pytest.raises(ValueError, match=str(status)):
        await Fetcher(reactor)(serve(Page(answer)))


@pytest_twisted.ensureDeferred
async def test_who_gives_up_leaves_no_connection(serve: Serve) -> None:
    left: list[Deferred[Any]] = []

    def silent(request: Request) -> Any:
        left.append(request.notifyFinish())
        return NOT_DONE_YET

    asked: Deferred[bytes] = Fetcher(reactor)(serve(Page(silent)))
    asked.addTimeout(0.2, reactor)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="Cancelled"):
        await asked
    with pytest.raises((ConnectionDone, ConnectionLost)):
        await left[0].addTimeout(5, reactor)  # type: ignore[arg-type]


@pytest_twisted.ensureDeferred
async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Exception, match="refused"):
        await Fetcher(reactor)(f"http://127.0.0.1:{port}")
