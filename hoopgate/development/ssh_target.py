"""An SSH server on loopback for the demo and the tests: OpenSSH's where it is installed, else one of our own on Conch.

It is there for one start: keys, configuration and files lie in a fresh directory that goes with it, and who may log in
has a key (or, with Conch, a password) made for this start alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgate.development.accounts import Account, fresh_directory, unprivileged
from hoopgate.development.processes import Kept, StartError, free_port, listening

Kind = Literal["openssh", "conch"]

SSHD_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/libexec:/sbin:/opt/homebrew/sbin"
USER: Final = "dev"  # with Conch, which needs no account of the system's
PRIVSEP: Final = Path("/run/sshd")  # where sshd wants an empty directory, when it runs as root (sshd(8))

SSHD_CONFIG: Final = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
MaxSessions 100
AllowStreamLocalForwarding yes
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp -d {files}
{more}
"""


def sshd() -> Path | None:
    """OpenSSH's server, if there is one. It refuses to run unless called by its absolute path (sshd(8))."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{SSHD_PLACES}")
    return Path(found).absolute() if found else None


class SshTarget:
    """One server, on 127.0.0.1. ``start`` it, then log in as ``user`` with the private key in the file ``key``.

    ``kind``: which server; left out, OpenSSH's where it is installed and we are an ordinary user. To root it would give
    a shell of root's, so root gets Conch's, which runs everything as an unprivileged account. ``host_key`` is the
    server's public key as known_hosts has it, ``files`` where SFTP begins (with Conch: shells and commands too),
    ``password`` what Conch takes as well. ``more``: further lines for sshd_config(5).
    """

    def __init__(self, kind: Kind | None = None, *, port: int = 0, password: str = "", more: str = "") -> None:
        usual: Kind = "openssh" if sshd() is not None and os.geteuid() != 0 else "conch"
        self.kind: Kind = kind or usual
        self.port = port
        self.password = password
        self.more = more
        self.user = USER if self.kind == "conch" else pwd.getpwuid(os.geteuid()).pw_name
        self.host_key = ""
        self.directory = Path()
        self._kept: Kept | None = None

    @property
    def key(self) -> Path:
        """The client's private key, in OpenSSH's format, mode 0600."""
        return self.directory / "client_key"

    @property
    def files(self) -> Path:
        return self.directory / "files"

    @property
    def known_hosts(self) -> str:
        """A line for known_hosts(5)."""
        return f"[127.0.0.1]:{self.port} {self.host_key}"

    def start(self) -> None:
        """Start it and wait until it listens. Raises StartError, AccountError."""
        account = unprivileged() if self.kind == "conch" else None
        self.directory = fresh_directory(None, "hoopgate-ssh-")
        try:
            self._prepare(account)
            command = self._conch(account) if self.kind == "conch" else self._openssh()
            self._kept = Kept(
                command, log=self.directory / "log", directory=self.directory, grace=2.0, remove=[self.directory]
            )
            self._kept.wait_until(lambda: listening(self.port), f"the SSH server ({self.kind})")
        except BaseException:
            self.stop()
            raise

    def alive(self) -> bool:
        return self._kept is not None and self._kept.alive()

    def log(self) -> str:
        """The last lines that the server wrote."""
        return "" if self._kept is None else self._kept.tail(60)

    def stop(self) -> None:
        """End it and remove its directory. Idempotent."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.stop()
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self, account: Account | None) -> None:
        self.port = free_port(self.port)
        public = _make_key(self.key)
        self.host_key = _make_key(self.directory / "host_key")
        (self.directory / "authorized_keys").write_text(f"{public}\n")
        self.files.mkdir(mode=0o700)
        if account is not None:
            os.chown(self.files, account.uid, account.gid)
            self.directory.chmod(0o711)  # to reach its files; the keys are root's

    def _openssh(self) -> list[str]:
        server = sshd()
        if server is None:
            raise StartError("there is no sshd: install OpenSSH's server")
        if os.geteuid() == 0:
            PRIVSEP.mkdir(mode=0o755, exist_ok=True)
        config = self.directory / "sshd_config"
        config.write_text(
            SSHD_CONFIG.format(port=self.port, directory=self.directory, files=self.files, more=self.more)
        )
        return [str(server), "-D", "-e", "-f", str(config)]

    def _conch(self, account: Account | None) -> list[str]:
        command = [sys.executable, "-m", "hoopgate.development.serve_ssh", str(self.port), str(self.directory)]
        if self.password:
            secret = self.directory / "password"
            secret.touch(mode=0o600)
            secret.write_text(self.password)
        return command if account is None else [*command, str(account.uid), str(account.gid)]


def _make_key(path: Path) -> str:
    """Write a new Ed25519 private key (OpenSSH's format, mode 0600), and return the public one's line."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


__all__ = ["Kind", "SshTarget", "StartError", "sshd"]
