"""Statements that go to the target in other words: their messages, and where errors point."""

from __future__ import annotations

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.requests import Requests
from hoopgate.codecs.postgresql.reworded import reworded
from hoopgate.config.model import Limits
from hoopgate.errors import LocalProtocolError
from hoopgate.frames import BIND, EXECUTE, PREPARE, SIMPLE, Notice, Phase, Statement
from hoopgate.respelling import Edit, respelled

TEXT = "SELECT é FROM t WHERE x"
MADE = respelled(TEXT, [Edit(14, 15, "(SELECT 1) AS t")])


def conversation() -> Conversation:
    return Conversation({}, b"I", watching=False)


def test_a_query_keeps_the_clients_text_beside_what_runs() -> None:
    frame = Statement(m.query(TEXT), TEXT, SIMPLE)
    frame.number, frame.released = 7, "v1"
    made = reworded(frame, MADE, "utf-8")
    assert m.parse_query(made.raw).decode() == made.ran == "SELECT é FROM (SELECT 1) AS t WHERE x"
    assert (made.text, made.number, made.released) == (TEXT, 7, "v1")
    assert frame.ran == TEXT


def test_a_parse_keeps_name_and_types() -> None:
    frame = Statement(m.parse_message("n", TEXT.encode("latin-1"), (23, 0)), TEXT, PREPARE, name="n")
    made = reworded(frame, MADE, "latin-1")
    parsed = m.parse_parse(made.raw)
    assert (parsed.name, parsed.text, parsed.type_oids) == (b"n", MADE.text.encode("latin-1"), (23, 0))


@pytest.mark.parametrize("phase", [BIND, EXECUTE])
def test_only_text_can_be_reworded(phase: Phase) -> None:
    with pytest.raises(LocalProtocolError):
        reworded(Statement(b"", TEXT, phase), MADE, "utf-8")


def test_bytes_that_would_not_come_out_again_are_not_reworded() -> None:
    # Shift-JIS as Python's cp932 has two codes for one character.
    twice = b"SELECT '\xfa\x54' FROM t"
    text = twice.decode("cp932")
    with pytest.raises(UnicodeError):
        reworded(Statement(m.query(twice), text, SIMPLE), respelled(text, []), "cp932")
    with pytest.raises(UnicodeError):
        reworded(Statement(m.query("SELECT 1"), "SELECT 1", SIMPLE), respelled("SELECT 1", [Edit(8, 8, "é")]), "ascii")


def error_at(position: int) -> bytes:
    fields = {"S": b"ERROR", "V": b"ERROR", "C": b"42703", "M": b"no", "P": str(position).encode()}
    return m.fields_response(b"E", fields)


def test_errors_point_into_the_clients_text_in_each_phase() -> None:
    known = conversation()
    requests, answers = Requests(known, Limits()), Answers(known, Limits())
    requests.receive(m.parse_message("n", TEXT, ()) + m.sync())
    frame = requests.next_frame()
    assert isinstance(frame, Statement)
    requests.forward(reworded(frame, MADE, "utf-8"))
    requests.forward(requests.next_frame())  # type: ignore[arg-type]
    assert known.prepared.size == len(TEXT) + len(MADE.text)
    answers.receive(m.parse_complete() + m.ready_for_query(b"I"))
    while answers.next_frame() is not None:
        continue
    requests.receive(m.bind("", "n", (), (), ()) + m.execute() + m.sync())
    bound = requests.next_frame()
    assert isinstance(bound, Statement)
    assert (bound.text, bound.ran) == (TEXT, MADE.text)
    requests.forward(bound)
    run = requests.next_frame()
    assert isinstance(run, Statement)
    assert run.ran == MADE.text
    answers.receive(error_at(MADE.text.index("WHERE") + 1))
    told = answers.next_frame()
    assert isinstance(told, Notice)
    assert told.fields["P"] == str(TEXT.index("WHERE") + 1)
    assert m.parse_fields(told.raw)["P"] == told.fields["P"].encode()


@pytest.mark.parametrize(("there", "here"), [(1, 1), (15, 15), (20, 15), (29, 15), (30, 16), (37, 23)])
def test_an_error_in_what_was_put_in_points_to_its_place(there: int, here: int) -> None:
    known = conversation()
    requests, answers = Requests(known, Limits()), Answers(known, Limits())
    requests.receive(m.query(TEXT))
    frame = requests.next_frame()
    assert isinstance(frame, Statement)
    requests.forward(reworded(frame, MADE, "utf-8"))
    answers.receive(error_at(there))
    told = answers.next_frame()
    assert isinstance(told, Notice)
    assert told.fields["P"] == str(here)
