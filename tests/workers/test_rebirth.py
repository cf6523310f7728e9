"""A forked process logs through its supervisor, and is never held up by it."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field
from twisted.logger import globalLogPublisher

from hoopgate.logs import JsonObserver
from hoopgate.workers.rebirth import KEPT, Lines, log_through


@define
class FakeChannel:
    """Keeps what is told, and is its own transport."""

    told: list[tuple[str, dict[str, Any]]] = field(factory=list)
    producers: list[Any] = field(factory=list)

    @property
    def transport(self) -> FakeChannel:
        return self

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producers.append((producer, streaming))

    def tell(self, kind: str, **fields: Any) -> None:
        self.told.append((kind, fields))


def test_what_was_said_before_the_channel_was_there_goes_first() -> None:
    lines, channel = Lines(), FakeChannel()
    for number in range(KEPT + 5):
        lines.write(f"{number}\n")
    lines.attach(channel)  # type: ignore[arg-type]
    lines.write("after\n")
    assert [fields["line"] for _, fields in channel.told[:2]] == ["5\n", "6\n"]
    assert channel.told[-1] == ("log", {"line": "after\n"})
    assert channel.producers == [(lines, True)]


def test_while_nobody_reads_lines_are_lost_and_counted() -> None:
    lines, channel = Lines(), FakeChannel()
    lines.attach(channel)  # type: ignore[arg-type]
    lines.pauseProducing()
    for _ in range(7):
        lines.write("x\n")
    assert channel.told == []
    lines.resumeProducing()
    lines.resumeProducing()
    lines.write("y\n")
    assert channel.told == [("lost", {"lines": 7}), ("log", {"line": "y\n"})]


def test_a_workers_lines_say_whose_they_are() -> None:
    before = tuple(globalLogPublisher._observers)
    lines, channel = Lines(), FakeChannel()
    lines.attach(channel)  # type: ignore[arg-type]
    try:
        log_through(lines, 3)
        [observer] = globalLogPublisher._observers
        assert isinstance(observer, JsonObserver)
        observer({"log_format": "hello", "log_time": 0.0})
    finally:
        for each in tuple(globalLogPublisher._observers):
            globalLogPublisher.removeObserver(each)
        for each in before:
            globalLogPublisher.addObserver(each)
    [(_, fields)] = channel.told
    line = json.loads(fields["line"])
    assert (line["message"], line["worker"]) == ("hello", 3)
