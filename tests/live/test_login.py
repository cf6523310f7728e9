"""Who gets in, how, and what everybody else is told."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
import urllib.parse
import urllib.request

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.codecs.postgresql.test_live_clients import token_source
from tests.live.conftest import Make
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import ClosedError, Wire, error, notice, types


def turned_away(gate: Gate, *, target: str = "open", user: str = "app", **options: object) -> dict[str, str]:
    """The fields of the FATAL with which a raw login ends; then the gateway closes."""
    with pytest.raises(ClosedError) as caught:
        gate.wire(target, user=user, **options)
    fields = error(caught.value.so_far)
    assert fields["S"] == "FATAL"
    return fields


# --- what the target says meanwhile

GREETING = """
CREATE FUNCTION greet() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'welcome, %', (SELECT max(secret) FROM greeted); END $$;
CREATE TABLE greeted AS SELECT 'sesame-4711' AS secret;
GRANT SELECT ON greeted TO {user};
CREATE EVENT TRIGGER greet ON login EXECUTE FUNCTION greet();
"""
MASKED = """
[[mask]]
name = "greeted"
target = ["masked"]
columns = ["*.greeted.secret"]
kind = "replace"
"""


def test_notices_of_the_login(make_gate: Make, world: World) -> None:
    """They come before the login is over, as from the server itself, and no mask is walked round by them."""
    gate = make_gate(world.target("open") + world.target("masked") + MASKED)
    if int(world.behind("SHOW server_version_num")) < 170_000:
        pytest.skip("triggers of logins came with PostgreSQL 17")
    world.behind(GREETING.format(user=world.user))
    try:
        with gate.wire("open") as wire:
            assert types(wire.greeting).endswith("NZ")
            assert notice(wire.greeting)["M"] == "welcome, sesame-4711"
            assert types(wire.query("SELECT 1")) == "TDCZ"
        with gate.wire("masked") as wire:
            assert types(wire.greeting).endswith("NZ")
            assert not [raw for raw in wire.greeting if b"sesame" in raw]
    finally:
        world.behind("DROP EVENT TRIGGER greet; DROP FUNCTION greet; DROP TABLE greeted")


# --- the token as the password


@pytest.mark.parametrize("listener", ["plain", "tls"])
def test_a_token_as_password(gate: Gate, listener: str) -> None:
    with gate.connect("open", listener=listener) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("live_app", "live")


def test_direct_tls(gate: Gate) -> None:
    with gate.connect("open", listener="tls", sslnegotiation="direct") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize("version", ["3.0", "3.2", "latest"])
def test_protocol_versions(gate: Gate, version: str) -> None:
    with gate.connect("open", listener="tls", max_protocol_version=version) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_newer_minor_version_is_negotiated_down(gate: Gate) -> None:
    with gate.wire("open", version=(3, 9), settings={"_pq_.future": "1"}) as wire:
        assert types(wire.query("SELECT 1")) == "TDCZ"


@pytest.mark.parametrize(
    ("case", "hint"),
    [
        ("garbage", "hoopgate token"),
        ("expired", "hoopgate token"),
        ("cut", "cut off"),
        ("two parts", "cut off"),
        ("another audience", "hoopgate token"),
        ("another issuer", "hoopgate token"),
        ("not yet", "hoopgate token"),
        ("unsigned", "hoopgate token"),
    ],
)
def test_bad_tokens(gate: Gate, world: World, case: str, hint: str) -> None:
    token = world.people.token
    good = token("ada")
    long = token("ada", padding="x" * 1500)
    head, body, signature = good.split(".")
    tokens = {
        "garbage": "garbage",
        "expired": token("ada", lifetime=-3600),
        "cut": long[:1023],  # a libpq of before 14 asks for so many characters at most
        "two parts": f"{head}.{body}",
        "another audience": token("ada", aud="elsewhere"),
        "another issuer": token("ada", iss="https://elsewhere.example"),
        "not yet": token("ada", nbf=int(time.time()) + 3600),
        "unsigned": f"eyJhbGciOiJub25lIn0.{body}.",
    }
    fields = turned_away(gate, token=tokens[case])
    assert fields["C"] == "28P01"
    assert hint in fields["H"]
    assert tokens[case] not in str(fields)
    assert tokens[case] not in gate.log()
    assert signature not in gate.log()


def test_an_empty_password(gate: Gate) -> None:
    with pytest.raises(ClosedError) as caught:
        Wire.tcp(("127.0.0.1", gate.ports["plain"]), {"user": "app", "database": "open"}, password=b"")
    assert error(caught.value.so_far)["S"] == "FATAL"


def test_a_token_over_the_limit(gate: Gate, world: World) -> None:
    assert turned_away(gate, token=world.people.token("ada", padding="x" * 20_000))["S"] == "FATAL"


# --- what may be opened


@pytest.mark.parametrize(
    ("options", "sqlstate"),
    [
        ({"target": "nowhere"}, "3D000"),
        ({"target": "open/postgres"}, "3D000"),
        ({"target": "OPEN"}, "3D000"),
        ({"target": "../open"}, "3D000"),
        ({"user": "postgres"}, "28000"),
        ({"user": "live_app"}, "28000"),  # the target's own name of it is not offered
        ({"target": "ruled", "person": "visitor"}, "42501"),
        ({"settings": {"options": "-c search_path=evil"}}, "42501"),
        ({"settings": {"search_path": "evil"}}, "42501"),
        ({"settings": {"options": "-c role=postgres"}}, "42501"),
        ({"settings": {"session_authorization": "postgres"}}, "42501"),
        ({"target": "watched", "settings": {"replication": "database"}}, "42501"),  # masks are in force
        ({"target": "watched", "settings": {"replication": "true"}}, "42501"),
    ],
)
def test_what_is_not_offered(gate: Gate, options: dict[str, object], sqlstate: str) -> None:
    fields = turned_away(gate, **options)
    assert fields["C"] == sqlstate, fields
    assert "Refused by" in fields["D"]


def test_both_names(gate: Gate) -> None:
    with gate.wire("open/live") as wire:
        assert types(wire.query("SELECT 1")) == "TDCZ"


def test_settings_that_are_allowed(gate: Gate) -> None:
    with gate.connect("open", application_name="mine", options="-c TimeZone=Asia/Tokyo -c DateStyle=German") as c:
        assert c.info.parameter_status("TimeZone") == "Asia/Tokyo"
        assert c.info.parameter_status("application_name") == "mine"
        assert c.execute("SHOW DateStyle").fetchone()[0].startswith("German")


def test_the_target_sees_the_session_in_the_application_name(gate: Gate, world: World) -> None:
    with gate.connect("open", application_name="mine") as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        seen = world.behind(f"SELECT application_name FROM pg_stat_activity WHERE pid = {pid}")
        assert seen.startswith("hg:")
        assert seen.endswith(" mine")
        session = seen.split()[0][3:]
    assert wait_for(lambda: gate.recorded(session), "the recording")


def test_no_tls_on_a_tls_listener(gate: Gate) -> None:
    with pytest.raises(ClosedError) as caught:
        Wire.tcp(("127.0.0.1", gate.ports["tls"]), {"user": "app", "database": "open"}, password=b"x")
    fields = error(caught.value.so_far)
    assert fields["C"] == "28000"
    assert "TLS" in fields["M"]


def test_bytes_behind_the_ssl_request_are_not_read_as_if_over_tls(gate: Gate) -> None:
    """CVE-2021-23214's fault."""
    with socket.create_connection(("127.0.0.1", gate.ports["tls"]), 10) as connection:
        connection.sendall(m.ssl_request() + m.startup_message({"user": "app", "database": "open"}, (3, 0)))
        data = b""
        while piece := connection.recv(4096):
            data += piece
    assert data[:1] != b"S" or len(data) == 1
    assert m.authentication_cleartext() not in data


