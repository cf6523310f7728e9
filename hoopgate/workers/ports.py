"""Listening where several processes listen: the kernel gives each new connection to one of them (SO_REUSEPORT)."""

from __future__ import annotations

import socket

from twisted.internet.error import CannotListenError


def check_free(address: str, port: int) -> None:
    """See that nobody listens there. Raises CannotListenError.

    Sockets that share a port are not told of each other: without this a second gateway of the same user would take a
    part of the first one's clients, and neither would know.
    """
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise CannotListenError(address, port, error) from error
