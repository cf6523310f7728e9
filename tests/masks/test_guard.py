"""The guard over a session's life: what the catalogue cannot know, names, reloads, faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from psycopg import pq
from twisted.internet.defer import fail, succeed
from twisted.internet.task import Clock
from zope.interface.verify import verifyClass

from hoopgate.catalogue import Catalogue
from hoopgate.config.model import Mask
from hoopgate.errors import HoopgateError, SecretError
from hoopgate.frames import Column, Columns, Notice, Phase, Statement
from hoopgate.guards.mask import MaskGuard, Masks
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.verdicts import ALLOW, Block
from hoopgate.verdicts import Mask as MaskVerdict
from tests.masks.conftest import CONFIG, MASKS
from tests.masks.gate import FakeEngine, Gate, connect, fired, rows


@pytest.fixture
def other(masks_dsn: str) -> Iterator[pq.PGconn]:
    """Somebody else's session, past the gateway."""
    made = connect(masks_dsn)
    yield made
    made.exec_(b"DROP TABLE IF EXISTS fresh CASCADE; DROP TABLE IF EXISTS renamed CASCADE")
    made.finish()


def cells(output: Any) -> list[bytes | None]:
    assert output.refused is None, output.refused
    assert output.errors == []
    return [cell for row in output.rows for cell in row]


def test_provides_the_interfaces() -> None:
    verifyClass(IGuard, MaskGuard)
    verifyClass(IGuardFactory, Masks)


# --- what only the session knows


def test_a_temporary_table_of_clear_values_is_usable(gate: Gate) -> None:
    assert gate.run("CREATE TEMP TABLE mine AS SELECT id, name FROM customers").refused is None
    assert cells(gate.run("SELECT upper(name) FROM mine WHERE id = 1")) == [b"NAME1"]
    assert cells(gate.run("SELECT name FROM mine WHERE id = 1")) == [b"name1"]


def test_so_is_one_of_an_open_transaction(gate: Gate) -> None:
    gate.run("BEGIN")
    assert gate.run("CREATE TEMP TABLE mine (id int, email text)").refused is None
    assert gate.run("INSERT INTO mine VALUES (1, 'own')").refused is None
    assert cells(gate.run("SELECT id + 1, id FROM mine")) == [b"2", b"1"]
    assert cells(gate.run("SELECT email FROM mine")) == [b"****"]  # by its name
    assert cells(gate.run("SELECT upper(email) FROM mine")) == [b"****"]
    assert gate.session.asked


def test_what_is_still_under_way_does_not_count_as_committed(gate: Gate) -> None:
    """Pipelined: no transaction is open as far as the target has answered, but it may be at the definition yet."""
    gate.run("CREATE TABLE underway (id int)")
    gate.session.running = True
    gate.run("SELECT id FROM underway")
    assert gate.session.asked
    gate.session.asked.clear()
    gate.session.running = False
    gate.run("SELECT id FROM underway")
    assert not gate.session.asked  # the catalogue was read anew, and has it
    gate.run("DROP TABLE underway")


