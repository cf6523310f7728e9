"""What views and functions expose, on PostgreSQL 15 and 18: what is called clear stays whatever the secrets are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import pq

from hoopgate.catalogue import MaskIndex, compile_masks
from hoopgate.catalogue.exposure import Exposed
from hoopgate.catalogue.snapshot import Function
from hoopgate.config.model import Mask
from hoopgate.development.postgres import EmbeddedPostgres, PostgresServer, system_programs
from tests.masks.gate import catalogue_of, connect, fired, rows

MASKS = (Mask("secrets", ("*.people.secret", "*.people.tags"), aggregates=("count",)), Mask("notes", ("*.*.memo",)))

SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE people (id int PRIMARY KEY, secret text, name text, tags text[], born date DEFAULT '2000-01-01');
CREATE TABLE orders (id int, person int, note text, memo text);
CREATE TABLE app.people (id int, plain text);
INSERT INTO people SELECT i, chr(96 + i) || 'x', 'n' || i, ARRAY['t' || i] FROM generate_series(1, 6) i;
INSERT INTO orders SELECT i, i, 'o' || i, 'm' || i FROM generate_series(1, 6) i;
INSERT INTO app.people VALUES (1, 'p');
CREATE FUNCTION plain_sum(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b';
CREATE FUNCTION names_of(p int) RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT name FROM people WHERE id = p';
CREATE FUNCTION secret_of(p int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public AS 'SELECT secret FROM people WHERE id = p';
CREATE FUNCTION by_secret(s text) RETURNS int LANGUAGE sql STABLE AS 'SELECT id FROM people p WHERE p.secret = s';
CREATE FUNCTION renamed() RETURNS text LANGUAGE sql STABLE AS 'SELECT x FROM people AS p(y, x) LIMIT 1';
CREATE FUNCTION row_text() RETURNS text LANGUAGE sql STABLE AS 'SELECT p::text FROM people p LIMIT 1';
CREATE FUNCTION attribute() RETURNS text LANGUAGE sql STABLE AS 'SELECT secret(p) FROM people p LIMIT 1';
CREATE FUNCTION other_schema() RETURNS text LANGUAGE sql STABLE SET search_path = app
  AS 'SELECT plain FROM people WHERE id = 1';
CREATE FUNCTION star_table() RETURNS TABLE (a int, b text) LANGUAGE sql STABLE AS 'SELECT id, secret FROM people';
CREATE FUNCTION atomic(p int) RETURNS text LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT name FROM people WHERE id = p; END;
CREATE FUNCTION atomic_secret(p int) RETURNS text LANGUAGE sql STABLE RETURN (SELECT secret FROM people WHERE id = p);
CREATE FUNCTION through() RETURNS text LANGUAGE sql STABLE AS 'SELECT secret_of(1)';
CREATE FUNCTION circle(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE OR REPLACE FUNCTION circle(n int) RETURNS int LANGUAGE sql STABLE
  AS 'SELECT CASE WHEN n = 0 THEN 0 ELSE circle(n - 1) END';
CREATE FUNCTION writes(t text) RETURNS void LANGUAGE sql AS 'INSERT INTO orders (note) VALUES (t)';
CREATE FUNCTION moves() RETURNS void LANGUAGE sql AS 'INSERT INTO orders (note) SELECT secret FROM people';
CREATE FUNCTION settles() RETURNS text LANGUAGE sql AS $$SELECT set_config('work_mem', '1MB', true)$$;
CREATE FUNCTION defines() RETURNS void LANGUAGE sql AS 'CREATE TABLE made (a int)';
CREATE FUNCTION odd_text() RETURNS text LANGUAGE sql SET standard_conforming_strings = off AS $$SELECT 'a'$$;
CREATE FUNCTION opaque() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'x'; END$$;
CREATE AGGREGATE joined (text) (SFUNC = textcat, STYPE = text, INITCOND = '');
"""

