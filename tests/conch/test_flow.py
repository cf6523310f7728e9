"""Back-pressure: who does not read is not written to, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from hoopgate.conch import Limits
from tests.conch.wire import FastNoting, Wire


class Producer:
    def __init__(self) -> None:
        self.said: list[str] = []

    def pauseProducing(self) -> None:
        self.said.append("pause")

    def resumeProducing(self) -> None:
        self.said.append("resume")

    def stopProducing(self) -> None:
        self.said.append("stop")


def test_a_pause_reaches_the_socket_and_so_does_its_end() -> None:
    wire = Wire().running()
    wire.server.pauseProducing()
    wire.server.pauseProducing()
    assert not wire.server.transport.reading
    wire.server.resumeProducing()
    wire.server.resumeProducing()
    assert wire.server.transport.reading


def test_a_producer_pauses_with_the_socket() -> None:
    wire = Wire().running()
    producer = Producer()
    wire.server.registerProducer(producer, True)
    wire.server.transport.producer.pauseProducing()
    wire.server.transport.producer.resumeProducing()
    assert producer.said == ["pause", "resume"]
    wire.server.unregisterProducer()
    assert wire.server.transport.producer is None


def test_a_producer_pauses_during_an_exchange_of_keys() -> None:
    wire = Wire().running()
    producer = Producer()
    wire.server.registerProducer(producer, True)
    wire.server._exchange.begin()
    assert producer.said == ["pause"]
    wire.server.transport.producer.pauseProducing()
    wire.pump()
    assert wire.server.exchanges == 2
    assert producer.said == ["pause"]
    wire.server.transport.producer.resumeProducing()
    assert producer.said == ["pause", "resume"]


def test_a_producer_that_comes_within_an_exchange_waits() -> None:
    wire = Wire().running()
    wire.server._exchange.begin()
    producer = Producer()
    wire.server.registerProducer(producer, True)
    assert producer.said == ["pause"]
    wire.pump()
    assert producer.said == ["pause", "resume"]


def test_one_producer_that_pushes() -> None:
    wire = Wire().running()
    with pytest.raises(ValueError, match="asked"):
        wire.server.registerProducer(Producer(), False)
    wire.server.registerProducer(Producer(), True)
    with pytest.raises(RuntimeError):
        wire.server.registerProducer(Producer(), True)


def test_the_end_frees_a_producer() -> None:
    """Else a connection that is closed while its producer is paused would never be closed by Twisted's transport."""
    wire = Wire().running()
    producer = Producer()
    wire.server.registerProducer(producer, True)
    wire.server.transport.producer.pauseProducing()
    wire.server.loseConnection()
    assert wire.server.transport.producer is None
    assert producer.said == ["pause", "resume"]
    late = Producer()
    wire.server.registerProducer(late, True)
    assert late.said == ["stop"]


def test_a_lost_connection_stops_its_producer() -> None:
    wire = Wire().running()
    producer = Producer()
    wire.server.registerProducer(producer, True)
    wire.server.connectionLost(None)
    assert producer.said == ["stop"]


def test_a_paused_transport_reads_while_keys_are_exchanged() -> None:
    wire = Wire().running()
    wire.server.pauseProducing()
    wire.server._exchange.begin()
    assert wire.server.transport.reading
    wire.pump()
    assert wire.server.exchanges == 2
    assert not wire.server.transport.reading
    wire.server.resumeProducing()
    assert wire.server.transport.reading


def test_two_transports_that_produce_for_each_other_exchange_keys_at_once() -> None:
    """Each is in an exchange and holds the other up: both have to get through it all the same."""
    left, right = Wire().running(FastNoting), Wire().running(FastNoting)
    a, b = left.server, right.client
    a.registerProducer(b, True)
    b.registerProducer(a, True)
    a._exchange.begin()
    b._exchange.begin()
    left.pump()
    right.pump()
    assert a.exchanges == b.exchanges == 2
    assert a.transport.reading
    assert b.transport.reading
    assert a.finished is b.finished is None


class Relayed:
    """client - server | client - server, with everything passed on, in memory."""

    def __init__(self, **limits: Any) -> None:
        how = {"limits": replace(Limits(), **limits)}
        self.left, self.right = Wire(server=how).running(FastNoting), Wire(client=how).running(FastNoting)
        for near, far in ((self.left.server, self.right.client), (self.right.client, self.left.server)):
            near._fast = lambda packet, start, end, far=far: far.sendMessage(packet[start:end])
            near.registerProducer(far, True)

    def pump(self) -> None:
        for _ in range(50):
            self.left.pump()
            self.right.pump()


def test_bulk_both_ways_with_new_keys_all_the_time() -> None:
    relayed = Relayed(rekey_bytes=5_000, bulk_bytes=5_000)
    for turn in range(100):
        relayed.left.client.sendPacket(94, turn.to_bytes(4, "big") + bytes(300))
        relayed.right.server.sendPacket(94, turn.to_bytes(4, "big") + bytes(300))
        if turn % 9 == 0:
            relayed.pump()
    relayed.pump()
    for end in (relayed.left.client, relayed.right.server):
        assert [int.from_bytes(message[1:5], "big") for message in end.service.got] == list(range(100))  # type: ignore[union-attr]
        assert end.exchanges > 3


def test_connections_that_end_do_not_fill_the_log() -> None:
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    try:
        wire = Wire().running()
        for end in (wire.server, wire.client):
            end.connectionLost(Failure(ConnectionDone()))
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert [event for event in heard if event["log_level"] > LogLevel.debug] == []
