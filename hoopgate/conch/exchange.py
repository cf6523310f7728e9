"""Key exchanges of a connection (RFC 4253, sections 7 to 9), the first and the later ones, in either role.

In the first one nothing but its own messages is admitted, whether the peer knows strict-kex or not: so nothing that
someone else has put in or left out goes unnoticed (CVE-2023-48795, CVE-2023-46445, CVE-2023-46446).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.conch.ssh.transport import (
    DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_PROTOCOL_ERROR,
    MSG_DISCONNECT,
    MSG_KEXDH_INIT,
    MSG_KEXDH_REPLY,
    MSG_KEXINIT,
    MSG_NEWKEYS,
)

from hoopgate.conch.algorithms import Algorithms
from hoopgate.conch.ciphers import PacketCipher
from hoopgate.conch.fields import MalformedError
from hoopgate.conch.handshake import Handshake
from hoopgate.conch.negotiation import (
    EXTENSIONS_CLIENT,
    EXTENSIONS_SERVER,
    STRICT_CLIENT,
    STRICT_SERVER,
    Agreed,
    Offer,
    kexinit,
)
from hoopgate.conch.refusals import RefusedError


class Exchange:
    """Of ``owner``, a PacketTransport.

    ``admitting``: any message may come; ``sending``: what is not of the exchange has to wait. ``agreed``: what the last
    exchange, or the one under way, has agreed on. ``strict``: both sides speak strict-kex. ``host_key``: the server's.
    ``renew_after``: bytes of either direction until the next.
    """

    __slots__ = (
        "_awaited",
        "_before",
        "_bulk",
        "_early",
        "_handshake",
        "_ignored",
        "_next",
        "_ours",
        "_owner",
        "_queue",
        "_queued",
        "_skip",
        "_timer",
        "admitting",
        "agreed",
        "completed",
        "host_key",
        "renew_after",
        "sending",
        "strict",
    )

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self.admitting = self.sending = self.strict = False
        self.agreed: Agreed | None = None
        self.host_key = b""
        self.completed = 0
        self.renew_after = owner.limits.rekey_bytes
        self._bulk: tuple[bytes, ...] = ()
        self._ours = b""  # our KEXINIT, while an exchange is under way
        self._handshake: Handshake | None = None
        self._next: PacketCipher | None = None  # what the peer sends behind its NEWKEYS is under
        self._awaited = MSG_KEXINIT  # the one message of an exchange that may come now
        self._skip = False  # the peer's next one follows a wrong guess
        self._ignored = 0
        self._early = 0  # exchanges that the peer asked for before the login was over
        self._before = 0  # bytes that had come when we asked for the exchange
        self._queue: list[bytes] = []
        self._queued = 0
        self._timer: Any = None

    # --- when

    def begin(self) -> None:
        """Ask for an exchange, unless one is under way."""
        owner = self._owner
        if self._ours or owner.finished is not None:
            return
        first = owner.sessionID is None
        self._ours = kexinit(self._algorithms(), owner.hostKeyAlgorithms(), client=owner.isClient, first=first)
        owner.sendNow(MSG_KEXINIT, self._ours[1:])
        self.sending = True
        self._before = owner.received
        owner.flow.need(True)
        owner.flow.exchanging(True)
        self._arm(owner.limits.key_exchange_seconds, self._late)

    def _algorithms(self) -> Algorithms:
        algorithms: Algorithms = self._owner.algorithms
        return replace(algorithms, ciphers=self._bulk) if self._bulk else algorithms

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        self._timer = self._owner.clock.callLater(seconds, then)

    def stop(self) -> None:
        """No time runs any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _late(self) -> None:
        self._owner.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, b"the key exchange took too long")

    def count(self, amount: int) -> None:
        """``amount`` bytes have come since the last exchange. Raises RefusedError."""
        limits = self._owner.limits
        if self._owner.sessionID is None:
            if amount > limits.key_exchange_bytes:
                raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "too many bytes before the first keys")
        elif self._ours:
            if amount - self._before > limits.queued_bytes:
                raise RefusedError(DISCONNECT_KEY_EXCHANGE_FAILED, "too many bytes instead of a key exchange")
        elif amount > self.renew_after:
            self.begin()

    def queue(self, message: bytes) -> None:
        """Keep a message until it may be sent. The producer is paused; who fills the queue all the same is cut off."""
        self._queue.append(message)
        self._queued += len(message)
        if self._queued > self._owner.limits.queued_bytes:
            self._queue.clear()
            self._owner.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, b"too much waits for the key exchange")

    # --- what may come

    def admits(self, number: int) -> bool:
        """False: to be ignored. Raises RefusedError for a message that cannot be in this place."""
        of_exchange = 20 <= number < 50
        if self.admitting and not of_exchange:
            return True
        if self._skip and 30 <= number < 50:
            self._skip = False
            return False
        if number == self._awaited or number == MSG_DISCONNECT:
            return True
        if number > 4 or self._owner.sessionID is None:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, f"message {number} has no place here")
        self._ignored += 1
        if self._ignored > self._owner.limits.ignored:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "too many messages within a key exchange")
        return True

    def received(self, number: int, payload: bytes) -> None:
        """A message of the exchange that was admitted. Raises what the transport refuses by."""
        if number == MSG_KEXINIT:
            self._offered(payload)
        elif number == MSG_NEWKEYS:
            self._renewed(payload)
        elif self._owner.isClient:
            self._answered(payload)
        else:
            self._asked(payload)

    # --- the steps

    def _offered(self, payload: bytes) -> None:
        owner = self._owner
        client = owner.isClient
        theirs = Offer.parse(bytes((MSG_KEXINIT,)) + payload)
        if owner.sessionID is None:
            self.strict = (STRICT_SERVER if client else STRICT_CLIENT) in theirs.key_exchanges
            owner._peerSupportsExtensions = (EXTENSIONS_SERVER if client else EXTENSIONS_CLIENT) in theirs.key_exchanges
        elif not self._ours and (owner.service is None or owner.service.name == b"ssh-userauth"):
            self._early += 1
            if self._early > owner.limits.early_exchanges:
                raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "too many key exchanges before authentication")
        self.begin()
        self.admitting = False
        self._ignored = 0
        versions = (owner.ourVersionString, owner.otherVersionString)
        if not client:
            versions = versions[::-1]
        self._handshake = handshake = Handshake(self._ours, theirs, client=client, versions=versions)
        self.agreed = handshake.agreed
        self._skip = handshake.agreed.misguessed
        if not client:
            self._choose(theirs, handshake.agreed)
        if client:
            owner.sendNow(MSG_KEXDH_INIT, handshake.offer())
        self._awaited = MSG_KEXDH_REPLY if client else MSG_KEXDH_INIT

    def _choose(self, theirs: Offer, agreed: Agreed) -> None:
        """What a server offers from the next exchange on, and how soon that is due."""
        algorithms = self._owner.algorithms
        known = [name for name in theirs.ciphers_out if name in theirs.ciphers_in]
        self._bulk = tuple([name for name in algorithms.bulk if name in known and name in algorithms.ciphers])
        if self._bulk and not {agreed.cipher_in, agreed.cipher_out} <= set(self._bulk):
            self.renew_after = min(self._owner.limits.bulk_bytes, self._owner.limits.rekey_bytes)
        else:
            self.renew_after = self._owner.limits.rekey_bytes

    def _asked(self, payload: bytes) -> None:
        """A server's turn."""
        owner, handshake = self._owner, self._handshake
        assert handshake is not None
        host_key = owner.hostKey(handshake.agreed.host_key)
        owner.sendNow(MSG_KEXDH_REPLY, handshake.answer(payload, host_key))
        self._renew(handshake)

    def _answered(self, payload: bytes) -> None:
        """A client's turn. Whose the key is, its user says, maybe later: until then nothing more is looked at."""
        owner, handshake = self._owner, self._handshake
        assert handshake is not None
        handshake.finish(payload)
        if owner.sessionID is None:
            owner.askForHostKey(handshake.host_key, lambda: self._renew(handshake))
        elif handshake.host_key == self.host_key:
            self._renew(handshake)
        else:
            raise RefusedError(DISCONNECT_HOST_KEY_NOT_VERIFIABLE, "another host key than before")

    def _renew(self, handshake: Handshake) -> None:
        """Our half: NEWKEYS, then what has waited."""
        owner = self._owner
        first = owner.sessionID is None
        if first:
            owner.sessionID = handshake.exchange_hash
            self.host_key = handshake.host_key
        from_client, from_server = handshake.ciphers(owner.sessionID)
        ours, self._next = (from_client, from_server) if owner.isClient else (from_server, from_client)
        owner.sendNow(MSG_NEWKEYS, b"")
        owner.sealWith(ours, sequence=0 if self.strict else None)
        self._awaited = MSG_NEWKEYS
        if first:
            owner.introduce()
        self.sending = False
        queue, self._queue, self._queued = self._queue, [], 0
        for message in queue:
            owner.sendMessage(message)
        owner.flow.exchanging(self.sending)

    def _renewed(self, payload: bytes) -> None:
        """The peer's half."""
        if payload:
            raise MalformedError("NEWKEYS has no fields")
        owner = self._owner
        assert self._next is not None
        owner.openWith(self._next, sequence=0 if self.strict else None)
        self._handshake = self._next = None
        self._ours = b""
        self._awaited = MSG_KEXINIT
        owner.flow.need(False)
        self.admitting = True
        self.completed += 1
        self._arm(owner.limits.rekey_seconds, self.begin)
        owner.renewed()
