"""Listeners for HTTP CONNECT: what they take, and what has no meaning on them."""

from __future__ import annotations

import pytest

from tests.config.files import MINIMAL, accept, only

TLS = 'tls = { certificate = "file:/c", key = "file:/k" }'
CONNECT = """
[[listener]]
name = "gate"
protocol = "connect"
port = 8444
"""


def test_a_listener_for_every_protocol() -> None:
    config = accept(CONNECT + TLS)
    assert (config.listeners[1].protocol, config.limits.connect_head, config.limits.connect_fields) == (
        "connect", 32 * 1024, 64,
    )  # fmt: skip
    limits = accept(CONNECT + TLS + '\n[limits]\nconnect_head = "8KiB"\nconnect_fields = 10\n').limits
    assert (limits.connect_head, limits.connect_fields) == (8192, 10)


def test_no_token_travels_in_clear_text_but_on_loopback() -> None:
    accept(CONNECT + "plaintext = true")
    assert "neither TLS nor leave" in only(MINIMAL + CONNECT)
    assert "loopback alone" in only(MINIMAL + CONNECT + 'plaintext = true\naddress = "0.0.0.0"')


@pytest.mark.parametrize("key", ['login = "oauthbearer"', 'logins = ["password"]'])
def test_ways_to_log_in_have_no_meaning_there(key: str) -> None:
    assert "the token comes with the CONNECT request" in only(MINIMAL + CONNECT + TLS + "\n" + key)


def test_no_target_speaks_it() -> None:
    text = MINIMAL + CONNECT + TLS
    assert "'connect' is not one of postgresql, ssh" in only(
        text.replace('name = "shop"\nprotocol = "postgresql"', 'name = "shop"\nprotocol = "connect"')
    )
