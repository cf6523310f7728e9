"""Streams of packets: any chunking gives the same packets, any change ends them."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.conch import ciphers
from hoopgate.conch.ciphers import Plain, cipher
from hoopgate.conch.fields import UINT32, MalformedError
from hoopgate.conch.packets import Incoming, MacError, Outgoing

KINDS = [
    *[(name, b"") for name in ciphers.NAMES if ciphers.authenticated(name)],
    *[(name, mac) for name in ciphers.NAMES if not ciphers.authenticated(name) for mac in ciphers.MAC_NAMES],
]
LIMIT = 35_000


def derived(which: int, size: int) -> bytes:
    return bytes((which + 1,)) * size


def make(kind: tuple[bytes, bytes] | None) -> ciphers.PacketCipher:
    return Plain() if kind is None else cipher(*kind, derived)


def sealed(kind: tuple[bytes, bytes] | None, messages: list[bytes], sequence: int = 0) -> bytes:
    out: list[bytes] = []
    outgoing = Outgoing(out.append)
    outgoing.restart(make(kind), sequence=sequence)
    for message in messages:
        outgoing.send((message[:1], memoryview(message)[1:]))
    return b"".join(out)


class Opened:
    def __init__(self, kind: tuple[bytes, bytes] | None, sequence: int = 0) -> None:
        self.messages: list[bytes] = []
        self.incoming = Incoming(self.deliver, LIMIT)
        self.incoming.restart(make(kind), sequence=sequence)

    def deliver(self, packet: bytes, end: int) -> None:
        assert type(packet) is bytes
        self.messages.append(packet[1:end])


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from([None, *KINDS]),
    messages=st.lists(st.binary(min_size=1, max_size=300) | st.integers(1, 34_000).map(os.urandom), max_size=6),
    cuts=st.lists(st.integers(0, 70_000), max_size=12),
    sequence=st.sampled_from([0, 5, 0x7FFFFFF0, 0xFFFFFF00]),
)
def test_any_chunks_give_the_same_packets(
    kind: tuple[bytes, bytes] | None, messages: list[bytes], cuts: list[int], sequence: int
) -> None:
    data = sealed(kind, messages, sequence)
    opened = Opened(kind, sequence)
    places = sorted({0, len(data), *[cut % (len(data) + 1) for cut in cuts]})
    for start, stop in itertools.pairwise(places):
        opened.incoming.feed(data[start:stop])
    assert opened.messages == messages
    assert opened.incoming.sequence == sequence + len(messages)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_single_bytes_give_the_same_packets(kind: tuple[bytes, bytes]) -> None:
    messages = [b"\x5eabc", os.urandom(700), b"\x02"]
    opened = Opened(kind)
    for byte in sealed(kind, messages):
        opened.incoming.feed(bytes((byte,)))
    assert opened.messages == messages


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from([None, *KINDS]), data=st.binary(max_size=2_000))
def test_garbage_ends_the_stream_and_nothing_else(kind: tuple[bytes, bytes] | None, data: bytes) -> None:
    opened = Opened(kind)
    try:
        opened.incoming.feed(data)
    except (MalformedError, MacError):
        assert opened.incoming.closed
        opened.incoming.feed(sealed(kind, [b"\x02abc"]))  # nothing is looked at any more
    if kind is not None:
        assert opened.messages == []


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(KINDS), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(kind: tuple[bytes, bytes], place: int, bit: int) -> None:
    data = bytearray(sealed(kind, [b"\x5e" + bytes(60), b"\x5e" + bytes(60), b"\x5e" + bytes(200)]))
    first = len(sealed(kind, [b"\x5e" + bytes(60)]))
    place = first + place % first  # within the second packet
    data[place] ^= 1 << bit
    opened = Opened(kind)
    with contextlib.suppress(MalformedError, MacError):
        opened.incoming.feed(bytes(data))
    assert opened.messages == [b"\x5e" + bytes(60)]  # a length changed to a greater one may still wait for more


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("change", ["dropped", "repeated", "swapped"])
def test_packets_have_their_places(kind: tuple[bytes, bytes], change: str) -> None:
    messages = [bytes((number,)) * 40 for number in (60, 61, 62)]
    whole = sealed(kind, messages)
    size = len(whole) // 3
    one, two, three = whole[:size], whole[size : 2 * size], whole[2 * size :]
    changed = {"dropped": one + three, "repeated": one + one + three, "swapped": one + three + two}[change]
    opened = Opened(kind)
    with pytest.raises((MalformedError, MacError)):
        opened.incoming.feed(changed)
    assert opened.messages == messages[:1]


@pytest.mark.parametrize("length", [0, 1, 4, 5, 11, 13, LIMIT + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_no_packet_has(length: int) -> None:
    with pytest.raises(MalformedError):
        Opened(None).incoming.feed(UINT32.pack(length) + bytes(40))


@pytest.mark.parametrize("padding", [0, 3, 11, 12, 255])
def test_padding_that_does_not_add_up(padding: int) -> None:
    with pytest.raises(MalformedError):
        Opened(None).incoming.feed(UINT32.pack(12) + bytes((padding,)) + bytes(11))


def test_a_packet_of_the_greatest_size_is_taken_and_one_byte_more_is_not() -> None:
    kind = KINDS[0]
    size = LIMIT - LIMIT % 16
    for length, fine in ((size, True), (size + 16, False)):
        opened = Opened(kind)
        data = sealed(kind, [bytes(length - 1 - 4)])
        assert UINT32.unpack(data[:4])[0] == length
        if fine:
            opened.incoming.feed(data)
            assert len(opened.messages) == 1
        else:
            with pytest.raises(MalformedError):
                opened.incoming.feed(data[:4])


def test_the_numbers_of_packets_do_not_begin_anew() -> None:
    """Else a key stream would be used twice."""
    kind = (b"chacha20-poly1305@openssh.com", b"")
    opened = Opened(kind, 0xFFFFFFFF)
    with pytest.raises(MalformedError):
        opened.incoming.feed(sealed(kind, [b"\x02ab"], 0xFFFFFFFF))


def test_what_is_held_is_delivered_after_its_release() -> None:
    kind = KINDS[0]
    messages = [bytes((number,)) * 40 for number in range(1, 6)]
    data = sealed(kind, messages)
    opened = Opened(kind)

    def holding(packet: bytes, end: int) -> None:
        opened.deliver(packet, end)
        if len(opened.messages) == 2:
            opened.incoming.held = True

    opened.incoming._deliver = holding
    opened.incoming.feed(data[:150])
    opened.incoming.feed(data[150:200])
    opened.incoming.feed(data[200:])
    assert opened.messages == messages[:2]
    opened.incoming.release()
    assert opened.messages == messages


def test_a_delivery_that_brings_more_bytes() -> None:
    kind = KINDS[0]
    messages = [bytes((number,)) * 40 for number in range(1, 4)]
    data = sealed(kind, messages)
    opened = Opened(kind)

    def feeding(packet: bytes, end: int) -> None:
        opened.deliver(packet, end)
        if len(opened.messages) == 1:
            opened.incoming.feed(data[100:])

    opened.incoming._deliver = feeding
    opened.incoming.feed(data[:100])
    assert opened.messages == messages


def test_the_packets_of_a_split_stream_cost_no_more_than_their_bytes() -> None:
    """Each byte is copied once or twice, however small the pieces: 2 MB in pieces of 1 KiB in well under a second."""
    kind = KINDS[0]
    incoming = Incoming(lambda packet, end: None, 1 << 20)
    incoming.restart(make(kind), sequence=0)
    data = sealed(kind, [bytes(1 << 19)] * 4)
    import time

    before = time.process_time()
    for start in range(0, len(data), 1024):
        incoming.feed(data[start : start + 1024])
    assert time.process_time() - before < 1.0
    assert incoming.sequence == 4


def test_it_could_go_upstream() -> None:
    """Nothing of hoopgate is imported but the package itself."""
    code = (
        "import hoopgate.conch, hoopgate.conch.certificates, hoopgate.conch.login, sys;"
        "print([n for n in sys.modules if n.startswith('hoopgate.') and not n.startswith('hoopgate.conch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
