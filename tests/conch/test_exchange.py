"""Key exchanges: what may come when, what is bounded, and what someone between the two sides can change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.internet import defer

from hoopgate.conch import MODERN, PQ, HostKey, Limits
from hoopgate.conch.algorithms import KEY_ALGORITHMS
from hoopgate.conch.ciphers import MAC_NAMES, NAMES
from hoopgate.conch.fields import string
from hoopgate.conch.key_exchange import METHODS
from hoopgate.conch.negotiation import MARKS, Offer, kexinit
from tests.conch.wire import HOST, FastNoting, Noting, Wire

PROTOCOL_ERROR, KEX_FAILED, MAC_ERROR, NO_SERVICE, WRONG_VERSION, WRONG_HOST = 2, 3, 5, 7, 8, 9
IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, EXT_INFO, KEXINIT, NEWKEYS = 2, 3, 4, 5, 7, 20, 21
SMALL = replace(Limits(), rekey_bytes=2_000, bulk_bytes=1_000)


def ended(side: Any, code: int) -> str:
    """Why it ended the connection."""
    assert side.finished is not None
    assert side.finished[0] == code, side.finished
    assert side.transport.disconnecting
    words: str = side.finished[1]
    return words


# --- what is agreed on


def only(**names: bytes) -> Any:
    return replace(MODERN, bulk=(), **{key: (value,) for key, value in names.items()})


@pytest.mark.parametrize("cipher", NAMES)
@pytest.mark.parametrize("mac", MAC_NAMES)
def test_every_cipher_carries_messages(cipher: bytes, mac: bytes) -> None:
    wire = Wire(client={"algorithms": only(ciphers=cipher, macs=mac)}).running(FastNoting)
    for size in (0, 1, 15, 16, 17, 40_000):
        wire.client.sendPacket(94, b"x" * size)
        wire.server.sendMessage(b"\x5e", memoryview(b"y" * size))
    wire.pump()
    sizes = [1, 2, 16, 17, 18, 40_001]
    assert [len(message) for message in wire.server.service.got] == sizes  # type: ignore[union-attr]
    assert [len(message) for message in wire.client.service.got] == sizes  # type: ignore[union-attr]
    assert wire.client.agreed.cipher_out == cipher
    assert wire.client.isEncrypted("both")
    assert wire.server.isVerified("both")


@pytest.mark.parametrize("method", METHODS)
def test_every_key_exchange(method: bytes) -> None:
    wire = Wire(client={"algorithms": only(key_exchanges=method)}).established()
    assert wire.server.kexAlg == method
    assert wire.server.sessionID == wire.client.sessionID
    assert wire.client.strict
    assert wire.server.strict


HOST_KEYS = {
    b"ssh-ed25519": HOST,
    b"rsa-sha2-512": Key(rsa.generate_private_key(65537, 2048)),
    b"ecdsa-sha2-nistp256": Key(ec.generate_private_key(ec.SECP256R1())),
    b"ecdsa-sha2-nistp384": Key(ec.generate_private_key(ec.SECP384R1())),
    b"ecdsa-sha2-nistp521": Key(ec.generate_private_key(ec.SECP521R1())),
}
HOST_KEYS[b"rsa-sha2-256"] = HOST_KEYS[b"rsa-sha2-512"]


@pytest.mark.parametrize("name", HOST_KEYS)
def test_every_kind_of_host_key(name: bytes) -> None:
    key = HOST_KEYS[name]
    wire = Wire(server={"host_keys": [HostKey(key)]}, client={"algorithms": only(host_keys=name)}).established()
    assert wire.client.seen == key.public().blob()
    assert wire.client.agreed.host_key == name


def test_nothing_old_is_offered() -> None:
    offer = Offer.parse(kexinit(MODERN, MODERN.host_keys, client=False, first=True))
    everything = b" ".join(
        [*offer.key_exchanges, *offer.host_keys, *offer.ciphers_out, *offer.macs_out, *offer.compressions[0]]
    )
    for old in (b"zlib", b"cbc", b"3des", b"sha1", b"dss", b"md5", b"group", b"hmac-sha2-256 ", b"arcfour"):
        assert old not in everything, old
    assert not {b"ssh-rsa", b"hmac-sha2-256", b"none"} & {*offer.host_keys, *offer.macs_out, *offer.ciphers_out}
    assert offer.compressions == ([b"none"], [b"none"])
    assert {*PQ.key_exchanges} == {b"mlkem768x25519-sha256"}


def test_marks_are_no_methods() -> None:
    """RFC 8308, section 2.2: a mark must not be agreed on as a method."""
    for mark in MARKS:
        wire = Wire(server={"algorithms": only(key_exchanges=mark)}, client={"algorithms": only(key_exchanges=mark)})
        wire.connect().pump()
        assert "key exchange" in (ended(wire.server, KEX_FAILED))


@pytest.mark.parametrize(
    "one", [{"key_exchanges": b"x"}, {"ciphers": b"aes256-cbc"}, {"host_keys": b"ssh-dss"}, {"ciphers": b"none"}]
)
def test_nothing_in_common(one: dict[str, bytes]) -> None:
    wire = Wire(client={"algorithms": only(**one)}).connect().pump()
    assert "no common" in ended(wire.server, KEX_FAILED)


def test_a_server_without_a_usable_host_key_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="host key"):
        Wire(server={"algorithms": only(host_keys=b"rsa-sha2-256")})


# --- strict key exchange, and what someone in between can do


def test_a_prefix_cut_off_is_noticed() -> None:
    """Terrapin (CVE-2023-48795): a message put in before the keys, and the first one behind them taken out."""
    wire = Wire(client={"algorithms": only(ciphers=b"chacha20-poly1305@openssh.com")}).connect()
    for side, other in ((wire.server, wire.client), (wire.client, wire.server)):
        other.dataReceived(bytes(side.transport.sent[: len(side.ourVersionString) + 2]))
        del side.transport.sent[: len(side.ourVersionString) + 2]
    wire.client.dataReceived(b"\0\0\0\x0c\6" + bytes((IGNORE,)) + bytes(10))
    ended(wire.client, PROTOCOL_ERROR)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("number", [IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, 6, EXT_INFO, 8, 22, 29, 31, 50, 90])
def test_nothing_else_comes_within_the_first_exchange(number: int, strict: bool) -> None:
    """CVE-2023-46445 and CVE-2023-46446: EXT_INFO and USERAUTH_REQUEST put in before the keys."""
    for after_kexinit in (False, True):
        wire = Wire().connect()
        client, server = wire.client, wire.server
        if not strict:
            client._exchange._ours = client._exchange._ours.replace(b"kex-strict-c", b"kex-struck-c")
        version = len(client.ourVersionString) + 2
        server.dataReceived(bytes(client.transport.sent[:version]))
        if after_kexinit:
            server.dataReceived(bytes(client.transport.sent[version:]))
        client.transport.sent.clear()
        client.raw(number, b"\0\0\0\0")
        wire.step(client, server)
        ended(server, PROTOCOL_ERROR)


def test_the_first_packet_is_kexinit() -> None:
    wire = Wire().connect()
    wire.client.transport.sent.clear()
    wire.client._outgoing.sequence = 0
    wire.client.transport.sent += b"SSH-2.0-x\r\n"
    wire.client.raw(30, string(bytes(32)))
    wire.step(wire.client, wire.server)
    ended(wire.server, PROTOCOL_ERROR)


def test_a_peer_without_strict_kex_keeps_its_numbers() -> None:
    wire = Wire()
    for side in (wire.client, wire.server):
        side.algorithms = replace(MODERN, key_exchanges=(b"curve25519-sha256",))
    import hoopgate.conch.exchange as module

    plain = module.kexinit

    def without(*arguments: Any, **named: Any) -> bytes:
        return plain(*arguments, **named).replace(b",kex-strict-", b",kex-stract-")

    module.kexinit = without
    try:
        wire.running()
        assert not wire.server.strict
        assert wire.client._outgoing.sequence == wire.server._incoming.sequence == 3
        wire.client._exchange.begin()
        wire.pump()
    finally:
        module.kexinit = plain
    wire.client.sendPacket(94, b"still there")
    wire.pump()
    assert wire.server.service.got == [b"^still there"]  # type: ignore[union-attr]


def test_with_strict_kex_numbers_begin_anew_with_each_keys() -> None:
    wire = Wire().running()
    assert wire.client._outgoing.sequence == wire.server._incoming.sequence == 0
    wire.client.sendPacket(94, b"x")
    wire.client._exchange.begin()
    wire.pump()
    assert wire.client.exchanges == wire.server.exchanges == 2
    assert wire.client._outgoing.sequence == wire.server._incoming.sequence == 0


def test_a_changed_offer_is_noticed() -> None:
    """The exchange hash is over both KEXINIT: someone in between cannot weaken them."""
    wire = Wire().connect()
    sent = wire.client.transport.sent
    place = sent.index(b"aes256-gcm")
    sent[place : place + 10] = b"aes256-xxx"
    wire.pump()
    assert not wire.client.secure
    ended(wire.client, KEX_FAILED)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_ends_the_connection(data: st.DataObject) -> None:
    """A bit turned anywhere, either way, until the keys are there: no exception, and either no connection or, where it
    was one of padding, the same as ever."""
    wire = Wire().connect()
    turned = False
    for _ in range(12):
        for source, target in ((wire.client, wire.server), (wire.server, wire.client)):
            sent = source.transport.sent
            if sent and not turned and data.draw(st.booleans()):
                place = data.draw(st.integers(0, len(sent) - 1))
                sent[place] ^= 1 << data.draw(st.integers(0, 7))
                turned = True
            wire.step(source, target)
    wire.clock.advance(31)
    if turned:
        alive = wire.client.secure and wire.client.finished is None and wire.server.finished is None
        assert not alive or wire.client.sessionID == wire.server.sessionID


# --- what comes before authentication


@pytest.mark.parametrize("number", [number for number in range(256) if number not in (1, 2, 3, 4, 5, 20)])
def test_every_number_before_any_service(number: int) -> None:
    """CVE-2018-7750, CVE-2018-7749, CVE-2018-10933: a server does not take what belongs behind authentication."""
    wire = Wire().established()
    wire.client.raw(IGNORE, string(b""))  # so that EXT_INFO is not the first
    wire.client.raw(number, bytes(40))
    wire.pump()
    assert ended(wire.server, PROTOCOL_ERROR)
    assert wire.server.service is None


@pytest.mark.parametrize("number", [number for number in range(256) if not 50 <= number < 80])
def test_every_number_while_a_user_authenticates(number: int) -> None:
    wire = Wire().established()
    wire.client.raw(SERVICE_REQUEST, string(b"ssh-userauth"))
    wire.pump()
    service = wire.server.service
    wire.client.raw(number, bytes(40))
    wire.pump()
    assert wire.server.service is service
    assert service.got == []  # type: ignore[union-attr]
    if number >= 80 or number in (SERVICE_REQUEST, EXT_INFO, NEWKEYS, 30, 31):
        ended(wire.server, PROTOCOL_ERROR)


@pytest.mark.parametrize("number", [number for number in range(256) if number not in (1, 2, 3, 4, 7, 20)])
def test_every_number_of_a_server_before_a_service(number: int) -> None:
    wire = Wire().established()
    wire.server.raw(number, bytes(40))
    wire.pump()
    assert ended(wire.client, PROTOCOL_ERROR)


def test_only_authentication_can_be_asked_for() -> None:
    wire = Wire().established()
    wire.client.raw(SERVICE_REQUEST, string(b"ssh-connection"))
    wire.pump()
    ended(wire.server, NO_SERVICE)
    assert wire.server.factory.asked == []  # type: ignore[union-attr]


def test_a_service_cannot_be_asked_for_twice() -> None:
    """It would begin to count tries anew."""
    wire = Wire().established()
    for _ in range(2):
        wire.client.raw(SERVICE_REQUEST, string(b"ssh-userauth"))
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)
    assert len(wire.server.factory.asked) == 1  # type: ignore[union-attr]


def test_late_authentication_is_ignored_and_other_late_numbers_are_answered() -> None:
    """RFC 4252, section 5.1."""
    wire = Wire().running()
    for _ in range(200):
        wire.client.raw(50, b"again")
    wire.pump()
    assert wire.server.finished is None
    wire.client.raw(61, b"")
    wire.client.raw(94, b"x")
    wire.pump()
    assert wire.server.service.got == [b"^x"]  # type: ignore[union-attr]


def test_unknown_messages_are_answered_by_their_number_and_only_so_often() -> None:
    wire = Wire(server={"limits": replace(Limits(), unimplemented=5)}).running()
    seen: list[int] = []
    wire.client.receiveUnimplemented = seen.append  # type: ignore[method-assign]
    wire.client.raw(94, b"x")
    for _ in range(5):
        wire.client.raw(15, b"")
    wire.pump()
    assert seen == [1, 2, 3, 4, 5]
    wire.client.raw(15, b"")
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)


def test_extensions_come_only_in_their_places() -> None:
    wire = Wire().established()
    assert wire.client.peerExtensions == {b"server-sig-algs": b",".join(MODERN.signatures)}
    one = b"\0\0\0\1" + string(b"a") + string(b"b")
    wire.client.raw(EXT_INFO, one)
    wire.pump()
    assert wire.server.peerExtensions == {b"a": b"b"}
    wire.client.raw(EXT_INFO, one)
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)


@pytest.mark.parametrize("extensions", [b"", b"\0\0\0\2" + string(b"a") * 2, b"\xff\xff\xff\xff", b"\0\0\0\0x"])
def test_extensions_that_do_not_add_up(extensions: bytes) -> None:
    wire = Wire().established()
    wire.client.raw(EXT_INFO, extensions)
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), min_size=1, max_size=5),
    first=st.booleans(),
)
def test_any_messages_end_the_connection_at_worst(messages: list[tuple[int, bytes]], first: bool) -> None:
    wire = Wire().connect() if first else Wire().established()
    if first:
        wire.client.transport.sent[:] = wire.client.ourVersionString + b"\r\n"
        wire.client._outgoing.sequence = 0
    for number, body in messages:
        wire.client.raw(number, body)
    wire.pump()


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400), which=st.booleans())
def test_garbage_ends_the_connection_at_worst(data: bytes, which: bool) -> None:
    wire = Wire().connect()
    side = wire.server if which else wire.client
    side.dataReceived(data)
    side.dataReceived(b"SSH-2.0-x\r\n" + data)


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_any_chunks_come_to_the_same(cuts: list[int]) -> None:
    wire = Wire().connect()
    turn = 0
    while True:
        size = cuts[turn % len(cuts)]
        turn += 1
        if not (wire.step(wire.client, wire.server, size) | wire.step(wire.server, wire.client, size)):
            break
    assert wire.client.secure
    assert wire.server.finished is wire.client.finished is None


# --- host keys


def test_nothing_is_read_until_the_host_key_is_verified() -> None:
    wire = Wire()
    wire.client.verdict = defer.Deferred()
    wire.connect().pump()
    assert not wire.client.transport.reading
    assert wire.client.seen == HOST.public().blob()
    assert not wire.client.secure
    assert wire.client.sessionID is None
    wire.client.verdict.callback(True)
    wire.pump()
    assert wire.client.secure
    assert wire.client.transport.reading
    assert b"server-sig-algs" in wire.client.peerExtensions


def test_a_host_key_that_is_refused() -> None:
    wire = Wire()
    wire.client.verdict = defer.fail(ValueError("not that one"))
    wire.connect().pump()
    words = ended(wire.client, WRONG_HOST)
    assert "that one" not in words  # why is ours to know
    assert not wire.client.secure


def test_a_host_key_that_is_verified_too_late() -> None:
    wire = Wire()
    wire.client.verdict = defer.Deferred()
    wire.connect().pump()
    wire.clock.advance(31)
    ended(wire.client, KEX_FAILED)
    wire.client.verdict.callback(True)
    wire.pump()
    assert not wire.client.secure


@pytest.mark.parametrize("change", ["signature", "key", "algorithm"])
def test_a_server_that_has_not_the_key(change: str) -> None:
    wire = Wire()
    honest = wire.server.hostKey(b"ssh-ed25519")
    other = HostKey(HOST_KEYS[b"ecdsa-sha2-nistp256"])

    class Forged:
        blob = other.blob if change == "key" else honest.blob

        def sign(self, algorithm: bytes, data: bytes) -> bytes:
            if change == "algorithm":
                return other.sign(b"ecdsa-sha2-nistp256", data)
            return honest.sign(algorithm, data if change == "key" else data + b"!")

    wire.server.hostKey = lambda algorithm: Forged()  # type: ignore[method-assign,assignment,return-value]
    wire.connect().pump()
    ended(wire.client, KEX_FAILED)
    assert wire.client.seen == b""  # nobody was asked


def test_another_host_key_in_a_later_exchange() -> None:
    wire = Wire().established()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    wire.server._host_keys = {b"ssh-ed25519": HostKey(Key(Ed25519PrivateKey.generate()))}
    wire.client._exchange.begin()
    wire.pump()
    ended(wire.client, WRONG_HOST)


# --- guesses


@pytest.mark.parametrize("right", [True, False])
def test_a_guess(right: bool) -> None:
    """RFC 4253, section 7: a wrong guess is ignored, a right one counts."""
    wire = Wire(client={"algorithms": replace(MODERN, host_keys=(b"ssh-ed25519",))})
    if not right:
        names = (b"curve25519-sha256", b"mlkem768x25519-sha256")
        wire.client.algorithms = replace(wire.client.algorithms, key_exchanges=names)
    wire.connect()
    client = wire.client
    ours = client._exchange._ours[:-5] + b"\1" + bytes(4)
    client._exchange._ours = ours
    client.transport.sent[:] = client.ourVersionString + b"\r\n"
    client._outgoing.sequence = 0
    client.raw(ours)
    if not right:
        client.raw(30, string(bytes(32)))
    wire.pump()
    assert wire.server.finished is None
    assert client.secure


# --- later exchanges


def test_keys_are_renewed_after_so_many_bytes_of_either_side() -> None:
    for limits in ({"server": {"limits": SMALL}}, {"client": {"limits": SMALL}}):
        for down in (True, False):
            wire = Wire(**limits).running(FastNoting)
            source, target = (wire.server, wire.client) if down else (wire.client, wire.server)
            for number in range(200):
                source.sendMessage(b"\x5e" + number.to_bytes(4, "big"), b"x" * 100)
                if number % 7 == 0:
                    wire.pump()
            wire.pump()
            assert wire.server.exchanges == wire.client.exchanges >= 8
            assert [int.from_bytes(message[1:5], "big") for message in target.service.got] == list(range(200))


def test_keys_are_renewed_after_a_time() -> None:
    wire = Wire(server={"limits": replace(Limits(), rekey_seconds=100)}).running()
    wire.clock.advance(99)
    wire.pump()
    assert wire.server.exchanges == 1
    wire.clock.advance(2)
    wire.pump()
    assert wire.server.exchanges == wire.client.exchanges == 2


def test_both_ask_at_once() -> None:
    wire = Wire().running()
    wire.server._exchange.begin()
    wire.client._exchange.begin()
    wire.client.sendPacket(94, b"waits")
    wire.pump()
    assert wire.server.exchanges == wire.client.exchanges == 2
    assert wire.server.service.got == [b"^waits"]  # type: ignore[union-attr]


def test_what_the_peer_sends_until_it_knows_of_an_exchange_is_taken() -> None:
    wire = Wire().running()
    wire.server._exchange.begin()
    wire.client.sendPacket(94, b"crossing")
    wire.step(wire.client, wire.server)
    assert wire.server.service.got == [b"^crossing"]  # type: ignore[union-attr]
    wire.pump()
    assert wire.server.exchanges == 2


@pytest.mark.parametrize("number", [94, 50, SERVICE_REQUEST, KEXINIT, NEWKEYS, 31, EXT_INFO, 90])
def test_what_has_no_place_in_a_later_exchange(number: int) -> None:
    wire = Wire().running(FastNoting)
    client = wire.client
    client.raw(kexinit(MODERN, MODERN.host_keys, client=True, first=False))
    client.raw(number, bytes(40))
    wire.step(client, wire.server)
    ended(wire.server, PROTOCOL_ERROR)
    assert wire.server.service.got == []  # type: ignore[union-attr]


def test_messages_that_may_come_in_a_later_exchange_are_bounded() -> None:
    wire = Wire(server={"limits": replace(Limits(), ignored=10)}).running()
    client = wire.client
    client.raw(kexinit(MODERN, MODERN.host_keys, client=True, first=False))
    for _ in range(10):
        client.raw(IGNORE, string(b""))
    wire.step(client, wire.server)
    assert wire.server.finished is None
    client.raw(DEBUG, b"\0" + string(b"") * 2)
    wire.step(client, wire.server)
    ended(wire.server, PROTOCOL_ERROR)


@pytest.mark.parametrize("later", [False, True])
def test_an_exchange_has_its_time(later: bool) -> None:
    wire = Wire().running() if later else Wire().connect()
    if later:
        wire.server._exchange.begin()
    wire.clock.advance(29)
    assert wire.server.finished is None
    wire.clock.advance(2)
    ended(wire.server, KEX_FAILED)
    wire.clock.advance(61)
    assert wire.server.transport.aborted


def test_a_peer_that_goes_on_instead_of_exchanging_keys() -> None:
    wire = Wire(server={"limits": replace(Limits(), queued_bytes=50_000)}).running(FastNoting)
    wire.server._exchange.begin()
    wire.server.transport.sent.clear()
    for _ in range(6):
        wire.client.sendPacket(94, bytes(10_000))
        wire.step(wire.client, wire.server)
    ended(wire.server, KEX_FAILED)


def test_what_waits_for_an_exchange_is_bounded() -> None:
    wire = Wire(server={"limits": replace(Limits(), queued_bytes=50_000)}).running()
    wire.server._exchange.begin()
    for _ in range(5):
        wire.server.sendPacket(94, bytes(9_990))
    assert wire.server.finished is None
    wire.server.sendPacket(94, bytes(9_990))
    ended(wire.server, KEX_FAILED)


def test_a_client_that_knows_aes_gcm_gets_it_for_bulk() -> None:
    """OpenSSH's order is ChaCha20, then CTR, then GCM; the server offers GCM alone once that is worth an exchange."""
    ciphers = (b"chacha20-poly1305@openssh.com", b"aes128-ctr", b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com")
    wire = Wire(
        server={"limits": replace(Limits(), bulk_bytes=1_000)}, client={"algorithms": replace(MODERN, ciphers=ciphers)}
    ).running(FastNoting)
    assert wire.client.agreed.cipher_in == ciphers[0]
    for _ in range(10):
        wire.server.sendPacket(94, bytes(200))
        wire.pump()
    assert wire.client.agreed.cipher_in == wire.client.agreed.cipher_out == b"aes128-gcm@openssh.com"
    for _ in range(50):
        wire.server.sendPacket(94, bytes(200))
        wire.pump()
    assert wire.client.exchanges == 2
    assert len(wire.client.service.got) == 60  # type: ignore[union-attr]


def test_a_client_that_does_not_know_it_keeps_what_it_has() -> None:
    wire = Wire(
        server={"limits": replace(Limits(), bulk_bytes=1_000)},
        client={"algorithms": only(ciphers=b"chacha20-poly1305@openssh.com")},
    ).running(FastNoting)
    for _ in range(20):
        wire.server.sendPacket(94, bytes(200))
        wire.pump()
    assert wire.client.exchanges == 1


# --- the end


def test_a_changed_packet_is_a_wrong_mac() -> None:
    wire = Wire().running()
    wire.client.sendPacket(94, b"hello")
    wire.client.transport.sent[10] ^= 1
    wire.pump()
    ended(wire.server, MAC_ERROR)
    assert wire.server.service.got == []  # type: ignore[union-attr]


def test_disconnect_ends_it() -> None:
    wire = Wire().running()
    wire.client.sendDisconnect(11, "schön".encode())
    wire.pump()
    assert wire.server.finished == (11, "schön")
    wire.server.sendPacket(94, b"too late")
    assert not wire.server.transport.sent
    wire.client.dataReceived(b"whatever")


def test_a_disconnect_that_does_not_add_up() -> None:
    wire = Wire().established()
    wire.client.raw(1, b"\0\0")
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)