CLEAR, COMPUTED, SHOWN = None, True, False
VIEWS: dict[str, tuple[str, list[bool | None], bool]] = {
    # name: query, what becomes of each column (None clear, True computed, False shown as it is), whether it probes
    "colon": ('SELECT secret || name AS ":expr", id AS ":targetList" FROM people', [COMPUTED, CLEAR], False),
    "windows": (
        "SELECT id, row_number() OVER (ORDER BY secret), lag(name) OVER w, rank() OVER (PARTITION BY name)"
        " FROM people WINDOW w AS (PARTITION BY secret ORDER BY id)",
        [CLEAR, COMPUTED, COMPUTED, CLEAR],
        False,
    ),
    "aggregates": (
        "SELECT count(secret) a, count(DISTINCT secret) b, max(secret) c, count(*) FILTER (WHERE secret > 'c') d,"
        " max(name) e FROM people",
        [CLEAR, CLEAR, COMPUTED, COMPUTED, CLEAR],
        True,
    ),
    "ordered_aggregate": (
        "SELECT array_agg(id ORDER BY secret), count(lower(secret)) FROM people",
        [True, True],
        False,
    ),
    "users_aggregate": (
        "SELECT joined(secret ORDER BY id) a, joined(name ORDER BY id) b FROM people",
        [True, None],
        False,
    ),
    "distincts": ("SELECT DISTINCT ON (secret) id, name FROM people", [CLEAR, CLEAR], True),
    "ordered": ("SELECT id FROM people ORDER BY secret LIMIT 2", [CLEAR], True),
    "grouped": ("SELECT name, count(*) FROM people GROUP BY GROUPING SETS ((name), (secret))", [CLEAR, CLEAR], True),
    "having_one": ("SELECT name FROM people GROUP BY name HAVING max(secret) > 'c'", [CLEAR], True),
    "joined_by": ("SELECT o.note FROM orders o JOIN people p ON p.secret = o.note || 'x'", [CLEAR], True),
    "full_join": ("SELECT id, b.plain FROM people a FULL JOIN app.people b USING (id)", [CLEAR, CLEAR], False),
    "merged": (
        "SELECT secret, x.n FROM people a FULL JOIN (SELECT 'q' AS secret, 1 AS n) x USING (secret)",
        [COMPUTED, CLEAR],
        True,
    ),
    "laterals": (
        "SELECT o.id, l.s, l.n FROM orders o,"
        " LATERAL (SELECT p.secret AS s, o.note AS n FROM people p WHERE p.id = o.person) l",
        [CLEAR, SHOWN, CLEAR],
        False,
    ),
    "unnested": ("SELECT p.id, t FROM people p, unnest(p.tags) t", [CLEAR, COMPUTED], True),
    "set_returning": ("SELECT id, unnest(tags) FROM people", [CLEAR, COMPUTED], True),
    "valued": (
        "SELECT v.a, v.b FROM (VALUES (1, (SELECT max(secret) FROM people)), (2, 'x')) v(a, b)",
        [CLEAR, COMPUTED],
        False,
    ),
    "scalar": (
        "SELECT id, (SELECT name FROM people p WHERE p.secret > 'c' ORDER BY id LIMIT 1) FROM orders",
        [None, True],
        False,
    ),
    "scalar_plain": ("SELECT id, (SELECT name FROM people p WHERE p.secret = 'cx') FROM orders", [CLEAR, CLEAR], True),
    "exists": ("SELECT id, EXISTS (SELECT FROM people p WHERE p.secret > 'c') FROM orders", [CLEAR, COMPUTED], False),
    "within": ("SELECT id, note IN (SELECT secret FROM people) FROM orders", [CLEAR, COMPUTED], False),
    "conditional": ("SELECT id, CASE WHEN secret > 'c' THEN 1 ELSE 2 END FROM people", [CLEAR, COMPUTED], False),
    "united": ("SELECT id, secret FROM people UNION ALL SELECT id, note FROM orders", [CLEAR, COMPUTED], False),
    "excepted": ("SELECT note FROM orders EXCEPT SELECT secret FROM people", [COMPUTED], True),
    "intersected": (
        "SELECT id, n FROM (SELECT id, name AS n FROM people INTERSECT SELECT id, secret FROM people) x",
        [CLEAR, COMPUTED],
        True,
    ),
    "recursive": (
        "WITH RECURSIVE r(i, s) AS (SELECT 1, secret FROM people WHERE id = 1 UNION ALL"
        " SELECT i + 1, s || 'y' FROM r WHERE i < 3) SELECT i, s FROM r",
        [COMPUTED, COMPUTED],
        True,
    ),
    "with_twice": (
        "WITH a AS (SELECT id, secret FROM people), b AS (SELECT x.id, y.secret FROM a x JOIN a y USING (id))"
        " SELECT id, secret FROM b",
        [CLEAR, SHOWN],
        False,
    ),
    "whole": (
        "SELECT p, p IS NULL AS n, (p).name, to_json(p)::text AS j FROM people p",
        [True, True, None, True],
        False,
    ),
    "whole_join": ("SELECT (j).id FROM (SELECT id, secret FROM people) j", [CLEAR], False),
    "nested_rows": ("SELECT row(name, id)::text a, row(name, secret)::text b FROM people", [CLEAR, COMPUTED], False),
    "calls": (
        "SELECT plain_sum(id, 1), secret_of(id), atomic(id), atomic_secret(id) FROM orders",
        [None, True, None, True],
        True,
    ),
    "rows_of": ("SELECT n FROM orders, names_of(person) n", [CLEAR], False),
    "table_of": ("SELECT t.a, t.b FROM star_table() t", [COMPUTED, COMPUTED], True),
    "xml_table": ("SELECT x.v FROM orders, json_to_recordset('[{\"v\": 1}]') AS x(v int)", [CLEAR], False),
    "sampled": ("SELECT id FROM people TABLESAMPLE bernoulli (100)", [CLEAR], False),
    "system_columns": ("SELECT tableoid::regclass::text, id FROM people", [CLEAR, CLEAR], False),
    "second": ("SELECT * FROM conditional", [CLEAR, COMPUTED], False),
    "counted": ("SELECT count(*) FROM ordered", [CLEAR], True),
    "third": ("SELECT o.id FROM orders o JOIN ordered USING (id)", [CLEAR], True),
}
REFUSED = {
    "opaque_view": "SELECT id, opaque() FROM orders",
    "xml_view": "SELECT query_to_xml('SELECT * FROM people', true, true, '')::text AS x",
    "stored_view": "SELECT ts_stat('SELECT to_tsvector(secret) FROM people')::text AS x",
    "above_refused": "SELECT id FROM opaque_view",
    "counts_refused": "SELECT count(*) FROM opaque_view",
}
NEWER = {
    "json_table": (
        "SELECT j.a, j.b FROM people p,"
        " JSON_TABLE(to_json(p.secret)::jsonb, '$' COLUMNS (a text PATH '$', b int PATH '$.x')) j",
        [COMPUTED, COMPUTED],
        True,
    ),
}


