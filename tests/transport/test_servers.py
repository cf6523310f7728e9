"""Twisted's own servers run on either transport unchanged: Conch for a real ssh, a web site for ordinary clients."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from twisted.web.static import File
from zope.interface import implementer

from tests.transport.parts import Kind

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ensure = pytest_twisted.ensureDeferred
SIZE = 3_000_000  # bytes of bulk


class Channel(SSHChannel):
    """Runs two commands of its own: one gives much, one gives back what it gets."""

    name = b"session"

    def request_exec(self, data: bytes) -> int:
        self.command = getNS(data)[0]
        if self.command == b"bulk":
            reactor.callLater(0, self.give)
        return 1

    def give(self) -> None:
        self.write(b"x" * SIZE)
        self.end()

    def dataReceived(self, data: bytes) -> None:
        self.write(data)

    def eofReceived(self) -> None:
        if self.command != b"bulk":
            self.end()

    def end(self) -> None:
        self.conn.sendRequest(self, b"exit-status", struct.pack(">I", 7))
        self.loseConnection()


@implementer(IRealm)
class Realm:
    def requestAvatar(self, name: Any, mind: Any, *interfaces: Any) -> Any:
        user = ConchUser()
        user.channelLookup[b"session"] = Channel
        return interfaces[0], user, lambda: None


def ssh_keys(directory: Path) -> tuple[Key, Key]:
    """The host's, and a user's that is written for ssh."""
    host, user = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    file = directory / "id"
    file.write_bytes(
        user.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    file.chmod(0o600)
    return Key(host), Key(user)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")
@ensure
async def test_conch_serves_a_real_ssh(kind: Kind, tmp_path: Path) -> None:
    host, user = ssh_keys(tmp_path)
    checker = SSHPublicKeyChecker(InMemorySSHKeyDB({b"ada": [user.public()]}))
    factory = SSHFactory()
    factory.publicKeys = {b"ssh-ed25519": host.public()}
    factory.privateKeys = {b"ssh-ed25519": host}
    factory.portal = Portal(Realm(), [checker])
    port = kind.net.listenTCP(0, factory, interface="127.0.0.1")
    kind.ports.append(port)
    command = [
        "ssh", "-F", "none", "-p", str(port.getHost().port), "-i", str(tmp_path / "id"), "-o", "BatchMode=yes",
        "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "LogLevel=ERROR",
        "ada@127.0.0.1",
    ]  # fmt: skip

    def run(name: str, given: bytes) -> Any:
        return subprocess.run([*command, name], input=given, capture_output=True, timeout=60, check=False)

    done = await deferToThread(run, "bulk", b"")
    assert (done.returncode, len(done.stdout), done.stderr) == (7, SIZE, b"")
    data = os.urandom(SIZE)
    done = await deferToThread(run, "cat", data)
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"")


class Page(Resource):
    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        return hashlib.sha256(request.content.read()).hexdigest().encode()

    def render_GET(self, request: Request) -> Any:
        request.setHeader(b"x-secure", str(request.isSecure()).encode())
        reactor.callLater(0.01, self.later, request)
        return NOT_DONE_YET

    def later(self, request: Request) -> None:
        request.write(b"slowly, ")
        request.write(b"but surely")
        request.finish()


@ensure
async def test_a_web_site(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"y" * SIZE)
    root = Resource()
    root.putChild(b"page", Page())
    root.putChild(b"files", File(str(tmp_path)))
    port = kind.net.listenTCP(0, Site(root), interface="127.0.0.1")
    kind.ports.append(port)

    def visit() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port.getHost().port, timeout=20)
        for _ in range(3):  # over one connection
            connection.request("GET", "/page")
            answer = connection.getresponse()
            assert answer.read() == b"slowly, but surely"
            assert answer.headers["x-secure"] == "False"
        connection.request("GET", "/files/file")
        assert connection.getresponse().read() == b"y" * SIZE
        body = os.urandom(SIZE)
        connection.request("POST", "/page", body)
        assert connection.getresponse().read().decode() == hashlib.sha256(body).hexdigest()
        connection.close()
        connection.request("GET", "/nowhere", headers={"Connection": "close"})
        assert connection.getresponse().status == 404

    await deferToThread(visit)
