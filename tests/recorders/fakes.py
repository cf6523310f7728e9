"""A session with the attributes that guards and recorders may use, and short ways to make and read recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.task import Clock

from hoopgate.config.model import Host, Limits, Target
from hoopgate.frames import Phase
from hoopgate.interfaces import Identity
from hoopgate.recorders.events import statement_event, statement_prefix
from hoopgate.recorders.spool import FileRecorder, FileRecording

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
STARTED = 1_794_000_000.0
ADA = Identity(issuer="https://id.example", subject="ada", groups=frozenset({"analysts"}), person="ada@example.com")
SHOP = Target(name="shop", protocol="postgresql", hosts=(Host("db"),))
SESSION_ID = "0123456789abcdefghjkmnpqrs"


@define
class FakeSession:
    """What the contract of guards says a session has; ``event`` keeps what it is told."""

    id: str = SESSION_ID
    identity: Identity = ADA
    target: Target = SHOP
    role: str = "app_ro"
    client: str = "127.0.0.1:40000"
    started: float = STARTED
    client_encoding: str = "utf-8"
    decision: Any = None
    events: list[tuple[str, dict[str, Any]]] = field(factory=list)
    payloads: list[bytes] = field(factory=list)

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def later(self, payload: bytes) -> None:
        self.payloads.append(payload)


@define
class Ticks:
    """A nanosecond clock that a test moves."""

    now: int = 1_000_000_000

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def make_clock(at: float = STARTED) -> Clock:
    clock = Clock()
    clock.advance(at)
    return clock


def make_recorder(
    directory: Path, *, key: Ed25519PrivateKey = KEY, clock: Clock | None = None, **more: Any
) -> FileRecorder:
    more.setdefault("monotonic", Ticks())
    return FileRecorder(directory, key, clock or make_clock(), more.pop("limits", Limits()), **more)


def make_recording(directory: Path, session: FakeSession | None = None, **more: Any) -> FileRecording:
    return make_recorder(directory, **more).open(session or FakeSession())


def small_recording(
    directory: Path, session: FakeSession | None = None, *, tag: bytes = b"SELECT 1", **more: Any
) -> Path:
    """A whole recording of about a kilobyte: an answer with an event before it, a checkpoint, the end."""
    recorder = make_recorder(directory, **more)
    recording = recorder.open(session or FakeSession())
    recording.data(0, b"Q\x00\x00\x00\x0dSELECT 1\x00")
    recording.later(statement_event(statement_prefix("allow", "readers", ["read"]), "SELECT 1", 1, Phase.SIMPLE))
    recording.data(1, b"C\x00\x00\x00\x0d" + tag + b"\x00")
    recorder.clock.advance(2.0)  # type: ignore[attr-defined]
    recording.data(1, b"Z\x00\x00\x00\x05I")
    recording.close("client left")
    return recording.path
