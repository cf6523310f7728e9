"""Our login to a target, when it is given up or fails at the wrong moment, and what of it stays."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.scram import PLAIN, Derivation, Keys
from hoopgate.errors import UpstreamError
from hoopgate.protocols.postgresql.target import TargetConnection
from tests.codecs.postgresql.scramserver import ScramServer

WELCOME = (
    m.authentication_ok()
    + m.parameter_status("client_encoding", "UTF8")
    + m.backend_key_data(42, b"key!")
    + m.ready_for_query(b"I")
)


class Transport(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()  # type: ignore[no-untyped-call]

    def said(self) -> bytes:
        data: bytes = self.value()  # type: ignore[no-untyped-call]
        return data


class Rig:
    """A connection whose keys come when the test wants them."""

    def __init__(self) -> None:
        self.asked: list[tuple[Derivation, Deferred[Keys]]] = []
        self.connection = TargetConnection({"user": "u"}, tls=None, credential=b"secret", derive=self.derive)
        self.outcome: list[Any] = []
        self.ready = self.connection.ready.addBoth(self.outcome.append)
        self.transport = Transport()  # type: ignore[no-untyped-call]

    def derive(self, derivation: Derivation) -> Deferred[Keys]:
        keys: Deferred[Keys] = Deferred()
        self.asked.append((derivation, keys))
        return keys

    def connect(self) -> None:
        self.connection.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def challenged(self) -> ScramServer:
        """As far as the server's first message of SCRAM."""
        server = ScramServer(b"secret")
        self.connect()
        self.connection.dataReceived(m.authentication_sasl([PLAIN]))
        first = self.transport.said().rpartition(b"n,,")[2]
        self.transport.clear()  # type: ignore[no-untyped-call]
        self.connection.dataReceived(m.authentication_sasl_continue(server.first(b"n,," + first)))
        return server


def test_keys_that_come_late_go_on_with_the_login() -> None:
    rig = Rig()
    server = rig.challenged()
    assert rig.transport.said() == b""
    derivation, keys = rig.asked[0]
    keys.callback(derivation.keys())
    final = server.final(rig.transport.said()[5:])
    rig.connection.dataReceived(m.authentication_sasl_final(final) + WELCOME)
    assert rig.outcome == [rig.connection]


def test_keys_that_come_after_the_target_has_left_prove_nothing_to_nobody() -> None:
    rig = Rig()
    rig.challenged()
    rig.connection.connectionLost(Failure(ConnectionDone()))
    derivation, keys = rig.asked[0]
    keys.callback(derivation.keys())
    assert rig.outcome[0].check(UpstreamError)
    assert rig.transport.said() == b""


def test_keys_that_cannot_be_had_end_the_login() -> None:
    rig = Rig()
    rig.challenged()
    rig.asked[0][1].errback(MemoryError())
    assert rig.outcome[0].check(UpstreamError)
    assert rig.transport.disconnecting


def test_who_gives_up_before_the_connection_stands_leaves_none_behind() -> None:
    rig = Rig()
    rig.connection.ready.cancel()
    rig.connect()
    assert rig.transport.aborted
    assert rig.transport.said() == b""
    assert rig.outcome[0].check(CancelledError)


def test_of_a_login_only_the_cancel_key_stays_with_a_session() -> None:
    """A session may sit for hours: ten thousand of them would hold ten thousand lists of settings and passwords."""
    rig = Rig()
    rig.connect()
    rig.connection.dataReceived(WELCOME)
    assert rig.connection.login is not None
    assert rig.connection.login.parameters == {"client_encoding": "UTF8"}
    rig.connection.take_over(lambda data: None, lambda reason: None)
    login = rig.connection.login
    assert (login.parameters, login.pid, login.secret) == ({}, 42, b"key!")
    held = vars(rig.connection)
    assert [held[name] for name in ("_credential", "_parameters", "_startup", "_derive", "_ready")] == [None] * 5
