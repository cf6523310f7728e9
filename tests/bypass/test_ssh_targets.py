"""What a hostile target, or somebody in its place, could have users and logs read in its last words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from hoopgate.conch import Limits
from hoopgate.conch.fields import UINT32, string
from hoopgate.errors import UpstreamError
from hoopgate.protocols.ssh.target import TargetConnection
from tests.conch.test_login import Logging

WORDS = b"password hunter2 is wrong\x1b]0;title\x07\r\nhoopgate: all is well"


def end(words: bytes, *, verified: bool, password: bytes | None) -> str:
    """What its DISCONNECT becomes in the error of the login."""
    known: Any = SimpleNamespace(algorithms=(b"ssh-ed25519",), check=lambda key, now: None)
    target = TargetConnection(clock=Clock(), limits=Limits(), known=known, user="root", password=password)
    errors: list[Failure] = []
    target.ready.addErrback(errors.append)
    target.makeConnection(StringTransport())  # type: ignore[no-untyped-call]
    if verified:
        target.verifyHostKey(b"key", b"")
    target.dispatchMessage(1, UINT32.pack(2) + string(words) + string(b""))
    target.connectionLost(Failure(ConnectionDone()))
    assert errors[0].check(UpstreamError)
    return errors[0].getErrorMessage()


@pytest.mark.parametrize("password", [None, b"hunter2"])
def test_nobody_reads_the_words_of_a_host_that_is_not_verified(password: bytes | None) -> None:
    """As with PostgreSQL before TLS (CVE-2024-10977)."""
    assert end(WORDS, verified=False, password=password).endswith("failed during login: it closed the connection")


def test_a_target_does_not_repeat_the_password_that_it_was_shown() -> None:
    assert "hunter2" not in end(WORDS, verified=True, password=b"hunter2")


def test_its_words_drive_no_terminal_and_begin_no_line() -> None:
    said = end(WORDS, verified=True, password=None)
    assert said.endswith("password hunter2 is wrong ]0;title   hoopgate: all is well")
    assert said.isprintable()


def test_the_names_of_methods_that_it_offers_are_no_words_of_its_own() -> None:
    login = Logging(password=b"hunter2")
    login.refuse(b"password")
    login.refuse(b"hunter2", b"\x1b[2J", b"publickey")
    assert login.failures == ["tried password; the server offers publickey, others"]
