"""The two streams of packets (RFC 4253, section 6), without I/O: bytes come in any pieces, packets go on whole.

What was received is walked by offsets in one pass. Only a packet that two reads share is copied before it is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag

from hoopgate.conch.ciphers import PacketCipher, Plain
from hoopgate.conch.fields import MalformedError

LEAST_PADDING: Final = 4
# Random to anybody else, and sealed. Drawing it anew for each packet would cost more than AES-GCM on a small one.
_PADDING: Final = [bytes((size,)) + os.urandom(size) for size in range(32)]


class MacError(Exception):
    """A packet that is not the peer's, or not in its place."""


class Incoming:
    """What the peer sends. ``deliver`` gets each packet and the offset of its payload's end; its start is 1.

    ``limit`` is the greatest length field accepted. ``sequence`` is the number of the packet that is delivered, or of
    the next. Raises MalformedError and MacError from ``feed`` and ``release``, after which nothing more is delivered.
    """

    __slots__ = (
        "_deliver",
        "_later",
        "_partial",
        "_walking",
        "_wanted",
        "amount",
        "cipher",
        "closed",
        "held",
        "limit",
        "sequence",
    )

    def __init__(self, deliver: Callable[[bytes, int], None], limit: int) -> None:
        self._deliver = deliver
        self.limit = limit
        self.cipher: PacketCipher = Plain()
        self.sequence = 0
        self.amount = 0  # bytes since the cipher's beginning
        self.held = self.closed = self._walking = False
        self._partial = bytearray()
        self._later = bytearray()  # what came while packets were being delivered
        self._wanted = 0  # bytes that ``_partial`` needs to grow by before anything can be done with it

    def feed(self, data: bytes) -> None:
        """More bytes."""
        if self.closed:
            return
        if self._walking:
            self._later += data
            return
        at = 0
        while self._partial:
            if self.held:
                break
            stop = min(at + self._wanted, len(data))
            self._partial += data[at:stop]
            self._wanted -= stop - at
            at = stop
            if self._wanted:
                return
            self._walk(self._take(), 0)
        if at < len(data):
            if self.held:
                self._partial += data[at:]
            elif not self.closed:
                self._walk(data, at)

    def release(self) -> None:
        """Go on after ``held`` was set."""
        self.held = False
        if not self._walking and self._partial:
            self._walk(self._take(), 0)

    def close(self) -> None:
        """Deliver nothing more."""
        self.closed = True
        self._partial.clear()
        self._later.clear()

    def restart(self, cipher: PacketCipher, *, sequence: int | None) -> None:
        """Go on with another cipher: what follows the packet that is being delivered is under it.

        ``sequence`` is the number that comes next; without one the numbers go on.
        """
        self.cipher = cipher
        self.amount = 0
        self.sequence = self.sequence + 1 if sequence is None else sequence

    def _take(self) -> bytearray:
        partial, self._partial = self._partial, bytearray()
        return partial

    def _walk(self, data: bytes | bytearray, at: int) -> None:
        self._walking = True
        try:
            with memoryview(data) as view:
                rest, self._wanted = self._packets(view, at, len(data))
                if not self.closed and rest < len(data):
                    self._partial = bytearray(view[rest:])
        except BaseException:
            self.close()
            raise
        finally:
            self._walking = False
        if self._later:
            later, self._later = bytes(self._later), bytearray()
            self.feed(later)

    def _packets(self, view: memoryview, at: int, size: int) -> tuple[int, int]:
        """Deliver the packets in ``view[at:]``. Returns where an incomplete one begins and what it lacks at least."""
        while not self.held and not self.closed:
            if size - at < 4:
                return at, at + 4 - size
            cipher, sequence = self.cipher, self.sequence
            length = cipher.length(sequence, view, at)
            if length > self.limit:
                raise MalformedError("a packet longer than is accepted")
            if length < LEAST_PADDING + 2 or (length + cipher.head) % cipher.block:
                raise MalformedError("a packet of a length that no packet has")
            stop = at + 4 + length + cipher.tag
            if stop > size:
                return at, stop - size
            try:
                packet = cipher.open(sequence, view, at, stop)
            except InvalidTag:
                raise MacError("a packet that was changed") from None
            end = length - packet[0]
            if packet[0] < LEAST_PADDING or end < 2:
                raise MalformedError("a packet of which the padding does not add up")
            self.amount += stop - at
            at = stop
            self._deliver(packet, end)
            if self.cipher is cipher:
                self.sequence = sequence + 1
                if self.sequence > 0xFFFFFFFF:
                    raise MalformedError("the numbers of packets begin anew without new keys")
        return at, 0


class Outgoing:
    """What we send: ``write`` gets the parts of packets. ``sequence`` is the number of the next."""

    __slots__ = ("amount", "cipher", "sequence", "write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.cipher: PacketCipher = Plain()
        self.sequence = 0
        self.amount = 0  # bytes since the cipher's beginning

    def send(self, parts: tuple[bytes | memoryview, ...]) -> None:
        """One packet, its payload in parts."""
        cipher = self.cipher
        size = 0
        for part in parts:
            size += len(part)
        block = cipher.block
        padding = -(size + 1 + cipher.head) % block
        if padding < LEAST_PADDING:
            padding += block
        drawn = _PADDING[padding]
        packet = b"".join((drawn[:1], *parts, drawn[1:]))
        write = self.write
        for sealed in cipher.seal(self.sequence, packet):
            write(sealed)
        self.sequence = (self.sequence + 1) & 0xFFFFFFFF
        self.amount += len(packet) + 4 + cipher.tag

    def restart(self, cipher: PacketCipher, *, sequence: int | None) -> None:
        """Go on with another cipher."""
        self.cipher = cipher
        self.amount = 0
        if sequence is not None:
            self.sequence = sequence
