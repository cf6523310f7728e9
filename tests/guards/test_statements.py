"""What the statements guard remembers between statements, and what makes it ask and judge anew."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from zope.interface.verify import verifyClass

from hoopgate.config.model import Config, Risk, What
from hoopgate.frames import Parameter, Phase, Statement
from hoopgate.guards.statements import Statements, StatementsGuard
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy.sql.moving import EVERYWHERE
from hoopgate.verdicts import ALLOW, Block, Hold
from tests.guards.sessions import Session
from tests.policy.samples import config, rule

READ = rule("read", "allow", what=What(effect=("read", "session")))
ALL = rule("all", "allow")
POINT = "SELECT balance FROM accounts WHERE id = {}"


def test_provides_the_interfaces() -> None:
    verifyClass(IGuard, StatementsGuard)
    verifyClass(IGuardFactory, Statements)


# --- what is told


def test_each_allowed_statement_is_told_and_counted_once() -> None:
    session = Session(config(READ))
    for number in range(3):
        assert session.judge(POINT.format(number)) is ALLOW
    assert [event["text"] for event in session.events] == [POINT.format(number) for number in range(3)]
    assert {event["verdict"] for event in session.events} == {"allow"}
    assert {(event["rule"], event["phase"], *event["effects"]) for event in session.events} == {
        ("read", "simple", "read")
    }
    assert session.counted() == {("read", "allow"): 3}
    assert session.decision is not None
    assert session.decision.rule == "read"


def test_a_prepared_statement_is_told_as_it_is_bound() -> None:
    session = Session(config(READ))
    text = "SELECT balance FROM public.accounts WHERE id = $1"
    for _ in range(2):
        frames = [Statement(b"", text, phase) for phase in (Phase.PREPARE, Phase.BIND, Phase.EXECUTE)]
        frames[1].parameters = (Parameter(b"5"), Parameter(None), Parameter(b"\1", 1))
        for number, frame in enumerate(frames):
            frame.number = number
            assert session.verdict(frame) is ALLOW
    assert [(event["phase"], event["number"], event["parameters"]) for event in session.events] == 2 * [
        ("bind", 1, ["5", None, "01"])
    ]
    assert session.counted() == {("read", "allow"): 2}
    assert len(session.parser.asked) == 2  # for its names, and to judge it


def test_what_is_denied_and_held_is_told_with_its_number() -> None:
    session = Session(config(rule("wait", "hold", what=What(effect=("delete",))), READ))
    for text in ("DELETE FROM public.a", "UPDATE public.a SET x = 1"):
        frame = Statement(b"", text, Phase.SIMPLE)
        frame.number = 7
        assert isinstance(session.verdict(frame), Block | Hold)
    assert [(event["verdict"], event["number"]) for event in session.events] == [("hold", 7), ("deny", 7)]


def test_passwords_are_not_told() -> None:
    session = Session(config(ALL))
    for _ in range(2):
        session.judge("CREATE ROLE x PASSWORD 'hush'")
    assert "hush" not in str(session.events)


# --- what is remembered, and what counts at once all the same


def test_literals_that_nobody_looked_at_are_not_parsed_again() -> None:
    session = Session(config(READ))
    for number in range(20):
        assert session.judge(POINT.format(number)) is ALLOW
    assert len(session.parser.asked) <= 2
    assert len(session.asked) == 1


def test_literals_that_were_looked_at_are_looked_at_again() -> None:
    session = Session(config(rule("all", "allow", what=What(effect=("read", "session")))))
    assert session.judge("SELECT set_config('work_mem', 'x', false)") is ALLOW
    assert isinstance(session.judge("SELECT set_config('role', 'x', false)"), Block)
    assert session.judge("SELECT set_config('work_mem', 'x', false)") is ALLOW


def test_a_text_is_never_taken_for_a_shape() -> None:
    session = Session(config(READ))
    assert session.judge("SELECT 1") is ALLOW
    assert isinstance(session.judge("SELECT \0#"), Block)


def test_a_reload_counts_at_once() -> None:
    session = Session(config(READ))
    text = "SELECT 1"
    assert session.judge(text) is ALLOW
    session.reload(config(rule("no", "deny")))
    assert isinstance(session.judge(text), Block)
    assert isinstance(session.judge(text, Phase.EXECUTE), Block)


def test_a_grant_that_ends_counts_at_once() -> None:
    owner = rule("owner", "allow", what=What(effect=("write",)), grant=True)
    session = Session(config(READ, owner))
    text = "UPDATE public.a SET x = 1"
    assert isinstance(session.judge(text), Block)
    session.grants = frozenset({"owner"})
    assert session.judge(text) is ALLOW
    assert session.judge(text) is ALLOW
    session.grants = frozenset()
    assert isinstance(session.judge(text), Block)


def test_the_hour_counts_at_once() -> None:
    clock = Clock()
    clock.advance(9 * 3600)
    late = rule("late", "deny", what=What(risk_at_least=50))
    session = Session(config(late, READ, risk=Risk(outside_hours=50, hours=(8, 18))), clock)
    for _ in range(2):
        assert session.judge("SELECT 1") is ALLOW
    clock.advance(9 * 3600)
    assert isinstance(session.judge("SELECT 1"), Block)
    clock.advance(14 * 3600)
    assert session.judge("SELECT 1") is ALLOW


def test_the_first_time_is_told_once_though_it_is_judged_in_two_steps() -> None:
    session = Session(config(ALL, risk=Risk(first_time=30)))
    for text in ("SELECT * FROM a WHERE id = 1", "SET work_mem = 1", "SELECT * FROM a WHERE id = 2"):
        session.judge(text)
        session.judge(text)
    risks = [event.get("risk", 0) for event in session.events]
    assert [risk >= 30 for risk in risks] == [True, False, True, False, False, False]


# --- names without a schema


def asks(session: Session, *texts: str) -> list[int]:
    """How often each of the statements, run one after the other, made the guard ask."""
    found = []
    for text in texts:
        before = len(session.asked)
        session.judge(text)
        found.append(len(session.asked) - before)
    return found


UNNAMED, NAMED = "SELECT 1", "SELECT * FROM a"


def test_the_session_is_asked_when_a_name_needs_it_and_then_no_more() -> None:
    session = Session(config(ALL))
    assert asks(session, UNNAMED, "SELECT * FROM public.a", NAMED, NAMED, "SELECT * FROM b", UNNAMED) == [
        0,
        0,
        1,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize(
    "moving",
    [
        "SET search_path = b",
        "SELECT set_config('search_path', 'b', false)",
        "RESET search_path",
        "DISCARD ALL",
        "CREATE SCHEMA b",
        "SELECT mine()",
        "DO 'x'",
        "FETCH ALL FROM c",
        "MOVE 1 IN c",
        "SET ROLE x",
    ],
)
def test_what_may_move_names_makes_it_ask_again(moving: str) -> None:
    session = Session(config(ALL))
    asks(session, NAMED)
    assert session.judge(moving) is ALLOW
    assert asks(session, NAMED, NAMED) == [1, 0]


def test_a_call_by_number_may_move_names() -> None:
    session = Session(config(ALL))
    asks(session, NAMED)
    assert session.judge("", Phase.CALL) is ALLOW
    assert asks(session, NAMED) == [1]


def test_decisions_go_by_where_names_are_now() -> None:
    found = config(rule("no", "deny", what=What(object=("secret.*",))), ALL)
    session = Session(found)
    assert session.judge(NAMED) is ALLOW
    session.judge("SET search_path = secret")
    session.path = ("secret",)
    assert isinstance(session.judge(NAMED), Block)
    session.judge("SET search_path = public")
    session.path = ("public",)
    assert session.judge(NAMED) is ALLOW


def test_a_transaction_in_which_nothing_moved_ends_without_a_question() -> None:
    session = Session(config(ALL))
    for ending in ("COMMIT", "ROLLBACK", "END"):
        session.transaction = "T"
        asks(session, "BEGIN", NAMED)
        session.transaction = "I"
        assert asks(session, ending, NAMED) == [0, 0]


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK", "ROLLBACK TO s"])
def test_what_moved_in_a_transaction_may_be_undone_at_its_end(ending: str) -> None:
    session = Session(config(ALL))
    assert asks(session, NAMED, "BEGIN") == [1, 0]
    session.transaction = "T"
    assert asks(session, "SET LOCAL search_path = b", NAMED, NAMED, ending, NAMED) == [0, 1, 0, 0, 1]


def test_it_may_be_undone_by_a_later_end_too() -> None:
    """A COMMIT that is skipped in a failed batch commits nothing, and a savepoint may come before or after."""
    session = Session(config(ALL))
    session.transaction = "T"
    asks(session, "BEGIN", "SET search_path = b", "COMMIT")
    assert asks(session, NAMED, "ROLLBACK TO s", NAMED, "ROLLBACK", NAMED) == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("state", [{"transaction": "T"}, {"running": True}, {"tentative": True}])
def test_it_is_settled_only_once_nothing_can_undo_it(state: dict[str, Any]) -> None:
    session = Session(config(ALL))
    session.judge("SET search_path = b")
    for name, value in state.items():
        setattr(session, name, value)
    asks(session, UNNAMED)
    for name, value in {"transaction": "I", "running": False, "tentative": False}.items():
        setattr(session, name, value)
    session.transaction = "T"  # no look at rest in between
    asks(session, NAMED)
    assert asks(session, "COMMIT", NAMED) == [0, 1]


def test_once_settled_an_end_undoes_nothing() -> None:
    session = Session(config(ALL))
    asks(session, "SET search_path = b", UNNAMED)
    session.transaction = "T"
    assert asks(session, "BEGIN", NAMED, "COMMIT", NAMED) == [0, 1, 0, 0]


def test_what_was_answered_amid_a_batch_holds_for_one_statement() -> None:
    session = Session(config(ALL))
    session.tentative = True
    assert asks(session, NAMED, NAMED) == [1, 1]
    session.tentative = False
    assert asks(session, NAMED, NAMED) == [1, 0]


def test_without_an_answer_nothing_passes() -> None:
    session = Session(config(ALL))
    session.aborted = True
    assert session.judge(NAMED).sqlstate == "25P02"
    assert session.judge(UNNAMED) is ALLOW


def test_a_message_that_turns_its_own_names_is_judged_everywhere_each_time() -> None:
    found = config(rule("no", "deny", what=What(object=("b.*",))), ALL)
    session = Session(found)
    text = "RESET search_path; DELETE FROM t"
    assert session.judge(text) is ALLOW
    session.path = ("public", "b")
    assert isinstance(session.judge(text), Block)
    assert session.asked == [EVERYWHERE, EVERYWHERE]


# --- holds


def approved(session: Session, text: str, phase: Phase) -> Statement:
    """What comes again once people have agreed."""
    frame = Statement(b"", text, phase)
    frame.released = session.config.version
    return frame


def test_what_was_approved_is_still_denied_where_a_rule_denies_it() -> None:
    session = Session(config(rule("no", "deny", what=What(effect=("delete",))), ALL))
    assert isinstance(session.verdict(approved(session, "DELETE FROM public.a", Phase.SIMPLE)), Block)


def test_a_held_query_moves_names_once_it_is_released() -> None:
    session = Session(config(rule("wait", "hold", what=What(effect=("admin",))), ALL))
    asks(session, NAMED)
    held = session.judge("SET search_path = secret")
    assert isinstance(held, Hold)
    assert asks(session, NAMED) == [0]
    assert session.verdict(approved(session, "SET search_path = secret", Phase.SIMPLE)) is ALLOW
    assert asks(session, NAMED) == [1]


def test_a_held_query_renames_once_it_is_released() -> None:
    session = Session(config(rule("wait", "hold", what=What(effect=("delete",))), ALL))
    text = "DEALLOCATE p; PREPARE p AS DELETE FROM public.a"
    held = session.judge(text)
    assert isinstance(held, Hold)
    assert session.forgotten == []
    assert session.verdict(approved(session, text, Phase.SIMPLE)) is ALLOW
    assert session.forgotten == [("statement", "p"), ("statement", "p")]


def test_what_is_bound_and_held_is_seen_to_as_it_is_executed() -> None:
    session = Session(config(rule("wait", "hold", what=What(effect=("admin",))), ALL))
    asks(session, NAMED)
    held = session.judge("SET search_path = secret", Phase.BIND)
    assert isinstance(held, Hold)
    for phase, count in ((Phase.BIND, 0), (Phase.EXECUTE, 1)):
        assert session.verdict(approved(session, "SET search_path = secret", phase)) is ALLOW
        assert asks(session, NAMED) == [count]


# --- remembered or not, the answer is the same

TEXTS = st.sampled_from(
    [
        "SELECT 1", "SELECT * FROM a WHERE id = {}", "SELECT * FROM public.a WHERE x = '{}'", "DELETE FROM a",
        "DELETE FROM a WHERE id = {}", "SET search_path = b", "BEGIN", "COMMIT", "ROLLBACK", "SELECT mine({})",
        "PREPARE p AS SELECT * FROM a", "EXECUTE p", "DEALLOCATE p", "CREATE TABLE c ()", "SET work_mem = {}",
        "RESET search_path; DELETE FROM a WHERE id = {}", "BEGIN; SELECT * FROM a; COMMIT", "garbage {}",
        "SELECT set_config('search_path', 'b', {} = 1)", "UPDATE b.a SET x = {}", "FETCH 1 FROM c",
    ]
)  # fmt: skip
STEP = st.tuples(TEXTS, st.integers(1, 2), st.sampled_from(list(Phase)[:4]), st.sampled_from("IT"), st.booleans())
RULES = (
    rule("b", "deny", what=What(object=("b.*",))),
    rule("bounded", "allow", what=What(effect=("delete",), bounded=True)),
    rule("code", "hold", what=What(effect=("execute", "admin"))),
    rule("rest", "allow", what=What(effect=("read", "session", "write"))),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_what_is_remembered_is_what_would_be_judged_anew(steps: list[tuple[str, int, Phase, str, bool]]) -> None:
    found: Config = config(*RULES, risk=Risk(first_time=0))
    remembering, forgetful = Session(found), Session(found)
    for text, number, phase, transaction, tentative in steps:
        forgetful.reload(evolve(found))
        answers = []
        for session in (remembering, forgetful):
            session.transaction, session.tentative = transaction, tentative
            verdict = session.judge(text.format(number), phase)
            answers.append((type(verdict), getattr(verdict, "rule", ""), getattr(verdict, "reason", "")))
        assert answers[0] == answers[1]
        assert remembering.asked == forgetful.asked
        assert remembering.events == forgetful.events
        assert remembering.forgotten == forgetful.forgotten


# --- what depends on parameters


BOUNDED = (
    rule("no", "deny", what=What(effect=("delete",), bounded=False)),
    rule("yes", "allow", what=What(effect=("read", "delete", "session"))),
)


def run(session: Session, text: str, *values: bytes | None, format: int = 0) -> list[Any]:
    """The verdicts on a Parse, a Bind with these values, and two Executes of it."""
    answers = []
    for phase in (Phase.PREPARE, Phase.BIND, Phase.EXECUTE, Phase.EXECUTE):
        frame = Statement(b"", text, phase)
        if phase is not Phase.PREPARE:
            frame.parameters = tuple(Parameter(value, format) for value in values)
        answers.append(session.verdict(frame))
    return answers


@pytest.mark.parametrize("format", [0, 1])
def test_a_parameter_is_looked_at_as_it_is_bound_and_each_time_it_runs(format: int) -> None:
    session = Session(config(*BOUNDED))
    text = "DELETE FROM public.a WHERE name LIKE $1"
    for value in (b"x%", b"%", b"y%", b"%%", b"x%"):
        parse, *rest = run(session, text, value, format=format)
        assert parse is ALLOW
        if value.strip(b"%"):
            assert rest == [ALLOW] * 3
        else:
            assert all(isinstance(one, Block) for one in rest)


def test_a_setting_named_by_a_parameter_is_looked_at() -> None:
    session = Session(config(rule("yes", "allow", what=What(effect=("read", "session")))))
    text = "SELECT set_config($1, $2, true)"
    for name, value, fine in (
        (b"app.tenant", b"7", True),
        (b"role", b"postgres", False),
        (b"ROLE", b"postgres", False),
        (b"search_path", b"public", True),
        (b"search_path", b"secret", False),
        (b"app.tenant", b"8", True),
        (None, b"8", False),
    ):
        parse, *rest = run(session, text, name, value)
        assert parse is ALLOW
        assert [one is ALLOW for one in rest] == [fine] * 3, (name, value)


def test_values_that_are_too_large_to_keep_and_simple_queries_are_the_worst() -> None:
    session = Session(config(*BOUNDED))
    text = "DELETE FROM public.a WHERE name LIKE $1"
    assert isinstance(session.judge(text), Block)
    assert session.judge(text, Phase.PREPARE) is ALLOW
    assert isinstance(session.judge(text, Phase.BIND), Block)
    assert isinstance(session.judge(text, Phase.EXECUTE), Block)


def test_what_is_denied_whatever_the_values_are_is_denied_as_it_is_parsed() -> None:
    session = Session(config(rule("yes", "allow", what=What(effect=("read", "session")))))
    assert isinstance(session.judge("DELETE FROM public.a WHERE name LIKE $1", Phase.PREPARE), Block)


def test_sql_prepare_takes_the_worst_of_a_parameter() -> None:
    session = Session(config(*BOUNDED))
    assert isinstance(session.judge("PREPARE p AS DELETE FROM public.a WHERE name LIKE $1"), Block)
    assert session.judge("PREPARE q AS DELETE FROM public.a WHERE id = $1") is ALLOW
