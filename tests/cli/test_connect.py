"""Pieces of ``hoopgate connect`` by themselves: addresses, the relay between descriptors, whose connection it is."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hoopgate.cli import forward
from hoopgate.cli.link import Gate, Link, read_gate, refused
from hoopgate.cli.problems import NoTokenError, RefusedError, UnreachableError, UnsafeError
from hoopgate.cli.relay import relay
from hoopgate.cli.settings import SettingsError
from hoopgate.development.certificates import Authority, Pair

BULK = 8 * 1024 * 1024  # bytes: more than pipes and sockets hold


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("gate.example.com", Gate("gate.example.com", 443)),
        ("gate.example.com:8444", Gate("gate.example.com", 8444)),
        ("https://gate.example.com:8444/", Gate("gate.example.com", 8444)),
        ("[2001:db8::1]:8444", Gate("2001:db8::1", 8444)),
        ("[2001:db8::1]", Gate("2001:db8::1", 443)),
        ("http://127.0.0.1:80", Gate("127.0.0.1", 80, plain=True)),
        ("http://[::1]:80", Gate("::1", 80, plain=True)),
    ],
)
def test_where_the_gate_is(text: str, gate: Gate) -> None:
    assert read_gate(text) == gate


@pytest.mark.parametrize("text", ["", ":", "gate:", "gate:0", "gate:65536", "gate:ssh", "ftp://gate:1",
                                  "http://gate.example.com:80", "http://0.0.0.0:80"])  # fmt: skip
def test_no_token_goes_anywhere_else(text: str) -> None:
    with pytest.raises(SettingsError, match="gate is"):
        read_gate(text)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NoTokenError), (407, NoTokenError), (403, RefusedError), (404, RefusedError),
                         (408, UnreachableError), (503, UnreachableError)]
)  # fmt: skip
def test_refusals_become_errors_with_codes(status: int, kind: type[Exception]) -> None:
    body = b'{"detail": "no\\u001b[2K such thing", "rule": "some-rule", "hint": "Do this."}'
    error = refused(status, body)
    assert type(error) is kind
    assert error.message == "the gateway refuses: no?[2K such thing [some-rule]. Do this."
    assert refused(status, b"<html>").message == f"the gateway refuses: status {status}"


# --- the relay, over a gate in clear text


class Far:
    """A gate on loopback that opens every tunnel; its side of it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.side: socket.socket
        self.early = b""
        threading.Thread(target=self._accept, daemon=True).start()
        self.ready = threading.Event()

    def _accept(self) -> None:
        self.side, _ = self._listening.accept()
        self._listening.close()
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.side.recv(65536)
        self.side.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n" + self.early)
        self.ready.set()


@contextmanager
def tunnel(early: bytes = b"") -> Iterator[tuple[socket.socket, int, int, threading.Thread]]:
    """The far side, the pipe to write to, the pipe to read from, and the thread that relays."""
    far = Far()
    far.early = early
    link = Link(Gate("127.0.0.1", far.port, plain=True), "")
    came = link.open("shop", 1, "token")
    far.ready.wait(5)
    (source, near_in), (near_out, sink) = os.pipe(), os.pipe()

    def run() -> None:
        try:
            relay(link, source, sink, came)
        finally:
            os.close(sink)
            os.close(source)
            link.close()

    running = threading.Thread(target=run)
    running.start()
    try:
        yield far.side, near_in, near_out, running
    finally:
        far.side.close()
        running.join(10)
        assert not running.is_alive()
        os.close(near_out)


