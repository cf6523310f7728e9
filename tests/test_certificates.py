"""What a listener shows is renewed while it runs, whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from hoopgate.certificates import Presented
from hoopgate.config.model import SecretRef, ServerTls
from hoopgate.development.certificates import Authority
from hoopgate.errors import ConfigError, HoopgateError, SecretError
from hoopgate.protocols.postgresql.tls import server_context

CERTIFICATE, KEY = SecretRef("test", "certificate"), SecretRef("test", "key")


class Files:
    """Two secrets that change; ``down`` makes them unreadable."""

    def __init__(self) -> None:
        self.authority = Authority("tests of renewal")
        self.down = False
        self.made: list[Any] = []
        self.renew()

    def renew(self) -> None:
        self.pair = self.authority.server()

    def secret(self, ref: SecretRef) -> Deferred[bytes]:
        if self.down:
            return fail(SecretError(f"{ref} cannot be read"))
        return succeed(self.pair.certificate if ref == CERTIFICATE else self.pair.key)

    def make(self, certificate: bytes, key: bytes, client_ca: bytes | None) -> Any:
        self.made.append(server_context(certificate, key, client_ca))
        return self.made[-1]


@pytest.fixture
def files() -> Files:
    return Files()


def run(work: Any) -> Any:
    """The outcome of a coroutine that has nothing to wait for."""
    found: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(found.append)
    if isinstance(getattr(found[0], "value", None), BaseException):
        found[0].raiseException()
    return found[0]


def presented(files: Files) -> Presented:
    return Presented("tls", ServerTls(CERTIFICATE, KEY), files.secret, files.make)


def test_a_renewed_pair_is_shown_and_an_unchanged_one_made_once(files: Files) -> None:
    shown = presented(files)
    assert run(shown.load())
    first = shown.current
    run(shown.renew())
    assert shown.current is first
    assert len(files.made) == 1
    files.renew()
    run(shown.renew())
    assert shown.current is files.made[-1]
    assert shown.current is not first


def test_half_a_renewal_and_an_unreadable_file_change_nothing(files: Files) -> None:
    shown = presented(files)
    run(shown.load())
    first, old = shown.current, files.pair
    files.renew()
    new = files.pair
    files.pair = type(new)(new.certificate, old.key)
    run(shown.renew())
    assert shown.current is first
    files.down = True
    run(shown.renew())
    assert shown.current is first
    files.down, files.pair = False, new
    run(shown.renew())
    assert shown.current is not first


def test_at_the_start_both_are_needed(files: Files) -> None:
    good = files.pair
    files.pair = type(good)(good.certificate, Authority("another").server().key)
    with pytest.raises(ConfigError):
        run(presented(files).load())
    files.down = True
    with pytest.raises(HoopgateError):
        run(presented(files).load())
