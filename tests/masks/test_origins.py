"""PostgreSQL's own facts on which the masks stand: what RowDescription names as the origin of a column.

If a release changes one of these, the masks have to change first.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import pq

from tests.masks.gate import connect


@pytest.fixture(scope="module")
def connection(masks_dsn: str) -> Iterator[pq.PGconn]:
    made = connect(masks_dsn)
    made.exec_(b"BEGIN; DECLARE k CURSOR FOR SELECT email FROM customers; PREPARE p AS SELECT email FROM customers")
    yield made
    made.finish()


def origin(connection: pq.PGconn, sql: str) -> tuple[str, int]:
    """Table and attribute number of the first column; ("", 0) if it has none."""
    for result in (connection.exec_(sql.encode()), connection.exec_params(sql.encode(), None)):
        assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
        table, number = result.ftable(0), result.ftablecol(0)
    named = connection.exec_(f"SELECT {table}::regclass".encode()).get_value(0, 0) or b""
    return (named.decode() if table else "", number)


@pytest.mark.parametrize(
    ("sql", "table", "number"),
    [
        ("SELECT email FROM customers", "customers", 2),
        ("SELECT email AS e FROM customers c", "customers", 2),
        ("SELECT c.email FROM customers c JOIN orders o ON true", "customers", 2),
        ("SELECT j.email FROM (customers c LEFT JOIN orders o ON true) AS j", "customers", 2),
        ("SELECT a FROM customers AS c (x, a)", "customers", 2),
        ("SELECT e FROM (SELECT email AS e FROM customers) x", "customers", 2),
        ("WITH x AS (SELECT email FROM customers) SELECT email FROM x", "customers", 2),
        ("WITH x AS MATERIALIZED (SELECT email FROM customers) SELECT email FROM x", "customers", 2),
        ("SELECT email FROM customers GROUP BY email", "customers", 2),
        ("SELECT DISTINCT email FROM customers", "customers", 2),
        ("SELECT email FROM customers ORDER BY email", "customers", 2),
        ("SELECT (c).email FROM customers c", "customers", 2),
        ("SELECT c FROM customers c", "customers", 0),
        ("SELECT ctid FROM customers", "customers", -1),
        ("SELECT contact FROM direct_view", "direct_view", 2),
        ("SELECT contact FROM direct_matview", "direct_matview", 2),
        ("SELECT mail FROM people", "people", 2),
        ("SELECT payload FROM events", "events", 3),
        ("SELECT payload FROM events_2024", "events_2024", 3),
        ("FETCH 1 FROM k", "customers", 2),
        ("EXECUTE p", "customers", 2),
        ("UPDATE customers SET name = name RETURNING email", "customers", 2),
        ("UPDATE customers SET name = name RETURNING old.email", "customers", 2),
        ("UPDATE customers SET name = name RETURNING WITH (NEW AS n) n.email", "customers", 2),
        (
            "INSERT INTO customers (id, name) VALUES (97, 'x') ON CONFLICT (id) DO NOTHING RETURNING email",
            "customers",
            2,
        ),
        (
            "MERGE INTO customers USING status s ON false WHEN MATCHED THEN DELETE RETURNING customers.email",
            "customers",
            2,
        ),
        # and where there is none: such uses have to be refused
        ("SELECT email FROM customers UNION ALL SELECT email FROM customers", "", 0),
        ("SELECT (SELECT email FROM customers LIMIT 1)", "", 0),
        ("SELECT email::varchar FROM customers", "", 0),
        ('SELECT email COLLATE "C" FROM customers', "", 0),
        ("SELECT email FROM customers FULL JOIN other.leads USING (email)", "", 0),
        ("SELECT email FROM peek_all()", "", 0),
        ("SELECT email || '' FROM customers", "", 0),
    ],
)
def test_origin(connection: pq.PGconn, sql: str, table: str, number: int) -> None:
    connection.exec_(b"SAVEPOINT a; MOVE ABSOLUTE 0 IN k")
    found_table, found_number = origin(connection, sql)
    connection.exec_(b"ROLLBACK TO a")
    if found_number > 32767:
        found_number -= 65536  # libpq reads it unsigned
    assert (found_table, found_number) == (table, number)
