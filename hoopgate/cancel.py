"""Cancel keys: what a client must show to cancel, and whose session it names (PostgreSQL, "Canceling Requests").

The process id that clients see carries the worker's number in its highest byte, so that any worker knows the owner
of a CancelRequest. The key is chance, compared in constant time.
"""

from __future__ import annotations

import secrets
from hmac import compare_digest
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
SHORT, LONG = 4, 32  # bytes of a key in protocol 3.0 and 3.2


class CancelKeys(Generic[Owner]):
    """The keys of this process's sessions. ``worker`` is 0 to 127."""

    def __init__(self, worker: int = 0) -> None:
        self._worker = worker
        self._owners: dict[int, tuple[bytes, Owner]] = {}

    def issue(self, owner: Owner, *, long: bool) -> tuple[int, bytes]:
        """A process id and a key for one session."""
        while True:
            pid = self._worker << 24 | secrets.randbits(24)
            if pid and pid not in self._owners:
                break
        key = secrets.token_bytes(LONG if long else SHORT)
        self._owners[pid] = (key, owner)
        return pid, key

    def owner(self, pid: int, key: bytes) -> Owner | None:
        """Whose key this is; None for a wrong one."""
        expected, owner = self._owners.get(pid, (b"", None))
        return owner if owner is not None and compare_digest(expected, key) else None

    def forget(self, owner: Owner) -> None:
        """The session ended."""
        self._owners = {pid: entry for pid, entry in self._owners.items() if entry[1] is not owner}
