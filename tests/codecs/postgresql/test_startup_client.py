"""Our login to a target: every method, and servers that lie, stall or answer out of turn."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.scram import PLAIN, PLUS, Derivation
from hoopgate.codecs.postgresql.startup import (
    ClientEvent,
    ClientStartup,
    Derive,
    Encryption,
    Failed,
    Ready,
    Send,
    tls_server_end_point,
)
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from tests.codecs.postgresql.scramserver import ScramServer

ME = {"user": "app", "database": "shop"}
NOTICE = m.notice_response(message="hello")
WELCOME = (
    m.authentication_ok()
    + m.parameter_status("server_version", "18.4")
    + NOTICE
    + m.parameter_status("TimeZone", "UTC")
    + m.backend_key_data(42, b"k" * 32)
    + m.ready_for_query(b"I")
)
READY = Ready({"server_version": "18.4", "TimeZone": "UTC"}, 42, b"k" * 32, b"I", (3, 0), NOTICE)


def started(**options) -> ClientStartup:
    machine = ClientStartup(ME, **options)
    assert machine.next_event() == Send(m.startup_message(ME, options.get("version", (3, 0))))
    assert machine.next_event() is None
    return machine


def answer(machine: ClientStartup, data: bytes) -> ClientEvent | None:
    machine.feed(data)
    return machine.next_event()


def login(machine: ClientStartup, server: Callable[[bytes], bytes]) -> ClientEvent | None:
    """Let ``server`` answer whatever the machine sends, until it sends no more."""
    event = machine.next_event()
    while isinstance(event, Send | Derive):
        if isinstance(event, Derive):
            machine.derived(event.derivation.keys())
            event = machine.next_event()
        else:
            event = answer(machine, server(event.data))
    return event


def test_trust_or_a_client_certificate() -> None:
    machine = started()
    assert answer(machine, WELCOME + b"tail") == READY
    assert machine.next_event() is None
    assert machine.trailing == b"tail"


def test_md5() -> None:
    machine = started(credential=b"secret")
    inner = hashlib.md5(b"secretapp").hexdigest().encode()
    digest = b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode()
    assert answer(machine, m.authentication_md5(b"salt")) == Send(m.password_message(digest))
    assert answer(machine, WELCOME) == READY


def test_cleartext_over_tls_only() -> None:
    machine = started(credential=b"secret", tls_active=True)
    assert answer(machine, m.authentication_cleartext()) == Send(m.password_message(b"secret"))
    assert answer(machine, WELCOME) == READY
    failed = answer(started(credential=b"secret"), m.authentication_cleartext())
    assert isinstance(failed, Failed)
    assert "unencrypted" in failed.message


class ScramTarget:
    """Answers as a PostgreSQL that asks for SCRAM."""

    def __init__(self, mechanisms: list[str], binding: bytes = b"") -> None:
        self.scram = ScramServer(b"secret", binding)
        self.mechanisms = mechanisms
        self.chosen = b""
        self.turn = 0

    def __call__(self, data: bytes) -> bytes:
        self.turn += 1
        if self.turn == 1:
            return m.authentication_sasl(self.mechanisms)
        if self.turn == 2:
            self.chosen, _, first = data[5:].partition(b"\0")
            return m.authentication_sasl_continue(self.scram.first(first[4:]))
        return m.authentication_sasl_final(self.scram.final(data[5:])) + WELCOME


@pytest.mark.parametrize(
    ("offered", "options", "chosen", "flag"),
    [
        ([PLUS, PLAIN], {"tls_active": True, "channel_binding": b"hash"}, PLUS, b"p="),
        ([PLAIN], {"tls_active": True, "channel_binding": b"hash"}, PLAIN, b"y"),
        ([PLUS, PLAIN], {"tls_active": True}, PLAIN, b"n"),
        ([PLAIN], {}, PLAIN, b"n"),
        ([PLAIN], {"channel_binding": b"hash"}, PLAIN, b"n"),
    ],
)
def test_scram(offered: list[str], options, chosen: str, flag: bytes) -> None:
    target = ScramTarget(offered, b"hash")
    assert login(ClientStartup(ME, credential=b"secret", **options), target) == READY
    assert target.chosen == chosen.encode()
    assert target.scram.header.startswith(flag)


def test_plus_over_clear_text_smells_of_somebody_in_between() -> None:
    with pytest.raises(RemoteProtocolError, match="unencrypted"):
        answer(started(credential=b"secret"), m.authentication_sasl([PLUS, PLAIN]))


def in_scram(steps: int) -> tuple[ClientStartup, ScramTarget]:
    """A login of which the target has answered ``steps`` times."""
    target = ScramTarget([PLAIN])
    machine = ClientStartup(ME, credential=b"secret")
    for _ in range(steps):
        event = machine.next_event()
        assert isinstance(event, Send)
        machine.feed(target(event.data))
    event = machine.next_event()
    if isinstance(event, Derive):
        machine.derived(event.derivation.keys())
        event = machine.next_event()
    assert isinstance(event, Send)
    return machine, target


def test_what_a_target_says_before_the_keys_are_there_waits() -> None:
    target = ScramTarget([PLAIN])
    machine = ClientStartup(ME, credential=b"secret")
    for _ in range(2):
        event = machine.next_event()
        assert isinstance(event, Send)
        machine.feed(target(event.data))
    derive = machine.next_event()
    assert isinstance(derive, Derive)
    assert machine.next_event() is None
    assert answer(machine, m.authentication_ok()) is None  # success without a proof, too early at that
    machine.derived(derive.derivation.keys())
    assert isinstance(machine.next_event(), Send)
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


def test_keys_that_nobody_asked_for_are_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        started().derived(Derivation(b"secret", b"salt", 4096).keys())


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(
    "raw",
    [
        WELCOME,  # success before the server proved itself
        m.authentication_cleartext(),  # a weaker method in mid-exchange
        m.authentication_md5(b"salt"),
        m.authentication_sasl([PLAIN]),
        m.authentication_sasl_final(b"v=AAAA"),
        m.negotiate_protocol_version(0),
        m.ready_for_query(b"I"),
    ],
)
def test_answers_out_of_turn_in_scram_are_refused(steps: int, raw: bytes) -> None:
    machine, _ = in_scram(steps)
    with pytest.raises(RemoteProtocolError):
        answer(machine, raw)


def test_after_the_proof_only_success_may_come() -> None:
    machine, target = in_scram(2)
    target.scram.exchange = b""
    with pytest.raises(RemoteProtocolError):
        answer(machine, m.authentication_sasl_final(b"v=" + b"A" * 43 + b"="))


@pytest.mark.parametrize(
    ("sqlstate", "refused"), [("28P01", True), ("28000", True), ("3D000", False), ("53300", False)]
)
def test_errors_of_the_target(sqlstate: str, refused: bool) -> None:
    machine = started()
    raw = m.error_response(severity="FATAL", sqlstate=sqlstate, message="no")
    assert answer(machine, raw) == Failed(sqlstate, "no", refused)
    assert machine.next_event() is None


def test_an_error_after_authentication_fails_too() -> None:
    raw = m.authentication_ok() + m.error_response(severity="FATAL", sqlstate="53300", message="too many")
    assert answer(started(), raw) == Failed("53300", "too many", False)


@pytest.mark.parametrize("code", [b"", b"C28P01x\0", b"C28'01\0"])
def test_an_error_without_a_proper_sqlstate(code: bytes) -> None:
    assert answer(started(), m.message(b"E", code + b"Mno\0\0")) == Failed("08006", "no", False)


@pytest.mark.parametrize("code", [2, 6, 7, 8, 9, 99])
def test_methods_that_are_not_supported(code: int) -> None:
    assert isinstance(answer(started(credential=b"x"), m.message(b"R", code.to_bytes(4, "big"))), Failed)


@pytest.mark.parametrize("credential", [None, b"", b"a\0b"])
def test_no_usable_password(credential: bytes | None) -> None:
    for question in (m.authentication_md5(b"salt"), m.authentication_sasl([PLAIN])):
        assert isinstance(answer(started(credential=credential), question), Failed)


def test_mechanisms_that_are_not_supported() -> None:
    failed = answer(started(credential=b"x"), m.authentication_sasl(["OAUTHBEARER"]))
    assert isinstance(failed, Failed)
    assert "OAUTHBEARER" in failed.message


def test_negotiated_down() -> None:
    ready = answer(started(version=(3, 2)), m.negotiate_protocol_version(0) + WELCOME)
    assert isinstance(ready, Ready)
    assert ready.version == (3, 0)
    ready = answer(started(version=(3, 2)), WELCOME)
    assert isinstance(ready, Ready)
    assert ready.version == (3, 2)


@pytest.mark.parametrize(
    ("asked", "raw"),
    [
        ((3, 0), m.negotiate_protocol_version(0)),
        ((3, 0), m.negotiate_protocol_version(2)),
        ((3, 2), m.negotiate_protocol_version(1)),
        ((3, 2), m.negotiate_protocol_version(2)),
        ((3, 2), m.negotiate_protocol_version(3)),
        ((3, 2), m.negotiate_protocol_version(0, ["_pq_.x"])),
        ((3, 2), m.message(b"v", (2 << 16).to_bytes(4, "big") + bytes(4))),
        ((3, 2), m.negotiate_protocol_version(0) * 2),
        ((3, 2), m.authentication_ok() + m.negotiate_protocol_version(0)),
    ],
)
def test_negotiations_that_are_refused(asked, raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        answer(started(version=asked), raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"R\0\0\0\3",
        b"R\x7f\xff\xff\xff",
        b"R\xff\xff\xff\xff",
        b"Z\0\0\0\5I",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        m.data_row([b"x"]),
        m.message(b"R", b""),
        m.message(b"R", b"\0\0\0\5abc"),
        m.message(b"R", b"\0\0\0\nSCRAM"),
        m.authentication_ok() + m.authentication_ok(),
        m.authentication_ok() + m.data_row([]),
        m.authentication_ok() + m.message(b"K", b"\0\0\0\1abc"),
    ],
)
def test_nonsense_is_refused(raw: bytes) -> None:
    machine = started(credential=b"x", tls_active=True)
    with pytest.raises(RemoteProtocolError):
        answer(machine, raw)
    assert machine.next_event() is None


def test_a_target_cannot_fill_memory() -> None:
    machine = started()
    statuses = [m.parameter_status(f"p{number}", "x" * 60_000) for number in range(100)]
    with pytest.raises(RemoteProtocolError, match="out of bounds"):
        answer(machine, m.authentication_ok() + b"".join(statuses))


def test_the_rest_is_nobodys_before_the_end() -> None:
    with pytest.raises(LocalProtocolError):
        _ = started().trailing


def test_secrets_do_not_show_in_reprs() -> None:
    assert "hunter2" not in repr(Send(b"hunter2")) + repr(Ready({}, 1, b"hunter2"))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_any_chunking_gives_the_same_events(cuts: list[int]) -> None:
    machine = started()
    position, turn, event = 0, 0, None
    while position < len(WELCOME):
        assert event is None
        size = cuts[turn % len(cuts)]
        event = answer(machine, WELCOME[position : position + size])
        position, turn = position + size, turn + 1
    assert event == READY


@given(st.binary(max_size=60), st.sampled_from([b"", m.authentication_ok(), m.authentication_sasl([PLAIN])]))
def test_garbage(data: bytes, before: bytes) -> None:
    for raw in (before + data, before + m.message(data[:1] or b"R", data[1:])):
        with contextlib.suppress(RemoteProtocolError):
            machine = started(credential=b"secret", tls_active=True)
            machine.feed(raw)
            while machine.next_event() is not None:
                pass


# --- encryption -------------------------------------------------------------------------------------------------


def test_asking_for_tls() -> None:
    assert Encryption.request == m.ssl_request()
    assert Encryption().answered(b"S") is True
    assert Encryption().answered(b"N") is False


@pytest.mark.parametrize("data", [b"SS", b"S" + WELCOME, b"N" + WELCOME, b"X", b"G", b""])  # CVE-2021-23222
def test_answers_with_something_behind_them_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Encryption().answered(data)


def test_error_text_before_tls_is_never_relayed() -> None:  # CVE-2024-10977
    raw = m.error_response(severity="FATAL", sqlstate="28000", message="send your password to evil.example")
    with pytest.raises(RemoteProtocolError) as caught:
        Encryption().answered(raw)
    assert "evil" not in str(caught.value)


def certificate(algorithm: hashes.HashAlgorithm | None) -> bytes:
    key = ed25519.Ed25519PrivateKey.generate() if algorithm is None else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "target")])
    now = datetime.datetime(2026, 1, 1)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return built.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("algorithm", "name"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")]
)
def test_channel_binding_uses_the_hash_of_the_signature(algorithm, name: str) -> None:
    der = certificate(algorithm)
    assert tls_server_end_point(der) == hashlib.new(name, der).digest()


def test_channel_binding_is_not_defined_without_a_hash() -> None:
    assert tls_server_end_point(certificate(None)) is None


def test_a_certificate_that_cannot_be_read() -> None:
    with pytest.raises(RemoteProtocolError):
        tls_server_end_point(b"junk")
