"""ServerStartup in front of real clients: libpq 18 by psycopg, with passwords, direct TLS, OAUTHBEARER and cancels."""

from __future__ import annotations

import ctypes
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql import oauthbearer
from hoopgate.codecs.postgresql.startup import (
    Cancel,
    Password,
    SaslInitial,
    SaslResponse,
    ServerStartup,
    SslRequest,
    Startup,
)
from tests.codecs.postgresql.driver import Door

pytestmark = pytest.mark.live
Send = Callable[[bytes], None]
ISSUER = "https://issuer.example"
CONFIGURATION = f"{ISSUER}/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def tls(authority, tmp_path_factory) -> ssl.SSLContext:
    certificate, key = authority.server().write(tmp_path_factory.mktemp("door"), "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["postgresql"])
    return context


@pytest.fixture(scope="module")
def ca(authority, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.crt"
    path.write_bytes(authority.pem)
    return path


def asks_password(door: Door, machine: ServerStartup, event: object, send: Send) -> None:
    if isinstance(event, Startup):
        send(machine.ask_password())
    elif event == Password(b"token"):
        send(machine.done())
    else:
        send(m.error_response(severity="FATAL", sqlstate="28P01", message="wrong token"))
        raise ConnectionError


def asks_bearer(door: Door, machine: ServerStartup, event: object, send: Send) -> None:
    if isinstance(event, Startup):
        send(machine.ask_sasl([oauthbearer.MECHANISM]))
    elif isinstance(event, SaslInitial) and oauthbearer.parse_initial(event.data) == "good":
        send(machine.done())
    elif isinstance(event, SaslInitial):
        send(machine.continue_sasl(oauthbearer.discovery_status(CONFIGURATION, "openid groups")))
    elif isinstance(event, SaslResponse):
        oauthbearer.parse_dummy_response(event.data)
        send(m.error_response(severity="FATAL", sqlstate="28000", message="bearer token refused"))
        raise ConnectionError


def connect(door: Door, ca: Path, **options) -> psycopg.Connection:
    given = {
        "host": "localhost", "hostaddr": "127.0.0.1", "port": door.port, "user": "me", "dbname": "shop",
        "sslmode": "verify-full", "sslrootcert": str(ca), "connect_timeout": 10,
    }  # fmt: skip
    return psycopg.connect(autocommit=True, **given | options)


def kinds(door: Door) -> list[type]:
    return [type(event) for event in door.seen]


def test_a_password_over_tls(tls, ca) -> None:
    with Door(tls, asks_password).open() as door, connect(door, ca, password="token") as connection:
        connection.execute("select")
        assert connection.info.backend_pid == 4711
    assert kinds(door) == [SslRequest, Startup, Password]


def test_a_wrong_password(tls, ca) -> None:
    with Door(tls, asks_password).open() as door, pytest.raises(psycopg.OperationalError, match="wrong token"):
        connect(door, ca, password="other")


def test_direct_tls_with_alpn(tls, ca) -> None:
    with (
        Door(tls, asks_password).open() as door,
        connect(door, ca, password="token", sslnegotiation="direct") as connection,
    ):
        connection.execute("select")
    assert kinds(door) == [Startup, Password]
    assert door.alpn == ["postgresql"]


@pytest.mark.parametrize(("asked", "agreed"), [("3.0", (3, 0)), ("3.2", (3, 2)), ("latest", (3, 2))])
def test_protocol_versions_and_cancel(tls, ca, asked: str, agreed: tuple[int, int]) -> None:
    """A cancel comes over TLS too, with the key as long as the version has it."""
    with (
        Door(tls, asks_password).open() as door,
        connect(door, ca, password="token", max_protocol_version=asked) as connection,
    ):
        timer = threading.Timer(0.1, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("wait")
        timer.join()
        startup = door.seen[1]
        assert isinstance(startup, Startup)
        assert startup.agreed == agreed
    assert Cancel(4711, b"k" * (32 if agreed == (3, 2) else 4)) in door.seen


def test_options_of_a_client(tls, ca) -> None:
    with (
        Door(tls, asks_password).open() as door,
        connect(door, ca, password="token", options=r"-c search_path=a\ b --statement-timeout=5"),
    ):
        startup = door.seen[1]
    assert isinstance(startup, Startup)
    assert startup.options == {"search_path": "a b", "statement_timeout": "5"}


def test_a_client_in_plain_text(tls, ca) -> None:
    with (
        Door(tls, asks_password).open() as door,
        connect(door, ca, password="token", sslmode="disable") as connection,
    ):
        connection.execute("select")
    assert kinds(door) == [Startup, Password]


# --- OAUTHBEARER --------------------------------------------------------------------------------------------------


class BearerRequest(ctypes.Structure):
    """PGoauthBearerRequest (libpq-fe.h)."""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("fetch", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    ]


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(BearerRequest))
BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


def libpq() -> ctypes.CDLL:
    """The library that psycopg has loaded already."""
    paths = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libpq" in line}
    if psycopg.pq.version() < 180000 or not paths:
        pytest.skip("OAUTHBEARER needs psycopg with libpq 18")
    library = ctypes.CDLL(paths.pop())
    library.PQgetAuthDataHook.restype = ctypes.c_void_p
    return library


@contextmanager
def token_source(token: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    """Give libpq this token whenever it asks; yields what it asked for: (configuration, scope)."""
    library, requests = libpq(), []

    def give(kind: int, connection: int, request) -> int:
        if kind != BEARER_TOKEN:
            return 0
        requests.append((request.contents.openid_configuration, request.contents.scope))
        request.contents.token = token
        return 1

    hook, before = HOOK(give), library.PQgetAuthDataHook()
    library.PQsetAuthDataHook(hook)
    try:
        yield requests
    finally:
        library.PQsetAuthDataHook(ctypes.c_void_p(before))


def bearer(door: Door, ca: Path) -> psycopg.Connection:
    return connect(door, ca, oauth_issuer=ISSUER, oauth_client_id="hoopgate", require_auth="oauth")


def test_libpq_discovers_the_issuer_then_sends_its_token(tls, ca) -> None:
    with Door(tls, asks_bearer).open() as door, token_source(b"good") as requests, bearer(door, ca) as connection:
        connection.execute("select")
    assert requests == [(CONFIGURATION.encode(), b"openid groups")]
    discovery = SaslInitial(oauthbearer.MECHANISM, b"n,,\1auth=\1\1")
    token = SaslInitial(oauthbearer.MECHANISM, b"n,,\1auth=Bearer good\1\1")
    assert [event for event in door.seen if isinstance(event, SaslInitial | SaslResponse)] == [
        discovery, SaslResponse(b"\1"), token,
    ]  # fmt: skip


def test_a_bad_token_is_refused(tls, ca) -> None:
    with (
        Door(tls, asks_bearer).open() as door,
        token_source(b"bad"),
        pytest.raises(psycopg.OperationalError, match="bearer token refused"),
    ):
        bearer(door, ca)
