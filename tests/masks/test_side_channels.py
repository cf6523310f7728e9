"""What a real server says, in several languages, of statements that compute with masked values: each quotes one when it
is asked directly, and none behind the scrubbing; what only repeats the client's own words stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from psycopg import pq

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.development import postgres
from hoopgate.frames import BIND, SIMPLE, Parameter, Statement
from hoopgate.guards.mask_notices import own_part, said_by_code, scrub
from tests.masks.conftest import MARKS, MASKS
from tests.masks.gate import FIELDS, catalogue_of, connect, fired

LANGUAGES = ("de", "ja", *(pytest.param(each, marks=pytest.mark.long) for each in ("es", "fr", "ru")))
"""What Debian's PostgreSQL speaks, where its translations are installed. Each takes a server, so most are long."""

# Expressions over masked columns whose error quotes the value.
EXPRESSIONS = (
    *(
        f"email::{name}"
        for name in (
            "int",
            "bigint",
            "smallint",
            "numeric",
            "float8",
            "bool",
            "oid",
            "uuid",
            "date",
            "time",
            "timetz",
            "timestamp",
            "timestamptz",
            "interval",
            "money",
            "inet",
            "cidr",
            "macaddr",
            "point",
            "box",
            "json",
            "jsonb",
            "regclass",
            "regtype",
            "regproc",
            "regoper",
            "regconfig",
            "regdictionary",
            "regcollation",
            "mood",
            "pg_lsn",
            "tid",
            "xid8",
            "int4range",
            "int4multirange",
            "text[]",
            "int[]",
            "txid_snapshot",
        )
    ),
    "substr(email, 1, 7)::regrole",
    "substr(email, 1, 7)::regnamespace",
    "('a:' || email || '::')::tsvector",
    "(email || ' ' || email)::tsquery",
    "('{\"a\": ' || email || '}')::jsonb",
    "('(' || email || ',1)')::customers",
    "(card::text || '0000000')::int",
    "chr((substr(card::text, 1, 7))::int)",
    "born::text::int",
    "born::text::uuid",
    "to_timestamp(email, 'FMMonth')",
    "to_date(email, 'TMMonth')",
    "date_trunc(email, now())",
    "date_part(email, now())",
    "convert_from('x', email)",
    "convert_to('x', email)",
    "encode('x', email)",
    "decode('x', email)",
    "pg_size_bytes(email)",
    "parse_ident(' ' || email || '\"')",
    "current_setting(email)",
    "has_table_privilege(email, 'select')",
    "has_schema_privilege(email, 'usage')",
    "pg_has_role(email, 'usage')",
    "pg_get_serial_sequence(email, 'x')",
    "nextval(email)",
    "to_tsvector(email::regconfig, 'x')",
    "ts_headline('a', 'a'::tsquery, email || '=x')",
    "pg_read_file(email)",
    "string_to_array(email, '@')::int[]",
    "json_build_object('a', 1)::jsonb -> (email::int)",
    "(array_agg(email))[1]::int",
    "max(email)::int",
    "row_number() OVER (ORDER BY min(email)::int)",
)
STATEMENTS = (
    *(f"SELECT {each} FROM customers" for each in EXPRESSIONS),
    "SELECT 1 FROM customers WHERE email::int = 1",
    "SELECT 1 FROM customers GROUP BY email::int",
    "SELECT 1 FROM customers ORDER BY email::int",
    "SELECT 1 FROM customers LIMIT (SELECT email::int FROM customers LIMIT 1)",
    "SELECT CASE WHEN email::int > 1 THEN 1 END FROM customers",
    "SELECT 1 FROM customers a JOIN customers b ON a.email::int = b.id",
    "EXPLAIN ANALYZE SELECT email::int FROM customers",
    "COPY (SELECT email::int FROM customers) TO STDOUT",
    "WITH x AS MATERIALIZED (SELECT email::int AS e FROM customers) SELECT count(e) FROM x",
    "INSERT INTO watched SELECT email::int FROM customers",
    "DELETE FROM customers WHERE email::int = 1",
    "UPDATE customers SET name = NULL",
    "UPDATE customers SET card = 1 WHERE id = 1",
    "UPDATE customers SET id = email::int",
    "INSERT INTO unique_notes SELECT 1, email FROM customers UNION ALL SELECT 1, email FROM customers",
    "INSERT INTO listed SELECT email FROM customers",
    "INSERT INTO ranged SELECT born FROM customers",
    "INSERT INTO excluded_notes SELECT email FROM customers UNION ALL SELECT email FROM customers",
    "INSERT INTO checked SELECT email FROM customers",
    "INSERT INTO checked_view SELECT 'x' || email FROM customers",
    "INSERT INTO referring SELECT email FROM customers",
    "CREATE UNIQUE INDEX ON customers (left(email, 6))",
    "ALTER TABLE customers ADD CHECK (email::int > 1)",
    "ALTER TABLE addressed ALTER email TYPE int USING email::int",
    "ALTER TABLE customers ADD EXCLUDE (left(email, 6) WITH =)",
    "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT email FROM customers LIMIT 1); END $$",
    "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = (SELECT email FROM customers LIMIT 1); END $$",
    "DO $$ BEGIN PERFORM (SELECT email FROM customers LIMIT 1)::int; END $$",
    "DO $$ BEGIN EXECUTE 'SELECT * FROM ' || quote_ident((SELECT email FROM customers LIMIT 1)); END $$",
    "DO $$ BEGIN EXECUTE 'SELECT 1 ' || (SELECT name || email FROM customers LIMIT 1); END $$",
    "SELECT sql_cast() FROM orders",
)
MORE = (  # which quote values in some versions or builds alone
    "SELECT ('<' || email)::xml FROM customers",
    "SELECT xpath('//a', ('<a>' || email)::xml) FROM customers",
    "SELECT ('\\x' || email)::bytea FROM customers",
    "SELECT to_date('x' || email, 'YYYY') FROM customers",
    "SELECT format('%' || email, 1) FROM customers",
    "SELECT timezone(email, now()) FROM customers",
    "SELECT 'x' ~ ('(' || email) FROM customers",
    "SELECT regexp_replace('x', 'x', 'x', email) FROM customers",
    "SELECT card::int FROM customers",
    "SELECT email::jsonpath FROM customers",
    "SELECT repeat(email, 1000000000) FROM customers",
    "SELECT 1 / (length(email) - length(email)) FROM customers",
)
PREPARING = """
CREATE TABLE unique_notes (id int, note text UNIQUE);
CREATE TABLE listed (v text) PARTITION BY LIST (v);
CREATE TABLE ranged (v date) PARTITION BY RANGE (v);
CREATE TABLE excluded_notes (v text, EXCLUDE (v WITH =));
CREATE TABLE checked (v text CHECK (length(v) < 2));
CREATE VIEW checked_view AS SELECT note AS v FROM unique_notes WHERE note < 'a' WITH CHECK OPTION;
CREATE TABLE referring (v text REFERENCES unique_notes (note));
CREATE FUNCTION sql_cast() RETURNS int LANGUAGE sql AS 'SELECT email::int FROM customers LIMIT 1';
CREATE TABLE secured (v text);
CREATE FUNCTION cast_secret(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT email::int > 0 FROM customers';
"""
LOGGED = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_level = ",
    "DO $$ BEGIN EXECUTE 'SELECT ' || quote_literal((SELECT email FROM customers LIMIT 1)); END $$",
)


