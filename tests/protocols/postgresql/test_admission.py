"""The order in which a session begins: the store hears of it, then its recording begins, then the target is called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from hoopgate.admission import Refusal
from hoopgate.codecs.postgresql.startup import Startup
from hoopgate.errors import RecordingError, UpstreamError
from hoopgate.interfaces import Identity
from hoopgate.protocols.postgresql.admission import Admission
from hoopgate.session import Session, State


@define
class House:
    """A gateway as far as a beginning needs it; ``steps`` are what happened, in order."""

    steps: list[str] = field(factory=list)
    stored: Deferred[None] = field(factory=Deferred)
    recorder_fails: bool = False
    clock: Clock = field(factory=Clock)

    @property
    def recorder(self) -> Any:
        return SimpleNamespace(open=self._record)

    @property
    def upstream(self) -> Any:
        return SimpleNamespace(connect=self._connect)

    def opened(self, session: Session) -> None:
        self.steps.append("opened")

    def ended(self, session: Session) -> None:
        self.steps.append(f"ended: {session.reason}")

    def sessions_store_opened(self, session: Session) -> Deferred[None]:
        self.steps.append("store")
        return self.stored

    def open_guards(self, session: Session) -> tuple[Any, ...]:
        return ()

    def observe(self, session: Session, kind: str, fields: dict[str, Any]) -> None:
        self.steps.append(kind)

    def _record(self, session: Session) -> Any:
        if self.recorder_fails:
            raise RecordingError("no room")
        self.steps.append("recording")
        return SimpleNamespace(event=lambda kind, fields: None, close=lambda reason: self.steps.append("sealed"))

    def _connect(self, *arguments: Any) -> Any:
        self.steps.append("target")
        return fail(UpstreamError("nobody is there"))


def begin(house: House) -> tuple[Session, list[Any]]:
    """A session on its way, and where its answer will be."""
    gateway: Any = house
    listener: Any = SimpleNamespace(login="password", name="main")
    target: Any = SimpleNamespace(name="shop", protocol="postgresql", database="shop")
    startup = Startup((3, 0), {"user": "app", "database": "shop"})
    session = Session(gateway, listener=listener, identity=Identity("i", "s"), target=target, role="app", client="c:1")
    admission = Admission(gateway, listener, startup, "c:1")
    answers: list[Any] = []
    role: Any = SimpleNamespace(name="app")
    Deferred.fromCoroutine(admission._open(session, role, {})).addBoth(answers.append)
    return session, answers


def test_the_store_hears_of_a_session_before_its_recording_begins() -> None:
    """Who dies in between leaves nothing that nobody would seal; and no target is called unrecorded."""
    house = House()
    _, answers = begin(house)
    assert house.steps == ["opened", "store"]
    assert answers == []
    house.stored.callback(None)
    assert house.steps[2:5] == ["recording", "login", "target"]
    assert house.steps[5:] == ["sealed", "ended: nobody is there (UpstreamError)"]
    assert isinstance(answers[0], Refusal)


def test_a_session_that_ended_while_it_was_stored_begins_nothing() -> None:
    house = House()
    session, answers = begin(house)
    session.end("its token was revoked", rule="token")
    house.stored.callback(None)
    assert house.steps == ["opened", "store", "ended: its token was revoked"]
    assert answers == [Refusal("its token was revoked", "57P01", "token")]
    assert session.recording is None


def test_a_session_that_cannot_be_recorded_ends_in_the_store_too() -> None:
    house = House(recorder_fails=True)
    session, answers = begin(house)
    house.stored.callback(None)
    assert answers[0].sqlstate == "58030"
    assert "target" not in house.steps
    assert session.state is State.ENDED
    assert house.steps[-1].startswith("ended: the session cannot be recorded")
