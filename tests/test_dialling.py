"""Connecting one protocol to one host: addresses, names and sockets, and who gives up meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionRefusedError, TimeoutError, UserError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.python.failure import Failure

from hoopgate.config.model import Host
from hoopgate.dialling import Call, dial


@pytest.fixture
def reactor() -> Any:
    return MemoryReactor()


def call_of(clients: list[tuple[Any, ...]]) -> Any:
    """The factory of the one connection that was asked for."""
    (client,) = clients
    return next(part for part in client if isinstance(part, Call))


def arrived(call: Any, protocol: Protocol) -> None:
    transport = StringTransport()
    transport.protocol = call.buildProtocol(None)  # type: ignore[attr-defined]
    assert transport.protocol is protocol  # type: ignore[attr-defined]
    protocol.makeConnection(transport)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
def test_an_address_is_connected_to_without_anybody_in_between(reactor: Any, name: str) -> None:
    protocol = Protocol()
    answer = dial(reactor, Host(name, 5432), 3.0, protocol)
    assert reactor.tcpClients[0][:2] == (name, 5432)
    assert reactor.tcpClients[0][3] == 3.0
    assert not answer.called
    call = call_of(reactor.tcpClients)
    arrived(call, protocol)
    assert answer.result is None
    assert call._protocol is call._waiting is call.connector is None


def test_a_socket_lies_where_postgresql_puts_it(reactor: Any) -> None:
    dial(reactor, Host("/run/postgresql", 5433), 3.0, Protocol())
    assert reactor.unixClients[0][0] == "/run/postgresql/.s.PGSQL.5433"


@pytest.mark.parametrize("reason", [ConnectionRefusedError(), TimeoutError()])
def test_a_failure_is_told_as_it_is(reactor: Any, reason: Exception) -> None:
    answer = dial(reactor, Host("127.0.0.1", 5432), 3.0, Protocol())
    call_of(reactor.tcpClients).clientConnectionFailed(None, Failure(reason))
    failures: list[Failure] = []
    answer.addErrback(failures.append)
    assert failures[0].value is reason


def test_who_gives_up_ends_the_attempt_and_hears_of_it_once(reactor: Any) -> None:
    answer = dial(reactor, Host("127.0.0.1", 5432), 3.0, Protocol())
    call = call_of(reactor.tcpClients)
    ended: list[str] = []

    class Connector:
        def disconnect(self) -> None:
            ended.append("disconnected")
            call.clientConnectionFailed(self, Failure(UserError()))

    call.connector = Connector()
    failures: list[Failure] = []
    answer.addErrback(failures.append)
    answer.cancel()
    assert ended == ["disconnected"]
    assert [type(failure.value) for failure in failures] == [CancelledError]


def test_a_connection_that_comes_after_all_meets_nobody(reactor: Any) -> None:
    answer = dial(reactor, Host("127.0.0.1", 5432), 3.0, Protocol())
    call = call_of(reactor.tcpClients)
    answer.addErrback(lambda failure: None)
    answer.cancel()
    assert call.buildProtocol(None) is None


def test_a_name_is_looked_up_and_the_endpoints_protocol_is_taken_out() -> None:
    protocol, transport = Protocol(), StringTransport()

    def connect(self: HostnameEndpoint, factory: Any) -> Any:
        transport.protocol = "wrapping"  # type: ignore[attr-defined]
        factory.buildProtocol(None).makeConnection(transport)
        return succeed("wrapping")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostnameEndpoint, "connect", connect)
        dial(MemoryReactor(), Host("db.example.com", 5432), 3.0, protocol)
    assert transport.protocol is protocol  # type: ignore[attr-defined]
