"""The transport layer (RFC 4253) for both roles: what Conch's SSHTransportBase does, faster, stricter and bounded.

Differences that a user of Conch sees: algorithms and limits come by the constructor; strict-kex is spoken (against
CVE-2023-48795); a message in a place where the protocol has none ends the connection with a reason; the transport is a
consumer and a producer; a service may take whole messages without a copy (``messageReceived``).

The names of methods, attributes and arguments are Conch's.
"""
# ruff: noqa: N803, N815

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_MAC_ERROR,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_UNIMPLEMENTED,
    SSHTransportBase,
)
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.conch.algorithms import MODERN, Algorithms
from hoopgate.conch.ciphers import PacketCipher, Plain
from hoopgate.conch.exchange import Exchange
from hoopgate.conch.fields import UINT32, Fields, MalformedError, string
from hoopgate.conch.flow import Flow
from hoopgate.conch.greeting import Greeting, WrongVersionError
from hoopgate.conch.limits import Limits
from hoopgate.conch.negotiation import NoMatchError
from hoopgate.conch.packets import Incoming, MacError, Outgoing
from hoopgate.conch.refusals import RefusedError
from hoopgate.conch.signatures import SignatureError

USERAUTH: Final = b"ssh-userauth"
_USERAUTH_REQUEST: Final = 50
_GENERIC: Final = {1: "_disconnected", 2: "_ignored", 3: "_unimplemented", 4: "_ignored"}