def test_tls_versions_and_protocols(gate: Gate) -> None:
    context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
    with Wire.tcp(("127.0.0.1", gate.ports["tls"]), {"user": "app", "database": "open"}, tls=context,
                  password=gate.token("ada").encode()) as wire:  # fmt: skip
        assert isinstance(wire.socket, ssl.SSLSocket)
        assert wire.socket.version() == "TLSv1.3"
        assert types(wire.query("SELECT 1")) == "TDCZ"
    # direct TLS without ALPN, or with another protocol's, ends before anything is said
    for protocols in ([], ["http/1.1"]):
        other = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
        if protocols:
            other.set_alpn_protocols(protocols)
        with socket.create_connection(("127.0.0.1", gate.ports["tls"]), 10) as plain:
            try:
                with other.wrap_socket(plain, server_hostname="localhost") as secured:
                    secured.sendall(m.startup_message({"user": "app", "database": "open"}, (3, 0)))
                    data = secured.recv(4096)
                    assert data[:1] in (b"E", b"")
            except (ssl.SSLError, ConnectionError):
                pass


def test_gss_encryption_is_declined(gate: Gate) -> None:
    with socket.create_connection(("127.0.0.1", gate.ports["plain"]), 10) as connection:
        connection.sendall((8).to_bytes(4, "big") + (80877104).to_bytes(4, "big"))
        assert connection.recv(1) == b"N"
        connection.sendall(m.startup_message({"user": "app", "database": "open"}, (3, 0)))
        assert connection.recv(100) == m.authentication_cleartext()


