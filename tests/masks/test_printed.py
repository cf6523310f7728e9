"""What approvals, and recordings where that is wanted, show of literals and parameters beside masked columns."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.catalogue import Catalogue
from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.codecs.postgresql import messages as m
from hoopgate.config.model import Mask, Recorder
from hoopgate.frames import BIND, PREPARE, SIMPLE, Input, Parameter, Statement
from hoopgate.guards.printed import Names, Printed, hidden_in, shown_text
from tests.masks.conftest import CONFIG, MASKS
from tests.masks.gate import fired


@pytest.fixture(scope="module")
def names(catalogue: Catalogue) -> Names:
    return Names.of(compile_masks(fired(catalogue.refresh()), MASKS))


@pytest.fixture
def printed(catalogue: Catalogue) -> Iterator[Printed]:
    index = compile_masks(fired(catalogue.refresh()), MASKS)
    session = SimpleNamespace(config=evolve(CONFIG, recorder=Recorder(literals="masked")))
    yield Printed(session, guard(MASKS, index))
    copying[0] = False


copying = [False]


def guard(masks: tuple[Mask, ...], index: MaskIndex | None) -> Any:
    return SimpleNamespace(masks=lambda: masks, index=lambda: index, copying=lambda: copying[0])


SHOWN = {
    "SELECT * FROM customers WHERE email = 'SECRET1'": "SELECT * FROM customers WHERE email = '****'",
    "SELECT id FROM customers WHERE id = 5 AND email = 'SECRET1'": (
        "SELECT id FROM customers WHERE id = 5 AND email = '****'"
    ),
    "SELECT * FROM customers c WHERE c.id >= 5 AND 'SECRET1' = c.email LIMIT 3": (
        "SELECT * FROM customers c WHERE c.id >= 5 AND '****' = c.email LIMIT 3"
    ),
    "SELECT id FROM customers WHERE id IN (1, 2) AND email IN ('SECRET1', 'SECRET2')": (
        "SELECT id FROM customers WHERE id IN (1, 2) AND email IN ('****', '****')"
    ),
    "UPDATE customers SET name = 'x', email = 'SECRET1' WHERE id = 5": (
        "UPDATE customers SET name = 'x', email = '****' WHERE id = 5"
    ),
    "INSERT INTO customers (id, email) VALUES (1, 'SECRET1')": (
        "INSERT INTO customers (id, email) VALUES ('****', '****')"
    ),
    "INSERT INTO customers VALUES (1, E'SECRET\\n1', $$SECRET$$)": (
        "INSERT INTO customers VALUES ('****', '****', '****')"
    ),
    "SELECT e FROM (SELECT email AS e FROM customers) x WHERE e = 'SECRET1'": (
        "SELECT e FROM (SELECT email AS e FROM customers) x WHERE e = '****'"
    ),
    "SELECT * FROM customers c (a, b) WHERE b = 'SECRET1'": "SELECT * FROM customers c (a, b) WHERE b = '****'",
    "SELECT * FROM direct_view WHERE contact = 'SECRET1'": "SELECT * FROM direct_view WHERE contact = '****'",
    "SELECT * FROM customers WHERE email LIKE 'SECRET%'": "SELECT * FROM customers WHERE email LIKE '****'",
    "SELECT * FROM customers WHERE lower(email) = lower('SECRET1')": (
        "SELECT * FROM customers WHERE lower(email) = lower('****')"
    ),
    "SELECT * FROM customers WHERE id = 4111 + 1": "SELECT * FROM customers WHERE id = '****' + '****'",
    "EXECUTE find ('SECRET1')": "EXECUTE find ('****')",
    "SELECT * FROM app.users WHERE \"Password\" = 'SECRETpw' AND login = 'root'": (
        "SELECT * FROM app.users WHERE \"Password\" = '****' AND login = 'root'"
    ),
}
CLEAR = (
    "SELECT * FROM orders WHERE note = 'x' AND id = 5",
    "SELECT 1",
    "INSERT INTO status VALUES (1, 'open')",
    "SELECT email FROM customers WHERE id = 5",
    "SELECT 'customers'",
)


@pytest.mark.parametrize("text", SHOWN)
def test_literals_beside_masked_columns_are_hidden(names: Names, text: str) -> None:
    assert shown_text(text, hidden_in(text, names)) == SHOWN[text]


@pytest.mark.parametrize("text", CLEAR)
def test_what_is_clear_stays(names: Names, text: str) -> None:
    hidden = hidden_in(text, names)
    assert hidden.clear or shown_text(text, hidden) == text


def test_texts_of_one_shape_are_shown_alike(printed: Printed) -> None:
    for value in ("SECRET1", "SECRET2"):
        text = f"SELECT * FROM customers WHERE id = 7 AND email = '{value}'"
        assert printed.text(text) == "SELECT * FROM customers WHERE id = 7 AND email = '****'"


def test_parameters_beside_masked_columns_are_hidden(printed: Printed) -> None:
    text = "UPDATE customers SET email = $2, name = $3 WHERE id = $1"
    parameters = (Parameter(b"5"), Parameter(b"SECRET1"), Parameter(b"x", 1))
    shown, values = printed.statement(Statement(b"", text, BIND, parameters=parameters))
    assert shown == text
    assert values is not None
    assert [value.value for value in values] == [b"5", b"****", b"x"]
    twice = Statement(b"", "UPDATE customers SET name = $1, email = $1", BIND, parameters=(Parameter(b"SECRET"),))
    assert printed.statement(twice)[1][0].value == b"****"  # type: ignore[index]


def test_doubt_hides_all(printed: Printed, catalogue: Catalogue) -> None:
    assert "SECRET" not in printed.text("SELECT 1 FROM customers WHERE email = 'SECRET")
    assert "SECRET" not in printed.text("SELECT '" + "SECRET" * 20_000 + "' FROM customers")
    blind = Printed(SimpleNamespace(config=CONFIG), guard(MASKS, None))
    assert blind.text("SELECT 'SECRET'") == "SELECT '****'"


def test_nothing_is_hidden_without_masks(catalogue: Catalogue) -> None:
    free = Printed(SimpleNamespace(config=CONFIG), guard((), None))
    frame = Statement(b"", "SELECT 1 FROM customers WHERE email = 'SECRET'", SIMPLE)
    assert free.statement(frame) == (frame.text, None)
    assert not free.recorded


def test_messages_on_their_way_into_a_recording(printed: Printed) -> None:
    text = "SELECT 1 FROM customers WHERE email = 'SECRET1' AND id = 3"
    raw = m.query(text.encode())
    assert m.parse_query(printed.wire(Statement(raw, text, SIMPLE), raw, "utf-8")).endswith(
        b"email = '****' AND id = 3"
    )
    raw = m.parse_message(b"s", text.encode(), (25,))
    parsed = m.parse_parse(printed.wire(Statement(raw, text, PREPARE), raw, "utf-8"))
    assert (parsed.name, parsed.type_oids) == (b"s", (25,))
    assert b"SECRET" not in parsed.text
    other = m.query(b"SELECT 1 FROM (SELECT 'SECRET1') customers")  # what went on in other words
    assert b"SECRET" not in printed.wire(Statement(raw, text, SIMPLE), other, "utf-8")
    text = "SELECT 1 FROM customers WHERE email = $1 AND id = $2"
    raw = m.bind(b"p", b"s", (0, 1), (b"SECRET1", b"\0\0\0\1"), (1,))
    bound = m.parse_bind(printed.wire(Statement(raw, text, BIND), raw, "utf-8"))
    assert bound.values == (b"****", b"\0\0\0\1")
    assert (bound.portal, bound.statement, bound.formats, bound.result_formats) == (b"p", b"s", (0, 1), (1,))
    clear = m.query(b"SELECT 1")
    assert printed.wire(Statement(clear, "SELECT 1", SIMPLE), clear, "utf-8") is clear


def test_rows_of_copy_are_left_out(printed: Printed) -> None:
    raw = m.copy_data(b"1\tSECRET\n")
    assert printed.wire(Input(raw), raw, "utf-8") is raw
    copying[0] = True
    assert printed.wire(Input(raw), raw, "utf-8") == m.copy_data(b"(14 bytes are not recorded)\n")


def test_a_large_bind_is_left_out_whole(printed: Printed) -> None:
    begun = Statement(b"B" + (1 << 24).to_bytes(4, "big") + b"SECRET", "UPDATE customers SET email = $1", BIND)
    begun.partial = True
    assert printed.wire(begun, begun.raw, "utf-8") == b""
    assert printed.wire(Input(b"SECRET"), b"SECRET", "utf-8") == b""


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="SECRT'\"$\\;-/* \n1aé()", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    names = Names({"customers": frozenset({"email"})}, {"customers": frozenset({"id"})})
    whole = f"SELECT 'SECRET' FROM customers WHERE email = 'SECRET' {text}"
    hidden = hidden_in(whole, names)
    assert not hidden.clear
    shown = shown_text(whole, hidden)
    assert shown.startswith("SELECT '")
    assert "'SECRET'" not in shown.replace(text, "")
