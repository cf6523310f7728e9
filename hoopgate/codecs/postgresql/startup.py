"""The start-up phase of PostgreSQL in both roles: see ``startup_packet``, ``startup_server``,
``startup_client`` and ``encryption``."""

from __future__ import annotations

from hoopgate.codecs.postgresql.encryption import Encryption, tls_server_end_point
from hoopgate.codecs.postgresql.startup_client import (
    ClientEvent,
    ClientStartup,
    Derive,
    Failed,
    Ready,
    Send,
)
from hoopgate.codecs.postgresql.startup_packet import (
    NEWEST,
    Cancel,
    GssRequest,
    SslRequest,
    Startup,
    is_tls_client_hello,
    parse_options,
    read_packet,
)
from hoopgate.codecs.postgresql.startup_server import ServerStartup
from hoopgate.codecs.postgresql.startup_states import Password, SaslInitial, SaslResponse, ServerEvent

__all__ = [
    "NEWEST",
    "Cancel",
    "ClientEvent",
    "ClientStartup",
    "Derive",
    "Encryption",
    "Failed",
    "GssRequest",
    "Password",
    "Ready",
    "SaslInitial",
    "SaslResponse",
    "Send",
    "ServerEvent",
    "ServerStartup",
    "SslRequest",
    "Startup",
    "is_tls_client_hello",
    "parse_options",
    "read_packet",
    "tls_server_end_point",
]
