"""``hoopgate connect --listen``: a local port, or a Unix socket, each of whose connections gets a tunnel of its own.

Who reaches it is whoever owns the token to the gateway, so nobody else may: a Unix socket is its owner's alone, and of
a port on loopback the system is asked which user connects.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hoopgate.cli.problems import CommandError, UnsafeError
from hoopgate.cli.relay import relay
from hoopgate.cli.settings import SettingsError
from hoopgate.cli.tunnel import Asked, opened
from hoopgate.identity.urls import is_loopback_host

MOST = 100  # connections at once; a further one waits
BACKLOG = 64
_SOCKETS = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
_LOCAL, _REMOTE, _UID = 1, 2, 7  # columns of these tables (proc_net_tcp of the kernel's documentation)


def listen(where: str) -> socket.socket:
    """A listening socket at ``HOST:PORT`` on loopback, or at a path. Raises SettingsError."""
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if where.startswith("/"):
            return _listen_at(where)
        if not is_loopback_host(host) or not port.isdecimal():
            raise SettingsError(f"--listen takes an address of loopback with a port, or a path, not {where!r}.")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"nobody can listen at {where}: {error}. Choose another place.") from error


def _listen_at(path: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)  # or somebody could connect between bind and chmod
    try:
        listening.bind(path)
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    return listening


def name_of(listening: socket.socket) -> str:
    """Where it listens, as ``--listen`` takes it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return str(name)
    return f"[{name[0]}]:{name[1]}" if listening.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


def serve(listening: socket.socket, asked: Asked) -> NoReturn:
    """Take connections until the process is interrupted."""
    room = threading.BoundedSemaphore(MOST)
    while True:
        room.acquire()
        connection, _ = listening.accept()
        threading.Thread(target=_serve, args=(connection, asked, room), daemon=True).start()


def _serve(connection: socket.socket, asked: Asked, room: threading.BoundedSemaphore) -> None:
    try:
        with connection:
            _forward(connection, asked)
    except CommandError as error:
        sys.stderr.write(f"hoopgate: {error.message}\n")
    except OSError as error:
        sys.stderr.write(f"hoopgate: a connection broke: {error.strerror or error}\n")
    finally:
        room.release()


def _forward(connection: socket.socket, asked: Asked) -> None:
    check_owner(connection)
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link, early = opened(asked)
    try:
        relay(link, connection.fileno(), connection.fileno(), early)
    finally:
        link.close()


def check_owner(connection: socket.socket) -> None:
    """Raises UnsafeError where the other side of a connection on loopback is not this user's (nor root's)."""
    table = _SOCKETS.get(connection.family)
    if table is None:
        return  # a Unix socket: its mode has let the right ones through
    wanted = _address(connection.getpeername()), _address(connection.getsockname())
    owner = None
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            if (columns[_LOCAL], columns[_REMOTE]) == wanted:
                owner = int(columns[_UID])
    if owner not in (0, os.geteuid()):
        who = "somebody" if owner is None else f"user {owner}"
        raise UnsafeError(f"{who} else than you connected, and was turned away. A path as --listen is yours alone.")


def _address(name: tuple[str, int]) -> str:
    """An address as the kernel's tables show it: words of four bytes in the machine's order, and the port."""
    family = socket.AF_INET6 if ":" in name[0] else socket.AF_INET
    packed = socket.inet_pton(family, name[0])
    words = [int.from_bytes(packed[start : start + 4], sys.byteorder) for start in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{name[1]:04X}"
