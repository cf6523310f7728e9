"""What was judged is what runs: ways round the core that were found, one test each (live ones: tests/live)."""

from __future__ import annotations

import time

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.copy import CopySplicer
from hoopgate.codecs.postgresql.copy_rows import CopyOptions
from hoopgate.codecs.postgresql.question import LARGEST, QUESTION_NAME, Question
from hoopgate.codecs.postgresql.rows import RowEditor
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Limits
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Columns, Frame, Phase, Statement
from hoopgate.protocols.postgresql.target import FAREWELL, TargetConnection
from hoopgate.verdicts import Approvers, Hold, Rewrite, Verdict
from tests.codecs.postgresql.test_conversation import COLUMNS, ERROR, READY, REFUSAL, ROW, Session

COPY_IN = b"G" + (7).to_bytes(4, "big") + b"\0\0\0"
LONG = "n" * 63


def prepared(session: Session, name: str, text: str) -> None:
    session.ask(m.parse_message(name, text), m.sync())
    session.answer(m.parse_complete(), READY)


def last(session: Session) -> Statement:
    return session.statements()[-1]


# --- names


def test_two_voided_parses_leave_the_first_meaning() -> None:
    """Both batches fail before their Parse: what is bound is what stood before the first of them."""
    session = Session()
    prepared(session, "", "delete from t")
    for text in ("select 1", "select 2"):
        session.ask(m.bind("", "nowhere"), m.parse_message("", text), m.sync())
    session.answer(ERROR, READY, ERROR, READY)
    session.pump()
    session.ask(m.bind("", ""), m.execute(), m.sync())
    assert last(session).text == "delete from t"


def test_a_voided_close_does_not_hide_a_name_that_sql_took() -> None:
    session = Session()
    prepared(session, "s", "select 1")
    session.ask(m.bind("", "nowhere"), m.close(b"S", "s"), m.sync())
    session.conversation.forget_statement("s")  # DEALLOCATE s; PREPARE s AS ... was sent behind it
    session.answer(ERROR, READY)
    session.ask(m.bind("", "s"), m.sync())
    assert last(session).fault is not None


def test_names_are_what_postgresql_makes_of_them() -> None:
    """It takes 63 bytes of a name: closing another that begins alike closes this one."""
    session = Session()
    prepared(session, LONG + "a", "select 1")
    session.ask(m.close(b"S", LONG + "b"), m.sync())
    session.answer(m.close_complete(), READY)
    prepared(session, LONG + "c", "delete from t")
    session.ask(m.bind("", LONG + "a"), m.sync())
    assert last(session).text == "delete from t"


def test_a_name_that_is_no_utf8_can_be_refused() -> None:
    session = Session()
    sent = session.ask(m.parse_message(b"\xe9", "refuse me"), m.sync())
    assert session.answer(ERROR, READY) == REFUSAL + READY
    assert b"refuse me" not in sent


def test_sql_that_redefines_a_name_of_another_encoding_makes_all_names_unknown() -> None:
    session = Session()
    prepared(session, b"\xe9", "select 1")  # type: ignore[arg-type]
    session.conversation.forget_statement("é")
    session.ask(m.bind("", b"\xe9"), m.sync())
    assert last(session).fault is not None


def test_a_cursor_of_sql_is_no_portal_that_was_bound() -> None:
    session = Session()
    prepared(session, "s", "select 1")
    session.ask(m.query("begin"), m.bind("p", "s"), m.sync())
    session.answer(m.command_complete("BEGIN"), m.ready_for_query(b"T"), m.bind_complete(), m.ready_for_query(b"T"))
    session.conversation.forget_portal("p")  # CLOSE p; DECLARE p CURSOR FOR ...
    session.ask(m.execute("p"), m.sync())
    fault = last(session).fault
    assert fault is not None
    assert fault.sqlstate == "34000"


def test_columns_are_asked_for_as_a_portal_runs_not_as_it_was_bound() -> None:
    """Between Bind and Execute a function may have put another cursor under the portal's name."""
    session = Session(watching=True)
    sent = session.ask(m.parse_message("", "select 1"), m.bind("p", ""), m.execute("p", 1), m.execute("p", 1))
    assert sent.endswith((m.describe(b"P", "p") + m.execute("p", 1)) * 2)


# --- batches that fail


def test_what_a_client_sends_behind_an_error_it_has_not_seen_is_skipped() -> None:
    session = Session()
    session.ask(m.parse_message("", "select 1"), m.flush())
    session.answer(ERROR)
    assert session.ask(m.bind("", ""), m.execute(), m.query("drop table t"), m.sync()) == m.sync()
    assert session.answer(READY) == READY


