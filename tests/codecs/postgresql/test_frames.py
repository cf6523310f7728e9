"""Which frames the two directions make, and what they leave as it came."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.config.model import Limits
from hoopgate.frames import Notice, Opaque, Phase, Reply
from tests.codecs.postgresql.test_conversation import COLUMNS, READY, REFUSAL, ROW, Session

DONE = m.command_complete("SELECT 1")
BATCH = m.parse_message("", "select 1") + m.bind("", "") + m.describe(b"P") + m.execute() + m.sync()
ANSWER = m.parse_complete() + m.bind_complete() + COLUMNS + ROW + DONE + READY


def frames(session: Session, *chunks: bytes) -> list[object]:
    session.frames.clear()
    for chunk in chunks:
        session.answer(chunk)
    return session.frames


def test_what_nobody_wants_is_one_frame_and_the_very_bytes() -> None:
    session = Session()
    session.answers = Answers(session.conversation, Limits(), replies=False)
    session.ask(BATCH)
    [frame] = frames(session, ANSWER)
    assert type(frame) is Opaque
    assert frame.raw is ANSWER
    assert session.conversation.idle


def test_what_somebody_wants_stands_between_what_nobody_does() -> None:
    session = Session()
    session.ask(BATCH)
    before, reply, after = frames(session, ANSWER)
    assert isinstance(before, Opaque)
    assert before.raw == m.parse_complete() + m.bind_complete() + COLUMNS + ROW
    assert isinstance(reply, Reply)
    assert (reply.raw, reply.tag) == (DONE, "SELECT 1")
    assert reply.statement is not None
    assert reply.statement.phase is Phase.EXECUTE
    assert isinstance(after, Opaque)
    assert after.raw == READY


def test_what_is_ours_is_taken_out_from_amid_the_rest() -> None:
    session = Session()
    session.ask(m.query("select 1"), m.query("refuse"), m.query("select 2"))
    error = m.error_response(sqlstate="42601", message="syntax error")
    assert session.answer(ROW, DONE, READY, error, READY, ROW, DONE, READY) == (
        ROW + DONE + READY + REFUSAL + READY + ROW + DONE + READY
    )


def test_a_frame_holds_few_messages_so_that_a_turn_is_bounded() -> None:
    session = Session()
    session.ask(*[m.sync()] * 1000)
    made = frames(session, READY * 1000)
    assert all(isinstance(frame, Opaque) and len(frame.raw) <= 16 * len(READY) for frame in made)
    assert session.conversation.idle


@settings(max_examples=150)
@given(st.lists(st.integers(1, 30), max_size=30))
def test_any_cut_gives_the_same_bytes_and_replies(sizes: list[int]) -> None:
    session = Session()
    data = b"".join([ANSWER, m.notice_response(message="hm"), m.parameter_status("a", "b")] * 2)
    session.ask(BATCH, BATCH)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    made = frames(session, *chunks, data[at:])
    assert b"".join(frame.raw for frame in made) == data  # type: ignore[attr-defined]
    assert [frame.tag for frame in made if isinstance(frame, Reply)] == ["SELECT 1"] * 2
    assert sum(isinstance(frame, Notice) for frame in made) == 2


def test_statements_are_numbered_and_a_run_has_its_binds_number() -> None:
    session = Session()
    session.ask(m.query("select 1"), m.parse_message("s", "select 2"), m.sync())
    session.answer(DONE, READY, m.parse_complete(), READY)
    session.ask(m.bind("", "s"), m.execute("", 1), m.execute(), m.bind("", "s"), m.execute(), m.sync())
    session.ask(m.execute("nowhere"))
    numbers = [(frame.phase, frame.number) for frame in session.statements()]
    assert numbers == [
        (Phase.SIMPLE, 1), (Phase.PREPARE, 2), (Phase.BIND, 3), (Phase.EXECUTE, 3), (Phase.EXECUTE, 3),
        (Phase.BIND, 4), (Phase.EXECUTE, 4), (Phase.EXECUTE, 5),
    ]  # fmt: skip


def test_a_statement_that_waits_and_is_read_again_is_counted_once() -> None:
    session = Session()
    session.ask(m.query("select 1"), m.query("select 'é'"))
    session.answer(DONE, READY)
    session.pump()
    assert [frame.number for frame in session.statements()] == [1, 2]


def test_an_execute_that_is_too_long_is_refused_as_one() -> None:
    """Its place is in the batch, so that what takes it must be skipped to Sync, not answered by ReadyForQuery."""
    session = Session(limits=Limits(statement=20_000))
    sent = session.ask(m.execute(b"p" * 30_000), m.sync())
    [frame] = session.statements()
    assert frame.phase is Phase.EXECUTE
    assert frame.fault is not None
    assert frame.fault.rule == "limits.statement"
    assert sent[:1] == b"P"
    assert sent.endswith(m.sync())


def test_what_is_skipped_is_not_read() -> None:
    """As the target would, the gateway takes no notice of what a failed batch still holds, however broken."""
    session = Session()
    session.ask(m.parse_message("", "bad"), m.flush())
    session.answer(m.error_response(sqlstate="42601", message="no"))
    broken = b"B" + (6).to_bytes(4, "big") + b"\1\1"
    assert session.ask(broken * 100, m.sync()) == m.sync()
    assert len(session.statements()) == 1


@pytest.mark.parametrize(("formats", "wanted"), [((), [0, 0]), ((1,), [1, 1]), ((0, 1), [0, 1])])
def test_one_format_is_every_parameters_and_a_type_that_was_not_said_is_0(
    formats: tuple[int, ...], wanted: list[int]
) -> None:
    session = Session()
    session.ask(m.parse_message("s", "select $1, $2", (23,)), m.sync())
    session.answer(m.parse_complete(), READY)
    session.ask(m.bind("", "s", formats, (b"1", None)))
    parameters = session.statements()[-1].parameters
    assert parameters is not None
    assert [each.format for each in parameters] == wanted
    assert [(each.value, each.type_oid) for each in parameters] == [(b"1", 23), (None, 0)]
