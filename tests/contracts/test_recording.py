"""What any recorder must do. A recorder of another kind joins by one more entry in ``MAKERS``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from hoopgate.errors import RecordingError
from hoopgate.interfaces import IRecorder, IRecording
from hoopgate.recorders.events import result_event
from hoopgate.recorders.reader import read
from tests.recorders.fakes import FakeSession, make_clock, make_recorder

MAKERS: dict[str, Callable[[Path, Any], Any]] = {
    "mapped": lambda folder, clock: make_recorder(folder, clock=clock),
    "written": lambda folder, clock: make_recorder(folder, clock=clock, append="written"),
}


def told(recording: Any) -> list[bytes]:
    """What a reader sees now."""
    return [record.payload for record in read(recording.path) if record.kind in (0, 1) or b'"of"' in record.payload]


@pytest.fixture(params=MAKERS)
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = MAKERS[request.param](tmp_path, make_clock())
    failures: list[Failure] = []
    made.start().addErrback(failures.append)
    assert not failures
    return made


@pytest.fixture
def recording(recorder: Any) -> Any:
    return recorder.open(FakeSession())


def test_it_offers_the_interface(recorder: Any, recording: Any) -> None:
    assert verifyObject(IRecorder, recorder)
    assert verifyObject(IRecording, recording)


def test_data_is_there_when_the_call_returns(recording: Any) -> None:
    for number in range(40):
        recording.data(number & 1, b"%d" % number)
        assert told(recording)[-1] == b"%d" % number


def test_what_is_kept_comes_before_what_follows(recording: Any) -> None:
    for number in range(40):
        recording.later(result_event(number, "A"))
        recording.later(result_event(number, "B"))
        recording.data(1, b"answer")
        assert told(recording)[-3:] == [result_event(number, "A"), result_event(number, "B"), b"answer"]


def test_an_event_takes_along_what_is_kept(recording: Any) -> None:
    recording.later(result_event(1, "A"))
    recording.event("given", {"of": 2})
    assert [b"result" in payload for payload in told(recording)] == [True, False]


def test_what_is_kept_is_appended_within_two_seconds(recorder: Any, recording: Any) -> None:
    recording.later(result_event(1, "A"))
    assert told(recording) == []
    recorder.clock.advance(2.0)
    assert told(recording) == [result_event(1, "A")]


def test_closing_appends_what_is_kept_and_is_final(recording: Any) -> None:
    recording.later(result_event(1, "A"))
    recording.close("done")
    recording.close("again")
    assert told(recording) == [result_event(1, "A")]
    for call in (
        lambda: recording.data(0, b"x"),
        lambda: recording.event("x", {}),
        lambda: recording.later(result_event(2, "B")),
    ):
        with pytest.raises(RecordingError):
            call()