@define
class Server:
    """A session as the superuser, what the gateway knows of its database, and what was said."""

    connection: pq.PGconn
    index: MaskIndex
    notices: list[dict[str, str]] = field(factory=list)

    def said(self, sql: str, *values: bytes) -> dict[str, str]:
        """The error's fields, in a transaction that is rolled back."""
        self.connection.exec_(b"BEGIN")
        if values:
            result = self.connection.exec_params(sql.encode(), values)
        else:
            result = self.connection.exec_(sql.encode())
        if result.status == pq.ExecStatus.COPY_OUT:
            while self.connection.get_copy_data(0)[0] >= 0:
                continue
            result = self.connection.get_result()
        fields = read(result)
        self.connection.exec_(b"ROLLBACK")
        return fields


def read(result: Any) -> dict[str, str]:
    return {code: text.decode() for code, which in FIELDS.items() if (text := result.error_field(which)) is not None}


def server_of(dsn: str) -> Server:
    reader = connect(dsn)  # another, whose settings the catalogue makes its own
    index = compile_masks(fired(catalogue_of(reader).refresh()), MASKS)
    reader.finish()
    connection = connect(dsn)
    made = Server(connection, index)
    connection.notice_handler = lambda result: made.notices.append(read(result))
    return made


@pytest.fixture(scope="module")
def english(embedded_postgres: postgres.EmbeddedPostgres) -> Iterator[Server]:
    embedded_postgres.execute("CREATE DATABASE side_channels")
    schema = (Path(__file__).parent / "schema.sql").read_text()
    embedded_postgres.execute(schema + PREPARING, "side_channels")
    made = server_of(embedded_postgres.dsn("side_channels"))
    yield made
    made.connection.finish()
    embedded_postgres.execute("DROP DATABASE side_channels")


class Foreign(postgres.PostgresServer):
    """Debian's PostgreSQL, which speaks another language. (The locale has to be one other than C.)"""

    language = ""

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "LANGUAGE": self.language}


