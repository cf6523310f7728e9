"""Requests and answers of one session, script by script: who is owed what, and what a name means."""

from __future__ import annotations

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.question import Question
from hoopgate.codecs.postgresql.requests import Requests
from hoopgate.codecs.postgresql.rows import RowEditor
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.config.model import Limits
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Column, Columns, Notice, Phase, Statement

ROW = m.data_row([b"secret"])
COLUMNS = m.row_description([Column("email", 16400, 2, 25, -1, -1, 0)])
REFUSAL = m.error_response(sqlstate="42501", message="no")
ERROR = m.error_response(sqlstate="42601", message="syntax error")
READY = m.ready_for_query(b"I")


class Session:
    """Both wires, driven by hand: every frame passes unless its text says ``refuse``."""

    def __init__(self, *, watching: bool = False, limits: Limits | None = None) -> None:
        self.conversation = Conversation({"client_encoding": "UTF8"}, b"I", watching=watching)
        self.requests = Requests(self.conversation, limits or Limits())
        self.answers = Answers(self.conversation, limits or Limits())
        self.frames: list[object] = []
        self.plan: Plan | None = None

    def ask(self, *data: bytes) -> bytes:
        self.requests.receive(b"".join(data))
        return self.pump()

    def pump(self) -> bytes:
        out = []
        while (frame := self.requests.next_frame()) is not None:
            self.frames.append(frame)
            if isinstance(frame, Statement) and (frame.fault or "refuse" in frame.text):
                out.append(self.requests.refuse(frame, REFUSAL, "a rule"))
            else:
                out.append(self.requests.forward(frame))
        return b"".join(out)

    def answer(self, *data: bytes) -> bytes:
        self.answers.receive(b"".join(data))
        out = []
        while (frame := self.answers.next_frame()) is not None:
            self.frames.append(frame)
            if isinstance(frame, Columns):
                plan = self.plan
                self.answers.judged(RowEditor(Splicer(plan, 1 << 20)) if plan is not None else None)
            out.append(frame.raw)
        return b"".join(out)

    def statements(self) -> list[Statement]:
        return [frame for frame in self.frames if isinstance(frame, Statement)]


def test_without_guards_output_equals_input() -> None:
    session = Session()
    asked = [m.query("select 1"), m.parse_message("s", "select 2"), m.bind("", "s"), m.execute(), m.sync()]
    assert session.ask(*asked) == b"".join(asked)
    answers = [COLUMNS, ROW, m.command_complete("SELECT 1"), READY, m.parse_complete(), m.bind_complete(), ROW,
               m.command_complete("SELECT 1"), READY]  # fmt: skip
    assert session.answer(*answers) == b"".join(answers)
    assert session.conversation.idle


def test_a_refusal_waits_its_turn_behind_replies_owed() -> None:
    session = Session()
    sent = session.ask(m.query("select 1"), m.query("refuse me"))
    assert b"refuse me" not in sent
    assert session.answer(COLUMNS, ROW) == COLUMNS + ROW
    done = m.command_complete("SELECT 1") + READY
    assert session.answer(done, ERROR, READY) == done + REFUSAL + READY


def test_a_refused_bind_fails_its_batch_as_postgresql_does() -> None:
    session = Session()
    sent = session.ask(
        m.parse_message("", "insert 1"), m.bind("", ""), m.execute(),
        m.parse_message("", "refuse"), m.bind("", ""), m.execute(), m.sync(),
    )  # fmt: skip
    assert b"refuse\0" not in sent
    ok = m.parse_complete() + m.bind_complete() + m.command_complete("INSERT 0 1")
    assert session.answer(ok, ERROR, READY) == ok + REFUSAL + READY
    assert session.conversation.idle


def test_a_target_that_does_what_was_refused_ends_the_session() -> None:
    session = Session()
    session.ask(m.query("refuse"))
    with pytest.raises(RemoteProtocolError):
        session.answer(m.command_complete("DROP TABLE"))


def test_rows_nobody_asked_for_end_the_session() -> None:
    session = Session()
    with pytest.raises(RemoteProtocolError):
        session.answer(ROW)


def test_a_failed_parse_does_not_change_what_a_name_means() -> None:
    """Batch one fails before its Parse; batch two, sent with it, must not run the old statement under the new text."""
    session = Session()
    session.ask(m.parse_message("", "select old"), m.sync())
    session.answer(m.parse_complete(), READY)
    session.ask(
        m.bind("", "nowhere"), m.parse_message("", "select new"), m.sync(), m.bind("", ""), m.execute(), m.sync()
    )  # fmt: skip
    assert session.requests.waiting  # the second batch's Bind may not be judged yet
    session.answer(ERROR, READY)
    session.pump()
    bound = [frame for frame in session.statements() if frame.phase is Phase.BIND]
    assert bound[-1].text == "select old"


