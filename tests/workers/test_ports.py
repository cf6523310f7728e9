"""Whether a port is free before workers share it."""

from __future__ import annotations

import socket

import pytest
from twisted.internet.error import CannotListenError

from hoopgate.workers.ports import check_free


@pytest.mark.parametrize("shares", [False, True])
def test_another_listener_is_seen_whether_it_would_share_or_not(shares: bool) -> None:
    with socket.socket() as other:
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotListenError, match="in use"):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)
    check_free("127.0.0.1", 0)


def test_of_both_families() -> None:
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        with pytest.raises(CannotListenError):
            check_free("::1", other.getsockname()[1])