@pytest.fixture(scope="module", params=LANGUAGES)
def foreign(request: pytest.FixtureRequest) -> Iterator[Server]:
    programs = postgres.system_programs()
    if programs is None or not list(Path("/usr/share/locale").glob(f"{request.param}/LC_MESSAGES/postgres-*.mo")):
        pytest.skip("no PostgreSQL with translations is installed under /usr/lib/postgresql")
    running = Foreign(programs, options=postgres.Options(settings={"lc_messages": "C.UTF-8"}))
    running.language = request.param
    running.start()
    try:
        schema = (Path(__file__).parent / "schema.sql").read_text()
        schema = schema.replace("CREATE EXTENSION vector;", "").replace("vector(3)", "text")  # not installed there
        running.execute("CREATE DATABASE foreign_masks")
        running.execute(schema + PREPARING, "foreign_masks")
        made = server_of(running.dsn("foreign_masks"))
        yield made
        made.connection.finish()
    finally:
        running.stop()


def marks(fields: dict[str, str]) -> list[bytes]:
    text = "\n".join(fields.values()).encode().lower()
    return [mark for mark in (*MARKS, b"secr") if mark.lower() in text]


def check(server: Server) -> list[str]:
    """Statements whose error shows a value behind the scrubbing, or loses its SQLSTATE."""
    wrong, leaked = [], 0
    for sql in (*STATEMENTS, *MORE):
        fields = server.said(sql)
        if not fields:
            continue  # what one version takes another does not
        leaked += bool(marks(fields))
        clean = scrub(fields, server.index, own_part(Statement(b"", sql, SIMPLE), reads=True, encoding="utf-8"))
        if marks(clean) or clean.get("C") != fields["C"] or not clean.get("M"):
            wrong.append(f"{sql}: {clean}")
    assert leaked > len(STATEMENTS) * 0.9
    return wrong


def test_no_error_quotes_a_value(english: Server) -> None:
    quiet = [sql for sql in STATEMENTS if not marks(english.said(sql))]
    assert quiet == []  # each of them does, to who asks directly
    assert check(english) == []


def test_no_error_quotes_a_value_in_any_language(foreign: Server) -> None:
    assert foreign.said("SELECT 1/0")["S"] != "ERROR" or "division by zero" not in foreign.said("SELECT 1/0")["M"]
    assert check(foreign) == []


def test_code_behind_quiet_statements_is_known_in_any_language(foreign: Server) -> None:
    """Functions of row security run behind statements that touch nothing masked."""
    for call in ("sql_cast()", "cast_secret('x')"):
        fields = foreign.said(f"SELECT {call} FROM customers")
        assert marks(fields)
        assert said_by_code(fields)


def test_plans_and_parameters_in_the_servers_log(foreign: Server) -> None:
    """auto_explain prints texts of nested statements, with the level that somebody chose."""
    foreign.connection.exec_(b"SET client_min_messages = debug1")
    for level in ("notice", "info", "warning", "log", "debug1"):
        foreign.notices.clear()
        for sql in (LOGGED[0], f"{LOGGED[1]}{level}", LOGGED[2]):
            foreign.connection.exec_(sql.encode())
        leaking = [fields for fields in foreign.notices if marks(fields)]
        assert leaking
        for fields in leaking:
            written = own_part(Statement(b"", LOGGED[2], SIMPLE), reads=False, encoding="utf-8")
            assert not marks(scrub(fields, foreign.index, written))
    foreign.connection.exec_(b"SET auto_explain.log_min_duration = -1; RESET client_min_messages")


# --- what stays

POINTED = (
    "SELECT no_such_column FROM customers",
    "SELECT email FROM no_such_table",
    "SELECT no_such_function(email) FROM customers",
    "SELECT email FRO customers",
    "SELECT email, count(*) FROM customers",
    "SELECT email::no_such_type FROM customers",
    "SELECT email + 1 FROM customers",
    "SELECT 'abc'::int, email FROM customers",
    "SELECT '{1'::json, email FROM customers",
    "SELECT '2024-13-13'::date, email FROM customers",
    "UPDATE customers SET no_such_column = 1",
)
NAMED = {
    "INSERT INTO customers (id, name) VALUES (1, 'x')": "customers_pkey",
    "INSERT INTO orders (id, customer_id) VALUES (99, 99)": "orders_customer_id_fkey",
    "DELETE FROM customers": "orders_customer_id_fkey",
    "INSERT INTO customers (id) VALUES (99)": "name",
    "UPDATE customers SET card = 1": "customers_card_check",
    "DROP TABLE customers": "",
}


def reading(sql: str) -> Any:
    return own_part(Statement(b"", sql, SIMPLE), reads=True, encoding="utf-8")