def test_packets_are_greater_behind_authentication_only() -> None:
    wire = Wire().established()
    wire.client.raw(IGNORE, bytes(40_000))
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)
    wire = Wire().running(FastNoting)
    wire.client.sendPacket(94, bytes(256 * 1024))
    wire.pump()
    assert len(wire.server.service.got[0]) == 256 * 1024 + 1  # type: ignore[union-attr]
    wire.client.sendPacket(94, bytes(270_000))
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)


def test_no_timer_is_left() -> None:
    wire = Wire().running()
    for side in (wire.server, wire.client):
        side.connectionLost(None)
    assert wire.clock.getDelayedCalls() == []


def test_key_algorithms_are_consistent() -> None:
    for name, algorithm in KEY_ALGORITHMS.items():
        assert name.endswith(b"-cert-v01@openssh.com") is algorithm.blob.endswith(b"-cert-v01@openssh.com")
        assert algorithm.signature in MODERN.signatures


@pytest.mark.parametrize("during_login", [False, True])
def test_who_has_not_logged_in_asks_for_few_key_exchanges(during_login: bool) -> None:
    """Each costs us a signature and a shared secret, and nothing had bounded them but the time to log in."""
    wire = Wire().connect()
    wire.pump()
    if during_login:
        wire.client.requestService(Noting(b"ssh-userauth"))
        wire.pump()
    for _ in range(Limits().early_exchanges):
        wire.client._exchange.begin()
        wire.pump()
        assert wire.server.finished is None
    wire.client._exchange.begin()
    wire.pump()
    ended(wire.server, PROTOCOL_ERROR)
    assert wire.server.exchanges == 1 + Limits().early_exchanges
