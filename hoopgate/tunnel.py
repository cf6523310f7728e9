"""What an HTTP CONNECT has settled before the protocol inside it begins."""

from __future__ import annotations

from attrs import frozen

from hoopgate.interfaces import Identity


@frozen
class Tunnel:
    """Who it is, by a token that was verified, and the name of the one target that it was opened to."""

    identity: Identity
    target: str