def views_of(version: int) -> dict[str, tuple[str, list[bool | None], bool]]:
    return {**VIEWS, **NEWER} if version >= 17 else VIEWS


@pytest.fixture(scope="module")
def older_postgres() -> Iterator[PostgresServer]:
    programs = system_programs()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    server = PostgresServer(programs).start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["embedded", "installed"])
def database(request: pytest.FixtureRequest, embedded_postgres: EmbeddedPostgres) -> Iterator[tuple[pq.PGconn, int]]:
    server = embedded_postgres if request.param == "embedded" else request.getfixturevalue("older_postgres")
    server.execute("CREATE DATABASE definitions")
    server.execute(SCHEMA, "definitions")
    connection = connect(server.dsn("definitions"))
    version = connection.server_version // 10000
    script = [f"CREATE VIEW {name} AS {query}" for name, (query, _, _) in views_of(version).items()]
    script += [f"CREATE VIEW {name} AS {query}" for name, query in REFUSED.items()]
    server.execute("; ".join(script), "definitions")
    yield connection, version
    connection.finish()


@pytest.fixture(scope="module")
def index(database: tuple[pq.PGconn, int]) -> MaskIndex:
    return compile_masks(fired(catalogue_of(database[0]).refresh()), MASKS)


def exposed(index: MaskIndex, name: str) -> Exposed:
    (relation,) = index.relations("public", name)
    return index.outputs_of(relation.oid)