def test_a_message_that_was_begun_is_finished_though_its_batch_failed() -> None:
    """Were its rest left out, the target would take the messages behind it for that rest, then data for messages."""
    session = Session(limits=Limits(statement=20_000))
    prepared(session, "s", "insert into t values ($1)")
    bound = m.bind("", "s", (), (b"x" * 50_000,))
    sent = session.ask(m.parse_message("", "bad"), m.flush(), bound[:30_000])
    session.answer(ERROR)
    sent += session.ask(bound[30_000:], m.query("drop table t"), m.sync())
    assert sent == m.parse_message("", "bad") + m.flush() + bound + m.sync()


def test_a_verdict_that_comes_after_the_batch_failed_sends_nothing() -> None:
    session = Session()
    session.ask(m.parse_message("", "select 1"))
    session.requests.receive(m.parse_message("", "select 2") + m.sync())
    frame = session.requests.next_frame()
    assert isinstance(frame, Statement)
    session.answer(ERROR)
    assert session.requests.forward(frame) == b""
    assert session.requests.refuse(frame, REFUSAL, "rule") == b""
    assert session.pump() == m.sync()
    assert session.answer(READY) == READY


def test_a_target_that_answers_a_refused_statement_without_an_error_ends_the_session() -> None:
    session = Session()
    session.ask(m.query("refuse"))
    with pytest.raises(RemoteProtocolError):
        session.answer(READY)


def test_nothing_is_read_behind_a_goodbye() -> None:
    session = Session()
    assert session.ask(m.query("select 1"), m.terminate(), m.query("select 2")) == m.query("select 1") + m.terminate()
    assert len(session.statements()) == 1


# --- the encoding of text


def test_text_behind_an_execute_of_its_own_batch_is_read_anew() -> None:
    """What ran may have changed client_encoding; the target says so only as the batch ends."""
    session = Session()
    session.requests.receive(
        m.parse_message("", "select f()") + m.bind("", "") + m.execute()
        + m.parse_message("", "select 1") + m.parse_message("", b"select '\xb1'")
    )  # fmt: skip
    unsure = []
    while (frame := session.requests.next_frame()) is not None:
        if isinstance(frame, Statement) and session.requests.unsure(frame):
            unsure.append(frame)
            session.requests.read_again(frame, ("SJIS", "on"))
        session.requests.forward(frame)
    assert [frame.text for frame in unsure] == ["select 'ｱ'"]
    assert unsure[0].fault is None


def test_text_that_nobody_can_read_anew_is_refused() -> None:
    session = Session()
    frame = Statement(m.query("rollback; select 'é'"), "rollback; select 'é'", Phase.SIMPLE)
    session.requests.read_again(frame, ())
    assert frame.fault is not None


# --- COPY


def test_the_session_lives_on_after_a_copy_that_failed() -> None:
    session = Session()
    session.ask(m.parse_message("", "copy t from stdin"), m.bind("", ""), m.execute(), m.flush())
    session.answer(m.parse_complete(), m.bind_complete(), COPY_IN)
    session.ask(m.copy_data(b"bad\n"))
    session.answer(ERROR)
    assert session.ask(m.copy_data(b"more\n"), m.copy_done(), m.sync()) == m.sync()
    assert session.answer(READY) == READY
    assert session.conversation.idle


def test_an_error_amid_masked_copy_data_is_an_error() -> None:
    session = Session(watching=True)
    session.ask(m.query("copy t to stdout"))
    session.answers.receive(m.copy_out_response(False, (0,)))
    assert isinstance(session.answers.next_frame(), Columns)
    splicer = CopySplicer(Plan((lambda value: b"*",)), CopyOptions(), 1 << 20)
    session.answers.judged(RowEditor(splicer))
    assert b"secret" not in session.answer(m.copy_data(b"secret"), ERROR, READY)
    assert session.conversation.idle


# --- masks that come and go


def test_a_result_is_watched_as_it_was_when_it_was_asked_for() -> None:
    session = Session(watching=False)
    session.ask(m.query("select email"))
    session.conversation.watching = True
    session.ask(m.query("select email"))
    done = ROW + m.command_complete("SELECT 1") + READY
    assert session.answer(COLUMNS, done) == COLUMNS + done
    session.plan = Plan((lambda value: b"****",))
    session.conversation.watching = False
    assert b"secret" not in session.answer(COLUMNS, done)


# --- holds


