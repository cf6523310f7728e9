"""A believable session's recording, with real messages: a result, a refusal, a hold, an error, COPY."""

from __future__ import annotations

from pathlib import Path

from hoopgate.codecs.postgresql import messages
from hoopgate.frames import Column
from hoopgate.recorders.events import result_event
from hoopgate.recorders.fields import text_name
from hoopgate.recorders.spool import FileRecording
from tests.recorders.fakes import FakeSession, Ticks, make_clock, make_recorder

SELECT = "SELECT name, card FROM customers WHERE id = $1"
DELETE = "DELETE FROM orders"
DROP = "DROP TABLE customers"
COPY = "COPY customers TO STDOUT"


def column(name: str, format: int = 0) -> Column:
    return Column(name, 16384, 1, 25, -1, -1, format)


def told(directory: Path, session: FakeSession | None = None, *, close: bool = True) -> Path:
    """Write the story; without ``close`` the end is missing, as after a crash."""
    ticks, clock = Ticks(), make_clock()
    recording = make_recorder(directory, monotonic=ticks, clock=clock).open(session or FakeSession())

    def pass_time(seconds: float) -> None:
        ticks.now += int(seconds * 1e9)
        clock.advance(seconds)

    recording.event("login", {"method": "password", "settings": {"client_encoding": "UTF8"}})
    pass_time(0.5)
    _select(recording)
    pass_time(2.0)
    recording.event("statement", {"text": DROP, "phase": "simple", "verdict": "deny", "rule": "no-drop"})
    recording.event("refused", {"rule": "no-drop", "reason": "tables stay", "phase": "simple"})
    recording.data(1, messages.error_response(sqlstate="42501", message="tables stay \x1b[31m") + ready())
    pass_time(60.0)
    _delete(recording, pass_time)
    _copy(recording)
    if close:
        recording.close("the client ended the session")
    return recording.path


def ready() -> bytes:
    return messages.ready_for_query(b"I")


def _select(recording: FileRecording) -> None:
    recording.event(
        "statement",
        {"text": SELECT, "phase": "bind", "verdict": "allow", "rule": "readers", "parameters": ["7"]},
    )
    recording.data(
        0,
        messages.parse_message("", SELECT)
        + messages.bind("", "", values=[b"7"])
        + messages.execute("")
        + messages.sync(),
    )
    answer = messages.row_description([column("name"), column("card", 1)])
    answer += messages.data_row([b"Zo\xc3\xab", b"\x00\x01"]) + messages.data_row([None, b"****1111"])
    recording.data(1, answer[:30])
    recording.event("result", {"of": text_name(SELECT), "tag": "SELECT 2", "rows": 2})  # as version 1 said it
    recording.data(1, answer[30:] + messages.command_complete("SELECT 2") + ready())


def _delete(recording: FileRecording, pass_time) -> None:
    recording.event("statement", {"text": DELETE, "phase": "simple", "number": 3, "verdict": "hold", "rule": "big"})
    recording.event("held", {"id": "req-1", "rule": "big-deletes"})
    pass_time(30.0)
    recording.event("decided", {"id": "req-1", "status": "approved", "by": ["grace@example.com"], "reason": "ok"})
    recording.data(0, messages.query(DELETE))
    recording.later(result_event(3, "DELETE 12"))
    recording.data(1, messages.command_complete("DELETE 12") + ready())


def _copy(recording: FileRecording) -> None:
    recording.event("statement", {"text": COPY, "phase": "simple", "number": 4, "verdict": "allow", "rule": "readers"})
    recording.data(0, messages.query(COPY))
    recording.data(1, messages.copy_out_response(False, [0, 0]) + messages.copy_data(b"1\tAda\n"))
    recording.later(result_event(4, "COPY 1"))
    recording.data(1, messages.copy_done() + messages.command_complete("COPY 1") + ready())