@pytest.mark.parametrize("sql", POINTED)
def test_what_points_into_the_clients_text_stays(english: Server, sql: str) -> None:
    fields = english.said(sql)
    clean = scrub(fields, english.index, reading(sql))
    assert {code: clean.get(code) for code in "CMPDH"} == {code: fields.get(code) for code in "CMPDH"}


def test_what_points_into_the_clients_text_stays_in_any_language(foreign: Server) -> None:
    for sql in POINTED:
        fields = foreign.said(sql)
        if not fields.get("W"):
            assert scrub(fields, foreign.index, reading(sql)) == fields


@pytest.mark.parametrize("sql", NAMED)
def test_violated_constraints_stay_named(english: Server, sql: str) -> None:
    fields = english.said(sql)
    clean = scrub(fields, english.index, reading(sql))
    assert clean["M"] == fields["M"]
    assert NAMED[sql] in clean.get("n", "") + clean.get("c", "")
    assert not marks(clean)


def test_violated_constraints_stay_named_in_any_language(foreign: Server) -> None:
    for sql in NAMED:
        fields = foreign.said(sql)
        clean = scrub(fields, foreign.index, reading(sql))
        assert clean["M"] == fields["M"]
        assert not marks(clean)


def test_keys_of_clear_columns_are_shown(english: Server) -> None:
    """And those of masked ones, of rows, of temporary tables, and of what reads masked columns, are not."""

    def shown(sql: str, *, reads: bool = False) -> str:
        fields = english.said(sql)
        assert "D" in fields
        written = own_part(Statement(b"", sql, SIMPLE), reads=reads, encoding="utf-8")
        return scrub(fields, english.index, written).get("D", "")

    assert shown("INSERT INTO customers (id, name) VALUES (1, 'x')") == "Key (id)=(1) already exists."
    assert shown("INSERT INTO customers (id, name) VALUES (1, 'x')", reads=True) == ""
    assert shown("DELETE FROM customers WHERE id = 1").startswith("Key (id)=(1) is still referenced")
    assert shown("INSERT INTO customers (id, name, email) VALUES (99, 'x', 'SECRET1@example.com')") == ""
    assert shown("UPDATE customers SET name = NULL") == ""
    assert shown("CREATE TEMP TABLE own (v text UNIQUE); INSERT INTO own VALUES ('x'), ('x')") == ""


WRITING = (
    "DROP TABLE no_such_table",
    "DROP TABLE IF EXISTS no_such_table",
    "ALTER TABLE customers DROP COLUMN no_such_column",
    "DROP FUNCTION no_such_function(integer)",
    "DROP ROLE no_such_role",
    "CREATE TABLE customers (id int)",
    "CREATE TABLE IF NOT EXISTS customers (id int)",
    "CREATE INDEX customers_pkey ON customers (name)",
    "CREATE SCHEMA app",
    "TRUNCATE no_such_table",
    "LOCK TABLE no_such_table",
    "COMMENT ON COLUMN customers.nope IS 'x'",
    "GRANT SELECT ON no_such_table TO public",
)


@pytest.mark.parametrize("sql", WRITING)
def test_what_repeats_the_clients_words_stays(english: Server, sql: str) -> None:
    """Of statements that read no masked column."""
    english.notices.clear()
    fields = english.said(sql) or english.notices[-1]
    written = own_part(Statement(b"", sql, SIMPLE), reads=False, encoding="utf-8")
    assert scrub(fields, english.index, written)["M"] == fields["M"]


def test_parameters_that_fit_no_type(english: Server) -> None:
    sql = "SELECT email FROM customers WHERE id = $1"
    fields = english.said(sql, b"abc")
    bound = Statement(b"", sql, BIND, parameters=(Parameter(b"abc"),))
    clean = scrub(fields, english.index, own_part(bound, reads=True, encoding="utf-8"))
    assert clean["M"] == 'invalid input syntax for type integer: "abc"'
    assert clean.get("W", "") in ("", "unnamed portal parameter $1")
    other = Statement(b"", sql, BIND, parameters=(Parameter(b"5"),))
    assert "abc" not in scrub(fields, english.index, own_part(other, reads=True, encoding="utf-8"))["M"]


@pytest.mark.parametrize(
    "message",
    [
        'relation "SECRET" does not exist',
        'relation "no" SECRET "such" does not exist',
        'relation ""no" SECRET" does not exist',
        "relation »no« does not exist",
        "invalid large object descriptor: 4111999",
        "SECRET does not exist",
    ],
)
def test_what_the_client_did_not_write_goes(english: Server, message: str) -> None:
    fields = {"S": "ERROR", "V": "ERROR", "C": "42P01", "M": message, "H": "x", "F": "namespace.c"}
    clean = scrub(
        fields, english.index, own_part(Statement(b"", "DROP TABLE no", SIMPLE), reads=False, encoding="ascii")
    )
    assert not marks(clean)
    assert "no" not in clean["M"].split()[:3]