def test_a_name_that_is_taken_is_refused_before_it_can_mean_two_things() -> None:
    session = Session()
    session.ask(m.parse_message("s", "select 1"), m.sync())
    session.answer(m.parse_complete(), READY)
    session.ask(m.parse_message("s", "delete from t"), m.sync())
    fault = session.statements()[-1].fault
    assert fault is not None
    assert fault.sqlstate == "42P05"


def test_sql_that_redefines_a_name_makes_it_unknown() -> None:
    session = Session()
    session.ask(m.parse_message("s", "select 1"), m.sync())
    session.answer(m.parse_complete(), READY)
    session.conversation.forget_statement("s")
    session.ask(m.bind("", "s"), m.sync())
    fault = session.statements()[-1].fault
    assert fault is not None
    assert fault.sqlstate == "26000"


def test_syncs_that_the_target_ignores_during_copy_are_not_awaited() -> None:
    session = Session()
    session.ask(m.parse_message("", "copy t from stdin"), m.bind("", ""), m.execute(), m.sync())
    copy_in = b"G" + (7).to_bytes(4, "big") + b"\0\0\0"
    session.answer(m.parse_complete(), m.bind_complete(), copy_in)
    data = m.copy_data(b"1\n")
    assert session.ask(data, m.copy_done(), m.sync()) == data + m.copy_done() + m.sync()
    session.answer(m.command_complete("COPY 1"), READY)
    assert session.conversation.idle


@pytest.mark.parametrize("end", [b"", m.copy_done(), m.copy_done() + m.sync()])
def test_a_batch_goes_on_behind_a_sync_that_copy_swallowed(end: bytes) -> None:
    session = Session()
    session.ask(m.parse_message("", "copy t from stdin"), m.bind("", ""), m.execute(), m.sync(), end)
    session.answer(m.parse_complete(), m.bind_complete(), b"G" + (7).to_bytes(4, "big") + b"\0\0\0")
    session.ask(b"" if end else m.copy_done())
    session.answer(m.command_complete("COPY 1"))
    synced = end.endswith(m.sync())
    assert session.conversation.unsynced is session.conversation.executed is not synced
    session.ask(b"" if synced else m.sync())
    session.answer(READY)
    assert session.conversation.idle
    assert not session.conversation.unsynced


@pytest.mark.parametrize("state", [b"I", b"T"])
def test_a_query_amid_a_batch_ends_it_only_with_its_transaction(state: bytes) -> None:
    session = Session()
    session.ask(m.parse_message("", "set a = b"), m.bind("", ""), m.execute(), m.query("select 1"))
    session.answer(m.parse_complete(), m.bind_complete(), m.command_complete("SET"))
    session.answer(m.command_complete("SELECT 1"), m.ready_for_query(state))
    assert session.conversation.idle
    assert session.conversation.unsynced is session.conversation.executed is (state == b"T")


def test_a_statement_amid_copy_data_ends_the_session() -> None:
    session = Session()
    session.ask(m.query("copy t from stdin"))
    session.answer(b"G" + (7).to_bytes(4, "big") + b"\0\0\0")
    with pytest.raises(RemoteProtocolError):
        session.ask(m.query("drop table t"))


def test_rows_of_a_portal_are_masked_though_the_client_never_described_it() -> None:
    session = Session(watching=True)
    session.plan = Plan((lambda value: b"****",))
    sent = session.ask(m.parse_message("s", "select email"), m.bind("", "s"), m.execute(), m.sync())
    assert m.describe(b"P", b"") in sent
    got = session.answer(
        m.parse_complete(), m.bind_complete(), COLUMNS, ROW, ROW, m.command_complete("SELECT 2"), READY
    )  # fmt: skip
    assert b"secret" not in got
    assert got.count(b"****") == 2
    assert COLUMNS not in got  # the client did not ask for it
    session.ask(m.bind("", "s"), m.execute(), m.sync())
    again = session.answer(m.bind_complete(), COLUMNS, ROW, m.command_complete("SELECT 1"), READY)
    assert b"secret" not in again


def test_rows_whose_columns_were_never_said_do_not_pass() -> None:
    session = Session(watching=True)
    session.ask(m.query("select email"))
    with pytest.raises(RemoteProtocolError):
        session.answer(ROW)


def test_a_question_of_ours_is_invisible() -> None:
    session = Session()
    rows: list[object] = []
    question = Question("select 1", rows.extend, lambda text, sqlstate: rows.append(text))
    sent = question.send(session.conversation, sync=True)
    assert sent.endswith(m.sync())
    closed = [m.close_complete(), m.close_complete()]
    replies = [*closed, m.parse_complete(), m.bind_complete(), ROW, m.command_complete("SELECT 1"), *closed, READY]
    assert session.answer(*replies) == b""
    assert rows == [("secret",)]
    assert session.conversation.idle


