"""SSH's transport layer on Twisted Conch, with what Conch lacks. Knows nothing of hoopgate but its own modules.

ServerTransport and ClientTransport take the place of Conch's SSHServerTransport and SSHClientTransport: AES-GCM,
chacha20-poly1305 and encrypt-then-MAC, strict-kex, host certificates, bounds on all that a peer sends, keys renewed by
bytes and time, back-pressure both ways.
"""

from __future__ import annotations

from hoopgate.conch.algorithms import MODERN, PQ, Algorithms
from hoopgate.conch.client import ClientTransport
from hoopgate.conch.host_key import HostKey
from hoopgate.conch.limits import Limits
from hoopgate.conch.server import ServerTransport

__all__ = ["MODERN", "PQ", "Algorithms", "ClientTransport", "HostKey", "Limits", "ServerTransport"]
