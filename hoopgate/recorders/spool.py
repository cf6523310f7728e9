"""The file recorder: one local file a session, appended before anything is forwarded.

What a crash leaves is a verifiable prefix: a signed checkpoint is written each MiB, each 4096 records and within two
seconds of anything. It survives the death of the process, not of the machine: nothing is fsynced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate._version import __version__
from hoopgate.config.model import Limits
from hoopgate.errors import RecordingError
from hoopgate.interfaces import IRecorder
from hoopgate.recorders import format as layout
from hoopgate.recorders import keys, mappable, places
from hoopgate.recorders.chain import Chain
from hoopgate.recorders.recording import FileRecording
from hoopgate.recorders.spoolfile import SpoolFile
from hoopgate.recorders.tails import Tails

__all__ = ["FileRecorder", "FileRecording"]

Append = Literal["mapped", "written"]


def unobserved(nanoseconds: int) -> None:
    """Nobody watches the latency."""


@implementer(IRecorder)
class FileRecorder:
    """Opens recordings below ``directory``, signed by ``key``.

    ``append``: by copies into a mapping where the filesystem allows it, or always by a system call. ``observe`` hears
    of appends' durations in nanoseconds; ``monotonic`` is a nanosecond clock. Raises RecordingError when the directory
    cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        directory: Path,
        key: Ed25519PrivateKey,
        clock: IReactorTime,
        limits: Limits,
        *,
        append: Append = "mapped",
        observe: Callable[[int], None] = unobserved,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.directory = directory
        self.key = key
        self.clock = clock
        self.limits = limits
        self.observe = observe
        self.monotonic = monotonic
        self.key_id = keys.key_id(key.public_key())
        places.prepare(directory)
        self._publish_key()
        self.mapped = append == "mapped" and self._may_be_mapped()
        self._tails = Tails(clock)

    def start(self) -> Deferred[None]:
        """It was ready when it was made."""
        return succeed(None)

    def open(self, session: Any) -> FileRecording:
        """Create the session's file with its head and its ``open`` event."""
        now = self.clock.seconds()
        descriptor, day, name = places.create(self.directory, session.id, now)
        file = SpoolFile(self.directory, day, name, descriptor, self.mapped)
        limit = int(self.limits.recorder_write * 1e9)
        try:
            recording = FileRecording(
                file, Chain(self.key), self.clock, self.monotonic, self.observe, limit, self._tails
            )
            recording.begin(layout.FileHead(session.id, int(now * 1e6), self.key_id), _opening(session))
        except BaseException:
            file.close()
            raise
        return recording

    def _may_be_mapped(self) -> bool:
        why = mappable.hindrance(self.directory)
        if why:
            self.log.info("recordings in {directory} are written, not mapped: {reason}", directory=str(self.directory),
                          reason=why)  # fmt: skip
        return not why

    def _publish_key(self) -> None:
        """Leave the public key beside the recordings, under its id and as the current one."""
        pem = keys.public_pem(self.key.public_key())
        for name in (f"public-key-{self.key_id.hex()}.pem", "public-key.pem"):
            draft = self.directory / f".{name}.{os.getpid()}"
            try:
                draft.write_bytes(pem)
                draft.replace(self.directory / name)
            except OSError as error:
                raise RecordingError(f"cannot write to {self.directory}: {error.strerror}") from error


def _opening(session: Any) -> dict[str, Any]:
    identity = session.identity
    return {
        "session": session.id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "person": identity.person,
        "groups": sorted(identity.groups),
        "chain": list(identity.chain),
        "target": session.target.name,
        "protocol": session.target.protocol,
        "role": session.role,
        "client": session.client,
        "started": session.started,
        "hoopgate": __version__,
    }
