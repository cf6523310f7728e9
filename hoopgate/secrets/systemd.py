"""``systemd:NAME``: a credential of the unit (``LoadCredential=``, ``SetCredentialEncrypted=``).

systemd lays each as a file in ``$CREDENTIALS_DIRECTORY``, readable by the unit's user alone (systemd.exec(5),
"Credentials"), so no permissions are checked here.
"""

from __future__ import annotations

import os
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from hoopgate.errors import SecretError
from hoopgate.interfaces import ISecretSource
from hoopgate.secrets.material import read_file


@implementer(ISecretSource)
@frozen
class CredentialSource:
    """``directory`` is ``$CREDENTIALS_DIRECTORY``, ``""`` where systemd did not start us with credentials."""

    reactor: Any
    directory: str

    def fetch(self, rest: str) -> Deferred[bytes]:
        """The credential's bytes. Fails with SecretError."""
        if not self.directory:
            return fail(
                SecretError(f"systemd:{rest}: $CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit")
            )
        if "/" in rest or rest in ("", ".", ".."):
            return fail(SecretError(f"systemd:{rest} is not the name of a credential"))
        path = f"{self.directory}/{rest}"
        pool = self.reactor.getThreadPool()
        return deferToThreadPool(self.reactor, pool, read_file, path, f"systemd:{rest}", private=False)


def factory(reactor: Any) -> CredentialSource:
    return CredentialSource(reactor, os.environ.get("CREDENTIALS_DIRECTORY", ""))
