"""Password literals never reach a recording; nothing else is hidden from it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import MAX_PAYLOAD, pack_event
from hoopgate.recorders.redact import recordable, redact_statement, strip_literals

SECRET = "hunter2"

HIDDEN = [
    "ALTER ROLE app PASSWORD 'hunter2'",
    "alter user app with encrypted password 'hunter2' valid until '2030-01-01'",
    "CREATE USER app PASSWORD 'hunter2'",
    "CREATE/**/ROLE app -- it's here\nLOGIN PASSWORD/* ' */'hunter2'",
    "CREATE GROUP g PASSWORD E'hunter\\'2'",
    "CREATE ROLE app PASSWORD U&'hunter2' UESCAPE '!'",
    "ALTER USER app PASSWORD $$hunter2$$",
    "ALTER USER app PASSWORD $q$hunter2$q$",
    "ALTER USER app PASSWORD hunter2",
    'ALTER USER app PASSWORD "hunter2"',
    "ALTER USER app PASSWORD$$hunter2$$",
    "ALTER USER app PASSWORD 'hunter2",
    "ALTER USER app PASSWORD 'x'\n'hunter2'",
    "SELECT 1; ALTER ROLE app PASSWORD 'hunter2'; SELECT 2",
    "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'app', password 'hunter2')",
    "CREATE USER/**/MAPPING FOR app SERVER s OPTIONS (user 'app', U&\"\\0070assword\" 'hunter2')",
    "ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password 'hunter2')",
    "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'hunter2')",
    "CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (key 'hunter2')",
    "IMPORT FOREIGN SCHEMA x FROM SERVER s INTO y OPTIONS (key 'hunter2')",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p",
    "ALTER SUBSCRIPTION s CONNECTION 'host=h password=hunter2'",
    "ALTER SYSTEM SET primary_conninfo = 'host=h password=hunter2'",
    "SELECT * FROM dblink('host=h password=hunter2', 'SELECT 1')",
    "SELECT dblink_connect('postgresql://app:hunter2@h/db')",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ' || quote_literal('hunter2'); END $$",
    "DO $a$ BEGIN EXECUTE $b$ALTER ROLE app PASSWORD 'hunter2'$b$; END $a$",
    "SELECT format('ALTER ROLE %I PASSWORD %L', 'app', 'hunter2')",
    "INSERT INTO users (name, password) VALUES ('ada', 'hunter2')",
    "UPDATE users SET name = 'ada', password = crypt('hunter2', gen_salt('bf')) WHERE id = 1",
    "SELECT * FROM users WHERE crypt('hunter2', password_hash) = password_hash",
    "SELECT * FROM users WHERE name = 'ada' AND 'hunter2' = \"Password\"",
    "SELECT * FROM users WHERE password IN ('a', 'hunter2')",
    "SELECT * FROM users WHERE password = (SELECT 'hunter2')",
]

SHOWN = [
    ("SELECT id, password FROM users WHERE email = 'ada@example.com'", "ada@example.com"),
    ("UPDATE users SET password = 'x', name = 'ada' WHERE id = '7'", "'7'"),
    ("DELETE FROM orders WHERE 'password' = 'password' AND id = '7'", "'7'"),
    ("DELETE FROM orders /* password */ WHERE id = '7'", "'7'"),
    ("SELECT 'http://example.com/'", "http://example.com/"),
    ("SELECT server, options FROM x WHERE a = 'b'", "'b'"),
    ("ALTER ROLE app PASSWORD 'x'; DELETE FROM t WHERE id = '7'", "'7'"),
    ("SELECT 'a\\' , 'password'; DELETE FROM t WHERE id = '7'", "'7'"),
    ("SET password_encryption = 'scram-sha-256'", "scram-sha-256"),
    ("DO $$ BEGIN DELETE FROM t WHERE id = '7'; PERFORM 'options'; END $$", "'7'"),
]


@pytest.mark.parametrize("text", HIDDEN)
def test_password_is_hidden(text: str) -> None:
    redacted = redact_statement(text)
    assert "hunter" not in redacted
    assert "***" in redacted


@pytest.mark.parametrize(("text", "kept"), SHOWN)
def test_nothing_else_is_hidden(text: str, kept: str) -> None:
    assert kept in redact_statement(text)


def test_statement_without_a_sign_is_the_same_object() -> None:
    text = "SELECT name FROM customers WHERE id = 'x'"
    assert redact_statement(text) is text
    raw = messages.query(text)
    assert recordable(raw) is raw


@pytest.mark.parametrize("text", HIDDEN)
def test_password_is_hidden_on_the_wire(text: str) -> None:
    for raw in (messages.query(text), messages.parse_message("name", text, [25, 0])):
        recorded = recordable(raw)
        assert b"hunter" not in recorded
        if recorded[:1] == b"Q":
            assert b"***" in messages.parse_query(recorded)
        else:
            parsed = messages.parse_parse(recorded)
            assert (parsed.name, parsed.type_oids) == (b"name", (25, 0))
            assert b"***" in parsed.text


@pytest.mark.parametrize("encoding", ["latin-1", "cp932", "gbk", "big5", "koi8-r", "utf-8"])
def test_password_is_hidden_in_every_client_encoding(encoding: str) -> None:
    sample = {"latin-1": "é", "cp932": "表", "gbk": "誠", "big5": "功", "koi8-r": "Ж", "utf-8": "é表"}[encoding]
    for quote in ("'", "E'"):
        text = f'ALTER ROLE "{sample}" PASSWORD {quote}{sample}hunter2{sample}\''.encode(encoding)
        assert b"hunter2" not in recordable(messages.query(text))


def test_batch_of_messages_keeps_its_framing() -> None:
    before, after = messages.query("SELECT 'x'"), messages.sync()
    raw = before + messages.query("ALTER ROLE a PASSWORD 'hunter2'") + after
    recorded = recordable(raw)
    assert recorded.startswith(before)
    assert recorded.endswith(after)
    assert b"hunter2" not in recorded


def test_password_message_is_dropped() -> None:
    assert recordable(messages.password_message("hunter2")) == b""
    raw = messages.sasl_response(b"n=,r=secret") + messages.query("SELECT 1")
    assert recordable(raw) == messages.query("SELECT 1")


def test_strings_that_do_not_conform() -> None:
    text = "ALTER ROLE a PASSWORD 'x\\'hunter2\\'y'"
    assert "hunter2" not in redact_statement(text, conforming=False)


def test_large_text_loses_every_literal_quickly() -> None:
    text = "INSERT INTO users (password) VALUES " + ",".join("('hunter2')" for _ in range(200_000))
    began = time.monotonic()
    redacted = redact_statement(text)
    assert time.monotonic() - began < 5
    assert "hunter2" not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "user " * 200_000,
        "SELECT '" + "user " * 10_000 + "secret'",
        "SELECT '" + "secret" * 9_000 + "'",
        "SELECT '" + "://a:" * 12_000 + "'",
        "SELECT '://" + "a:" * 30_000 + "'",
        "password /*" * 5_000,
        "password " + "$a$" * 15_000,
        "password " + "(" * 30_000,
        "pwd " * 16_000 + "'x'",
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    began = time.monotonic()
    redact_statement(text)
    assert time.monotonic() - began < 3


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="'\"\\$;-*/()Eaé \npassword", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    redact_statement(text)
    strip_literals(text)
    text = text.replace("\0", "")
    recorded = recordable(messages.query(text))
    assert int.from_bytes(recorded[1:5], "big") == len(recorded) - 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_taken(raw: bytes) -> None:
    recordable(raw)
    recordable(b"Q" + (len(raw) + 4).to_bytes(4, "big") + raw)
    recordable(b"Q" + (len(raw) + 14).to_bytes(4, "big") + b"password '" + raw)


def test_literals_are_stripped_for_logs() -> None:
    text = "SELECT 'a', E'b\\'', $$c$$, 42, 1.5e3, x1 FROM t -- 'd'\nWHERE \"e\" = $1"
    assert strip_literals(text) == "SELECT ?, ?, ?, ?, ?, x1 FROM t -- 'd'\nWHERE \"e\" = ?"
    assert "open" not in strip_literals("SELECT 'open")


def test_fields_are_bounded_and_without_secrets() -> None:
    fields = prepared(
        {
            "text": "ALTER ROLE a PASSWORD 'hunter2'",
            "password": "hunter2",
            "nested": {"token": "hunter2", "deep": {"a": {"b": {"c": {"d": {"e": {"f": "x"}}}}}}},
            "long": "\x00" * 1_000_000,
            "many": [{"x": "y" * 100}] * 100_000,
            "number": 1 << 200,
            "bytes": b"\xff",
        }
    )
    packed = pack_event("statement", fields)
    assert b"hunter2" not in packed
    assert len(packed) <= MAX_PAYLOAD
    assert "1000000 characters" in fields["long"]