def test_a_release_is_for_one_run_however_it_is_fetched() -> None:
    session = Session()
    session.ask(m.parse_message("s", "delete from t returning id"), m.sync())
    session.answer(m.parse_complete(), READY)
    session.requests.receive(m.bind("", "s"))
    bound = session.requests.next_frame()
    assert isinstance(bound, Statement)
    bound.released = "v1"
    session.requests.forward(bound)
    session.ask(m.execute("", 1), m.execute("", 1))
    assert [frame.released for frame in session.statements()[-2:]] == ["v1", "v1"]
    session.ask(m.bind("", "s"), m.execute())
    assert last(session).released == ""


class Says:
    """A guard that says one thing of every statement."""

    wants = frozenset({Statement})

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        return self.verdict

    def closed(self, reason: str) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("first", ["hold", "rewrite"])
def test_what_is_rewritten_is_held_all_the_same(first: str) -> None:
    hold = Hold("wait", rule="r", approvers=Approvers(("a",)), timeout=1)
    other = Statement(m.query("select 2"), "select 2", Phase.SIMPLE)
    guards = [Says(hold), Says(Rewrite(other))]
    chain = Chain(guards if first == "hold" else guards[::-1])
    verdict = chain.inspect(Statement(m.query("select 1"), "select 1", Phase.SIMPLE))
    assert verdict == evolve(hold, frame=other)


# --- what a peer can make us spend


def test_portals_and_their_values_are_bounded() -> None:
    session = Session(limits=Limits(prepared_statements=10, prepared_bytes=1000))
    prepared(session, "s", "select $1")
    session.ask(*(m.bind(f"p{n}", "s", (), (b"x" * 400,)) for n in range(12)))
    assert session.conversation.portals.size <= 1000
    assert len(session.conversation.portals) == 10
    fault = last(session).fault
    assert fault is not None
    assert fault.rule == "limits.prepared_statements"


def test_a_statement_that_waits_is_not_read_at_every_chunk() -> None:
    session = Session()
    session.ask(m.query("select big"), m.query(f"select '{'é' * 2_000_000}'"))
    session.answer(COLUMNS)
    began = time.process_time()
    for _ in range(1000):
        session.answer(ROW)
        session.pump()
    assert time.process_time() - began < 1  # reading it each time takes several
    assert session.requests.waiting


def test_single_bytes_to_a_statement_that_waits_are_not_copied_again_and_again() -> None:
    session = Session()
    session.requests.receive(m.query("select 1"))
    frame = session.requests.next_frame()
    for _ in range(200_000):
        session.requests.receive(b"Q")  # a second of work where each byte copies all that came before
    assert frame is not None
    assert session.requests.buffered == 200_000


def test_an_answer_to_a_question_is_bounded() -> None:
    session = Session()
    question = Question("select 1", lambda rows: None, lambda text, sqlstate: None)
    question.send(session.conversation, sync=True)
    closed = m.close_complete() * 2
    row = m.data_row([b"x" * (1 << 20)])
    with pytest.raises(RemoteProtocolError):
        session.answer(closed, m.parse_complete(), m.bind_complete(), row * (LARGEST // (1 << 20) + 1))


def test_names_that_a_cancelled_question_left_are_closed_before_the_next() -> None:
    session = Session()
    question = Question("select 1", lambda rows: None, lambda text, sqlstate: None)
    sent = question.send(session.conversation, sync=True)
    assert sent.startswith(m.close(b"P", QUESTION_NAME) + m.close(b"S", QUESTION_NAME))


def test_a_question_that_fails_within_a_batch_is_heard_by_the_client() -> None:
    session = Session()
    session.ask(m.parse_message("", "select 1"))
    heard: list[str] = []
    Question("select 1", lambda rows: None, lambda text, sqlstate: heard.append(sqlstate)).send(
        session.conversation, sync=False
    )
    cancelled = m.error_response(sqlstate="57014", message="canceling statement due to user request")
    closed = m.close_complete() * 2
    assert session.answer(m.parse_complete(), closed, m.parse_complete(), m.bind_complete(), cancelled) == (
        m.parse_complete() + cancelled
    )
    assert heard == ["57014"]


def test_a_target_that_does_not_read_its_goodbye_is_left() -> None:
    clock = Clock()
    connection = TargetConnection({"user": "u"}, tls=None, credential=None, derive=fail)
    transport = StringTransport()
    transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
    connection.makeConnection(transport)  # type: ignore[no-untyped-call]
    transport.registerProducer(transport, True)
    connection.terminate(clock)
    assert transport.producer is None
    assert [call.getTime() for call in clock.getDelayedCalls()] == [FAREWELL]
    connection.connectionLost()
    assert not clock.getDelayedCalls()
