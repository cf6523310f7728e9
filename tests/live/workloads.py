"""Traffic to be played twice, directly and through the gateway: bytes to send, and which answers to await.

A step is (bytes, types): the types of messages that must have come, in order, before the next step. "Z" once for
each ReadyForQuery that is owed. Statements must answer the same at each run.
"""

from __future__ import annotations

from hoopgate.codecs.postgresql import messages as m
from tests.live.wire import extended

Step = tuple[bytes, str]
Workload = list[Step]


def q(sql: str) -> Step:
    return m.query(sql.encode()), "Z"


def x(sql: str, *values: bytes | None, result: tuple[int, ...] = ()) -> Step:
    return extended(sql, *values, result=result), "Z"


def simple() -> Workload:
    return [
        q("SELECT 1"),
        q(""),
        q(" ; ; "),
        q("-- nothing"),
        q("SELECT * FROM plain ORDER BY id LIMIT 20"),
        q("SELECT 1; SELECT 'two' AS b, NULL AS c; VALUES (3)"),
        q("SELECT id FROM plain WHERE false"),
        q("INSERT INTO wide VALUES (1, 'x'), (2, NULL) RETURNING a, b"),
        q("UPDATE wide SET b = b || 'y' WHERE a = 1; SELECT * FROM wide ORDER BY a"),
        q("DELETE FROM wide WHERE a IS NOT NULL"),
        q("SELECT 'ünïcödé → 漢字 🐘'"),
        q("SHOW server_version"),
        q("EXPLAIN (COSTS off) SELECT * FROM plain WHERE id = 3"),
        q("CREATE TEMP TABLE t AS SELECT generate_series(1, 3) AS n"),
        q("SELECT n + 0, n * 2 AS double FROM t"),
        q("DROP TABLE t"),
        q("SELECT repeat('long ', 100000)"),
    ]


def errors() -> Workload:
    return [
        q("SELEKT 1"),
        q("SELECT 1/0"),
        q("SELECT 1; SELECT 1/0; SELECT 2"),
        q("INSERT INTO plain (id) VALUES (1)"),
        q("SELECT * FROM no_such_table"),
        q("SELECT no_such_column FROM plain"),
        q("SELECT * FROM plain WHERE id = 'x'"),
        x("SELECT $1::int / $2::int", b"1", b"0"),
        x("SELEKT $1", b"1"),
        x("SELECT $1::int", b"not a number"),
        q("SELECT 'still alive'"),
        q("SELECT * FROM pg_catalog.pg_class WHERE"),
        q("SET nonsense = 1"),
        q("SELECT 'unterminated"),
    ]


