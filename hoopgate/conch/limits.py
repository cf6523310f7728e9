"""What a peer may have of us."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection.

    ``packet``: bytes in a packet until a service runs that is not ssh-userauth (RFC 4253, section 6.1, asks for 35,000
    at least); ``large_packet``: from then on (OpenSSH's own limit is 256 KiB).
    ``greeting``: bytes of a server's lines before its version, with it.
    ``key_exchange_bytes``: what a peer may send until the first keys are there; ``key_exchange_seconds``: the time for
    each key exchange.
    ``rekey_bytes`` of either direction, or ``rekey_seconds``, after which we ask for new keys (RFC 4253, section 9).
    ``early_exchanges``: key exchanges, behind the first, that a peer may ask for before the login is over.
    ``bulk_bytes``: the same of a server's, where new keys would bring a cipher of ``Algorithms.bulk``.
    ``queued_bytes``: messages of ours that wait for the end of a key exchange; and what a peer may send until it takes
    part in one that we have asked for, since that is read even where reading is paused (it is on its way already: with
    usual buffers of TCP some 10 MB).
    ``ignored``: messages IGNORE, DEBUG and UNIMPLEMENTED within one key exchange; ``unimplemented``: messages unknown
    to us that we answer.
    ``close_seconds``: how long what we have sent may take to arrive once we have closed the connection.
    """

    packet: int = 35_000
    large_packet: int = 262_144 + 1_024
    greeting: int = 16_384
    key_exchange_bytes: int = 131_072
    key_exchange_seconds: float = 30.0
    rekey_bytes: int = 1 << 30
    rekey_seconds: float = 3_600.0
    early_exchanges: int = 2
    bulk_bytes: int = 4 << 20
    queued_bytes: int = 32 << 20
    ignored: int = 64
    unimplemented: int = 64
    close_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not 1_024 <= self.rekey_bytes <= 1 << 36:
            raise ValueError("keys have to be renewed after 1 KiB to 64 GiB")


VERSION = 255  # bytes of a version with its end (RFC 4253, section 4.2)
