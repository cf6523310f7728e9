"""Masks in force: whose columns rows are judged by, and when the gateway need not ask for them itself."""

from __future__ import annotations

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.question import Question
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Columns
from tests.codecs.postgresql.test_conversation import COLUMNS, ERROR, READY, ROW, Session

DESCRIBE = m.describe(b"P")
DONE = m.command_complete("SELECT 1") + READY


def masking() -> Session:
    session = Session(watching=True)
    session.plan = Plan((lambda value: b"****",))
    session.ask(m.parse_message("s", "select email"), m.sync())
    session.answer(m.parse_complete(), READY)
    return session


def judged(session: Session) -> list[Columns]:
    return [frame for frame in session.frames if isinstance(frame, Columns)]


def test_the_clients_own_describe_serves_where_it_comes_right_before_execute() -> None:
    session = masking()
    asked = m.bind("", "s") + DESCRIBE + m.execute() + m.sync()
    assert session.ask(asked) == asked
    got = session.answer(m.bind_complete(), COLUMNS, ROW, ROW, DONE)
    assert got.startswith(m.bind_complete() + COLUMNS)  # it asked, so it is told
    assert b"secret" not in got
    assert got.count(b"****") == 2
    assert [frame.description for frame in judged(session)] == [COLUMNS]


def test_it_serves_though_it_was_answered_before_execute_came() -> None:
    session = masking()
    session.ask(m.bind("", "s"), DESCRIBE, m.flush())
    session.answer(m.bind_complete(), COLUMNS)
    assert session.ask(m.execute(), m.sync()) == m.execute() + m.sync()
    assert b"secret" not in session.answer(ROW, DONE)


def test_each_execute_needs_a_describe_of_its_own() -> None:
    session = masking()
    sent = session.ask(m.bind("", "s"), DESCRIBE, m.execute("", 1), m.execute("", 1), m.sync())
    assert sent == m.bind("", "s") + DESCRIBE + m.execute("", 1) + DESCRIBE + m.execute("", 1) + m.sync()
    got = session.answer(
        m.bind_complete(), COLUMNS, ROW, m.portal_suspended(), COLUMNS, ROW, m.portal_suspended(), READY
    )
    assert got.count(b"****") == 2
    assert got.count(COLUMNS) == 1


@pytest.mark.parametrize(
    "between",
    [m.bind("", "s"), m.describe(b"S", "s"), m.describe(b"P", "other"), m.close(b"P", "other"),
     m.execute("other"), m.copy_done()],
    ids=["bind", "statement", "portal", "close", "execute", "copy"],
)  # fmt: skip
def test_what_comes_between_spoils_it(between: bytes) -> None:
    """Whatever runs may put another cursor under the portal's name."""
    session = masking()
    session.ask(m.bind("other", "s"), m.bind("", "s"), DESCRIBE, between)
    assert session.ask(m.execute()).endswith(DESCRIBE + m.execute())


@pytest.mark.parametrize("between", [m.sync(), m.sync() + m.query("close p; declare p cursor for select email")])
def test_another_batch_needs_another_describe(between: bytes) -> None:
    session = masking()
    session.ask(m.query("begin"))
    open_ = m.ready_for_query(b"T")
    session.answer(m.command_complete("BEGIN"), open_)
    session.ask(m.bind("p", "s"), m.describe(b"P", "p"), between)
    session.answer(m.bind_complete(), COLUMNS, open_)
    session.answer(*[m.command_complete("DECLARE CURSOR") + open_] * (between != m.sync()))
    assert session.ask(m.execute("p")) == m.describe(b"P", "p") + m.execute("p")


def test_a_question_of_ours_between_spoils_it_too() -> None:
    session = masking()
    session.ask(m.bind("", "s"), DESCRIBE)
    Question("select 1", lambda rows: None, lambda text, sqlstate: None).send(session.conversation, sync=False)
    assert session.ask(m.execute()) == DESCRIBE + m.execute()


def test_a_describe_of_before_masks_came_into_force_does_not_serve() -> None:
    session = masking()
    session.conversation.watching = False
    session.ask(m.bind("", "s"), DESCRIBE)
    session.conversation.watching = True
    assert session.ask(m.execute()) == DESCRIBE + m.execute()


def test_rows_of_what_was_said_to_have_none_do_not_pass() -> None:
    session = masking()
    session.ask(m.bind("", "s"), DESCRIBE, m.execute(), m.sync())
    with pytest.raises(RemoteProtocolError):
        session.answer(m.bind_complete(), m.no_data(), ROW)


def test_a_describe_that_fails_fails_the_batch() -> None:
    session = masking()
    session.ask(m.bind("", "s"), DESCRIBE, m.execute(), m.sync())
    assert session.answer(m.bind_complete(), ERROR, READY) == m.bind_complete() + ERROR + READY
    assert session.conversation.idle


def test_columns_are_read_only_when_somebody_looks() -> None:
    session = masking()
    session.ask(m.query("select email"))
    broken = b"T" + (6).to_bytes(4, "big") + b"\0\x07"  # seven columns, and no more
    session.answer(broken)
    [frame] = judged(session)
    assert frame.description == broken
    with pytest.raises(RemoteProtocolError):
        _ = frame.columns
