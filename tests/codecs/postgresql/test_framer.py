"""The framer: any chunking gives the same bytes and the same collected messages; garbage raises one error only."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql.framer import HEAD_BYTES, Framer, Message, RowRun, Run, table
from hoopgate.errors import LimitError, RemoteProtocolError


def framer(**kinds: str) -> Framer:
    return Framer(table(**kinds), whole=1000, large=500, largest=1 << 30, limit="limits.row")


def message(kind: str, body: bytes) -> bytes:
    return kind.encode() + (len(body) + 4).to_bytes(4, "big") + body


def drive(made: Framer, chunks: list[bytes]) -> list[object]:
    events = []
    for chunk in chunks:
        made.receive(chunk)
        while (event := made.next_event()) is not None:
            events.append(event)
    return events


def joined(events: list[object]) -> bytes:
    return b"".join(event.data if isinstance(event, Run) else event.raw for event in events)


bodies = st.binary(max_size=300)
streams = st.lists(st.tuples(st.sampled_from("DCTr"), bodies), max_size=12)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    return [*chunks, data[at:]]


@settings(max_examples=200)
@given(streams, st.lists(st.integers(1, 40), max_size=60))
def test_any_chunking_gives_the_same_bytes_and_messages(stream: list[tuple[str, bytes]], sizes: list[int]) -> None:
    data = b"".join(message(kind, body) for kind, body in stream)
    events = drive(framer(passing="D", whole="CT", rows="r"), cut(data, sizes))
    assert joined(events) == data
    wanted = [message(kind, body) for kind, body in stream if kind in "CT"]
    assert [event.raw for event in events if isinstance(event, Message)] == wanted
    rows = b"".join(message(kind, body) for kind, body in stream if kind == "r")
    assert b"".join(event.raw for event in events if isinstance(event, RowRun)) == rows


@settings(max_examples=200)
@given(st.binary(max_size=200), st.lists(st.integers(1, 20), max_size=20))
def test_garbage_raises_only_what_names_the_peer(data: bytes, sizes: list[int]) -> None:
    try:
        events = drive(framer(passing="D", whole="CT", head="Q"), cut(data, sizes))
    except (RemoteProtocolError, LimitError):
        return
    assert data.startswith(joined(events))


def test_what_nobody_wants_is_handed_on_as_the_same_object() -> None:
    data = message("D", b"x" * 50) * 4
    made = framer(passing="D")
    made.receive(data)
    event = made.next_event()
    assert isinstance(event, Run)
    assert event.data is data


def test_a_large_message_passes_in_parts() -> None:
    data = message("D", b"x" * 100_000)
    events = drive(framer(passing="D"), cut(data, [10, 1000, 5]))
    assert joined(events) == data
    assert [event.boundary for event in events if isinstance(event, Run)][-1] is True
    assert not any(event.boundary for event in events[:-1])


def test_a_collected_message_over_the_limit_is_refused_before_it_is_buffered() -> None:
    made = framer(whole="C")
    made.receive(b"C" + (5000).to_bytes(4, "big") + b"x")
    with pytest.raises(LimitError, match=r"limits\.row"):
        made.next_event()


def test_the_head_of_a_large_message_is_judged_and_its_rest_passes() -> None:
    data = message("B", b"p\0s\0" + b"x" * 50_000) + message("S", b"")
    made = framer(head="B", whole="S")
    events = drive(made, cut(data, [100, HEAD_BYTES]))
    head = events[0]
    assert isinstance(head, Message)
    assert head.partial
    assert len(head.raw) >= HEAD_BYTES
    assert joined(events) == data


def test_the_rest_of_a_refused_large_message_is_dropped_and_the_next_one_read() -> None:
    data = message("B", b"p\0s\0" + b"x" * 50_000) + message("S", b"")
    made = framer(head="B", whole="S")
    made.receive(data[:9000])
    assert made.next_event().partial
    made.drop_rest()
    events = drive(made, [data[9000:20_000], data[20_000:]])
    assert [event.raw for event in events] == [message("S", b"")]


@pytest.mark.parametrize("length", [0, 3, 2**31, 2**32 - 1])
def test_impossible_lengths_end_the_stream(length: int) -> None:
    made = framer(passing="D", whole="C")
    made.receive(b"C" + length.to_bytes(4, "big") + b"abc")
    with pytest.raises(RemoteProtocolError):
        made.next_event()
    other = framer(passing="D", whole="C")
    other.receive(b"D" + length.to_bytes(4, "big") + b"abc")
    with pytest.raises(RemoteProtocolError):
        other.next_event()


def test_many_small_reads_of_one_large_message_cost_one_copy() -> None:
    made = Framer(table(whole="Q"), whole=1 << 24, large=1 << 24, largest=1 << 30, limit="x")
    data = message("Q", b"x" * (8 << 20))
    for at in range(0, len(data), 4096):
        made.receive(data[at : at + 4096])
        if at + 4096 < len(data):
            assert made.next_event() is None
    event = made.next_event()
    assert isinstance(event, Message)
    assert (event.type, event.raw, event.partial) == (ord("Q"), data, False)


def test_a_silent_session_keeps_no_memory_for_what_it_sent() -> None:
    made = framer(passing="D", whole="C")
    made.receive(message("D", b"x" * 90_000) + message("C", b"x"))
    while made.next_event() is not None:
        pass
    assert made.buffer == b""
    made.receive(message("C", b"y"))
    event = made.next_event()
    assert isinstance(event, Message)
    assert event.raw == message("C", b"y")