@implementer(IConsumer, IPushProducer)
class PacketTransport(SSHTransportBase):
    """Either role. Use ServerTransport or ClientTransport.

    ``clock``: IReactorTime. ``version``: the software's name in our version (printable, no spaces or "-").

    Attributes besides Conch's (``sessionID``, ``service``, ``peerExtensions``, ``otherVersionString``...):
    ``agreed`` (hoopgate.conch.negotiation.Agreed) says what is used since the last key exchange; ``strict`` whether
    strict-kex is. ``finished``: (code, words) of the DISCONNECT that ended it, sent or received, or None.

    A service other than ssh-userauth that has ``messageReceived(packet, start, end)`` gets every message from 80 on
    so: ``packet[start:end]`` is the message with its number; where it has ``allReceived()``, that is called behind the
    last message that came at once. Others get ``packetReceived(number, payload)`` as in Conch. Either may raise
    MalformedError, which disconnects with PROTOCOL_ERROR.
    """

    transport: Any
    otherVersionString = b""

    def __init__(
        self,
        *,
        clock: Any,
        algorithms: Algorithms = MODERN,
        limits: Limits | None = None,
        version: bytes = b"hoopgate",
    ) -> None:
        self.clock = clock
        self.algorithms = algorithms
        self.limits = limits or Limits()
        self.ourVersionString = b"SSH-2.0-" + version
        self.peerExtensions = {}
        self.finished: tuple[int, str] | None = None
        self.flow = Flow(self)
        self._incoming = Incoming(self._deliver, self.limits.packet)
        self._outgoing = Outgoing(self._unconnected)
        self._exchange = Exchange(self)
        self._greeting: Greeting | None = Greeting(server=self.isClient, limit=self.limits.greeting)
        self._fast: Any = None  # the service's messageReceived
        self._after: Any = None  # the service's allReceived
        self._answered = 0  # messages that we do not know
        self._after_keys = False  # the next message is the first under the first keys
        self._secure = False
        self._closing: Any = None

    @property
    def agreed(self) -> Any:
        return self._exchange.agreed

    @property
    def strict(self) -> bool:
        return self._exchange.strict

    @property
    def received(self) -> int:
        """Bytes that have come under the peer's keys of now."""
        return self._incoming.amount

    @property
    def exchanges(self) -> int:
        """Key exchanges that have been completed."""
        return self._exchange.completed

    # --- the connection

    def connectionMade(self) -> None:
        self._outgoing.write = self.transport.write
        self.transport.write(self.ourVersionString + b"\r\n")
        self._exchange.begin()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._incoming.close()
        self._exchange.stop()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.flow.stop()
        # As Conch's, but for what that logs of each connection: whoever may connect could fill the log with it.
        if self.service is not None:
            self.service.serviceStopped()
        if hasattr(self, "avatar"):
            self.logoutFunction()
        self._log.debug("connection lost")

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the peer's. Whatever they are, what they cause is a message's effect or the connection's end."""
        self.guard(self._received, data)

    def _received(self, data: bytes) -> None:
        greeting = self._greeting
        if greeting is not None:
            data = greeting.feed(data)
            if not greeting.version:
                return
            self.otherVersionString = greeting.version
            self.gotVersion = True
            self._greeting = None
        incoming = self._incoming
        incoming.feed(data)
        self._exchange.count(incoming.amount)
        if self._after is not None:
            self._after()

    def guard(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step on behalf of the peer, which the peer may have made impossible."""
        try:
            step(*arguments)
        except (RefusedError, MalformedError, MacError, SignatureError, NoMatchError) as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, RefusedError):
            self.sendDisconnect(error.code, error.words.encode())
        elif isinstance(error, WrongVersionError):
            self.sendDisconnect(DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED, str(error).encode())
        elif isinstance(error, MacError):
            self.sendDisconnect(DISCONNECT_MAC_ERROR, str(error).encode())
        elif isinstance(error, NoMatchError):
            kind, theirs = error.args
            words = f"no common {kind}; yours: ".encode() + b",".join(theirs)[:512]
            self.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, words)
        elif isinstance(error, SignatureError):
            self.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, str(error).encode())
        else:
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, str(error).encode())

    # --- messages in

    def _deliver(self, packet: bytes, end: int) -> None:
        number = packet[1]
        fast = self._fast
        if number >= 80 and fast is not None and self._exchange.admitting:
            fast(packet, 1, end)
        else:
            self.dispatchMessage(number, packet[2:end])

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """One message, with its payload behind the number."""
        if not self._exchange.admits(messageNum):
            return
        after_keys, self._after_keys = self._after_keys, False
        if messageNum in _GENERIC:
            getattr(self, _GENERIC[messageNum])(payload)
        elif messageNum >= 50:
            self._for_service(messageNum, payload)
        elif messageNum >= 20:
            self._exchange.received(messageNum, payload)
        elif messageNum == MSG_EXT_INFO:
            if not self.extensionsAllowed(after_keys=after_keys):
                raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "EXT_INFO in a place where there is none")
            self.ssh_EXT_INFO(payload)
        else:
            self.serviceMessage(messageNum, payload)

    def _for_service(self, number: int, payload: bytes) -> None:
        service = self.service
        if service is None:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, f"message {number} before any service")
        if (number < 80) is not (service.name == USERAUTH):
            self._misplaced(number, service)
        else:
            service.packetReceived(number, payload)

    def _misplaced(self, number: int, service: Any) -> None:
        """Of a connection before there is one; or of authentication behind it, as clients in a hurry send (RFC 4252,
        section 5.1)."""
        if service.name == USERAUTH:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, f"message {number} before authentication")
        if number != _USERAUTH_REQUEST:
            self.sendUnimplemented()

    def serviceMessage(self, number: int, payload: bytes) -> None:
        """Message 5, 6, or another of the transport layer (8 to 19), which all are unknown here."""
        if self.sessionID is None or self.service is None:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, f"message {number} has no place here")
        self.sendUnimplemented()

    def extensionsAllowed(self, *, after_keys: bool) -> bool:
        """An EXT_INFO may come now (RFC 8308, section 2.4). ``after_keys``: it is the first under the first keys."""
        return after_keys

    def _disconnected(self, payload: bytes) -> None:
        fields = Fields(payload)
        code, words = fields.uint32(), fields.string().decode("utf-8", "replace")[:512]
        self._incoming.close()
        self.finished = self.finished or (code, words)
        self.receiveError(code, words.encode())
        self._leave()

    def _ignored(self, payload: bytes) -> None:
        """IGNORE and DEBUG say nothing to us."""

    def _unimplemented(self, payload: bytes) -> None:
        fields = Fields(payload)
        self.receiveUnimplemented(fields.uint32())

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        fields = Fields(packet)
        extensions = {}
        for _ in range(min(fields.uint32(), 65)):
            name = fields.string()
            extensions[name] = fields.string()
        fields.end()  # where there are more than 64, there is something left
        self.peerExtensions = extensions

    def receiveUnimplemented(self, seqnum: int) -> None:
        self._log.debug("the other side did not know our message {number}", number=seqnum)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """The peer has disconnected. As what it says is its own, this is logged for debugging only."""
        self._log.debug("disconnected by the peer: {code} {words!r}", code=reasonCode, words=description)

    # --- messages out

    def sendMessage(self, *parts: bytes | memoryview) -> None:
        """Send a message, given in parts; the first byte of the first is its number. Joining them is the only copy.

        During a key exchange it waits for its end (RFC 4253, section 7.1), and so does the producer.
        """
        exchange = self._exchange
        if exchange.sending:
            exchange.queue(b"".join(parts))
        elif self.finished is None:
            outgoing = self._outgoing
            outgoing.send(parts)
            if outgoing.amount > exchange.renew_after:
                exchange.begin()

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        self.sendMessage(bytes((messageType,)), payload)

    def sendNow(self, number: int, payload: bytes) -> None:
        """Send a message of the transport layer, which no key exchange holds up."""
        if self.finished is None:
            self._outgoing.send((bytes((number,)), payload))

    def _unconnected(self, data: bytes) -> None:
        raise RuntimeError("nothing can be sent before connectionMade")

    def sendUnimplemented(self) -> None:
        """The message that is being worked on is unknown; who sends too many of them is disconnected."""
        self._answered += 1
        if self._answered > self.limits.unimplemented:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "too many messages that we do not know")
        self.sendNow(MSG_UNIMPLEMENTED, UINT32.pack(self._incoming.sequence))

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say why and close the connection; what was sent before still arrives. ``desc``: UTF-8."""
        if self.finished is not None:
            return
        self.sendNow(MSG_DISCONNECT, UINT32.pack(reason) + string(desc) + string(b""))
        self.finished = (reason, desc.decode("utf-8", "replace"))
        self._log.debug("disconnecting: {code} {words!r}", code=reason, words=desc)
        self._leave()

    def loseConnection(self) -> None:
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"closed")

    def _leave(self) -> None:
        self._incoming.close()
        self._exchange.stop()
        self.flow.end()
        transport = self.transport
        transport.loseConnection()
        if self._closing is None and not getattr(transport, "disconnected", False):
            self._closing = self.clock.callLater(self.limits.close_seconds, transport.abortConnection)

    # --- what an exchange asks for

    def sealWith(self, cipher: PacketCipher, *, sequence: int | None) -> None:
        """What is sent from here on is under ``cipher``."""
        self._outgoing.restart(cipher, sequence=sequence)

    def openWith(self, cipher: PacketCipher, *, sequence: int | None) -> None:
        """What follows the message that is being worked on is under ``cipher``."""
        self._incoming.restart(cipher, sequence=sequence)

    def hold(self) -> None:
        """Look at nothing more of the peer's until ``release``."""
        self._incoming.held = True
        self.flow.hold(True)

    def release(self) -> None:
        if self.finished is None:
            self.flow.hold(False)
            self.guard(self._incoming.release)
            if self._after is not None:
                self._after()

    def introduce(self) -> None:
        """Our first keys are in use, and nothing has been sent under them."""

    def renewed(self) -> None:
        """The peer's keys are in use."""
        if not self._secure:
            self._secure = self._after_keys = True
            self.secured()

    def secured(self) -> None:
        """The first keys are in use, both ways."""

    # --- services

    def setService(self, service: Any) -> None:
        super().setService(service)  # type: ignore[no-untyped-call]
        if service.name != USERAUTH:
            self._fast = getattr(service, "messageReceived", None)
            self._after = getattr(service, "allReceived", None)
            self._incoming.limit = self.limits.large_packet

    # --- flow

    def pauseProducing(self) -> None:
        """Stop reading from the peer; what was read already is still delivered."""
        self.flow.pause()

    def resumeProducing(self) -> None:
        self.flow.resume()

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause ``producer`` (IPushProducer) while the peer does not take what we send, and during key exchanges."""
        self.flow.register(producer, streaming=streaming)

    def unregisterProducer(self) -> None:
        self.flow.unregister()

    def write(self, data: bytes) -> None:
        """IConsumer's: ``data`` is one message with its number."""
        self.sendMessage(data)

    # --- what Conch's users ask

    def isEncrypted(self, direction: str = "out") -> bool:
        """``direction``: "out", "in" or "both". All ciphers here authenticate, too: so is ``isVerified``."""
        ciphers = {"out": [self._outgoing.cipher], "in": [self._incoming.cipher]}
        ciphers["both"] = ciphers["out"] + ciphers["in"]
        if direction not in ciphers:
            raise TypeError('direction must be "out", "in", or "both"')
        return not any(isinstance(cipher, Plain) for cipher in ciphers[direction])

    def isVerified(self, direction: str = "out") -> bool:
        return self.isEncrypted(direction)

    @property  # type: ignore[misc]
    def kexAlg(self) -> bytes:
        agreed = self._exchange.agreed
        if agreed is None:
            raise UnsupportedAlgorithm("no key exchange has been agreed on yet")
        return bytes(agreed.key_exchange)

    def hostKeyAlgorithms(self) -> tuple[bytes, ...]:
        """The algorithms of host keys for our KEXINIT."""
        return self.algorithms.host_keys
