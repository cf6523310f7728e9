"""The server's side of the transport layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.conch.ssh.transport import (
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    MSG_EXT_INFO,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    SSHServerTransport,
)

from hoopgate.conch.fields import Fields, string
from hoopgate.conch.host_key import HostKey
from hoopgate.conch.refusals import RefusedError
from hoopgate.conch.transport import USERAUTH, PacketTransport


class ServerTransport(PacketTransport, SSHServerTransport):
    """An SSH server's connection.

    ``host_keys``: at least one HostKey, certificates among them as keys of their own; the first that has an algorithm
    is the one that is used for it. Its factory has ``getService(transport, name)`` as Conch's SSHFactory: a class of a
    service, or None. Before a service other than ssh-userauth runs, ssh-userauth is the only one that can be asked for.
    """

    def __init__(self, *, host_keys: Sequence[HostKey], **common: Any) -> None:
        super().__init__(**common)
        self._host_keys = {name: key for key in reversed(host_keys) for name in key.algorithms}
        if not self.hostKeyAlgorithms():
            raise ValueError("no host key for any of the algorithms that are offered")

    def hostKeyAlgorithms(self) -> tuple[bytes, ...]:
        return tuple([name for name in self.algorithms.host_keys if name in self._host_keys])

    def hostKey(self, algorithm: bytes) -> HostKey:
        """The key that was agreed on."""
        return self._host_keys[algorithm]

    def introduce(self) -> None:
        """What signatures of users are taken (RFC 8308, section 3.1)."""
        self.sendExtInfo([(b"server-sig-algs", b",".join(self.algorithms.signatures))])

    def sendExtInfo(self, extensions: list[tuple[bytes, bytes]]) -> None:
        if self._peerSupportsExtensions:
            fields = b"".join([string(name) + string(value) for name, value in extensions])
            self.sendNow(MSG_EXT_INFO, len(extensions).to_bytes(4, "big") + fields)

    def serviceMessage(self, number: int, payload: bytes) -> None:
        if number != MSG_SERVICE_REQUEST:
            super().serviceMessage(number, payload)
            return
        fields = Fields(payload)
        name = fields.string()
        fields.end()
        if self.service is not None:
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "a service runs already")
        kind = self.factory.getService(self, name) if name == USERAUTH else None
        if kind is None:
            raise RefusedError(DISCONNECT_SERVICE_NOT_AVAILABLE, "there is no such service, or it needs authentication")
        self.sendPacket(MSG_SERVICE_ACCEPT, string(name))
        self.setService(kind())