@pytest.mark.parametrize("view", [*VIEWS, *NEWER])
def test_what_becomes_of_each_column(index: MaskIndex, database: tuple[pq.PGconn, int], view: str) -> None:
    views = views_of(database[1])
    if view not in views:
        pytest.skip("this version has no JSON_TABLE")
    found = exposed(index, view)
    _, expected, probes = views[view]
    assert found.refused is None
    covered = [found.columns.get(number) for number in range(1, len(expected) + 1)]
    assert [None if each is None else each.derived for each in covered] == expected
    assert bool(found.probes) is probes


@pytest.mark.parametrize("view", REFUSED)
def test_what_cannot_be_told_is_refused(index: MaskIndex, view: str) -> None:
    assert exposed(index, view).refused is not None


def test_what_is_called_clear_does_not_depend_on_secrets(index: MaskIndex, database: tuple[pq.PGconn, int]) -> None:
    """The judge of all of the above: other secrets, and the same in all that is clear."""
    connection, version = database
    checked = 0

    connection.exec_(b"SET search_path = public")

    def read(name: str) -> list[tuple[str | None, ...]]:
        return rows(connection, f'SELECT * FROM public."{name}" v ORDER BY 1, v::text')

    names = [name for name in views_of(version) if not exposed(index, name).probes]
    before = {name: columns_of(exposed(index, name), read(name)) for name in names}
    assert connection.exec_(b"BEGIN").status == pq.ExecStatus.COMMAND_OK
    changed = (
        b"UPDATE people SET secret = chr(110 - id) || secret, tags = tags || ARRAY['x']; UPDATE orders SET memo = 'z'"
    )
    assert connection.exec_(changed).status == pq.ExecStatus.COMMAND_OK
    for name in names:
        after = columns_of(exposed(index, name), read(name))
        assert after == before[name], name
        checked += len(after)
    connection.exec_(b"ROLLBACK")
    connection.exec_(b"RESET search_path")
    assert checked > 20


def columns_of(found: Exposed, values: list[tuple[str | None, ...]]) -> dict[int, list[str]]:
    """The clear columns, each as a bag: in which order rows come, nobody has said."""
    width = len(values[0]) if values else 0
    clear = [number for number in range(1, width + 1) if number not in found.columns]
    return {number: sorted(str(row[number - 1]) for row in values) for number in clear}


def one(index: MaskIndex, name: str) -> tuple[Function, Exposed]:
    (function,) = index.functions(name, "public")
    return function, index.function(function.oid)


@pytest.mark.parametrize("name", ["plain_sum", "names_of", "other_schema", "atomic", "circle", "writes", "joined"])
def test_functions_that_need_no_list(index: MaskIndex, name: str) -> None:
    assert one(index, name)[1].clear, name


@pytest.mark.parametrize(
    "name", ["secret_of", "by_secret", "renamed", "row_text", "attribute", "star_table", "atomic_secret", "through"]
)
def test_functions_that_read_masked_columns(index: MaskIndex, name: str) -> None:
    found = one(index, name)[1]
    assert found.refused is None
    covered = found.at(1)
    assert covered is not None
    assert (covered.mask.name, covered.derived) == ("secrets", True)
    assert all(not each.narrow for each in found.probes)  # arguments decide what is asked


@pytest.mark.parametrize("name", ["moves", "settles", "defines", "odd_text", "opaque"])
def test_functions_that_nobody_can_follow(index: MaskIndex, name: str) -> None:
    assert one(index, name)[1].refused is not None


def test_what_a_function_is(index: MaskIndex) -> None:
    secret_of, exposure = one(index, "secret_of")
    assert secret_of.definer
    assert secret_of.path == ("public",)
    assert secret_of.parameters == ("p",)
    assert exposure.names == {"people"}  # the caller's temporary table of that name comes first
    star_table, _ = one(index, "star_table")
    assert star_table.returns_set
    assert [column.name for column in star_table.columns] == ["a", "b"]
    assert one(index, "writes")[1].writes
    assert index.volatility("plain_sum") == "v"
    assert index.volatility("names_of") == "s"


def test_names_of_types_can_stand_in_a_statement(index: MaskIndex, database: tuple[pq.PGconn, int]) -> None:
    (people,) = index.relations("public", "people")
    assert [column.type_name for column in people.columns] == ["integer", "text", "text", "text[]", "date"]
    for column in people.columns:
        assert rows(database[0], f"SELECT NULL::{column.type_name}") == [(None,)]
