"""A real sftp-server with the codec between it and a client: no SSH, no gateway.

As a program, ``python -m tests.codecs.ssh.sftp_bridge [DENIED]``, it is what OpenSSH's ``sftp -D`` starts.
"""

from __future__ import annotations

import fnmatch
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import shown
from hoopgate.codecs.ssh.sftp import Sftp
from hoopgate.codecs.ssh.sftp_files import OpenFile
from hoopgate.codecs.ssh.sftp_packets import Request
from hoopgate.codecs.ssh.transfers import IN, OUT, Transfer

SERVER = shutil.which("sftp-server", path="/usr/lib/openssh:/usr/libexec/openssh:/usr/lib/ssh:/usr/libexec")
Allows = Callable[[Request], bool]


class Ended(socket.socket):
    """One end of a pair, by the name that paramiko asks for."""

    def get_name(self) -> str:
        return "bridge"


def everything(request: Request) -> bool:
    return True


def conversation(**limits: int) -> Sftp:
    given = {"packet": 256 * 1024, "handles": 256, "requests": 1024} | limits
    return Sftp(**given, too_large=lambda transfer: f"{transfer.path} is too large")


def opened(request: Request, most: int | None = None) -> OpenFile:
    """What a request opens."""
    path = shown(request.path)
    reads, writes = request.flags & packets.FOR_READING, request.flags & packets.FOR_WRITING
    return OpenFile(
        path,
        incoming=Transfer(IN, path, most=most) if writes else None,
        outgoing=Transfer(OUT, path, most=most) if reads else None,
        appends=bool(request.flags & packets.APPENDING),
    )


def decide(sftp: Sftp, allows: Allows, most: int | None = None) -> None:
    """Take and decide all there is."""
    while (request := sftp.take()) is not None:
        if not request.known:
            sftp.refuse(packets.OP_UNSUPPORTED, "not known")
        elif allows(request):
            sftp.forward(opened(request, most))
        else:
            sftp.refuse(packets.PERMISSION_DENIED, "not for you")


class Bridge:
    """``client`` is a socket on which SFTP is spoken."""

    def __init__(
        self, directory: Path, allows: Allows = everything, *, most: int | None = None, chunk: int = 65536
    ) -> None:
        assert SERVER is not None
        self.sftp = conversation()
        self.allows = allows
        self.most = most
        self.chunk = chunk
        self.error: BaseException | None = None
        client, self._inside = socket.socketpair()
        self.client = Ended(client.family, client.type, client.proto, client.detach())
        self._server = subprocess.Popen(
            [SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=directory, bufsize=0
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            inside = self._inside.fileno()
            pump(self, inside, inside, self._server)
        except BaseException as error:
            self.error = error
        finally:
            self._inside.close()

    def close(self) -> None:
        self.client.close()
        self._thread.join(10)
        self._server.kill()
        self._server.wait()
        for stream in (self._server.stdin, self._server.stdout):
            assert stream is not None
            stream.close()


def pump(bridge: Bridge | Program, source: int, sink: int, server: subprocess.Popen[bytes]) -> None:
    """Until one of both leaves."""
    assert server.stdin is not None
    assert server.stdout is not None
    sftp, answers = bridge.sftp, server.stdout.fileno()
    while True:
        ready, _, _ = select.select([source, answers], [], [])
        if source in ready:
            data = os.read(source, bridge.chunk)
            if not data:
                return
            sftp.receive(data)
        if answers in ready:
            data = os.read(answers, bridge.chunk)
            if not data:
                return
            sftp.answer(data)
        decide(sftp, bridge.allows, bridge.most)
        for descriptor, out in ((server.stdin.fileno(), sftp.to_target()), (sink, sftp.to_client())):
            while out:
                out = out[os.write(descriptor, out) :]


class Program:
    """The same as ``sftp -D`` wants it: on standard input and output."""

    most = None
    chunk = 65536

    def __init__(self, denied: str) -> None:
        self.sftp = conversation()
        self.denied = denied

    def allows(self, request: Request) -> bool:
        return not any(fnmatch.fnmatch(shown(path), self.denied) for path in (request.path, request.second))


if __name__ == "__main__":
    assert SERVER is not None
    running = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    program = Program(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        pump(program, 0, 1, running)
    finally:
        running.kill()
        running.wait()
        program.sftp.end()
        for transfer in program.sftp.done:
            print(transfer.fields(), file=sys.stderr)
