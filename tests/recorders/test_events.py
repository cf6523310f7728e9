"""The cheap encoders say what the general one would, and never what it would hide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages
from hoopgate.frames import Parameter, Phase
from hoopgate.recorders import events, redact
from hoopgate.recorders.credentials import HINTS
from hoopgate.recorders.events import (
    recordable_query,
    respelled_event,
    result_event,
    statement_event,
    statement_prefix,
)
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import MAX_PAYLOAD, pack_event
from hoopgate.recorders.redact import recordable, redact_statement
from tests.recorders.test_redact import HIDDEN, SHOWN

PREFIX = statement_prefix("allow", "readers", ["read", "execute"])
SIGNS = ["password", "PASSWD", "Pass", "passphrase", "pwd", "Secret", "mapping", "SERVER", "subscription", "options"]
SIGNS += ["adoption", "://a:b@", "=", "(", ","]
SIGNS += ["alter role a", "'x'", "$$y$$", "\u0130", "\u017f", "\u212a"]
parameters = st.lists(
    st.builds(Parameter, st.one_of(st.none(), st.binary(max_size=20)), st.sampled_from([0, 1])), max_size=4
)
statements = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=4)), max_size=10).map(" ".join),
    st.sampled_from(HIDDEN),
)  # fmt: skip


def general(text: str, number: int, phase: Phase, given_: list[Parameter]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "verdict": "allow", "rule": "readers", "effects": ["execute", "read"], "phase": phase.value, "number": number,
        "text": text,
    }  # fmt: skip
    if given_:
        fields["parameters"] = [
            None if p.value is None else p.value.hex() if p.format else p.value.decode("utf-8", "replace")
            for p in given_
        ]
    decoded: dict[str, Any] = json.loads(pack_event("statement", prepared(fields)))
    return decoded


@settings(max_examples=200, deadline=None)
@given(statements, st.integers(0, 1 << 40), st.sampled_from(list(Phase)), parameters)
def test_statement_event_is_what_the_general_encoder_says(
    text: str, number: int, phase: Phase, given_: list[Parameter]
) -> None:
    for _ in range(2):  # new, and remembered
        payload = statement_event(PREFIX, text, number, phase, given_)
        assert b"\n" not in payload
        assert json.loads(payload) == general(text, number, phase, given_)


def test_what_is_long_is_cut_alike() -> None:
    given_ = [Parameter(b"p" * 200_000), Parameter(b"\x00" * 200_000, 1)]
    for text in ("SELECT 1", "SELECT '" + "\n" * 300_000):
        payload = statement_event(PREFIX, text, 7, Phase.BIND, given_)
        assert json.loads(payload) == general(text, 7, Phase.BIND, given_)
        assert len(payload) < MAX_PAYLOAD


def test_prefix_has_all_of_the_decision() -> None:
    payload = statement_event(statement_prefix("deny", 'r"\n', {"write"}, 80), "x", 1, Phase.SIMPLE)
    assert json.loads(payload) == {
        "event": "statement", "verdict": "deny", "rule": 'r"\n', "effects": ["write"], "risk": 80, "phase": "simple",
        "number": 1, "text": "x",
    }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 40), st.text(max_size=100), st.sampled_from(["", "42P01"]))
def test_result_event(number: int, tag: str, sqlstate: str) -> None:
    for _ in range(2):
        event = json.loads(result_event(number, tag, sqlstate))
        assert (event["event"], event["of"]) == ("result", number)
        assert event["tag"] == tag.encode("utf-8", "backslashreplace").decode()
        assert event.get("sqlstate", "") == sqlstate


@pytest.mark.parametrize(("tag", "rows"), [("SELECT 12", 12), ("INSERT 0 3", 3), ("BEGIN", None), ("COPY ²", None)])
def test_rows_of_a_tag(tag: str, rows: int | None) -> None:
    assert json.loads(result_event(1, tag)).get("rows") == rows


@settings(max_examples=200, deadline=None)
@given(statements)
def test_the_quick_look_never_changes_the_outcome(text: str) -> None:
    assert redact.suspicious(text) == any(hint in text.lower() for hint in HINTS)
    raw = text.encode("utf-8", "surrogatepass")
    assert redact.suspicious_bytes(raw) == any(hint.encode() in raw.lower() for hint in HINTS)
    if not redact.suspicious(text):
        assert redact_statement(text) is text


@pytest.mark.parametrize("text", HIDDEN)
def test_the_quick_look_finds_every_sign(text: str) -> None:
    for variant in (text, text.upper(), text.swapcase()):
        assert redact.suspicious(variant)
        assert redact.suspicious_bytes(variant.encode())


@pytest.mark.parametrize("text", [*HIDDEN, *[text for text, _ in SHOWN]])
def test_secrets_are_neither_told_nor_kept(text: str) -> None:
    for _ in range(2):
        payload = statement_event(PREFIX, text, 1, Phase.SIMPLE)
        assert b"hunter" not in payload
        raw = messages.query(text)
        assert recordable_query(raw, text) == recordable(raw)
    assert not [kept for kept in (*events._texts, *events._new_texts) if "hunter" in kept]


@pytest.mark.parametrize("text", ["SELECT 1", 'SELECT "é\\" FROM "t"', "SELECT '" + "x" * 2000 + "'", *HIDDEN])
def test_respelled_event(text: str) -> None:
    for _ in range(3):
        told = json.loads(respelled_event(7, text))
        assert told == {"event": "respelled", "of": 7, "text": redact_statement(text)}


def test_what_was_told_without_hiding_is_the_same_object() -> None:
    text = "SELECT name FROM customers WHERE id = 'y'"
    raw = messages.query(text)
    statement_event(PREFIX, text, 1, Phase.SIMPLE)
    assert recordable_query(raw, text) is raw
    longer = messages.message(b"Q", text.encode() + b"\0 ALTER ROLE a PASSWORD 'x'\0")
    assert recordable_query(longer, text) == recordable(longer)


def test_what_is_remembered_is_bounded() -> None:
    for number in range(3000):
        for _ in range(2):
            statement_event(PREFIX, f"SELECT {number}", number, Phase.SIMPLE)
        statement_event(PREFIX, f"SELECT {number} -- once", number, Phase.SIMPLE)
        result_event(number, f"SELECT {number}")
    assert 0 < len(events._texts) <= 1024
    assert len(events._new_texts) <= 64
    assert not [text for text in events._texts if text.endswith("once")]
    statement_event(PREFIX, "SELECT " + "1" * 5000, 1, Phase.SIMPLE)
    assert len(events._tags) <= 256
    assert max(map(len, events._texts)) <= 1024