def test_messages_before_the_login_are_not_for_the_target(gate: Gate, world: World) -> None:
    """A query where the password is due, a second StartupMessage, a password for another: the connection ends."""
    world.behind("TRUNCATE wide")
    startup = m.startup_message({"user": "app", "database": "open"}, (3, 0))
    for second in (m.query(b"INSERT INTO wide VALUES (1)"), startup, m.sync(), b"\0" * 100):
        with socket.create_connection(("127.0.0.1", gate.ports["plain"]), 10) as connection:
            connection.sendall(startup + second)
            data = b""
            while piece := connection.recv(4096):
                data += piece
            assert data.startswith(m.authentication_cleartext())
            assert data[9:10] == b"E"
    assert world.behind("SELECT count(*) FROM wide") == "0"


def test_what_comes_early_is_kept(gate: Gate) -> None:
    """A client may send its first query behind the password, without waiting."""
    with Wire.tcp(("127.0.0.1", gate.ports["plain"]), {}, login=False) as wire:
        startup = m.startup_message({"user": "app", "database": "open"}, (3, 0))
        wire.send(startup + m.password_message(gate.token("ada").encode()) + m.query(b"SELECT 'early'"))
        got = wire.until("ZZ")
        assert types(got)[-4:] == "TDCZ"


# --- OAUTHBEARER


