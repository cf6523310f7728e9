"""Lineage by itself: the origins that it says are those that PostgreSQL names, and masked values are lost nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attrs import evolve
from psycopg import pq

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.session_view import session_query, session_relations
from hoopgate.catalogue.snapshot import ColumnKey, Relation
from hoopgate.config.model import Mask
from hoopgate.development.postgres import EmbeddedPostgres
from hoopgate.policy.lineage import queries
from hoopgate.policy.lineage.results import Answer, Ask, Refused, Traced, Untouched
from hoopgate.policy.lineage.trace import trace
from hoopgate.policy.sql.parser import parse
from tests.masks.conftest import CONFIG, MASKS
from tests.masks.corpus import HONEST, MASKED, PROBES
from tests.masks.gate import catalogue_of, connect, fired, rows
from tests.masks.random_queries import SCHEMA, WORLDS, Author

EMAILS = MASKS[0]


class Tracer:
    """Traces as the guard does: asks the session where lineage asks."""

    def __init__(self, dsn: str, masks: tuple[Mask, ...], path: tuple[str, ...] | None = ("public",)) -> None:
        self.connection = connect(dsn)
        self.path = path
        self._masks = masks
        self._catalogue = catalogue_of(connect(dsn))
        self.asked: list[Any] = []

    def index(self) -> MaskIndex:
        snapshot = fired(self._catalogue.refresh())
        return compile_masks(snapshot, self._masks, functions_safe=CONFIG.functions_safe)

    def trace(self, sql: str, index: MaskIndex | None = None, **more: Any) -> Answer:
        index = index or self.index()
        relations: Mapping[Any, Relation | None] = {}
        for _ in range(4):
            answer = trace(
                parse(sql), index, session_relations=relations, refreshed=True, **{"path": self.path, **more}
            )
            if not isinstance(answer, Ask):
                return answer
            self.asked += sorted(answer.relations, key=str)
            names = sorted(answer.relations, key=str)
            relations = {**relations, **session_relations(names, rows(self.connection, session_query(names)))}
        raise AssertionError(f"asks for ever: {answer}")

    def run(self, sql: str) -> None:
        result = self.connection.exec_(sql.encode())
        assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), result.error_message


@pytest.fixture(scope="module")
def tracer(masks_dsn: str) -> Iterator[Tracer]:
    made = Tracer(masks_dsn, MASKS)
    yield made
    made.connection.finish()


@pytest.fixture
def session(tracer: Tracer) -> Iterator[Tracer]:
    tracer.run("BEGIN")
    yield tracer
    tracer.run("ROLLBACK")


def origins_on_the_wire(connection: pq.PGconn, sql: str) -> list[ColumnKey | None] | None:
    """What RowDescription says; None for what PostgreSQL does not take, or has no rows."""
    if connection.prepare(b"", sql.encode()).status != pq.ExecStatus.COMMAND_OK:
        return None
    result = connection.describe_prepared(b"")
    found: list[ColumnKey | None] = []
    for number in range(result.nfields):
        attnum = result.ftablecol(number)
        signed = attnum if attnum < 32768 else attnum - 65536
        found.append((result.ftable(number), signed) if result.ftable(number) else None)
    return found or None


def disagreements(tracer: Tracer, statements: tuple[str, ...]) -> tuple[list[str], int]:
    """Statements of whose columns PostgreSQL names other origins than lineage, and how many were looked at."""
    index, wrong, looked = tracer.index(), [], 0
    for sql in statements:
        tracer.connection.exec_(b"ROLLBACK; BEGIN")
        wire = origins_on_the_wire(tracer.connection, sql)
        answer = None if wire is None else tracer.trace(sql, index)
        if wire is None or isinstance(answer, Refused):
            continue
        looked += 1
        assert isinstance(answer, Untouched | Traced)
        outputs = answer.results[0]
        agree = outputs is not None and len(outputs) == len(wire)
        if not agree or any(
            seen != said.origin and seen not in said.others for seen, said in zip(wire, outputs or (), strict=True)
        ):
            wrong.append(sql)
    tracer.connection.exec_(b"ROLLBACK")
    return wrong, looked


def test_origins_are_those_that_postgresql_names(tracer: Tracer) -> None:
    wrong, looked = disagreements(tracer, tuple(dict.fromkeys([*MASKED, *HONEST, *PROBES, *CURIOUS])))
    assert wrong == []
    assert looked > 200


def test_origins_of_random_statements(embedded_postgres: EmbeddedPostgres) -> None:
    embedded_postgres.execute("CREATE DATABASE origins")
    embedded_postgres.execute(SCHEMA.format(secret=WORLDS[0]), "origins")
    tracer = Tracer(embedded_postgres.dsn("origins"), (Mask("secrets", ("*.*.secret",)),))
    texts = (Author(seed).statement() for seed in range(20_000, 22_000))
    wrong, looked = disagreements(tracer, tuple(sql for sql in texts if not sql.startswith(("COPY", "EXPLAIN"))))
    tracer.connection.finish()
    assert wrong == []
    assert looked > 300


CURIOUS = (
    "SELECT email::text, phone::varchar, phone::varchar(40), id::int4, id::bigint, name::text::text FROM customers",
    "SELECT c, c.ctid, email(c), (c).email, (c).*, c.* FROM customers c",
    "SELECT x.* FROM (SELECT email e, upper(email), c FROM customers c) x",
    "SELECT x FROM (SELECT email e FROM customers c) x",
    "SELECT e FROM (SELECT email e FROM customers UNION ALL SELECT name FROM customers) x",
    "WITH x AS (SELECT email FROM customers) SELECT email, x FROM x",
    "WITH RECURSIVE x AS (SELECT id FROM customers) SELECT id FROM x",
    "WITH RECURSIVE y AS (SELECT * FROM x), x AS (SELECT id FROM orders) SELECT id FROM y",
    "WITH x AS (UPDATE customers SET name = name RETURNING email, id) SELECT * FROM x",
    "SELECT * FROM customers c LEFT JOIN leads l USING (id)",
    "SELECT id, l.* FROM customers c RIGHT JOIN leads l USING (id)",
    "SELECT * FROM customers c FULL JOIN leads l USING (id)",
    "SELECT u.id, u FROM customers c JOIN orders o USING (id) AS u",
    "SELECT j.* FROM (customers c JOIN orders o USING (id)) AS j (a, b)",
    "SELECT * FROM orders NATURAL JOIN leads NATURAL JOIN status",
    "SELECT v.* FROM (VALUES (1, 'a'), (2, 'b')) v (id)",
    "SELECT x.* FROM customers c, LATERAL (SELECT c.id, c.email) x",
    "SELECT * FROM generate_series(1, 2) WITH ORDINALITY, json_each('{}') e, unnest(ARRAY[1], ARRAY[2]) u (a, b)",
    "SELECT * FROM ROWS FROM (json_to_recordset('[]') AS (a int, b text), generate_series(1, 2)) r",
    "SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a int PATH '$', NESTED PATH '$.b' COLUMNS (b int))) t",
    "SELECT * FROM XMLTABLE('/r' PASSING '<r/>'::xml COLUMNS a int, n FOR ORDINALITY) t",
    "SELECT (was).email, (was).* FROM customers_history",
    "SELECT (h.w).email FROM (SELECT c AS w FROM customers c) h",
    "MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE RETURNING *",
    "UPDATE orders o SET note = '' FROM customers c WHERE c.id = o.customer_id RETURNING *",
    "DELETE FROM orders USING customers c WHERE c.id = customer_id RETURNING *, old.id, c.email",
    "INSERT INTO orders AS o (id) VALUES (1) RETURNING *, o.*, new.*",
    "SELECT customers.email, public.customers.email FROM public.customers",
    "SELECT email FROM customers ORDER BY id FETCH FIRST ROW WITH TIES",
    "(SELECT email FROM customers) ORDER BY 1",
    "TABLE direct_view",
)


def outputs(answer: Answer) -> list[tuple[str | None, bool]]:
    assert isinstance(answer, Untouched | Traced), answer
    assert answer.results[0] is not None
    return [(each.mask and each.mask.name, each.derived) for each in answer.results[0]]


CLEAR, MASKED_AS_IT_IS, COMPUTED = (None, False), ("emails", False), ("emails", True)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT e FROM (SELECT email AS e FROM customers) x", [MASKED_AS_IT_IS]),
        ("SELECT DISTINCT email FROM customers", [MASKED_AS_IT_IS]),
        ("SELECT email AS e, count(*), count(email), max(email) FROM customers GROUP BY 1",
         [MASKED_AS_IT_IS, CLEAR, CLEAR, COMPUTED]),
        ("SELECT email FROM customers UNION SELECT note FROM orders", [COMPUTED]),
        ("SELECT CASE WHEN email LIKE 'a%' THEN 'x' ELSE 'y' END FROM customers", [COMPUTED]),
        ("SELECT email IS NULL, id FROM customers", [CLEAR, CLEAR]),
        ("SELECT row_number() OVER (ORDER BY email) FROM customers", [COMPUTED]),
        ("SELECT row_number() OVER w, sum(id) OVER () FROM customers WINDOW w AS (PARTITION BY email)",
         [COMPUTED, CLEAR]),
        ("SELECT array_agg(id ORDER BY email), count(*) FILTER (WHERE email > 'a') FROM customers", [COMPUTED, CLEAR]),
        ("SELECT l.x FROM customers c, LATERAL (SELECT md5(c.email) AS x) l", [COMPUTED]),
        ("SELECT e, p FROM (WITH RECURSIVE t(e, p, n) AS (SELECT email, name, 1 FROM customers "
         "UNION ALL SELECT p, e, n + 1 FROM t WHERE n < 3) TABLE t) x", [COMPUTED, COMPUTED]),
        ("WITH RECURSIVE t(id, e) AS (SELECT id, email FROM customers UNION ALL SELECT c.id, c.email FROM customers c "
         "JOIN t ON t.id = c.id) SEARCH DEPTH FIRST BY e SET q SELECT id, q FROM t", [CLEAR, COMPUTED]),
        ("SELECT email FROM orders o JOIN LATERAL (SELECT note AS email) x ON true", [CLEAR]),
        ("WITH customers AS (SELECT 'x' AS email) SELECT email FROM customers", [CLEAR]),
        ("SELECT (SELECT email FROM orders LIMIT 1) FROM customers", [COMPUTED]),
        ('SELECT U&"em\\0061il", "email" FROM customers', [MASKED_AS_IT_IS, MASKED_AS_IT_IS]),
    ],
)  # fmt: skip
def test_what_outputs_are_made_of(tracer: Tracer, sql: str, expected: list[tuple[str | None, bool]]) -> None:
    assert outputs(tracer.trace(sql)) == expected


@pytest.mark.parametrize(
    ("condition", "narrow"),
    [
        ("email = 'a'", [True]),
        ("'a' <> email", [True]),
        ("email = $1 OR name = 'b'", [True]),
        ("email IN ('a', 'b')", [True]),
        ("email IS NOT NULL", [True]),
        (f"email IN ({', '.join(map(repr, 'abcdefghijk'))})", [False]),
        ("email > 'a'", [False]),
        ("email LIKE 'a%'", [False]),
        ("email = name", [False]),
        ("NOT (email = 'a' AND card = 5)", [True, True]),
        ("id = 1", []),
    ],
)
def test_conditions_are_probes(tracer: Tracer, condition: str, narrow: list[bool]) -> None:
    answer = tracer.trace(f"SELECT id FROM customers WHERE {condition}")
    assert isinstance(answer, Traced)
    assert [probe.narrow for probe in answer.probes] == narrow


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nullif(email, 'a') FROM customers",
        "SELECT CASE WHEN email = 'a' THEN 1 END FROM customers",
        "SELECT email = 'a' AND NULL FROM customers",
        "SELECT 1 / (length(email) - 20) FROM customers",
        "SELECT email::int FROM customers",
        "SELECT substring(email FROM 'S(.)') FROM customers",
        "SELECT unnest(string_to_array(email, '')) FROM customers",
        "SELECT id FROM customers, regexp_split_to_table(email, '') x",
        "SELECT lag(id, length(email)) OVER (ORDER BY id) FROM customers",
        "SELECT date_trunc(email, now()) FROM customers",
        "SELECT name LIKE email FROM customers",
        "SELECT JSON_ARRAYAGG(id) OVER w FROM customers WINDOW w AS (ORDER BY email)",
    ],
)
def test_what_fails_or_is_null_for_some_values_is_a_probe(tracer: Tracer, sql: str) -> None:
    """NULL is seen through every mask, and so are errors and numbers of rows."""
    answer = tracer.trace(sql)
    assert isinstance(answer, Traced)
    assert answer.probes


def test_masked_values_go_into_temporary_tables_and_keep_their_masks(session: Tracer) -> None:
    made = session.trace("CREATE TEMP TABLE kept AS SELECT id, email AS e, upper(email) AS u FROM customers")
    assert isinstance(made, Traced)
    (moved,) = made.moved
    assert (moved.relation, set(moved.columns)) == ("kept", {"e", "u"})
    session.run("CREATE TEMP TABLE kept AS SELECT id, email AS e, upper(email) AS u FROM customers")
    own = {moved.relation: moved.columns}
    assert outputs(session.trace("SELECT id, e, md5(u) FROM kept", own=own)) == [CLEAR, MASKED_AS_IT_IS, COMPUTED]
    assert isinstance(session.trace("INSERT INTO status (status) SELECT e FROM kept", own=own), Refused)
    assert isinstance(session.trace("ALTER TABLE kept RENAME COLUMN e TO f", own=own), Refused)
    assert outputs(session.trace("SELECT note FROM orders", own=own)) == [CLEAR]


def test_what_is_written_to_a_temporary_table_is_masked_at_once(session: Tracer) -> None:
    session.run("CREATE TEMP TABLE noted (id int, e text, f text GENERATED ALWAYS AS (upper(e)) STORED)")
    answer = session.trace("INSERT INTO noted (id, e) SELECT id, email FROM customers RETURNING *")
    assert isinstance(answer, Traced)
    assert set(answer.moved[0].columns) == {"e", "f"}
    assert [masked for masked, _ in outputs(answer)] == [None, "emails", "emails"]
    fresh = "CREATE TEMP TABLE fresh (e text); INSERT INTO fresh SELECT email FROM customers; "
    kept = session.trace(fresh + "SELECT upper(e) FROM fresh")
    assert isinstance(kept, Traced)
    assert kept.results[2] is not None
    assert [each.mask for each in kept.results[2]] == [EMAILS]
    assert isinstance(session.trace(fresh + "ALTER TABLE fresh RENAME TO stale"), Refused)
    together = session.trace("INSERT INTO noted (e) SELECT email FROM customers; SELECT f FROM noted")
    assert isinstance(together, Traced)
    assert together.results[1] is not None
    assert [each.mask for each in together.results[1]] == [EMAILS]


def test_a_temporary_table_hides_another_of_its_name(session: Tracer) -> None:
    sql = "CREATE TEMP TABLE orders AS SELECT id, email AS note FROM customers; SELECT upper(note) FROM orders"
    answer = session.trace(sql)
    assert isinstance(answer, Traced)
    assert answer.results[1] is not None
    assert [each.mask for each in answer.results[1]] == [EMAILS]


def test_views_over_temporary_tables_hide_what_was_moved(session: Tracer) -> None:
    session.run("COMMIT")
    session.run("CREATE TEMP TABLE base (e text); CREATE TEMP VIEW shown_base AS SELECT upper(e) AS u FROM base")
    try:
        own = {"base": {"e": EMAILS}}
        ((mask, _),) = outputs(session.trace("SELECT u FROM shown_base", own=own))
        assert mask is not None
        assert outputs(session.trace("SELECT u FROM shown_base")) == [CLEAR]
    finally:
        session.run("DISCARD TEMP; BEGIN")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE child () INHERITS (orders)",
        "CREATE TEMP TABLE part PARTITION OF events DEFAULT",
        "CREATE TABLE stolen AS SELECT email AS e FROM customers",
        "SELECT phone AS e INTO stolen FROM customers",
        "CREATE VIEW v AS SELECT id FROM customers WHERE email > 'a'",
        "CREATE VIEW v AS SELECT email AS e FROM customers",
        "UPDATE customers SET phone = email",
        "UPDATE customers SET phone = phone || 'x'",
        "SELECT setval('s', length(email)) FROM customers",
        "SELECT CASE WHEN email > 'a' THEN pg_advisory_lock(1) END FROM customers",
        "SELECT coalesce(email, pg_sleep(1)::text) FROM customers",
    ],
)
def test_nothing_is_carried_to_where_no_mask_covers_it(tracer: Tracer, sql: str) -> None:
    assert isinstance(tracer.trace(sql), Refused)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE backup AS SELECT id, email FROM customers",
        "CREATE VIEW v AS SELECT id, email FROM customers",
        "UPDATE customers SET email = lower(email) WHERE id = 1",
        "INSERT INTO other.leads (id, email) SELECT id, email FROM customers",
        "UPDATE customers SET phone = NULL",
    ],
)
def test_values_may_be_copied_under_the_same_mask(tracer: Tracer, sql: str) -> None:
    assert isinstance(tracer.trace(sql), Traced)


def test_names_are_looked_for_where_the_search_path_leads(tracer: Tracer) -> None:
    masked = [("emails", False)]
    assert outputs(tracer.trace("SELECT email FROM leads", path=("other", "public"))) == masked
    assert [len(each or ()) for each in tracer.trace("SELECT * FROM leads").results] == [3]  # type: ignore[union-attr]
    assert outputs(tracer.trace("SELECT id FROM pg_catalog.pg_class, leads")) == [CLEAR]
    # After a change of the path in one message, every relation of the name counts.
    answer = tracer.trace("SET search_path = other; SELECT email FROM leads")
    assert isinstance(answer, Traced)
    assert answer.results[1] is not None
    assert answer.results[1][0].mask == EMAILS


def test_an_unknown_path_asks_the_session(tracer: Tracer) -> None:
    tracer.asked.clear()
    tracer.trace("SELECT id FROM leads", path=None)
    assert (None, "leads") in tracer.asked
    tracer.asked.clear()
    tracer.trace("SELECT id FROM leads", path=("public",))
    assert tracer.asked == []


def test_a_cursor_counts_every_relation_of_its_names(tracer: Tracer) -> None:
    body = parse("DECLARE k CURSOR FOR SELECT upper(email) FROM leads").statements
    answer = tracer.trace("FETCH ALL FROM k", cursors={"k": body})
    assert isinstance(answer, Traced)
    assert answer.results[0] is not None
    assert answer.results[0][0].mask == EMAILS


def test_assigned_constants_are_told(tracer: Tracer) -> None:
    answer = tracer.trace("INSERT INTO customers (id, email) VALUES (1, '****'), (2, $1), (3, '*' || '*')")
    assert isinstance(answer, Traced)
    assert [each.value for each in answer.assigned] == [None]
    answer = tracer.trace("UPDATE customers SET (email, card) = ('****', $2), name = 'x'")
    assert isinstance(answer, Traced)
    assert [(each.value, each.new_row) for each in answer.assigned] == [("****", False), (2, False)]
    assert answer.by_literal


SOURCE = tuple(evolve(mask, reading="source") if mask is EMAILS else mask for mask in MASKS)


def test_relations_of_source_masks_are_read_masked(masks_dsn: str) -> None:
    tracer = Tracer(masks_dsn, SOURCE)
    sql = "SELECT id, email, upper(email), card, c FROM customers c WHERE email LIKE 'a%' ORDER BY email"
    answer = tracer.trace(sql)
    assert isinstance(answer, Traced)
    (read,) = answer.reads
    assert sql.encode()[read.location :].startswith(b"customers c")
    assert answer.results[0] is not None
    assert [(each.origin is not None, each.mask and each.mask.name) for each in answer.results[0]] == [
        (True, None), (False, None), (False, None), (True, "cards"), (False, "cards")
    ]  # fmt: skip
    assert answer.probes == ()
    assert isinstance(tracer.trace("DELETE FROM customers WHERE email = 'a'"), Refused)
    assert outputs(tracer.trace("DELETE FROM customers WHERE id = 1 RETURNING email")) == [MASKED_AS_IT_IS]
    tracer.connection.finish()


def test_deep_and_long_statements_end(tracer: Tracer) -> None:
    index = tracer.index()
    long = "SELECT " + " || ".join(["email"] * 200) + " FROM customers"
    assert isinstance(tracer.trace(long, index), Traced)
    many = " UNION ALL ".join(["SELECT id FROM customers"] * 200)
    assert isinstance(tracer.trace(many, index), Traced)


def test_recursion_within_recursion_ends(tracer: Tracer, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = "SELECT email FROM customers"
    for number in range(6):
        inner = f"SELECT x.email FROM t{number}, ({nested}) x"
        nested = f"WITH RECURSIVE t{number}(email) AS (SELECT '' UNION ALL {inner}) TABLE t{number}"
    assert outputs(tracer.trace(nested)) == [COMPUTED]
    monkeypatch.setattr(queries, "QUERIES", 50)
    answer = tracer.trace(nested)
    assert isinstance(answer, Refused)
    assert answer.sqlstate == "54001"


def test_an_allowed_aggregate_shows_the_column_and_nothing_computed_with_it(masks_dsn: str) -> None:
    """``max(CASE WHEN email = 'x' THEN 1 END)`` is no e-mail: it would tell of one as often as asked."""
    tracer = Tracer(masks_dsn, (evolve(EMAILS, aggregates=("count", "max", "min")),))
    for expression, clear in (
        ("max(email)", True),
        ("count(email)", True),
        ("count(CASE WHEN email LIKE 'a%' THEN 1 END)", True),
        ("min(CASE WHEN email LIKE 'a%' THEN 1 ELSE 0 END)", False),
        ("max(substr(email, 1, 1))", False),
        ("max(id)", True),
    ):
        answer = tracer.trace(f"SELECT {expression} AS shown, id FROM customers GROUP BY id")
        assert isinstance(answer, Traced), (expression, answer)
        (outputs,) = answer.results
        assert outputs is not None
        assert (outputs[0].mask is None) is clear, expression


def test_statistics_that_are_shown_count_as_conditions(masks_dsn: str) -> None:
    sql = "SELECT n_distinct, correlation FROM pg_stats WHERE tablename = 'customers'"
    answer = Tracer(masks_dsn, (EMAILS,)).trace(sql)
    assert isinstance(answer, Traced)
    assert [(probe.mask.name, probe.narrow) for probe in answer.probes] == [(EMAILS.name, True)]
    strict = Tracer(masks_dsn, (evolve(EMAILS, inference=0),)).trace(sql)
    assert isinstance(strict, Traced)
    assert not strict.probes
    assert strict.results[0] is not None
    assert all(output.mask is not None for output in strict.results[0])
