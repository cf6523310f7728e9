"""The file recorder: one local file a session, appended before anything is forwarded.

Whatever is not a whole, quick write poisons the recording: this call and every later one raise RecordingError,
and the session ends. What a crash leaves is a verifiable prefix: a signed checkpoint is written at the start,
then each MiB, each 4096 records and within two seconds of any traffic.

It survives the death of the process, not of the machine: nothing is fsynced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate._version import __version__
from hoopgate.config.model import Limits
from hoopgate.errors import RecordingError
from hoopgate.interfaces import IRecorder, IRecording
from hoopgate.recorders import format as layout
from hoopgate.recorders import keys, places
from hoopgate.recorders.appender import Appender
from hoopgate.recorders.chain import Chain, Parts
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import Kind

CHECKPOINT_BYTES: Final = 1024 * 1024
CHECKPOINT_RECORDS: Final = 4096
CHECKPOINT_SECONDS: Final = 2.0


def unobserved(nanoseconds: int) -> None:
    """Nobody watches the latency."""


@implementer(IRecorder)
class FileRecorder:
    """Opens recordings below ``directory``, signed by ``key``.

    ``observe`` hears of each append's duration in nanoseconds; ``monotonic`` is a nanosecond clock.
    Raises RecordingError when the directory cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        key: Ed25519PrivateKey,
        clock: IReactorTime,
        limits: Limits,
        *,
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

    def start(self) -> Deferred[None]:
        """It was ready when it was made."""
        return succeed(None)

    def open(self, session: Any) -> FileRecording:
        """Create the session's file with its head, its ``open`` event and a first checkpoint."""
        now = self.clock.seconds()
        descriptor, path = places.create(self.directory, session.id, now)
        appender = Appender(descriptor, int(self.limits.recorder_write * 1e9), self.monotonic, self.observe)
        head = layout.FileHead(session.id, int(now * 1e6), self.key_id)
        try:
            return FileRecording(path, head, _opening(session), Chain(self.key), appender, self.clock, self.monotonic)
        except BaseException:
            appender.close()
            raise

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


@implementer(IRecording)
class FileRecording:
    """One session's file, its head and first checkpoint already written. Made by :meth:`FileRecorder.open`."""

    log = Logger()

    def __init__(
        self,
        path: Path,
        head: layout.FileHead,
        opening: dict[str, Any],
        chain: Chain,
        appender: Appender,
        clock: IReactorTime,
        monotonic: Callable[[], int],
    ) -> None:
        self.path = path
        self._chain = chain
        self._appender = appender
        self._clock = clock
        self._monotonic = monotonic
        self._began = monotonic()
        self._started = head.started
        self._bytes = [0, 0]
        self._events: dict[str, int] = {"open": 1}
        self._timer: IDelayedCall | None = None
        self._closed = False
        self._later: list[bytes] = []
        parts: Parts = []
        elapsed, wall = self._times()
        chain.begin(parts, head)
        chain.record(parts, Kind.EVENT, layout.pack_event("open", prepared(opening)), elapsed, wall)
        chain.checkpoint(parts, elapsed, wall)
        appender.append(parts, chain.size)

    def data(self, direction: int, data: bytes) -> None:
        """Append wire bytes of direction 0 (client to target) or 1 (target to client)."""
        chain = self._chain
        before = chain.size
        parts: Parts = []
        elapsed, wall = self._times()
        self._append_kept(parts, elapsed, wall)
        if len(data) <= layout.DATA_SLICE:
            chain.record(parts, direction, data, elapsed, wall)
        else:
            whole = memoryview(data)
            for at in range(0, len(data), layout.DATA_SLICE):
                chain.record(parts, direction, whole[at : at + layout.DATA_SLICE], elapsed, wall)
        self._bytes[direction] += len(data)
        self._append(parts, before, elapsed, wall)

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        """Append an event; statements in it lose their password literals, long values their ends."""
        chain = self._chain
        before = chain.size
        parts: Parts = []
        elapsed, wall = self._times()
        self._append_kept(parts, elapsed, wall)
        chain.record(parts, Kind.EVENT, layout.pack_event(kind, prepared(fields)), elapsed, wall)
        self._events[kind] = self._events.get(kind, 0) + 1
        self._append(parts, before, elapsed, wall)

    def later(self, payload: bytes) -> None:
        """Keep an encoded event until something is appended."""
        self._later.append(payload)

    def close(self, reason: str) -> None:
        """Append the signed end and close the file.

        Raises RecordingError if the end cannot be written; a second call, or one after a failure that was
        raised already, only makes sure that the file is closed.
        """
        if self._closed:
            return
        self._closed = True
        self._disarm()
        try:
            if self._appender.alive:
                self._end(reason)
        finally:
            self._appender.close()

    def _append(self, parts: Parts, before: int, elapsed: int, wall: int) -> None:
        chain = self._chain
        if (
            chain.size - chain.signed_size >= CHECKPOINT_BYTES
            or chain.records - chain.signed_records >= CHECKPOINT_RECORDS
            or elapsed - chain.signed_at >= CHECKPOINT_SECONDS * 1e6
        ):
            self._appender.verify(before)
            chain.checkpoint(parts, elapsed, wall)
            self._disarm()
        elif self._timer is None and self._appender.alive:
            self._timer = self._clock.callLater(CHECKPOINT_SECONDS, self._sign_tail)
        self._appender.append(parts, chain.size - before)

    def _sign_tail(self) -> None:
        """Traffic paused with a tail not signed yet."""
        self._timer = None
        chain = self._chain
        parts: Parts = []
        before = chain.size
        try:
            self._appender.verify(before)
            chain.checkpoint(parts, *self._times())
            self._appender.append(parts, chain.size - before)
        except RecordingError as error:  # poisoned: the session's next byte meets it, nothing passes until then
            self.log.critical("recording of {path} failed: {error}", path=self.path.stem, error=str(error))

    def _end(self, reason: str) -> None:
        chain = self._chain
        before = chain.size
        self._appender.verify(before)
        elapsed, wall = self._times()
        parts: Parts = []
        self._append_kept(parts, elapsed, wall)
        summary = {
            "reason": reason[:1000],
            "records": chain.records,
            "bytes": self._bytes,
            "events": self._events,
            "seconds": elapsed / 1e6,
        }
        chain.end(parts, layout.pack_event("end", prepared(summary)), elapsed, wall)
        self._appender.append(parts, chain.size - before)

    def _append_kept(self, parts: Parts, elapsed: int, wall: int) -> None:
        for payload in self._later:
            self._chain.record(parts, Kind.EVENT, payload, elapsed, wall)
            kind = payload[10 : payload.index(b'"', 10)].decode()
            self._events[kind] = self._events.get(kind, 0) + 1
        self._later.clear()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _times(self) -> tuple[int, int]:
        wall = int(self._clock.seconds() * 1e6) - self._started
        return (self._monotonic() - self._began) // 1000, wall