@pytest.fixture
def unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq wants https of issuers but in its debugging mode; ours is on loopback."""
    monkeypatch.setenv("PGOAUTHDEBUG", "UNSAFE")


def bearer(gate: Gate, token: str) -> tuple[psycopg.Connection, list[tuple[bytes, bytes]]]:
    with token_source(token.encode()) as asked:
        connection = psycopg.connect(
            gate.dsn("open", listener="oauth"), oauth_issuer=gate.world.people.url, oauth_client_id="hoopgate",
            require_auth="oauth", autocommit=True,
        )  # fmt: skip
    return connection, asked


@pytest.mark.usefixtures("unsafe")
def test_oauthbearer(gate: Gate) -> None:
    failed = metric(gate, "login")
    connection, asked = bearer(gate, gate.token("ada"))
    with connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert asked == [(f"{gate.world.people.url}/.well-known/openid-configuration".encode(), b"openid")]
    assert metric(gate, "login") == failed  # discovery is no failed login


def metric(gate: Gate, name: str) -> list[str]:
    return [line for line in gate.http("/metrics")[1].splitlines() if name in line and "fail" in line]


@pytest.mark.usefixtures("unsafe")
def test_oauthbearer_with_a_bad_token(gate: Gate, world: World) -> None:
    with pytest.raises(psycopg.OperationalError, match="login failed"):
        bearer(gate, world.people.token("ada", lifetime=-3600))
    connection, _ = bearer(gate, gate.token("ada"))
    connection.close()


def test_a_password_on_a_bearer_listener(gate: Gate) -> None:
    with pytest.raises(psycopg.OperationalError):
        gate.connect("open", listener="oauth", oauth_issuer="", require_auth="password")


# --- tokens of the gateway's own


def gateway_token(gate: Gate, person: str, *options: str) -> dict[str, object]:
    done = gate.hoopgate(person, "token", "--gateway", "--json", *options)
    assert done.code == 0, done
    return dict(json.loads(done.out))


def test_gateway_tokens(gate: Gate) -> None:
    given = gateway_token(gate, "ada")
    token = str(given["token"])
    assert token.startswith("hgt_")
    assert len(token) <= 200
    assert token.count(".") == 0
    with gate.wire("open", token=token) as wire:
        assert types(wire.query("SELECT 1")) == "TDCZ"
    assert token not in gate.log()
    for path in (gate.directory / "state").iterdir():
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path
    changed = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert turned_away(gate, token=changed)["C"] == "28P01"


def test_a_gateway_token_for_psql(gate: Gate) -> None:
    """As the help says it: PGPASSWORD=$(hoopgate token --gateway) psql ..."""
    token = gate.hoopgate("ada", "token", "--gateway").out.strip()
    environment = gate.environ("ada") | {"PGPASSWORD": token}
    done = subprocess.run(gate.psql("open", "-c", "SELECT 1"), env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def test_a_bound_token_opens_its_target_alone(gate: Gate) -> None:
    token = str(gateway_token(gate, "ada", "--target", "open")["token"])
    with gate.wire("open", token=token) as wire:
        assert types(wire.query("SELECT 1")) == "TDCZ"
    fields = turned_away(gate, target="watched", token=token)
    assert fields["C"] in ("3D000", "42501")
    assert gate.hoopgate("ada", "token", "--gateway", "--target", "nowhere").code != 0


def test_a_gateway_token_ends_and_its_sessions_with_it(gate: Gate) -> None:
    token = str(gateway_token(gate, "ada", "--lifetime", "2")["token"])
    with gate.wire("open", token=token) as wire:
        got = wire.closed(seconds=6)
        assert error(got)["C"] == "57P01"
        assert "expired" in error(got)["M"]
    assert turned_away(gate, token=token)["C"] == "28P01"


def test_a_revoked_token_ends_its_sessions_within_two_seconds(gate: Gate) -> None:
    given = gateway_token(gate, "ada")
    with gate.wire("open", token=str(given["token"])) as wire, gate.wire("open") as other:
        wire.query("BEGIN")
        began = time.monotonic()
        revoke(gate, given)
        got = wire.closed(seconds=5)
        assert time.monotonic() - began < 2
        assert error(got)["C"] == "57P01"
        assert "revoked" in error(got)["M"]
        assert types(other.query("SELECT 1")) == "TDCZ"
    assert turned_away(gate, token=str(given["token"]))["C"] == "28P01"


def revoke(gate: Gate, given: dict[str, object]) -> None:
    """RFC 7009, as a form."""
    context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
    request = urllib.request.Request(
        f"https://localhost:{gate.ports['api']}/v1/token/revoke",
        data=urllib.parse.urlencode({"token": given["token"]}).encode(),
        headers={"Authorization": f"Bearer {gate.token('ada')}"},
    )
    https = urllib.request.HTTPSHandler(context=context)
    with urllib.request.build_opener(urllib.request.ProxyHandler({}), https).open(request, timeout=10) as answer:
        assert answer.status == 200
