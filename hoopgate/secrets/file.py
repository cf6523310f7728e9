"""``file:/path``: a file that only the gateway may read; see ``material`` for whose permissions are refused."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from hoopgate.interfaces import ISecretSource
from hoopgate.secrets.material import read_file


@implementer(ISecretSource)
@frozen
class FileSource:
    """``reactor`` lends its thread pool: a file may lie on a slow or dead mount."""

    reactor: Any

    def fetch(self, rest: str) -> Deferred[bytes]:
        """The file's bytes. Fails with SecretError."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), read_file, rest, f"file:{rest}")


factory = FileSource
