"""The client's side of the transport layer."""
# ruff: noqa: N803 - the names of arguments are Conch's

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from twisted.conch.ssh.transport import (
    DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
    DISCONNECT_PROTOCOL_ERROR,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    SSHClientTransport,
)
from twisted.internet.defer import maybeDeferred
from twisted.python.failure import Failure

from hoopgate.conch.fields import Fields, string
from hoopgate.conch.refusals import RefusedError
from hoopgate.conch.transport import USERAUTH, PacketTransport


class ClientTransport(PacketTransport, SSHClientTransport):
    """An SSH client's connection. Its user gives ``verifyHostKey`` and ``connectionSecure``, as with Conch."""

    instance: Any = None

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self._told = False  # an EXT_INFO has come during authentication

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        """Whether the server is who it should be: a Deferred, which fails where it is not.

        ``hostKey`` is the blob of a public key, or of a certificate (hoopgate.conch.certificates verifies those), whose
        private key has signed this exchange: that was checked. ``fingerprint`` is b"SHA256:..." of the blob. Until the
        answer is there, nothing more is read. It is asked once; a later exchange must show the same key.
        """
        return super().verifyHostKey(hostKey, fingerprint)  # type: ignore[no-untyped-call]

    def askForHostKey(self, blob: bytes, go_on: Callable[[], None]) -> None:
        """Have the host key verified, then go on with the exchange."""
        self.hold()
        fingerprint = b"SHA256:" + b64encode(sha256(blob).digest()).rstrip(b"=")
        answer = maybeDeferred(self.verifyHostKey, blob, fingerprint)
        answer.addCallbacks(self._verified, self._unverified, callbackArgs=(go_on,))
        answer.addErrback(lambda failure: self._log.failure("after the host key was verified", failure))

    def _verified(self, _: object, go_on: Callable[[], None]) -> None:
        if self.finished is None and not self._incoming.closed:
            self.guard(go_on)
            self.release()

    def _unverified(self, failure: Failure) -> None:
        self._log.debug("the host key was refused: {words}", words=failure.getErrorMessage())
        self.sendDisconnect(DISCONNECT_HOST_KEY_NOT_VERIFIABLE, b"the host key is not the one that is known")

    def secured(self) -> None:
        self.connectionSecure()  # type: ignore[no-untyped-call]

    def extensionsAllowed(self, *, after_keys: bool) -> bool:
        """Once more while authentication goes on: just before its success."""
        if not after_keys:
            if self._told or self.service is None or self.service.name != USERAUTH:
                return False
            self._told = True
        return True

    def requestService(self, instance: Any) -> None:
        """Ask for a service; it starts once the server agrees."""
        self.instance = instance
        self.sendPacket(MSG_SERVICE_REQUEST, string(instance.name))

    def serviceMessage(self, number: int, payload: bytes) -> None:
        if number != MSG_SERVICE_ACCEPT:
            super().serviceMessage(number, payload)
            return
        fields = Fields(payload)
        instance, self.instance = self.instance, None
        if instance is None or (not fields.empty and fields.string() != instance.name):
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, "a service that was not asked for")
        fields.end()
        self.setService(instance)
