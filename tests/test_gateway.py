"""What all sessions of a process share: here, where cancel requests go."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.config.model import Config, SecretRef
from hoopgate.errors import ConfigError
from hoopgate.gateway import Gateway

CONFIG = Config(path=Path("x"), version="v")
Sent = list[tuple[int, int, bytes]]


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def gateway(sent: Sent) -> Gateway:
    """Worker 3 of several."""
    parts: dict[str, Any] = {
        name: Mock()
        for name in (
            "parser", "make_engine", "authenticator", "approvals", "grants", "recorder", "store", "feed", "upstream",
            "metrics",
        )
    }  # fmt: skip
    return Gateway(
        clock=Clock(), config=CONFIG, guards=(), node="gate/3", worker=3,
        forward_cancel=lambda *request: sent.append(request), **parts,
    )  # fmt: skip


def opened(gateway: Gateway, *, held: bool = False) -> tuple[Any, Any, int, bytes]:
    session, target = Mock(id="s1"), Mock()
    session.cancel_held.return_value = held
    target.login.pid, target.login.secret = 17, b"theirs"
    gateway.upstream.send_cancel.side_effect = lambda *_: Deferred()
    return session, target, *gateway.issue_cancel_key(session, target, long=False)


def test_a_request_for_anothers_session_goes_there_unread(gateway: Gateway, sent: Sent) -> None:
    gateway.cancel(5 << 24 | 77, b"key")
    assert sent == [(5, 5 << 24 | 77, b"key")]
    gateway.upstream.send_cancel.assert_not_called()


def test_of_those_only_so_many_a_second(gateway: Gateway, sent: Sent) -> None:
    """Anybody may send them, without having logged in: limits.cancels."""
    gateway.config = evolve(CONFIG, limits=evolve(CONFIG.limits, cancels=2))
    for _ in range(10):
        gateway.cancel(5 << 24 | 77, b"key")
    assert len(sent) == 2
    gateway.clock.advance(1)
    gateway.cancel(5 << 24 | 77, b"key")
    assert len(sent) == 3


def test_a_request_for_an_own_session_reaches_the_target_once_at_a_time(gateway: Gateway, sent: Sent) -> None:
    _, target, pid, key = opened(gateway)
    for _ in range(5):
        gateway.cancel(pid, key)
    assert gateway.upstream.send_cancel.call_count == 1
    assert gateway.upstream.send_cancel.call_args.args[0] is target
    assert sent == []


def test_a_wrong_key_does_nothing(gateway: Gateway, sent: Sent) -> None:
    session, _, pid, key = opened(gateway)
    gateway.cancel(pid, bytes(4) if key != bytes(4) else b"else")
    gateway.upstream.send_cancel.assert_not_called()
    session.cancel_held.assert_not_called()
    assert sent == []


def test_what_is_held_is_withdrawn_and_the_target_left_alone(gateway: Gateway) -> None:
    session, _, pid, key = opened(gateway, held=True)
    gateway.cancel(pid, key)
    session.cancel_held.assert_called_once_with()
    gateway.upstream.send_cancel.assert_not_called()


def test_alone_it_passes_nothing_on(gateway: Gateway, sent: Sent) -> None:
    gateway.forward_cancel = None
    gateway.cancel(5 << 24 | 77, b"key")
    assert sent == []


@pytest.mark.parametrize("name", ["user_ca", "target_ca"])
def test_an_authority_of_ssh_cannot_change_while_the_gateway_runs(gateway: Gateway, name: str) -> None:
    """It was read at the start; what else the table says holds for the next connection."""
    before = gateway.config
    with pytest.raises(ConfigError, match=rf"ssh\.{name}.*Restart"):
        gateway.reload(evolve(before, ssh=evolve(before.ssh, **{name: SecretRef("env", "CA")})))
    assert gateway.config is before
    gateway.reload(evolve(before, ssh=evolve(before.ssh, kex="pq", banner="hello")))
    assert gateway.config.ssh.kex == "pq"
