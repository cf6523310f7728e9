"""Errors and notices near masked columns quote no stored value, and still say what went wrong."""

from __future__ import annotations

import pytest
from psycopg import pq

from hoopgate.guards.mask_notices import scrub
from tests.masks.conftest import MARKS
from tests.masks.gate import Gate

LEAKING = {
    "INSERT INTO customers (id, name, email) VALUES (80, 'x', 'SECRET1@example.com')": ("23505", "customers_email_key"),
    "INSERT INTO customers (id, email) VALUES (80, 'SECRETx')": ("23502", None),
    "UPDATE customers SET name = NULL": ("23502", None),
    "UPDATE customers SET card = 1": ("23514", "customers_card_check"),
    "ALTER TABLE customers ADD CHECK (id > 3)": ("23514", "customers_id_check"),
    "UPDATE audited SET v = 'boom'": ("P0001", None),
    "UPDATE audited SET v = 'class'": ("42501", None),
    "UPDATE audited SET v = 'cast'": ("22P02", None),
    "INSERT INTO audited VALUES (2, 'boom')": ("P0001", None),
    "INSERT INTO customers (id, name) VALUES ('abcx', 'x')": ("22P02", None),
    "DELETE FROM customers": ("23503", "orders_customer_id_fkey"),
    "ALTER TABLE customers ADD COLUMN n int NOT NULL": ("23502", None),
}


@pytest.mark.parametrize("sql", LEAKING)
def test_errors(gate: Gate, sql: str) -> None:
    gate.run("BEGIN")
    output = gate.run(sql)
    assert output.refused is None
    (error,) = output.errors
    sqlstate, constraint = LEAKING[sql]
    assert error["C"] == sqlstate
    assert error.get("n") == constraint
    assert error["M"]
    assert not any(mark in output.everything() for mark in MARKS), output


def test_notices_of_triggers(gate: Gate) -> None:
    gate.run("BEGIN")
    output = gate.run("UPDATE audited SET v = 'ok' RETURNING id")
    assert [notice["V"] for notice in output.notices] == ["NOTICE", "WARNING"]
    assert not any(mark in output.everything() for mark in MARKS), output


def test_code_behind_a_plain_read_says_nothing(gate: Gate) -> None:
    """Row security runs functions of the database in statements that touch no masked column."""
    gate.connection.exec_(b"BEGIN; CREATE ROLE masks_reader; GRANT SELECT ON watched TO masks_reader")
    gate.connection.exec_(b"ALTER FUNCTION tell_row(int) SECURITY DEFINER; SET LOCAL ROLE masks_reader")
    output = gate.run("SELECT v FROM watched")
    assert output.rows == [(b"x",)]
    assert [notice["V"] for notice in output.notices] == ["NOTICE"]
    assert not any(mark in output.everything() for mark in MARKS), output


POLICED = (
    b"BEGIN; CREATE TABLE policed (id int, v text); INSERT INTO policed VALUES (1, 'x');"
    b"CREATE POLICY told ON policed USING ((SELECT email FROM customers LIMIT 1)::int > 0);"
    b"ALTER TABLE policed ENABLE ROW LEVEL SECURITY; CREATE VIEW policed_view WITH (security_invoker) AS TABLE policed;"
    b"CREATE ROLE policed_reader; GRANT SELECT ON policed, policed_view, customers TO policed_reader; COMMIT"
)


@pytest.mark.parametrize("sql", ["SELECT v FROM policed", "SELECT v FROM policed_view", "SELECT 1 FROM policed p"])
def test_expressions_of_policies_say_nothing(gate: Gate, masks_dsn: str, sql: str) -> None:
    """Row security evaluates what its author wrote, over any table, and no CONTEXT tells of it."""
    other = pq.PGconn.connect(masks_dsn.encode())
    other.exec_(POLICED)
    try:
        gate.connection.exec_(b"SET ROLE policed_reader")
        assert any(mark in (gate.connection.exec_(sql.encode()).error_message or b"") for mark in MARKS)
        (error,) = gate.run(sql).errors
        assert error["C"] == "22P02"
        assert not any(mark in "".join(error.values()).encode() for mark in MARKS), error
        gate.connection.exec_(b"RESET ROLE")
    finally:
        gate.connection.exec_(b"ROLLBACK; RESET ROLE")
        other.exec_(b"DROP VIEW policed_view; DROP TABLE policed; REVOKE ALL ON customers FROM policed_reader;"
                    b"DROP ROLE policed_reader")  # fmt: skip
        other.finish()


def test_deferred_constraints_speak_at_commit(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("ALTER TABLE orders ALTER CONSTRAINT orders_customer_id_fkey DEFERRABLE INITIALLY DEFERRED")
    gate.run("DELETE FROM customers WHERE id = 2")
    (error,) = gate.run("COMMIT").errors
    assert error["C"] == "23503"
    assert error["D"] == 'Key (id)=(2) is still referenced from table "orders".'  # id has no mask


def test_the_row_of_a_clear_table_may_be_shown(gate: Gate) -> None:
    gate.run("BEGIN")
    (error,) = gate.run("INSERT INTO orders (id) VALUES (1)").errors
    assert error["D"] == "Key (id)=(1) already exists."


def test_a_statement_that_touches_nothing_keeps_its_errors(gate: Gate) -> None:
    (error,) = gate.run("SELECT 'abc'::int").errors
    assert error["M"] == 'invalid input syntax for type integer: "abc"'


def test_names_in_the_clients_own_text_stay(gate: Gate) -> None:
    (error,) = gate.run("SELECT no_such_column, email FROM customers").errors
    assert "no_such_column" in error["M"]
    assert error["P"] == "8"


def test_copy_tells_the_line(gate: Gate) -> None:
    gate.run("BEGIN")
    assert gate.judge("COPY customers (id) FROM STDIN") is not None
    fields = {
        "S": "ERROR", "V": "ERROR", "C": "22P02", "M": 'invalid input syntax for type integer: "SECRET"',
        "W": 'COPY customers, line 3, column id: "SECRET"', "F": "numutils.c",
    }  # fmt: skip
    clean = scrub(fields, None)
    assert clean["W"] == "COPY customers, line 3, column id"
    assert "SECRET" not in clean["M"]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "S": "FATAL",
            "V": "FATAL",
            "C": "57P01",
            "M": "terminating connection due to administrator command",
            "F": "postgres.c",
        },
        {"S": "ERROR", "V": "ERROR", "C": "40001", "M": "could not serialize access", "F": "nodeModifyTable.c"},
        {"S": "ERROR", "V": "ERROR", "C": "57014", "M": "canceling statement due to user request", "F": "postgres.c"},
    ],
)
def test_what_names_no_value_passes_unchanged(fields: dict[str, str]) -> None:
    assert scrub(fields, None) is fields


@pytest.mark.parametrize("severity", ["DEBUG1", "LOG"])
def test_the_servers_own_log_lines_are_withheld(severity: str) -> None:
    assert "SECRET" not in scrub({"S": severity, "V": severity, "C": "00000", "M": "SECRET"}, None)["M"]


def test_internal_queries_and_context_go() -> None:
    fields = {
        "S": "ERROR", "V": "ERROR", "C": "42601", "M": 'syntax error at or near "SECRET"', "q": "SECRET", "p": "1",
        "W": "PL/pgSQL function f() line 1 at EXECUTE", "D": "SECRET", "H": "SECRET", "c": "SECRET",
    }  # fmt: skip
    assert "SECRET" not in "".join(scrub(fields, None).values())