def test_a_question_inside_a_failed_batch_fails_and_the_client_hears_its_own_error() -> None:
    session = Session()
    session.ask(m.parse_message("", "bad"))
    failures: list[object] = []
    question = Question("select 1", failures.append, lambda text, sqlstate: failures.append(sqlstate))
    question.send(session.conversation, sync=False)
    assert session.answer(ERROR) == ERROR
    assert failures == ["25P02"]


def test_ending_a_failed_batch_early_skips_the_rest_of_it() -> None:
    session = Session()
    session.ask(m.parse_message("", "bad"))
    early = session.requests.end_batch()
    assert early == m.sync()
    assert session.answer(ERROR, READY) == ERROR
    assert session.conversation.skipping
    assert session.ask(m.bind("", ""), m.execute(), m.sync()) == m.sync()
    assert session.answer(READY) == READY


def test_text_whose_reading_may_yet_change_waits() -> None:
    """Any statement may change the encoding, a COMMIT or a function too; ASCII is read alike in all of them."""
    session = Session()
    session.ask(m.query("commit"), m.query("select 1"), m.query("select 'ｱ'".encode("cp932")))
    assert len(session.statements()) == 2
    session.answer(m.command_complete("COMMIT"), m.parameter_status("client_encoding", "SJIS"), READY)
    session.answer(m.command_complete("SELECT 1"), READY)
    session.pump()
    assert [frame.text for frame in session.statements()][2:] == ["select 'ｱ'"]


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"select '\x80'"])
def test_text_that_is_not_valid_in_the_encoding_is_refused(raw: bytes) -> None:
    session = Session()
    session.ask(m.query(raw))
    fault = session.statements()[-1].fault
    assert fault is not None
    assert fault.sqlstate == "22021"


def test_backslashes_are_refused_while_strings_are_not_standard() -> None:
    session = Session()
    session.conversation.reported("standard_conforming_strings", "off")
    session.ask(m.query("select '\\'; drop table t; --'"))
    assert session.statements()[-1].fault is not None


def test_a_statement_over_the_limit_is_refused_and_the_session_lives() -> None:
    session = Session(limits=Limits(statement=20_000))
    sent = session.ask(m.query("select '" + "x" * 30_000 + "'"), m.query("select 2"))
    fault = session.statements()[0].fault
    assert fault is not None
    assert fault.rule == "limits.statement"
    assert sent.endswith(m.query("select 2"))
    assert b"xxx" not in sent


def test_a_bind_over_the_limit_passes_in_parts() -> None:
    session = Session(limits=Limits(statement=20_000), watching=True)
    value = b"x" * 300_000
    bound = m.bind("", "s", (), (value,))
    session.ask(m.parse_message("s", "insert into t values ($1)"))
    sent = b"".join(session.ask(bound[at : at + 10_000]) for at in range(0, len(bound), 10_000))
    assert sent == bound


def test_function_calls_and_unknown_types() -> None:
    session = Session()
    session.ask(m.function_call(1259, (), ()))
    assert session.statements()[-1].phase is Phase.CALL
    with pytest.raises(RemoteProtocolError):
        session.ask(b"p" + (5).to_bytes(4, "big") + b"\0")


def test_an_error_when_nothing_is_owed_is_the_target_ending_the_session() -> None:
    session = Session()
    fatal = m.error_response(severity="FATAL", sqlstate="57P01", message="terminating")
    assert session.answer(fatal) == fatal
    assert isinstance(session.frames[-1], Notice)


def test_portals_are_forgotten_when_their_transaction_ends() -> None:
    session = Session()
    for number in range(50):
        session.ask(m.parse_message("", "select 1"), m.bind(f"p{number}", ""), m.sync())
        session.answer(m.parse_complete(), m.bind_complete(), READY)
    assert len(session.conversation.portals) == 0


def test_our_mark_in_application_name_stays_ours() -> None:
    session = Session()
    session.answers = Answers(session.conversation, Limits(), hint="hg:1 ")
    got = session.answer(m.parameter_status("application_name", "hg:1 psql"))
    assert got == m.parameter_status("application_name", "psql")


def test_notifications_do_not_pass_while_masks_are_in_force() -> None:
    """LISTEN is refused then; one from before the mask may carry what a trigger wrote of a masked row."""
    notification = b"A" + (4 + 4 + 3 + 7).to_bytes(4, "big") + b"\0\0\0\1" + b"ch\0" + b"secret\0"
    assert Session().answer(notification) == notification
    assert Session(watching=True).answer(notification) == b""