def transactions() -> Workload:
    return [
        q("BEGIN"),
        q("INSERT INTO wide VALUES (10, 'in')"),
        q("SELECT * FROM wide WHERE a = 10"),
        q("ROLLBACK"),
        q("BEGIN; SELECT 1/0"),
        q("SELECT 1"),
        q("SAVEPOINT s"),
        q("COMMIT"),
        q("COMMIT"),
        q("BEGIN"),
        q("SAVEPOINT a"),
        q("SELECT 1/0"),
        q("ROLLBACK TO a"),
        q("SELECT 'recovered'"),
        q("RELEASE a"),
        q("COMMIT"),
        q("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"),
        q("SELECT count(*) FROM plain"),
        q("INSERT INTO wide VALUES (1, 'x')"),
        q("ABORT"),
        q("BEGIN"),
        q("SET LOCAL work_mem = '1MB'"),
        q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        q("SHOW transaction_isolation"),
        q("COMMIT"),
        q("BEGIN"),
        q("SET LOCAL search_path = public"),
        x("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        x("SHOW transaction_isolation"),
        q("COMMIT AND CHAIN"),
        q("SHOW transaction_isolation"),
        q("ROLLBACK AND CHAIN"),
        q("END"),
        q("SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3"),
        q("INSERT INTO wide VALUES (77, 'implicit'); SELECT 1/0"),
        q("SELECT * FROM wide WHERE a = 77"),
        x("BEGIN"),
        x("SELECT 1/0"),
        x("SELECT 1"),
        x("ROLLBACK"),
    ]


def extended_protocol() -> Workload:
    parse, bind, describe, execute, sync = m.parse_message, m.bind, m.describe, m.execute, m.sync()
    return [
        x("SELECT $1::int + 1, $2::text, $3::timestamptz", b"41", b"text", None),
        x("SELECT id, name, amount, seen, raw, tags FROM plain WHERE id < $1 ORDER BY id", b"5", result=(1,)),
        x("SELECT id, name FROM plain WHERE id = $1", b"7", result=(1, 0)),
        x("SELECT 1 WHERE false"),
        x(""),
        x("INSERT INTO wide VALUES ($1, $2) RETURNING *", b"5", None),
        x("DELETE FROM wide WHERE a = $1", b"5"),
        (parse(b"named", "SELECT name FROM plain WHERE id = $1", (23,)) + describe(b"S", b"named") + sync, "Z"),
        (bind(b"", b"named", (), (b"3",)) + execute(b"", 0) + sync, "Z"),
        (bind(b"", b"named", (1,), (b"\0\0\0\4",), (1,)) + describe(b"P", b"") + execute(b"", 0) + sync, "Z"),
        (bind(b"p1", b"named", (), (b"3",)) + bind(b"p2", b"named", (), (b"4",)) + execute(b"p2", 0)
         + execute(b"p1", 0) + m.close(b"P", b"p1") + sync, "Z"),
        (parse(b"named", "SELECT 2") + sync, "Z"),  # it exists
        (m.close(b"S", b"named") + m.close(b"S", b"never was") + sync, "Z"),
        (bind(b"", b"named") + sync, "Z"),  # it is gone
        (describe(b"S", b"named") + sync, "Z"),
        (execute(b"nowhere", 0) + sync, "Z"),
        (describe(b"P", b"nowhere") + sync, "Z"),
        (parse(b"", "SELECT 'unnamed'") + sync, "Z"),
        (bind(b"", b"") + execute(b"", 0) + sync, "Z"),
        q("SELECT 'a Query drops the unnamed statement'"),
        (bind(b"", b"") + sync, "Z"),
        (parse(b"", "SELECT 1; SELECT 2") + sync, "Z"),
        (parse(b"", "SELECT $1") + describe(b"S", b"") + sync, "Z"),
        (bind(b"", b"", (), (b"a", b"b")) + sync, "Z"),  # too many parameters
        (sync, "Z"),
        (sync + sync + sync, "ZZZ"),
        (extended("SELECT 1", sync=False) + m.flush(), "C"),
        (sync, "Z"),
        (extended("SELECT count(*) FROM plain", sync=False, describe=False) + sync, "Z"),
        (parse(b"d1", "SELECT 1") + m.flush(), "1"),
        (bind(b"", b"d1") + m.flush(), "2"),
        (execute(b"", 0) + m.flush(), "C"),
        (m.close(b"S", b"d1") + m.flush(), "3"),
        (sync, "Z"),
    ]  # fmt: skip


def portals() -> Workload:
    parse, bind, execute, sync = m.parse_message, m.bind, m.execute, m.sync()
    many = parse(b"", "SELECT id, name FROM plain ORDER BY id") + bind(b"c", b"")
    return [
        q("BEGIN"),
        (many + execute(b"c", 3) + m.flush(), "s"),
        (execute(b"c", 2) + execute(b"c", 4) + m.flush(), "ss"),
        (execute(b"c", 0) + sync, "Z"),
        (execute(b"c", 0) + sync, "Z"),
        q("COMMIT"),
        (execute(b"c", 1) + sync, "Z"),  # gone with its transaction
        (many + execute(b"c", 3) + sync, "Z"),
        (execute(b"c", 3) + sync, "Z"),  # implicit transactions end with Sync
        q("BEGIN"),
        q("DECLARE cur SCROLL CURSOR FOR SELECT id FROM plain ORDER BY id"),
        q("FETCH 3 FROM cur"),
        q("FETCH BACKWARD 2 FROM cur"),
        q("MOVE FORWARD 100 IN cur"),
        q("FETCH NEXT FROM cur; FETCH PRIOR FROM cur"),
        q("CLOSE cur"),
        q("FETCH 1 FROM cur"),
        q("ROLLBACK"),
        q("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM plain ORDER BY id LIMIT 4"),
        q("FETCH ALL FROM held"),
        q("CLOSE held"),
        q("BEGIN"),
        x("DECLARE b BINARY CURSOR FOR SELECT id FROM plain ORDER BY id LIMIT 4"),
        x("FETCH 2 FROM b"),
        q("FETCH 2 FROM b"),
        q("COMMIT"),
        (parse(b"", "SELECT 1") + bind(b"dup", b"") + bind(b"dup", b"") + sync, "Z"),
        (extended("INSERT INTO wide SELECT g, 'x' FROM generate_series(1, 5) g RETURNING a", rows=2, sync=False)
         + execute(b"", 2) + sync, "Z"),
        q("DELETE FROM wide WHERE b = 'x'"),
    ]  # fmt: skip


def pipelines() -> Workload:
    one = [extended("SELECT $1::int", str(n).encode(), sync=False) for n in range(5)]
    insert = extended("INSERT INTO wide VALUES (900, 'pipelined')", sync=False)
    bad = extended("SELECT 1/0", sync=False)
    worse = extended("SELEKT", sync=False)
    sync = m.sync()
    return [
        (b"".join(one) + sync, "Z"),
        (b"".join(part + sync for part in one), "ZZZZZ"),
        (insert + bad + insert + sync, "Z"),
        q("SELECT count(*) FROM wide WHERE a = 900"),
        (insert + sync + bad + one[0] + sync + one[1] + sync, "ZZZ"),
        q("DELETE FROM wide WHERE a = 900"),
        (one[0] + worse + one[1] + sync + one[2] + sync, "ZZ"),
        (m.query(b"SELECT 1") + m.query(b"SELECT 1/0") + m.query(b"SELECT 3"), "ZZZ"),
        (one[0] + sync + m.query(b"SELECT 'q'") + one[1] + sync, "ZZZ"),
        (extended("BEGIN", sync=False) + insert + bad + sync + one[0] + sync, "ZZ"),
        (extended("ROLLBACK", sync=False) + one[0] + sync, "Z"),
        (extended("BEGIN", sync=False) + insert + extended("COMMIT", sync=False) + one[0] + bad + sync, "Z"),
        q("DELETE FROM wide WHERE a = 900"),
        (m.parse_message(b"s", "SELECT $1::text") + b"".join(
            m.bind(b"", b"s", (), (str(n).encode(),)) + m.execute(b"", 0) for n in range(300)) + sync, "Z"),
        (m.close(b"S", b"s") + m.parse_message(b"s", "SELECT 'again'") + m.bind(b"", b"s") + m.execute(b"", 0)
         + m.close(b"S", b"s") + sync, "Z"),
        (bad + m.query(b"SELECT 'ignored'") + sync, "Z"),
        (b"".join(extended("SELECT id, name FROM plain ORDER BY id", sync=False) for _ in range(10)) + sync, "Z"),
        (one[0] + m.query(b"SELECT 'query ends the batch'"), "Z"),
        # the error is known before the rest of its batch is sent
        (bad + m.flush(), "E"),
        (one[0] + m.flush() + m.query(b"SELECT 'skipped'") + sync, "Z"),
        (worse + m.flush(), "E"),
        (insert + m.close(b"S", b"") + sync + one[1] + sync, "ZZ"),
        (m.query(b"SELECT 1/0") + one[0] + sync, "ZZ"),
        # names made and used within batches that fail
        (m.parse_message(b"n1", "SELECT 1") + bad + m.parse_message(b"n2", "SELECT 2") + sync, "Z"),
        (m.bind(b"", b"n1") + m.execute(b"", 0) + sync, "Z"),
        (m.bind(b"", b"n2") + m.execute(b"", 0) + sync, "Z"),
        (m.close(b"S", b"n1") + bad + m.close(b"S", b"n1") + sync, "Z"),
        (m.parse_message(b"n1", "SELECT 'n1 anew'") + m.bind(b"", b"n1") + m.execute(b"", 0) + sync, "Z"),
        q("DEALLOCATE ALL"),
    ]  # fmt: skip


def copies() -> Workload:
    rows = b"".join(b"%d\trow %d\n" % (n, n) for n in range(1000, 1100))
    data, done, sync = m.copy_data, m.copy_done(), m.sync()
    into = m.query(b"COPY wide FROM STDIN")
    by_parts = extended("COPY wide FROM STDIN", sync=False, describe=False)
    return [
        q("COPY plain TO STDOUT"),
        q("COPY (SELECT id, name, tags FROM plain ORDER BY id LIMIT 10) TO STDOUT (FORMAT csv, HEADER)"),
        q("COPY (SELECT id, raw FROM plain ORDER BY id LIMIT 10) TO STDOUT (FORMAT binary)"),
        q("COPY (SELECT 1/0) TO STDOUT"),
        q("COPY (SELECT 1/(5-id) FROM plain ORDER BY id) TO STDOUT"),
        x("COPY (SELECT id FROM plain ORDER BY id LIMIT 10) TO STDOUT"),
        q("SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3"),
        (into, "G"),
        (data(rows) + data(b"1\tone\n") + done, "Z"),
        q("SELECT count(*), min(a), max(b) FROM wide"),
        (into, "G"),
        (data(b"1\t") + data(b"split over\n2\tme") + data(b"ssages\n") + done, "Z"),
        (into, "G"),
        (data(b"bad row\n") + done, "Z"),
        (into, "G"),
        (data(b"5\tok\n") + m.copy_fail("the client gave up"), "Z"),
        (into + data(rows) + done, "GZ"),  # everything at once, as psql never does but libpq may
        (into, "G"),
        (done, "Z"),
        (by_parts + sync, "G"),
        (data(b"7\tseven\n") + done + sync, "Z"),
        (by_parts + data(rows) + done + sync, "GZ"),
        (by_parts + m.flush(), "G"),
        (data(b"x\n") + done + sync, "Z"),
        (by_parts + m.flush(), "G"),
        (m.copy_fail("no") + sync, "Z"),
        (by_parts + data(rows) + m.copy_fail("no") + extended("SELECT 1", sync=False) + sync, "GZ"),
        (into, "G"),
        (m.flush() + sync + data(b"8\teight\n") + sync + done, "Z"),  # both are ignored in COPY
        q("SELECT count(*) FROM wide WHERE a = 8"),
        q("BEGIN"),
        (into, "G"),
        (data(rows) + done, "Z"),
        q("ROLLBACK"),
        (m.query(b"COPY wide FROM STDIN (FORMAT csv)"), "G"),
        (data(b'9,"a ""quoted"" value"\n') + done, "Z"),
        (m.query(b"COPY wide FROM STDIN; SELECT 'after'"), "G"),
        (data(b"9\tx\n") + done, "Z"),
        q("DELETE FROM wide WHERE a IS NOT NULL"),
        (data(b"nobody asked\n") + done, ""),  # PostgreSQL ignores what a failed COPY left
        q("SELECT 'alive'"),
    ]


def settings() -> Workload:
    return [
        q("SET application_name = 'mine'"),
        q("SHOW application_name"),
        q("SET TimeZone = 'Europe/Berlin'"),
        q("SELECT timestamptz '2026-07-01 12:00:00Z'"),
        q("SET DateStyle = 'SQL, DMY'"),
        q("SET client_encoding = 'LATIN1'"),
        (m.query("SELECT 'gr\xfc\xdfe'".encode("latin-1")), "Z"),
        q("SELECT U&'\\4E2D'"),  # has no place in LATIN1
        q("RESET client_encoding"),
        q("SELECT 'grüße'"),
        q("SET standard_conforming_strings = on"),
        q("SET SESSION AUTHORIZATION DEFAULT"),
        q("SET search_path = pg_catalog, public"),
        q("SELECT count(*) FROM plain"),
        q("PREPARE ps (int) AS SELECT name FROM plain WHERE id = $1"),
        q("EXECUTE ps (3)"),
        q("DEALLOCATE ps"),
        q("EXECUTE ps (3)"),
        q("PREPARE a AS SELECT 1; PREPARE b AS SELECT 2"),
        q("DEALLOCATE ALL"),
        (m.parse_message(b"keep", "SELECT 'kept'") + m.sync(), "Z"),
        q("EXECUTE keep"),
        q("DISCARD PLANS"),
        q("DISCARD ALL"),
        (m.bind(b"", b"keep") + m.execute(b"", 0) + m.sync(), "Z"),
        q("SHOW TimeZone"),
        q("BEGIN"),
        q("SET LOCAL TimeZone = 'Asia/Tokyo'"),
        q("COMMIT"),
        q("SELECT set_config('TimeZone', 'America/Lima', false)"),
        q("SELECT set_config('application_name', 'by function', true)"),
        q("RESET ALL"),
        q("DISCARD ALL"),
    ]


def code() -> Workload:
    """What the gateway refuses while masks are in force: code and channels whose reads it cannot see."""
    return [
        q("DO $$ BEGIN RAISE NOTICE 'hello %', 1; RAISE WARNING 'beware'; END $$"),
        x("DO $$ BEGIN RAISE NOTICE 'extended'; END $$"),
        q("DO $$ BEGIN RAISE EXCEPTION 'own' USING DETAIL = 'd', HINT = 'h', ERRCODE = 'P1234', TABLE = 'tt'; END $$"),
        q("SET client_min_messages = 'debug1'"),
        q("CREATE TABLE IF NOT EXISTS wide (a int)"),
        q("RESET client_min_messages"),
        q("PREPARE ps (int) AS SELECT name FROM plain WHERE id = $1"),
        q("SELECT name, statement, parameter_types FROM pg_prepared_statements"),
        q("DEALLOCATE ps"),
        q("LISTEN news"),
        q("NOTIFY news, 'first'"),
        q("BEGIN; NOTIFY news, 'second'; NOTIFY news, 'third'; COMMIT"),
        q("SELECT pg_notify('news', 'fourth')"),
        x("NOTIFY news, 'fifth'"),
        q("UNLISTEN *"),
        q("CREATE FUNCTION pg_temp.twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'"),
        x("SELECT pg_temp.twice($1)", b"21"),
    ]


def outside_transactions() -> Workload:
    """What PostgreSQL refuses inside a transaction or a pipeline, so that no question of ours may make it one."""
    return [
        q("VACUUM wide"),
        x("VACUUM wide"),
        q("SET search_path = public"),
        x("VACUUM wide"),
        q("CREATE TABLE cic (a int)"),
        q("CREATE INDEX CONCURRENTLY cic_a ON cic (a)"),
        x("DROP INDEX CONCURRENTLY cic_a"),
        x("CREATE INDEX CONCURRENTLY cic_a ON cic (a)"),
        x("REINDEX TABLE CONCURRENTLY cic"),
        x("DROP TABLE cic"),
        (extended("SELECT 1", sync=False) + extended("VACUUM wide"), "Z"),
        q("BEGIN; VACUUM wide"),
        q("ROLLBACK"),
        x("SET search_path = public"),
        x("BEGIN"),
        x("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        x("SELECT count(*) FROM plain"),
        x("COMMIT"),
        (extended("CREATE TABLE born (a int)", sync=False) + extended("INSERT INTO born VALUES (1)", sync=False)
         + extended("SELECT a + 0 FROM born", sync=False) + extended("DROP TABLE born"), "Z"),
    ]  # fmt: skip


WORKLOADS = {
    make.__name__: make
    for make in (simple, errors, transactions, extended_protocol, portals, pipelines, copies, settings,
                 outside_transactions, code)
}  # fmt: skip
UNMASKED_ONLY = {"code"}
RESET = "TRUNCATE wide; DROP TABLE IF EXISTS cic, born"
