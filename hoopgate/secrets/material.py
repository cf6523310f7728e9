"""What every source asks of a secret, and how one is read from a file that nobody else may read.

Permissions follow PostgreSQL's rule for ``server.key`` (PostgreSQL manual, section 18.9): the file belongs to the
gateway's user or to root, others may not read it, and its group may only where root owns it (as Kubernetes and
Debian's ``ssl-cert`` lay them). Nobody but the owner may write it. A file that is refused stops what needs it: a
warning in a log is read after the secret was. Files with public material alone (certificates and public keys, as PEM
or as OpenSSH has them) are nobody's secret, and only their being writable is refused.
"""

from __future__ import annotations

import os
import re
import stat

from hoopgate.errors import SecretError

LARGEST = 64 * 1024  # bytes

_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_SSH_PUBLIC = re.compile(rb"(?:^|\s)(?:ssh-|ecdsa-sha2-|sk-)[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]")
_PUBLIC = frozenset((b"CERTIFICATE", b"TRUSTED CERTIFICATE", b"X509 CRL", b"PUBLIC KEY"))


def checked(value: bytes, reference: str) -> bytes:
    """``value`` without its one trailing newline. Raises SecretError where nothing is left, or too much."""
    value = value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")
    if not value:
        raise SecretError(f"{reference} is empty")
    if len(value) > LARGEST:
        raise SecretError(f"{reference} is larger than {LARGEST} bytes")
    return value


def read_file(path: str, reference: str, *, private: bool = True) -> bytes:
    """Read a regular file, permissions checked on the open descriptor. Blocks; raises SecretError.

    ``private`` False: permissions are somebody else's care (systemd's credentials directory).
    """
    try:
        # O_NONBLOCK: a FIFO in that place must not hang the thread; symbolic links are followed, Kubernetes uses them
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise SecretError(f"{reference} cannot be read: {_why(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(f"{reference} is not a regular file")
        value = _read(descriptor, reference)
    finally:
        os.close(descriptor)
    fault = permission_fault(status, public=is_public(value)) if private else ""
    if fault:
        raise SecretError(f"{reference} {fault}")
    return checked(value, reference)


def _read(descriptor: int, reference: str) -> bytes:
    parts, left = [], LARGEST + 3  # room to see that it is too large, newline included
    try:
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise SecretError(f"{reference} cannot be read: {_why(error)}") from None
    return b"".join(parts)


def permission_fault(status: os.stat_result, *, public: bool) -> str:
    """What is wrong with a secret's owner and mode, with the remedy; ``""`` where nothing is."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to user {status.st_uid}: give it to the gateway's user or to root"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"has mode {mode:04o} and others may write it: chmod 600"
    if public:
        return ""
    if mode & (stat.S_IROTH | stat.S_IXOTH):
        return f"has mode {mode:04o} and everybody may read it: chmod 600"
    if mode & stat.S_IRGRP and status.st_uid != 0:
        return f"has mode {mode:04o} and its group may read it: chmod 600, or let root own it"
    return ""


def is_public(value: bytes) -> bool:
    """Whether these are PEM blocks of public material alone, or OpenSSH's public keys and certificates."""
    labels = _PEM_LABEL.findall(value)
    if not labels:
        lines = [line for line in value.splitlines() if line.strip() and not line.startswith(b"#")]
        return bool(lines) and all(_SSH_PUBLIC.search(line) for line in lines)
    return _PUBLIC.issuperset(labels)


def _why(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "no such name is possible"
