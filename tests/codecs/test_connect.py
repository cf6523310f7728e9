"""The head of a CONNECT request: what is served, what is refused and how, in whatever pieces it comes."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.codecs.connect import Connect, HeadError, RequestHead, established, refusal
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

BEARER = b"CONNECT shop:22 HTTP/1.1\r\nHost: shop:22\r\nProxy-Authorization: Bearer a.b-c_d~e+f/g==\r\n\r\n"
LIMIT, FIELDS = 1024, 16


def head(data: bytes, *, limit: int = LIMIT, fields: int = FIELDS) -> Connect | None:
    return RequestHead(limit, fields).feed(data)


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


def request(*fields: bytes, line: bytes = b"CONNECT shop:22 HTTP/1.1", host: bytes = b"Host: shop") -> bytes:
    return b"\r\n".join([line, host, *fields, b"", b""])


def refused(data: bytes, **limits: int) -> HeadError:
    with pytest.raises(HeadError) as caught:
        head(data, **limits)
    return caught.value


# --- what standard clients send


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (BEARER, Connect("shop", 22, "a.b-c_d~e+f/g==", "proxy-authorization")),
        (request(b"Authorization: bearer tok"), Connect("shop", 22, "tok", "authorization")),
        (request(b"Proxy-Authorization: " + basic("me:tok")), Connect("shop", 22, "tok", "proxy-authorization")),
        (request(b"Authorization: " + basic(":tok:en")), Connect("shop", 22, "tok:en", "authorization")),
        (request(), Connect("shop", 22)),
        # curl -x
        (
            b"CONNECT shop:5432 HTTP/1.1\r\nHost: shop:5432\r\nProxy-Authorization: Basic bWU6dG9r\r\n"
            b"User-Agent: curl/8.5.0\r\nProxy-Connection: Keep-Alive\r\n\r\n",
            Connect("shop", 5432, "tok", "proxy-authorization"),
        ),
        # nc -X connect, ncat --proxy
        (b"CONNECT shop:22 HTTP/1.0\r\n\r\n", Connect("shop", 22)),
        (
            b"CONNECT shop:22 HTTP/1.0\r\nProxy-Authorization: Basic bWU6dG9r\r\n\r\n",
            Connect("shop", 22, "tok", "proxy-authorization"),
        ),
        (b"CONNECT [::1]:22 HTTP/1.1\r\nHost: [::1]:22\r\n\r\n", Connect("[::1]", 22)),
        (b"CONNECT shop:22 HTTP/1.1\r\nhOST:SHOP:22 \t\r\nX:\r\nContent-Length: 0\r\n\r\n", Connect("shop", 22)),
    ],
)
def test_standard_clients_are_understood(data: bytes, found: Connect) -> None:
    assert head(data) == found


# --- what is refused, each for its own reason


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n", 405, "only CONNECT"),
        (b"connect shop:22 HTTP/1.1\r\nHost: shop\r\n\r\n", 405, "only CONNECT"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2.0"),
        (b"CONNECT shop:22 HTTP/1.2\r\n\r\n", 505, "HTTP/1.2"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 400, "request line"),
        (b"\x16\x03\x01", 400, "no HTTP"),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", 400, "no HTTP"),
        (b"\r\nCONNECT shop:22 HTTP/1.1\r\n\r\n", 400, "no HTTP"),
        (b"CONNECT shop:22\r\n\r\n", 400, "request line"),
        (b"CONNECT  shop:22 HTTP/1.1\r\n\r\n", 400, "request line"),
        (b"CONNECT shop:22 HTTP/1.1 \r\n\r\n", 400, "request line"),
        (b"CONNECT shop:22 HTTP/1.1\nHost: shop\r\n\r\n", 400, "request line"),
        (b"CONNECT sh\xc3\xb6p:22 HTTP/1.1\r\n\r\n", 400, "request line"),
        (request(line=b"CONNECT shop HTTP/1.1"), 400, "HOST:PORT"),
        (request(line=b"CONNECT shop:0 HTTP/1.1"), 400, "HOST:PORT"),
        (request(line=b"CONNECT shop:65536 HTTP/1.1"), 400, "HOST:PORT"),
        (request(line=b"CONNECT :22 HTTP/1.1"), 400, "HOST:PORT"),
        (request(line=b"CONNECT me@shop:22 HTTP/1.1"), 400, "HOST:PORT"),
        (request(line=b"CONNECT http://shop:22 HTTP/1.1"), 400, "HOST:PORT"),
        (b"CONNECT shop:22 HTTP/1.1\r\n\r\n", 400, "no Host"),
        (request(host=b"Host: other"), 400, "names another"),
        (request(host=b"Host: shop:23"), 400, "names another"),
        (request(b"Host: shop"), 400, "occurs twice"),
        (request(b"Content-Length: 5"), 400, "no content"),
        (request(b"Content-Length: 0", b"Content-Length: 0"), 400, "occurs twice"),
        (request(b"Transfer-Encoding: chunked"), 400, "no content"),
        (request(b"X: a", b" folded"), 400, "malformed"),
        (request(b"X : a"), 400, "malformed"),
        (request(b"X: a\rY: b"), 400, "malformed"),
        (request(b"X: a\nAuthorization: Bearer tok"), 400, "malformed"),
        (request(b"X: \x00"), 400, "malformed"),
        (request(b"X: \xff"), 400, "malformed"),
        (request(b"no colon"), 400, "malformed"),
        (request(b"Authorization: Bearer a", b"Authorization: Bearer b"), 400, "occurs twice"),
        (request(b"Authorization: Bearer a", b"Proxy-Authorization: Bearer a"), 400, "Authorization and Proxy"),
        (request(b"Authorization: Bearer"), 400, "malformed"),
        (request(b"Authorization: Bearer a b"), 400, "malformed"),
        (request(b"Authorization: Digest abc"), 400, "not known here"),
        (request(b"Authorization: Basic !!!"), 400, "malformed"),
        (request(b"Authorization: Basic bWU"), 400, "malformed"),
        (request(b"Authorization: " + basic("nocolon")), 400, "no token"),
        (request(b"Authorization: " + basic("me:a\nb")), 400, "no token"),
        (request(b"Authorization: " + basic("me:täglich")), 400, "malformed"),
    ],
)
def test_what_is_malformed_is_refused(data: bytes, status: int, says: str) -> None:
    error = refused(data)
    assert error.status == status
    assert says in str(error)


def test_a_head_is_bounded() -> None:
    long = request(b"X: " + b"a" * 100)
    assert head(long, limit=len(long)) == Connect("shop", 22)
    assert refused(long, limit=len(long) - 1).status == 431
    endless = RequestHead(LIMIT, FIELDS)
    assert endless.feed(b"CONNECT shop:22 HTTP/1.1\r\n") is None
    assert endless.feed(b"X" * (LIMIT - 27)) is None
    with pytest.raises(HeadError, match=r"limits\.connect_head"):
        endless.feed(b"X")


def test_fields_are_bounded() -> None:
    assert head(request(b"X: a", b"X: b"), fields=3) == Connect("shop", 22)
    error = refused(request(b"X: a", b"X: b"), fields=2)
    assert (error.status, "limits.connect_fields" in str(error)) == (431, True)


# --- in whatever pieces


@given(st.lists(st.integers(0, len(BEARER)), max_size=8), st.binary(max_size=64))
def test_any_pieces_give_the_same_and_what_is_behind_is_kept(cuts: list[int], behind: bytes) -> None:
    data = BEARER + behind
    edges = sorted({0, *cuts, len(BEARER) - 1} - {len(BEARER)})
    whole = RequestHead(LIMIT, FIELDS)
    for start, end in itertools.pairwise(edges):
        assert whole.feed(data[start:end]) is None
    assert whole.feed(data[edges[-1] :]) == Connect("shop", 22, "a.b-c_d~e+f/g==", "proxy-authorization")
    assert whole.trailing == behind


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: BEARER[:24] + b"\r\n" + tail + b"\r\n\r\n"))
def test_garbage_breaks_nothing_but_the_protocol(data: bytes) -> None:
    whole = RequestHead(LIMIT, FIELDS)
    try:
        for start in range(0, len(data), 7):
            if whole.feed(data[start : start + 7]) is not None:
                break
    except RemoteProtocolError:
        return
    if whole._done:
        with pytest.raises(LocalProtocolError):
            whole.feed(b"more")
    else:
        with pytest.raises(LocalProtocolError):
            _ = whole.trailing


NAMES = st.sampled_from([b"Host", b"X-One", b"Content-Length", b"Authorization", b"Transfer-Encoding", b"x_y"])
VALUES = st.sampled_from([b"shop", b"shop:22", b"0", b"Bearer tok", b"chunked", b"", b" two  words ", b"\x01", b"a\tb"])
LINES = st.sampled_from([b"CONNECT shop:22 HTTP/1.1", b"CONNECT shop:22 HTTP/1.0", b"GET / HTTP/1.1", b"CONNECT shop"])


@given(LINES, st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_h11_reads_what_we_read(line: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    """Whatever passes here is one request to another implementation as well, with the same fields."""
    data = b"\r\n".join([line, *(name + b": " + value for name, value in fields), b"", b""])
    try:
        found = head(data)
    except HeadError:
        return
    assert found is not None
    referee = h11.Connection(h11.SERVER)
    referee.receive_data(data)
    event = referee.next_event()
    assert isinstance(event, h11.Request)
    assert event.method == b"CONNECT"
    assert event.target.decode() == f"{found.host}:{found.port}"
    if found.token:
        assert dict(event.headers)[b"authorization"] == b"Bearer " + found.token.encode()


# --- answers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 408, 431, 500, 503, 505])
def test_refusals_are_answers_that_others_read(status: int) -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="CONNECT", target="shop:22", headers=[("Host", "shop")]))
    client.send(h11.EndOfMessage())
    client.receive_data(refusal(status, 'no "target"\r\nSet-Cookie: a=b ü', "some-rule", "do this"))
    client.receive_data(b"")
    answer, body, end = client.next_event(), client.next_event(), client.next_event()
    assert isinstance(answer, h11.Response)
    assert isinstance(body, h11.Data)
    assert isinstance(end, h11.EndOfMessage)
    assert answer.status_code == status
    fields = dict(answer.headers)
    assert fields[b"connection"] == b"close"
    assert b"set-cookie" not in fields
    assert (b"proxy-authenticate" in fields, b"www-authenticate" in fields) == (status == 407, status == 401)
    problem = json.loads(body.data)
    assert (problem["rule"], problem["hint"], problem["status"]) == ("some-rule", "do this", status)


def test_an_opened_tunnel_has_no_body() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="CONNECT", target="shop:22", headers=[("Host", "shop")]))
    client.send(h11.EndOfMessage())
    client.receive_data(established() + b"SSH-2.0-")
    answer = client.next_event()
    assert isinstance(answer, h11.Response)
    assert answer.status_code == 200
    assert client.next_event() is h11.PAUSED
    assert client.trailing_data[0] == b"SSH-2.0-"


def test_nobody_prints_a_token_by_accident() -> None:
    assert "a.b-c" not in repr(head(BEARER))