def write_all(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
    os.close(number)


def read_all(number: int) -> bytes:
    parts = []
    while part := os.read(number, 262_144):
        parts.append(part)
    return b"".join(parts)


def test_each_half_is_closed_by_itself() -> None:
    with tunnel(b"early ") as (far, near_in, near_out, _):
        write_all(near_in, b"question")
        question = b""
        while part := far.recv(100):
            question += part
        assert question == b"question"
        far.sendall(b"answer")
        far.close()
        assert read_all(near_out) == b"early answer"


def test_who_writes_without_reading_does_not_stop_the_other_way() -> None:
    data = os.urandom(BULK)
    with tunnel() as (far, near_in, near_out, _):
        got: list[bytes] = []

        def echo() -> None:
            while part := far.recv(262_144):
                got.append(part)
            far.sendall(data)
            far.close()

        echoing = threading.Thread(target=echo)
        echoing.start()
        write_all(near_in, data)
        assert read_all(near_out) == data
        echoing.join(10)
        assert b"".join(got) == data


def test_a_slow_reader_is_what_bounds_the_sender() -> None:
    with tunnel() as (far, near_in, near_out, _):
        far.setblocking(False)
        sent = 0
        for _ in range(200):
            try:
                sent += far.send(b"x" * 65536)
            except BlockingIOError:
                threading.Event().wait(0.005)
        assert sent < 64 * 1024 * 1024  # what kernels hold; it would be unbounded else
        far.setblocking(True)
        far.shutdown(socket.SHUT_WR)
        os.close(near_in)
        assert len(read_all(near_out)) == sent


def test_it_ends_when_nobody_reads_any_more() -> None:
    with tunnel() as (far, near_in, near_out, running):
        os.close(os.dup(near_out))
        os.dup2(os.open("/dev/null", os.O_RDONLY), near_out)  # closes the only reader
        far.sendall(b"x")
        running.join(5)
        assert not running.is_alive()
        os.close(near_in)


# --- TLS


@contextmanager
def secure(pair: Pair, folder: Path, serve: Callable[[ssl.SSLSocket], None]) -> Iterator[Gate]:
    """A TLS server on loopback that serves one connection."""
    certificate, key = pair.write(folder, "gate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listening, suppress(OSError):
            side, _ = listening.accept()
            with context.wrap_socket(side, server_side=True) as secured:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += secured.recv(65536)
                serve(secured)

    serving = threading.Thread(target=run)
    serving.start()
    yield Gate("127.0.0.1", listening.getsockname()[1])
    serving.join(10)
    assert not serving.is_alive()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Authority, str]:
    made = Authority()
    (tmp_path / "ca.crt").write_bytes(made.pem)
    return made, str(tmp_path / "ca.crt")


def test_each_half_is_closed_by_itself_over_tls(authority: tuple[Authority, str], tmp_path: Path) -> None:
    data = os.urandom(BULK)
    heard: list[bytes] = []

    def serve(side: ssl.SSLSocket) -> None:
        side.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
        while part := side.recv(65536):  # up to the client's close_notify
            heard.append(part)
        side.sendall(data)
        side.unwrap()

    made, ca = authority
    with secure(made.server(), tmp_path, serve) as gate:
        link = Link(gate, ca)
        early = link.open("shop", 1, "token")
        (source, near_in), (near_out, sink) = os.pipe(), os.pipe()
        write_all(near_in, b"question")
        relaying = threading.Thread(target=lambda: (relay(link, source, sink, early), os.close(sink)))
        relaying.start()
        assert read_all(near_out) == data
        relaying.join(10)
        link.close()
        os.close(source)
        os.close(near_out)
    assert b"".join(heard) == b"question"


def test_a_connection_that_is_cut_off_is_no_end(authority: tuple[Authority, str], tmp_path: Path) -> None:
    """Whoever sits in between could cut an answer, and it must not look whole."""

    def serve(side: ssl.SSLSocket) -> None:
        side.sendall(b"HTTP/1.1 200 ok\r\n\r\nhalf of")
        socket.socket.shutdown(side, socket.SHUT_RDWR)

    made, ca = authority
    with secure(made.server(), tmp_path, serve) as gate:
        link = Link(gate, ca)
        early = link.open("shop", 1, "token")
        (source, near_in), (near_out, sink) = os.pipe(), os.pipe()
        with pytest.raises(ConnectionError, match="without a word"):
            relay(link, source, sink, early)
        link.close()
        for each in (source, near_in, near_out, sink):
            os.close(each)


def test_only_the_right_gateway_gets_the_token(authority: tuple[Authority, str], tmp_path: Path) -> None:
    asked: list[bytes] = []
    made, ca = authority
    other = tmp_path / "other.crt"
    other.write_bytes(Authority("another").pem)
    for pair, trusted, says in (
        (made.server(["gate.example.com"]), ca, "IP address mismatch"),
        (made.server(), str(other), "certificate"),
        (made.server(), "", "certificate"),
    ):
        serving = secure(pair, tmp_path, lambda side: asked.append(b"a head came"))
        with serving as gate, pytest.raises(UnreachableError, match=says):
            Link(gate, trusted)
    assert asked == []


# --- whose connection it is


@pytest.mark.parametrize("place", ["127.0.0.1:0", "[::1]:0"])
def test_a_port_knows_its_own_user(place: str) -> None:
    with forward.listen(place) as listening:
        assert forward.name_of(listening).rpartition(":")[0] == place.rpartition(":")[0]
        with socket.create_connection(listening.getsockname()[:2]) as near:
            far, _ = listening.accept()
            with far:
                forward.check_owner(far)
                assert near.getpeername()[1] == far.getsockname()[1]


def test_a_connection_of_nobody_known_is_turned_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    monkeypatch.setitem(forward._SOCKETS, socket.AF_INET, table)
    with forward.listen("127.0.0.1:0") as listening, socket.create_connection(listening.getsockname()) as near:
        far, _ = listening.accept()
        with far:
            with pytest.raises(UnsafeError, match="somebody else"):
                forward.check_owner(far)  # there is no such table
            local, remote = forward._address(near.getsockname()), forward._address(near.getpeername())
            row = f"0: {local} {remote} 01 0:0 00:0 0 {os.geteuid() + 1} 0 1\n"
            table.write_text("heading\n" + row)
            with pytest.raises(UnsafeError, match=f"user {os.geteuid() + 1} else"):
                forward.check_owner(far)
            table.write_text("heading\n" + row.replace(f" {os.geteuid() + 1} ", f" {os.geteuid()} "))
            forward.check_owner(far)


@pytest.mark.parametrize("place", ["0.0.0.0:0", "gate.example.com:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999",
                                   "/nonexistent/socket", ""])  # fmt: skip
def test_nothing_is_offered_to_others(place: str) -> None:
    with pytest.raises(SettingsError, match=r"listen"):
        forward.listen(place)
