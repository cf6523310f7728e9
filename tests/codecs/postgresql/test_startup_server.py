"""The start-up phase as a server: what PostgreSQL accepts passes, each known fault is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.startup import (
    Cancel,
    GssRequest,
    Password,
    SaslInitial,
    SaslResponse,
    ServerStartup,
    SslRequest,
    Startup,
    is_tls_client_hello,
    parse_options,
)
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

ME = {"user": "me", "database": "shop"}


def fed(data: bytes, **options) -> ServerStartup:
    machine = ServerStartup(**options)
    machine.feed(data)
    return machine


def refused(data: bytes, match: str | None = None, **options) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError, match=match) as caught:
        fed(data, **options).next_event()
    return caught.value


def packet(body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4, "big") + body


def pairs(*texts: bytes, version: bytes = b"\0\3\0\0", end: bytes = b"\0") -> bytes:
    return packet(version + b"".join(text + b"\0" for text in texts) + end)


def named(parameters=ME, version=(3, 0)) -> ServerStartup:
    machine = fed(m.startup_message(parameters, version))
    assert isinstance(machine.next_event(), Startup)
    return machine


def test_a_password_login() -> None:
    machine = fed(m.ssl_request())
    assert machine.next_event() == SslRequest()
    assert machine.next_event() is None
    assert machine.accepted_encryption() == b"S"
    machine.feed(m.startup_message(ME))
    assert machine.next_event() == Startup((3, 0), ME)
    assert machine.ask_password() == m.authentication_cleartext()
    machine.feed(m.password_message("token") + m.query("select 1"))
    assert machine.next_event() == Password(b"token")
    assert machine.next_event() is None
    assert machine.done() == m.authentication_ok()
    assert machine.trailing == m.query("select 1")


def test_a_sasl_login_with_a_challenge() -> None:
    machine = named()
    assert machine.ask_sasl(["OAUTHBEARER"]) == m.authentication_sasl(["OAUTHBEARER"])
    machine.feed(m.sasl_initial_response("OAUTHBEARER", b"n,,"))
    assert machine.next_event() == SaslInitial("OAUTHBEARER", b"n,,")
    assert machine.continue_sasl(b"{}") == m.authentication_sasl_continue(b"{}")
    machine.feed(m.sasl_response(b"\1"))
    assert machine.next_event() == SaslResponse(b"\1")
    assert machine.finish_sasl(b"v") == m.authentication_sasl_final(b"v")
    assert machine.done() == m.authentication_ok()


def test_secrets_do_not_show_in_reprs() -> None:
    for event in (Password(b"hunter2"), SaslInitial("X", b"hunter2"), SaslResponse(b"hunter2"), Cancel(1, b"hunter2")):
        assert "hunter2" not in repr(event)


# --- encryption requests --------------------------------------------------------------------------------------


def test_bytes_behind_an_ssl_request_are_never_read_as_if_over_tls() -> None:  # CVE-2021-23214, CVE-2021-3935
    machine = fed(m.ssl_request() + m.startup_message(ME))
    assert machine.next_event() == SslRequest()
    assert machine.next_event() is None
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        machine.accepted_encryption()


def test_bytes_behind_a_refused_request_are_an_error_too() -> None:
    machine = fed(m.gssenc_request() + b"\0")
    assert machine.next_event() == GssRequest()
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        machine.refused_encryption()


@pytest.mark.parametrize(
    "requests", [[m.ssl_request(), m.gssenc_request()], [m.gssenc_request(), m.ssl_request()], [m.ssl_request()]]
)
def test_each_kind_of_encryption_may_be_asked_for_once(requests: list[bytes]) -> None:
    machine = ServerStartup()
    for request in requests:
        machine.feed(request)
        assert machine.next_event() is not None
        assert machine.refused_encryption() == b"N"
    machine.feed(m.startup_message(ME))
    assert isinstance(machine.next_event(), Startup)


@pytest.mark.parametrize("request_", [m.ssl_request(), m.gssenc_request()])
def test_a_repeated_encryption_request_is_refused(request_: bytes) -> None:
    machine = fed(request_)
    machine.next_event()
    machine.refused_encryption()
    machine.feed(request_)
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


@pytest.mark.parametrize("request_", [m.ssl_request(), m.gssenc_request()])
def test_no_encryption_request_within_tls(request_: bytes) -> None:
    machine = fed(m.ssl_request())
    machine.next_event()
    machine.accepted_encryption()
    machine.feed(request_)
    with pytest.raises(RemoteProtocolError):
        machine.next_event()
    with pytest.raises(RemoteProtocolError):
        fed(request_, encrypted=True).next_event()


def test_direct_tls_is_told_from_start_up_packets() -> None:
    assert is_tls_client_hello(b"\x16\x03\x01")
    assert not is_tls_client_hello(m.ssl_request())
    assert not is_tls_client_hello(b"")
    assert isinstance(fed(m.startup_message(ME), encrypted=True).next_event(), Startup)


def test_gssapi_encryption_can_only_be_refused() -> None:
    machine = fed(m.gssenc_request())
    machine.next_event()
    with pytest.raises(LocalProtocolError):
        machine.accepted_encryption()


def test_an_encryption_request_with_a_body_is_refused() -> None:
    refused(packet(m.ssl_request()[4:] + b"x"), "encryption request")


# --- cancel ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 32, 256])
def test_cancel_with_short_and_long_keys(size: int) -> None:
    assert fed(m.cancel_request(77, b"k" * size)).next_event() == Cancel(77, b"k" * size)


@pytest.mark.parametrize("size", [0, 3, 257])
def test_cancel_with_a_key_out_of_bounds_is_refused(size: int) -> None:
    refused(m.cancel_request(77, b"k" * size), "cancel request")


def test_cancel_may_come_over_tls() -> None:
    assert isinstance(fed(m.cancel_request(1, b"abcd"), encrypted=True).next_event(), Cancel)


# --- the StartupMessage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 4, 7, 10_001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_lengths_out_of_bounds_are_refused_before_their_bytes_come(length: int) -> None:
    refused(length.to_bytes(4, "big"), "invalid length")


def test_the_limit_is_inclusive() -> None:
    message = m.startup_message({"user": "u" * 100})
    assert fed(message, limit_packet=len(message)).next_event() is not None
    refused(message, "invalid length", limit_packet=len(message) - 1)


@pytest.mark.parametrize("version", [b"\0\2\0\0", b"\0\4\0\0", b"\0\0\0\0", b"\x04\xd2\x16\x2d"])
def test_other_major_versions_are_refused(version: bytes) -> None:
    assert refused(pairs(b"user", b"me", version=version), "unsupported frontend protocol").sqlstate == "0A000"


@pytest.mark.parametrize(
    "raw",
    [
        pairs(b"user", b"me", end=b""),
        pairs(b"user", b"me", end=b"\0\0"),
        pairs(b"user", b"me", end=b"\0x\0"),
        pairs(b"user", b"me", b"database"),
        pairs(b"", b"x", b"user", b"me"),
        packet(b"\0\3\0\0user\0me"),
        packet(b"\0\3\0\0"),
        packet(b"\0\3\0\0user\0me\0\0user\0root\0\0"),
    ],
)
def test_layouts_that_are_not_exact_are_refused(raw: bytes) -> None:
    refused(raw)


def test_repeated_parameters_are_refused() -> None:
    refused(pairs(b"user", b"me", b"user", b"root"), "repeats")


def test_text_that_is_no_utf8_is_refused() -> None:
    refused(pairs(b"user", b"\xff\xfe"), "UTF-8")


@pytest.mark.parametrize("raw", [pairs(), pairs(b"database", b"x"), pairs(b"user", b"")])
def test_a_missing_user_is_refused(raw: bytes) -> None:
    assert refused(raw, "no PostgreSQL user name").sqlstate == "28000"


@pytest.mark.parametrize(
    ("version", "agreed", "answer"),
    [
        ((3, 0), (3, 0), b""),
        ((3, 2), (3, 2), b""),
        ((3, 9999), (3, 2), m.negotiate_protocol_version(2)),
    ],
)
def test_versions_are_negotiated(version, agreed, answer: bytes) -> None:
    machine = fed(m.startup_message(ME, version))
    event = machine.next_event()
    assert isinstance(event, Startup)
    assert (event.version, event.agreed) == (version, agreed)
    assert machine.ask_password() == answer + m.authentication_cleartext()


def test_unknown_protocol_options_are_negotiated_and_no_parameters() -> None:
    machine = fed(m.startup_message(ME | {"_pq_.grease": "1"}))
    event = machine.next_event()
    assert event == Startup((3, 0), ME, ("_pq_.grease",))
    assert machine.ask_sasl(["X"]).startswith(m.negotiate_protocol_version(0, ["_pq_.grease"]))


def test_a_second_startup_message_in_mid_login_is_refused() -> None:  # CVE-2026-107350
    for ask in (lambda s: s.ask_password(), lambda s: s.ask_sasl(["SCRAM-SHA-256"])):
        machine = named()
        ask(machine)
        machine.feed(m.startup_message({"user": "root"}))
        with pytest.raises(RemoteProtocolError, match="expected password response"):
            machine.next_event()


def test_a_second_startup_message_before_our_question_is_not_read_as_one() -> None:
    machine = fed(m.startup_message(ME) + m.startup_message({"user": "root"}))
    assert machine.next_event() == Startup((3, 0), ME)
    assert machine.next_event() is None
    machine.ask_password()
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("   ", {}),
        ("-c a=b", {"a": "b"}),
        ("-ca=b  --statement-timeout=5", {"a": "b", "statement_timeout": "5"}),
        (r"-c a=b\ c\\d", {"a": "b c\\d"}),
        ("-c a=", {"a": ""}),
        ("-c a=1 -c a=2", {"a": "2"}),
        ("-c a=b=c", {"a": "b=c"}),
    ],
)
def test_options_are_read_as_postgresql_does(text: str, expected: dict[str, str]) -> None:
    assert parse_options(text) == expected
    event = fed(m.startup_message(ME | {"options": text})).next_event()
    assert isinstance(event, Startup)
    assert event.options == expected


@pytest.mark.parametrize("text", ["-c", "-c ''", "-c=", "-c =x", "--", "--=x", "-c a", "-d 5", "x", "-c a=b -W"])
def test_other_switches_and_empty_settings_are_refused(text: str) -> None:  # CVE-2026-107349, CVE-2025-12819
    refused(m.startup_message(ME | {"options": text}), "options")


# --- passwords ----------------------------------------------------------------------------------------------------


def asked(limit_token: int = 1000) -> ServerStartup:
    machine = fed(m.startup_message(ME), limit_token=limit_token)
    machine.next_event()
    machine.ask_password()
    return machine


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (m.message(b"p", b"\0"), "empty password"),
        (m.message(b"p", b""), "invalid string"),
        (m.message(b"p", b"abc"), "invalid string"),
        (m.message(b"p", b"a\0b\0"), "invalid message format"),
        (b"p\0\0\0\3", "invalid length"),
        (b"p\xff\xff\xff\xff", "invalid length"),
        (b"p\x7f\xff\xff\xff", "invalid length"),
        (b"p\0\0\x08\0", "invalid length"),
        (m.query("select 1"), "expected password response"),
        (m.terminate(), "expected password response"),
    ],
)
def test_password_messages_that_are_refused(raw: bytes, match: str) -> None:
    machine = asked()
    machine.feed(raw)
    with pytest.raises(RemoteProtocolError, match=match):
        machine.next_event()


def test_a_token_of_the_limit_passes() -> None:
    machine = asked(limit_token=16_384)
    machine.feed(m.password_message(b"t" * 16_384))
    assert machine.next_event() == Password(b"t" * 16_384)


def test_a_mechanism_that_was_not_offered_is_refused() -> None:
    machine = named()
    machine.ask_sasl(["OAUTHBEARER"])
    machine.feed(m.sasl_initial_response("SCRAM-SHA-256", b"n,,"))
    with pytest.raises(RemoteProtocolError, match="invalid SASL"):
        machine.next_event()


@pytest.mark.parametrize("tail", [b"", b"\0\0\0\5abc", b"\xff\xff\xff\xfe", b"\0\0\0\1ab", b"\x7f\xff\xff\xff"])
def test_initial_responses_whose_length_lies_are_refused(tail: bytes) -> None:
    machine = named()
    machine.ask_sasl(["X"])
    machine.feed(m.message(b"p", b"X\0" + tail))
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


def test_a_client_cannot_fill_memory_before_it_logged_in() -> None:
    machine = named()
    machine.feed(bytes(64 * 1024))
    with pytest.raises(RemoteProtocolError, match="too much data"):
        machine.feed(b"x")


def test_answers_out_of_turn_are_our_own_bug() -> None:
    for wrong in ("refused_encryption", "accepted_encryption", "ask_password", "done"):
        with pytest.raises(LocalProtocolError):
            getattr(ServerStartup(), wrong)()
    with pytest.raises(LocalProtocolError):
        _ = ServerStartup().trailing
    machine = asked()
    with pytest.raises(LocalProtocolError):
        machine.done()  # no password came yet


# --- any bytes, any pieces ----------------------------------------------------------------------------------------

SCRIPT = (
    m.ssl_request(),
    m.gssenc_request(),
    m.startup_message(ME | {"_pq_.x": "1", "options": "-c a=b"}, (3, 2)),
    m.sasl_initial_response("OAUTHBEARER", b"n,,\1auth=\1\1"),
    m.sasl_response(b"\1"),
)


def play(machine: ServerStartup, pieces: list[bytes]) -> list[object]:
    """Feed and answer each event as a server that refuses encryption and asks twice would."""
    events: list[object] = []
    for piece in pieces:
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            events.append(event)
            if isinstance(event, SslRequest | GssRequest):
                machine.refused_encryption()
            elif isinstance(event, Startup):
                machine.ask_sasl(["OAUTHBEARER"])
            elif isinstance(event, SaslInitial):
                machine.continue_sasl(b"{}")
            else:
                return events
    return events


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_any_chunking_gives_the_same_events(cuts: list[int]) -> None:
    pieces: list[bytes] = []
    for message in SCRIPT:
        position, turn = 0, 0
        while position < len(message):
            size = cuts[turn % len(cuts)]
            pieces.append(message[position : position + size])
            position, turn = position + size, turn + 1
    assert play(ServerStartup(), pieces) == play(ServerStartup(), list(SCRIPT))
    assert len(play(ServerStartup(), list(SCRIPT))) == 5


@settings(max_examples=200)
@given(st.integers(0, len(SCRIPT) - 1), st.binary(max_size=60), st.booleans())
def test_garbage_raises_remote_protocol_errors_only(good: int, garbage: bytes, length_fits: bool) -> None:
    raw = packet(garbage) if length_fits else garbage
    with contextlib.suppress(RemoteProtocolError):
        play(ServerStartup(), [*SCRIPT[:good], raw])


@given(st.integers(0, 80), st.binary(min_size=1, max_size=3))
def test_a_damaged_startup_message_parses_or_is_refused(position: int, damage: bytes) -> None:
    raw = bytearray(SCRIPT[2])
    position %= len(raw)
    raw[position : position + len(damage)] = damage
    with contextlib.suppress(RemoteProtocolError):
        fed(bytes(raw)).next_event()
