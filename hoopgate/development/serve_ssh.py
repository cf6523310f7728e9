"""DEVELOPMENT ONLY: an SSH server on loopback, on Conch: ``python -m hoopgate.development.serve_ssh PORT DIRECTORY``.

It takes the key in DIRECTORY/authorized_keys (and the password in DIRECTORY/password, if there is one) for the user
``dev``, and runs what comes in DIRECTORY/files: commands by /bin/sh, shells with or without a terminal, SFTP,
connections to other ports. Where a user and group id follow, it becomes that user before it serves anybody.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
from pathlib import Path
from typing import Any

from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.interfaces import ISession, ISFTPServer
from twisted.conch.ssh import filetransfer, session
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.forwarding import openConnectForwardingClient
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.conch.unix import SFTPServerForUnixConchUser
from twisted.cred.checkers import ANONYMOUS, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.error import ProcessExitedAlready
from twisted.python.components import registerAdapter
from twisted.python.filepath import FilePath
from zope.interface import implementer

from hoopgate.conch import HostKey, ServerTransport
from hoopgate.development.ssh_target import USER

SHELL = "/bin/sh"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Visitor(ConchUser):
    """Whoever has logged in."""

    def __init__(self, home: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.home = home
        self.channelLookup[b"session"] = session.SSHSession
        self.channelLookup[b"direct-tcpip"] = openConnectForwardingClient
        self.subsystemLookup[b"sftp"] = filetransfer.FileTransferServer

    # what Conch's SFTP server asks of an account of the system's

    def getHomeDir(self) -> FilePath[str]:
        return FilePath(str(self.home))

    def getUserGroupId(self) -> tuple[int, int]:
        return os.getuid(), os.getgid()

    def _runAsUser(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """We are that user. A list of calls gives the last one's result."""
        calls = [(function, arguments, named)] if callable(function) else [(*(*call, ())[:2], {}) for call in function]
        result = None
        for call, given, more in calls:
            result = call(*given, **more)
        return result


@implementer(ISession)
class Execution:
    """One session channel: a command or a shell as a child process."""

    def __init__(self, visitor: Visitor) -> None:
        self._home = visitor.home
        self._environment = {"HOME": str(visitor.home), "PATH": PATH, "USER": USER, "SHELL": SHELL}
        self._terminal: Any = None
        self._process: Any = None

    def setEnv(self, name: bytes, value: bytes) -> None:
        self._environment[os.fsdecode(name)] = os.fsdecode(value)

    def getPty(self, term: bytes, size: Any, modes: Any) -> None:
        self._environment["TERM"] = os.fsdecode(term)
        self._terminal = size

    def openShell(self, ending: Any) -> None:
        self._spawn(ending, [SHELL, "-i"] if self._terminal is not None else [SHELL])

    def execCommand(self, ending: Any, command: bytes) -> None:
        self._spawn(ending, [SHELL, "-c", command])

    def windowChanged(self, size: Any) -> None:
        if self._process is not None and self._terminal is not None:
            _resize(self._process.fd, size)

    def eofReceived(self) -> None:
        if self._process is not None and self._terminal is None:
            self._process.closeStdin()

    def closed(self) -> None:
        if self._process is not None:
            try:
                self._process.signalProcess("HUP")
            except ProcessExitedAlready:
                self._process = None

    def _spawn(self, ending: Any, command: list[Any]) -> None:
        from twisted.internet import reactor

        terminal = self._terminal is not None
        self._process = reactor.spawnProcess(
            ending, SHELL, command, env=self._environment, path=str(self._home), usePTY=terminal
        )
        if terminal:
            _resize(self._process.fd, self._terminal)


def _resize(descriptor: int, size: Any) -> None:
    """``size`` is (rows, columns, width, height)."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("4H", *size))


registerAdapter(Execution, Visitor, ISession)
registerAdapter(SFTPServerForUnixConchUser, Visitor, ISFTPServer)


@implementer(IRealm)
class Realm:
    """Everybody who logs in is the same."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def requestAvatar(self, name: Any, mind: Any, *interfaces: Any) -> Any:
        if name is ANONYMOUS:
            raise PermissionError("nobody logs in without a name")
        return interfaces[0], Visitor(self._home), lambda: None


class Serving(SSHFactory):
    """The server's factory: Conch's services over the gateway's own transport, since the algorithms of Conch's are not
    those that the gateway's side of a target speaks."""

    def __init__(self, directory: Path, clock: Any) -> None:
        self._clock = clock
        self._host_keys = [HostKey(Key.fromFile(str(directory / "host_key")))]
        self.services = {b"ssh-userauth": SSHUserAuthServer, b"ssh-connection": SSHConnection}
        allowed = Key.fromFile(str(directory / "authorized_keys"))
        keys = SSHPublicKeyChecker(InMemorySSHKeyDB({USER.encode(): [allowed]}))
        self.portal = Portal(Realm(directory / "files"), [keys])
        secret = directory / "password"
        if secret.exists():
            passwords = InMemoryUsernamePasswordDatabaseDontUse(**{USER: secret.read_bytes()})
            self.portal.registerChecker(passwords)

    def startFactory(self) -> None:
        """All keys were read as it was made."""

    def buildProtocol(self, address: Any) -> ServerTransport:
        made = ServerTransport(host_keys=self._host_keys, clock=self._clock, version=b"development")
        made.factory = self
        return made


def main(arguments: list[str]) -> None:
    from twisted.internet import reactor

    directory = Path(arguments[1])
    listening: Any = Serving(directory, reactor)
    reactor.listenTCP(int(arguments[0]), listening, interface="127.0.0.1")
    os.chdir(directory / "files")
    if len(arguments) > 2:
        os.setgroups([])
        os.setgid(int(arguments[3]))
        os.setuid(int(arguments[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is for whoever started us
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