def test_a_table_of_an_open_transaction(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("CREATE TABLE fresh (a int)")
    gate.run("INSERT INTO fresh VALUES (7)")
    assert cells(gate.run("SELECT a * 2, a FROM fresh")) == [b"14", b"7"]
    assert cells(gate.extended("SELECT * FROM fresh", binary=True)) == [b"\0\0\0\7"]


def test_a_column_of_an_open_transaction(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("ALTER TABLE orders ADD COLUMN extra int DEFAULT 5, ADD COLUMN password text DEFAULT 'SECRET'")
    output = gate.run("SELECT extra, password FROM orders LIMIT 1")
    assert cells(output)[0] == b"5"
    assert b"SECRET" not in output.everything()


def test_a_temporary_table_that_hides_a_known_name(gate: Gate) -> None:
    """Its columns decide where PostgreSQL looks for a name next: the outer one must not slip through."""
    gate.run("BEGIN")
    gate.run("CREATE TEMP TABLE leads (x int); INSERT INTO leads VALUES (1)")
    assert set(cells(gate.run("SELECT (SELECT email FROM leads LIMIT 1) FROM customers"))) == {b"****"}
    assert cells(gate.run("SELECT x FROM leads")) == [b"1"]


def test_copy_follows_the_relation_that_the_session_sees(gate: Gate) -> None:
    gate.run("SET search_path = other, public")
    assert gate.run("COPY leads TO STDOUT").copied == b"1\t****\n"
    gate.run("SET search_path = public, other")
    assert gate.run("COPY leads TO STDOUT").copied == b"1\th\t1\n"
    gate.run("BEGIN")
    gate.run("CREATE TEMP TABLE customers (email text, id int)")
    gate.run("INSERT INTO customers VALUES ('SECRETown', 1)")
    assert gate.run("COPY customers TO STDOUT").copied == b"****\t1\n"


def test_copy_of_a_table_whose_columns_changed_meanwhile(gate: Gate, other: pq.PGconn) -> None:
    other.exec_(b"CREATE TABLE fresh (gone int, id int, email text); INSERT INTO fresh VALUES (1, 2, 'SECRET')")
    assert gate.run("COPY fresh TO STDOUT").copied == b"1\t2\t****\n"
    other.exec_(b"ALTER TABLE fresh DROP COLUMN gone")
    assert gate.run("COPY fresh TO STDOUT").copied == b"2\t****\n"


def test_generated_columns_are_not_copied(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("CREATE TABLE fresh (g int GENERATED ALWAYS AS (1) STORED, email text, id int)")
    gate.run("INSERT INTO fresh VALUES (DEFAULT, 'SECRET', 1)")
    assert gate.run("COPY fresh TO STDOUT").copied == b"****\t1\n"
    assert gate.run("COPY (SELECT * FROM fresh) TO STDOUT").copied == b"1\t****\t1\n"


def test_a_new_table_of_somebody_else(gate: Gate, other: pq.PGconn) -> None:
    other.exec_(b"CREATE TABLE fresh (id int, email text); INSERT INTO fresh VALUES (1, 'SECRET')")
    assert cells(gate.run("SELECT * FROM fresh")) == [b"1", b"****"]
    assert cells(gate.run("SELECT upper(email), id + 1 FROM fresh")) == [b"****", b"2"]
    assert gate.session.asked == []  # the catalogue knew


def test_a_new_view_of_somebody_else(gate: Gate, other: pq.PGconn) -> None:
    other.exec_(b"CREATE TABLE fresh (); CREATE VIEW fresh_view AS SELECT upper(email) AS e FROM customers")
    try:
        assert set(cells(gate.run("SELECT * FROM fresh_view"))) == {b"****"}
    finally:
        other.exec_(b"DROP VIEW fresh_view")


def test_a_table_that_somebody_renamed(gate: Gate, other: pq.PGconn) -> None:
    other.exec_(b"CREATE TABLE fresh (id int, email text); INSERT INTO fresh VALUES (1, 'SECRET')")
    gate.run("SELECT * FROM fresh")
    other.exec_(b"ALTER TABLE fresh RENAME TO renamed")
    assert cells(gate.run("SELECT upper(email) FROM renamed")) == [b"****"]
    assert cells(gate.run("SELECT email FROM renamed")) == [b"****"]


def test_a_relation_that_nobody_sees(gate: Gate) -> None:
    (error,) = gate.run("SELECT a, b FROM no_such_table").errors
    assert error["C"] == "42P01"
    refused = gate.run("SELECT a + 1 FROM no_such_table").refused
    assert refused is not None
    assert refused.sqlstate == "42P01"
    assert "no_such_table" in refused.reason


def test_a_view_that_only_the_session_sees_hides_all(gate: Gate) -> None:
    gate.run("BEGIN")
    assert gate.run("CREATE VIEW fresh AS SELECT id, note FROM orders").refused is None
    assert set(cells(gate.run("SELECT upper(note) FROM fresh"))) == {b"****"}
    assert set(cells(gate.run("SELECT note FROM fresh"))) == {b"****"}


def test_in_a_failed_transaction_nothing_can_be_asked(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("SELECT 1/0")
    assert gate.session.transaction == "E"
    refused = gate.run("COPY no_such_table TO STDOUT").refused
    assert refused is not None
    assert refused.sqlstate == "25P02"
    output = gate.run("ROLLBACK; SELECT upper(name), upper(email) FROM customers WHERE id = 1")
    assert cells(output)[1] == b"****"


def test_a_function_made_by_somebody_else(gate: Gate, other: pq.PGconn) -> None:
    other.exec_(b"CREATE FUNCTION fresh_function() RETURNS text LANGUAGE sql AS 'SELECT email FROM customers'")
    try:
        assert cells(gate.run("SELECT fresh_function()")) == [b"****"]
        body = "AS 'BEGIN RETURN (SELECT email FROM customers LIMIT 1); END' LANGUAGE plpgsql"
        other.exec_(f"CREATE FUNCTION fresh_code() RETURNS text {body}".encode())
        refused = gate.run("SELECT fresh_code()").refused
        assert refused is not None
        assert "fresh_code" in refused.reason
    finally:
        other.exec_(b"DROP FUNCTION fresh_function(), fresh_code()")
    output = gate.run("SELECT fresh_function()")
    assert output.results == []
    assert [error["C"] for error in output.errors] == ["42883"]


# --- names that statements run


def test_prepared_in_sql(gate: Gate) -> None:
    gate.run("PREPARE p (int) AS SELECT email FROM customers WHERE id = $1")
    assert cells(gate.run("EXECUTE p(1)")) == [b"****"]
    assert gate.run("EXPLAIN EXECUTE p(1)").refused is None
    gate.run("PREPARE q (int) AS SELECT upper(email), upper(name) FROM customers WHERE id = $1")
    assert cells(gate.run("EXECUTE q(1)")) == [b"****", b"NAME1"]


def test_cursors(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run("DECLARE k CURSOR FOR SELECT email FROM customers")
    assert cells(gate.run("FETCH 2 FROM k")) == [b"****", b"****"]
    assert gate.run("MOVE 1 IN k").refused is None
    assert gate.run("CLOSE k").refused is None


def test_prepared_by_the_protocol_and_run_by_name(gate: Gate) -> None:
    assert gate.judge("SELECT email FROM customers", Phase.PREPARE, name="stmt") is ALLOW
    assert gate.judge("EXECUTE stmt") is ALLOW
    assert gate.judge("SELECT email FROM customers", Phase.BIND, name="stmt", portal="door") is ALLOW
    assert gate.judge("FETCH ALL FROM door") is ALLOW
    assert isinstance(gate.judge("FETCH ALL FROM window"), Block)


def test_what_was_prepared_before_masks_came_is_judged_again(gate: Gate) -> None:
    gate.session.engine = FakeEngine([MASKS[1]])
    gate.run("PREPARE p AS SELECT upper(email) FROM customers")
    gate.run("PREPARE q AS SELECT email FROM customers WHERE id = 1")
    assert gate.run("EXECUTE p").rows
    gate.session.engine = FakeEngine(MASKS)
    gate.session.config = evolve(CONFIG, version="2")
    assert set(cells(gate.run("EXECUTE p"))) == {b"****"}
    assert cells(gate.run("EXECUTE q")) == [b"****"]


def test_what_was_prepared_while_no_mask_was_in_force_is_unknown(gate: Gate) -> None:
    gate.session.engine = FakeEngine([])
    gate.session.config = evolve(CONFIG, version="2")
    gate.run("PREPARE p AS SELECT upper(email) FROM customers")
    gate.session.engine = FakeEngine(MASKS)
    gate.session.config = CONFIG
    assert gate.run("EXECUTE p").refused is not None


def test_a_failed_definition_hides_no_older_one(gate: Gate) -> None:
    gate.session.engine = FakeEngine([MASKS[1]])
    gate.run("PREPARE p AS SELECT upper(email) FROM customers")
    (error,) = gate.run("PREPARE p AS SELECT 1").errors
    assert error["C"] == "42P05"
    gate.session.engine = FakeEngine(MASKS)
    gate.session.config = evolve(CONFIG, version="2")
    assert set(cells(gate.run("EXECUTE p"))) == {b"****"}


def test_calls_by_number_are_refused(gate: Gate) -> None:
    assert isinstance(gate.judge("", Phase.CALL), Block)


# --- reloads and faults


def test_without_masks_all_passes(gate: Gate) -> None:
    gate.session.engine = FakeEngine([])
    gate.session.config = evolve(CONFIG, version="2")
    assert gate.run("SELECT upper(email) FROM customers WHERE id = 1").rows == [(b"SECRET1@EXAMPLE.COM",)]
    gate.session.engine = FakeEngine(MASKS)
    gate.session.config = CONFIG
    assert set(cells(gate.run("SELECT upper(email) FROM customers"))) == {b"****"}


def test_text_that_does_not_parse_is_refused(gate: Gate) -> None:
    verdict = gate.judge("SELEC 1")
    assert isinstance(verdict, Block)
    assert verdict.sqlstate == "42601"


def test_an_empty_statement_passes(gate: Gate) -> None:
    for text in ("", ";;", "-- nothing", "/* nothing */"):
        assert gate.judge(text) is ALLOW


def test_a_catalogue_that_cannot_be_read_lets_nothing_pass(gate: Gate) -> None:
    gate.session.catalogue = Catalogue(lambda sql: fail(HoopgateError("gone")), Clock())
    verdict = gate.judge("SELECT 1")
    assert isinstance(verdict, Block)
    assert verdict.sqlstate == "57P03"


def test_a_stale_catalogue_that_cannot_be_refreshed_lets_nothing_pass(gate: Gate) -> None:
    clock = Clock()
    broken = False

    def query(sql: str) -> Any:
        return fail(HoopgateError("gone")) if broken else succeed(rows(gate.connection, sql))

    gate.session.catalogue = Catalogue(query, clock)
    assert gate.judge("SELECT 1") is ALLOW
    broken = True
    clock.advance(60)
    assert isinstance(gate.judge("SELECT 1"), Block)


def column(table: int, attnum: int, type_oid: int = 25, format: int = 0) -> Column:
    return Column("c", table, attnum, type_oid, -1, -1, format)


def test_columns_of_an_unknown_table_are_masked_whatever_they_hold(gate: Gate) -> None:
    unknown = 4_000_000_000
    shape = (
        column(unknown, 1),
        column(unknown, 2, 23, 1),
        column(unknown, 3, 99_999),
        column(0, 0),
        column(unknown, 0),
    )
    verdict = fired(gate.guard.inspect(Columns(b"", shape, None)))
    assert isinstance(verdict, MaskVerdict)
    changes = verdict.plan.transforms
    assert [change(b"x") for change in changes if change] == [b"****", b"\0\0\0\0", None, b"****", None]


def test_whole_rows_become_null(gate: Gate) -> None:
    (relation,) = gate.session.catalogue.snapshot.names["customers"]  # type: ignore[union-attr]
    verdict = fired(gate.guard.inspect(Columns(b"", (column(relation.oid, 0, 16_390),), None)))
    assert verdict.plan.transforms[0](b"(1,SECRET)") is None


def test_results_of_unmasked_columns_are_allowed_without_a_plan(gate: Gate) -> None:
    statement = Statement(b"", "SELECT 1, relname, xmin FROM pg_class", Phase.SIMPLE)
    assert fired(gate.guard.inspect(statement)) is ALLOW
    assert gate.guard.inspect(Columns(b"", (column(0, 0), column(1259, 2), column(1259, -3)), statement)) is ALLOW


def test_of_a_statement_that_nobody_judged_only_known_columns_pass(gate: Gate) -> None:
    """As one that a third party's guard put in the place of what was judged."""
    gate.judge("SELECT 1")
    verdict = fired(gate.guard.inspect(Columns(b"", (column(0, 0), column(1259, 2)), Statement(b"", "", Phase.SIMPLE))))
    assert [change is None for change in verdict.plan.transforms] == [False, True]


def test_a_copy_that_nobody_judged_ends_the_session(gate: Gate) -> None:
    frame = Columns(b"H\0\0\0\x09\0\0\x01\0\0", (), Statement(b"", "COPY x TO STDOUT", Phase.SIMPLE), "text")
    assert isinstance(fired(gate.guard.inspect(frame)), Block)


def test_a_copy_of_another_width_than_judged_is_masked_whole(gate: Gate) -> None:
    statement = Statement(b"", "COPY customers TO STDOUT", Phase.SIMPLE)
    assert fired(gate.guard.inspect(statement)) is ALLOW
    frame = Columns(b"H\0\0\0\x09\0\0\x01\0\0", (), statement, "text")
    verdict = fired(gate.guard.inspect(frame))
    assert [change(b"1") for change in verdict.plan.plan.transforms] == [None]


def test_a_copy_of_another_format_than_judged_fails(gate: Gate) -> None:
    statement = Statement(b"", "COPY customers (email) TO STDOUT", Phase.SIMPLE)
    assert fired(gate.guard.inspect(statement)) is ALLOW
    frame = Columns(b"H\0\0\0\x09\1\0\x01\0\1", (), statement, "binary")
    with pytest.raises(HoopgateError, match="not what it was"):
        fired(gate.guard.inspect(frame))


def test_pipelined_copies_keep_their_shapes(gate: Gate) -> None:
    first = Statement(b"", "COPY customers (email) TO STDOUT", Phase.EXECUTE)
    failed = Statement(b"", "COPY customers (name) TO STDOUT", Phase.EXECUTE)
    second = Statement(b"", "COPY customers (id) TO STDOUT", Phase.EXECUTE)
    for statement in (first, failed, second):
        statement.judged_at = gate.session.catalogue.changes  # as it was bound
        assert fired(gate.guard.inspect(statement)) is ALLOW
    raw = b"H\0\0\0\x09\0\0\x01\0\0"
    verdict = fired(gate.guard.inspect(Columns(raw, (), first, "text")))
    assert verdict.plan.plan.transforms[0](b"SECRET") == b"****"
    assert fired(gate.guard.inspect(Columns(raw, (), second, "text"))) is ALLOW


@pytest.mark.parametrize("encoding", ["cp932", "gb18030"])
def test_copy_in_an_encoding_that_hides_delimiters_is_refused(gate: Gate, encoding: str) -> None:
    gate.session.client_encoding = encoding
    assert isinstance(gate.judge("COPY customers TO STDOUT"), Block)
    assert gate.judge("COPY customers TO STDOUT (FORMAT binary)") is ALLOW
    assert gate.judge("COPY orders TO STDOUT") is ALLOW


def test_copy_whose_encoding_nobody_told_yet_is_refused(gate: Gate) -> None:
    """What ran in the batch may have changed it, and the target says so at its end."""
    gate.session.tentative = True
    assert isinstance(gate.judge("COPY customers TO STDOUT"), Block)
    assert gate.judge("COPY customers TO STDOUT (ENCODING 'UTF8')") is ALLOW
    assert gate.judge("COPY customers TO STDOUT (FORMAT binary)") is ALLOW
    assert gate.judge("COPY orders TO STDOUT") is ALLOW


def test_copy_that_is_answered_in_another_encoding_than_it_was_judged_in_ends(gate: Gate) -> None:
    statement = Statement(b"", "COPY customers (email) TO STDOUT", Phase.SIMPLE)
    assert fired(gate.guard.inspect(statement)) is ALLOW
    gate.session.client_encoding = "cp932"
    assert isinstance(fired(gate.guard.inspect(Columns(b"H\0\0\0\x09\0\0\x01\0\0", (), statement, "text"))), Block)


def test_copy_into_another_encoding(gate: Gate) -> None:
    assert isinstance(gate.judge("COPY customers TO STDOUT (ENCODING 'sjis')"), Block)
    assert gate.judge("COPY customers TO STDOUT (ENCODING 'latin1')") is ALLOW


def test_hash_without_its_secret_hides_all(gate: Gate) -> None:
    gate.guard._fetch = lambda ref: fail(SecretError("no such secret"))
    assert cells(gate.run('SELECT "Password" FROM app.users')) == [b"****"]


def test_events_name_masks_and_columns_never_values(gate: Gate) -> None:
    gate.run("SELECT id, email, phone FROM customers")
    gate.run("COPY customers (id, email) TO STDOUT")
    assert gate.session.events == [
        ("masked", {"masks": ["emails", "phones"], "columns": ["email", "phone"]}),
        ("masked", {"masks": ["emails"], "columns": ["column 2"]}),
    ]


def test_what_was_said_of_a_text_is_remembered_until_the_catalogue_changes(
    open_gate: Callable[[], Gate], other: pq.PGconn
) -> None:
    gate = open_gate()
    parsed: list[str] = []
    parse = gate.session.parser.parse
    gate.session.parser = type("Counting", (), {"parse": lambda self, text: parsed.append(text) or parse(text)})()
    for _ in range(3):
        gate.run("SELECT email FROM customers")
    assert len(parsed) == 1
    other.exec_(b"CREATE TABLE fresh (id int)")
    fired(gate.session.catalogue.refresh())
    gate.run("SELECT email FROM customers")
    assert len(parsed) == 2


def test_masks_of_one_configuration_are_not_those_of_the_next(gate: Gate) -> None:
    assert gate.run("SELECT upper(name) FROM customers").refused is None
    gate.session.engine = FakeEngine([Mask("names", ("*.*.name",))])
    gate.session.config = evolve(CONFIG, version="2")
    assert set(cells(gate.run("SELECT upper(name) FROM customers"))) == {b"****"}
    assert b"****" not in cells(gate.run("SELECT upper(email) FROM customers"))


def test_notices_of_nobody_are_scrubbed(gate: Gate) -> None:
    fields = {"S": "NOTICE", "V": "NOTICE", "C": "P0001", "M": "SECRET", "D": "SECRET"}
    verdict = fired(gate.guard.inspect(Notice(b"", fields, None, False)))
    assert b"SECRET" not in verdict.frame.raw


def test_deep_nesting_is_refused_not_a_fault(gate: Gate) -> None:
    sql = "SELECT " + "(SELECT " * 800 + "email" + ")" * 800 + " FROM customers"
    assert isinstance(gate.judge(sql), Block)
