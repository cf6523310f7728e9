"""Shapes: what counts as a literal, when there is no shape, and that no decision hangs on what was taken out."""

from __future__ import annotations

import ctypes
import time
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgast import native, pg_query_pb2

from hoopgate.policy.sql.condense import LONG, condense
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.parser import Unparsable, parse
from hoopgate.policy.sql.shape import LONGEST, TOKEN, shape, substituted, walked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT #"),
        ("SELECT 'x'", "SELECT '"),
        ("SELECT 'it''s'", "SELECT '"),
        ("SELECT 1.5e-3, 1., 7", "SELECT #, #, #"),
        ("SELECT a1, t2.b3, _4 FROM x5", "SELECT a1, t2.b3, _4 FROM x5"),
        ("SELECT $1, $22", "SELECT $1, $22"),
        ("SELECT n'x', E'x', date '2020-01-01'", "SELECT n', E', date '"),
        ('SELECT "a1", "it\'s", "a""1"', 'SELECT "a1", "it\'s", "a""1"'),
        ("SELECT 1 -- it's 5\n, 2", "SELECT # -- it's 5\n, #"),
        ("SELECT /* it's 5 */ 2", "SELECT /* it's 5 */ #"),
        ("SELECT -5, a-5, 3-2", "SELECT -#, a-#, #-#"),
        ("SELECT 'a'\n'b'", "SELECT '\n'"),
        ("SELECT a->>'x' ? 'y'", "SELECT a->>' ? '"),
        ("SELECT numeric(10,2) é1", "SELECT numeric(#,#) é1"),
        ("SELECT '{}'::jsonb", "SELECT '::jsonb"),
        ("SELECT 4/2", "SELECT #/#"),
    ],
)
def test_literals_are_taken_out(text: str, expected: str) -> None:
    found = shape(text)
    assert found is not None
    assert found.replace("\0", "") == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT $$x$$",
        "SELECT $a$x$a$",
        "SELECT E'\\''",
        "SELECT 'a\\b'",
        "SELECT x'1f'",
        "SELECT b'1''0'",
        "SELECT .5",
        "SELECT U&'x'",
        'SELECT u&"x"',
        "SELECT 'open",
        'SELECT "open',
        "SELECT /* open",
        "SELECT /* a /* b */ c */ 1",
        "SELECT 123abc",
        "SELECT 1_000",
        "SELECT 0x1F",
        "SELECT 1..2",
        "SELECT a.5",
        "SELECT 1\0",
        "SELECT a$b",
        "SELECT '" + "x" * LONGEST + "'",
    ],
)
def test_in_doubt_there_is_no_shape(text: str) -> None:
    assert shape(text) is None


def test_a_string_and_a_number_are_not_one_shape() -> None:
    assert shape("SELECT '1'") != shape("SELECT 1")


def tokens(sql: str) -> list[tuple[int, int]]:
    """PostgreSQL's own tokens: kind and, for what is no literal, the text's hash."""
    encoded = sql.encode()
    result = native.lib.pg_query_scan(encoded)
    try:
        if result.error:
            return [(-1, 0)]
        scanned = pg_query_pb2.ScanResult.FromString(ctypes.string_at(result.pbuf.data, result.pbuf.len))
    finally:
        native.lib.pg_query_free_scan_result(result)
    literals = {pg_query_pb2.SCONST, pg_query_pb2.ICONST, pg_query_pb2.FCONST, pg_query_pb2.BCONST,
                pg_query_pb2.XCONST, pg_query_pb2.USCONST}  # fmt: skip
    comments = {pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT}
    return [
        (min(literals), 0) if token.token in literals else (token.token, hash(encoded[token.start : token.end]))
        for token in scanned.tokens
        if token.token not in comments
    ]


PIECES = st.sampled_from([
    "'", "''", '"', "a", "e'", "x'1'", "1", "2.5", ".5", "1e5", "--", "\n", "/*", "*/", " ", ",", "(", ")", "-", "+",
    "SELECT", "FROM", "t", "$1", "$", "=", "b1", "é", "'x'", '"q"', "n'y'", "*", "/", ".", "U", "&", "::", "\t",
])  # fmt: skip


ODD: Final = (
    '""',
    "''",
    "--",
    "/*",
    "*/",
    "1.5",
    "1e5",
    "1e+",
    ".5",
    "x'",
    "B'",
    "$1",
    "é",
    "_",
    "\r",
    "\u4e00",
    "t.c",
    "/",
    "*",
)


@given(st.lists(PIECES | st.sampled_from(ODD) | st.sampled_from("'\"-./*0159eExa ,()\n"), max_size=14).map("".join))
@settings(max_examples=200)
def test_both_ways_lead_to_the_same_shape(text: str) -> None:
    spans: list[tuple[int, int]] = []
    form = walked(text, spans)
    assert form == substituted(text)
    if form is not None:
        assert spans == [found.span() for found in TOKEN.finditer(text) if found.lastgroup in ("string", "number")]
        assert form.count("\0") == len(spans)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), st.integers(0, 10**6), st.text("ab1 '-/*;", max_size=6))
