"""``env:NAME``: a variable of the gateway's own environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from hoopgate.errors import SecretError
from hoopgate.interfaces import ISecretSource
from hoopgate.secrets.material import checked


@implementer(ISecretSource)
@frozen
class EnvironmentSource:
    environ: Mapping[bytes, bytes] = field(repr=False)  # a log of this object would show every variable

    def fetch(self, rest: str) -> Deferred[bytes]:
        """The variable's bytes. Fails with SecretError where it is unset or empty."""
        value = self.environ.get(rest.encode("utf-8"))
        if value is None:
            return fail(SecretError(f"env:{rest} is not set in the gateway's environment"))
        try:
            return succeed(checked(value, f"env:{rest}"))
        except SecretError as error:
            return fail(error)


def factory(reactor: Any) -> EnvironmentSource:
    return EnvironmentSource(os.environb)