def test_the_server_reads_two_texts_of_one_shape_alike(text: str, number: int, string: str) -> None:
    """Fill the holes of a shape with other literals: PostgreSQL's scanner must see the same tokens."""
    form = shape(text)
    if form is None:
        return
    quoted = "'" + string.replace("'", "''") + "'"
    other = form.replace("\0#", str(number)).replace("\0'", quoted)
    if shape(other) == form:
        first, second = tokens(text), tokens(other)
        assert first == second or (-1, 0) in (first[0:1] + second[0:1])


STATEMENTS = st.sampled_from([
    "SELECT * FROM a WHERE id = {} AND name = {}",
    "DELETE FROM a WHERE id = {} OR {} = {}",
    "UPDATE a SET x = {} WHERE {} = {}",
    "UPDATE a SET x = {} WHERE name LIKE {}",
    "DELETE FROM a WHERE name ~ {} AND {} = {}",
    "INSERT INTO a VALUES ({}, {}, {})",
    "SELECT set_config({}, {}, false)",
    "SELECT pg_sleep({}), mine({}, {})",
    "DELETE FROM a WHERE data @> {}",
    "EXPLAIN (ANALYZE {}) DELETE FROM a WHERE id = {}",
    "SET search_path = {}, {}",
    "DELETE FROM a WHERE id IN (SELECT id FROM a LIMIT {})",
    "SELECT * FROM a WHERE x = {} FOR UPDATE",
])  # fmt: skip
LITERALS = st.sampled_from(["1", "0", "2.5", "'%'", "'role'", "'public'", "'x'", "''", "'.*'", "'off'", "7"])


@settings(max_examples=200, deadline=None)
@given(STATEMENTS, st.lists(LITERALS, min_size=3, max_size=3), st.lists(LITERALS, min_size=3, max_size=3))
def test_a_changed_literal_never_changes_the_effects_unless_it_is_said(
    statement: str, first: list[str], second: list[str]
) -> None:
    one, two = statement.format(*first), statement.format(*second)
    if shape(one) is None or shape(one) != shape(two):
        return
    try:
        left, right = effects(parse(one)), effects(parse(two))
    except Unparsable:
        return
    if not left.by_literal:
        assert left == right


# -- condensing


ROWS = st.lists(st.tuples(st.integers(-9, 9), st.text("ab'% ", max_size=4)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.booleans())
def test_a_condensed_statement_does_the_same(rows: list[tuple[int, str]], cte: bool) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    values = ", ".join(f"({number}, {quoted(text)}, NULL)" for number, text in rows)
    numbers = ", ".join(str(number) for number, _ in rows)
    sql = f"INSERT INTO a VALUES {values}; DELETE FROM b WHERE id IN ({numbers}) AND name LIKE {quoted(rows[0][1])}"
    if cte:
        sql = f"WITH x AS (VALUES {values}) SELECT * FROM x WHERE mine({numbers}); " + sql
    short = condense(sql)
    assert len(short) <= len(sql)
    assert effects(parse(short)) == effects(parse(sql))


def test_rows_and_strings_are_condensed() -> None:
    rows = ",".join(f"({number}, 'x{number}')" for number in range(5000))
    assert len(condense(f"INSERT INTO a VALUES {rows}")) < 200
    assert len(condense("SELECT '" + "x" * 9000 + "'")) < 40
    assert len(condense("SELECT 1 WHERE 1 IN (" + ",".join(["5"] * 9999) + ")")) < 200


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1, email FROM a ORDER BY {ones}, 2, {ones}",
        "SELECT 1, email FROM a GROUP BY ROLLUP ({ones}, 2, {ones})",
        "SELECT 1, email FROM a GROUP BY {rows}, (2), {rows}",
        "SELECT 1, email FROM a GROUP BY GROUPING SETS ({rows}, (2), {rows})",
        "SET search_path TO {names}, 'secret', {names}",
    ],
)
def test_constants_that_are_more_than_values_are_kept(sql: str) -> None:
    """A run of positions or settings hides none of them."""
    runs = {"ones": ",".join("1" * 99), "rows": ",".join(["(1)"] * 99), "names": ",".join(["'public'"] * 99)}
    text = sql.format(**runs)
    assert condense(text) is text


def test_a_long_string_is_the_worst() -> None:
    """No literal may become harmless by being long."""
    wildcards = "%" * 2000
    assert LONG in condense(f"DELETE FROM a WHERE x LIKE '{wildcards}'")
    for sql in (
        f"DELETE FROM a WHERE x LIKE '{wildcards}'",
        f"SET search_path = '{'public,' * 400}secret'",
        f"SELECT set_config('search_path', '{'public,' * 400}secret', false)",
    ):
        found = effects(parse(condense(sql))).operations
        assert [(one.effect, one.bounded) for one in found] == [
            (one.effect, one.bounded) for one in effects(parse(sql)).operations
        ]


def test_what_is_in_doubt_is_not_condensed() -> None:
    text = "INSERT INTO a VALUES " + ",".join(["(E'\\'')"] * 500)
    assert condense(text) is text


def test_condensing_takes_linear_time() -> None:
    text = "INSERT INTO a VALUES " + ",".join(f"({number}, 'some text')" for number in range(40_000))
    started = time.process_time()
    condense(text)
    short = time.process_time() - started
    started = time.process_time()
    condense(text + "," + ",".join("(1, 2)" for _ in range(100_000)))
    assert time.process_time() - started < 12 * short + 1
