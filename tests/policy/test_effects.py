"""What statements do: the table that a change of the extraction has to answer to."""

from __future__ import annotations

import pytest
from postgast import pg_query_pb2

from hoopgate.policy.operations import EFFECTS
from hoopgate.policy.sql.effects import VISITORS, effects, operations, unparsable
from hoopgate.policy.sql.extraction import HARMLESS
from hoopgate.policy.sql.parser import Parsed, Unparsable, parse


def told(sql: str) -> str:
    """The operations as text: ``effect objects``, with ``!`` for unbounded and ``=`` for bounded, joined by ``; ``."""
    try:
        found = operations(parse(sql))
    except Unparsable as error:
        found = (unparsable(error.reason),)
    marks = {False: "!", True: "=", None: ""}
    return "; ".join(
        " ".join([operation.effect + marks[operation.bounded], *map(str, operation.objects)]) for operation in found
    )


READS = [
    ("SELECT 1", "read"),
    ("VALUES (1, 2)", "read"),
    ("TABLE orders", "read orders"),
    ("SELECT * FROM shop.orders", "read shop.orders"),
    ("select * from ONLY orders", "read orders"),
    ("SELECT * FROM a, b JOIN c USING (id) LEFT JOIN d ON true", "read a b c d"),
    ("SELECT (SELECT max(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c)", "read b a c"),
    ("SELECT 1 UNION ALL SELECT x FROM a EXCEPT SELECT y FROM b", "read a b"),
    ("SELECT * FROM a WHERE x IN (SELECT y FROM b) ORDER BY (SELECT z FROM c) LIMIT (SELECT 1)", "read a b c"),
    ("SELECT * FROM LATERAL (SELECT * FROM a) s, generate_series(1, 3)", "read a"),
    ("SELECT * FROM a TABLESAMPLE system (10)", "read a"),
    ("SELECT count(*) FILTER (WHERE x > 1) OVER (PARTITION BY y) FROM a", "read a"),
    ("SELECT CASE WHEN x THEN (SELECT 1 FROM b) ELSE 2 END FROM a", "read b a"),
    ("SELECT ARRAY(SELECT x FROM a)", "read a"),
    ("SELECT * FROM db.shop.orders", "read shop.orders"),
    ('SELECT * FROM "Odd.Schema"."drop table"', "read Odd.Schema.drop table"),
    ("WITH x AS (SELECT * FROM a) SELECT * FROM x", "read a"),
    ("SELECT lower(name), now(), current_user, coalesce(a, b) FROM c", "read c"),
    ("SELECT a || 'x', -b, a::text, a COLLATE \"C\" FROM c", "read c"),
    ("SELECT extract(year FROM d), position('a' IN b), trim(b), substring(b from 1 for 2), d AT TIME ZONE 'UTC' FROM c",
     "read c"),
    ("SELECT * FROM json_to_recordset('[]') AS x(a int)", "read"),
    ("SELECT * FROM xmltable('/a' PASSING '<a/>' COLUMNS b text)", "read"),
    ("SELECT JSON_OBJECT('a': 1), JSON_ARRAY(1, 2), JSON_VALUE('1', '$')", "read"),
    ("SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int PATH '$')) j", "read"),
    ("SELECT x IS JSON, JSON_QUERY(x, '$'), JSON_EXISTS(x, '$') FROM a", "read a"),
    ("SELECT xmlelement(name a, xmlattributes(1 AS b), 'c'), xmlserialize(content '<a/>' AS text)", "read"),
    ("SELECT GROUPING(a) FROM b GROUP BY CUBE (a)", "read b"),
    ("SELECT ROW(1, 2), (ROW(1, 2)).f1, a[1], a[1:2], (b).c.d FROM e", "read e"),
    ("SELECT pg_catalog.lower('A'), pg_typeof(1), version(), current_setting('work_mem')", "read"),
    ("SELECT rank() OVER w FROM a WINDOW w AS (ORDER BY b)", "read a"),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM b", "read b"),
    ("SELECT relname FROM pg_catalog.pg_class WHERE pg_table_is_visible(oid)", "read pg_catalog.pg_class"),
    ("SELECT * FROM information_schema.tables", "read information_schema.tables"),
    ("SELECT currval('s'), lastval()", "read"),
    ("LISTEN jobs", "read jobs"),
]  # fmt: skip

# what only looks like something else
LOOK_ALIKES = [
    ("SELECT 'DROP TABLE orders'", "read"),
    ("SELECT 1 -- ; DROP TABLE orders", "read"),
    ("SELECT /* DELETE FROM orders; */ 1", "read"),
    ("SELECT /* a /* b */ DROP TABLE x */ 1", "read"),
    ('SELECT "drop", "delete" FROM "truncate"', "read truncate"),
    ("SELECT $$DROP TABLE orders$$", "read"),
    ("SELECT $tag$; DELETE FROM a; $tag$", "read"),
    ("SELECT E'\\'; DROP TABLE orders; --'", "read"),
    ("SELECT U&'\\0027; DROP TABLE x'", "read"),
    ("SELECT 'it''s; DROP TABLE x'", "read"),
    ("SELECT delete FROM a", "read a"),
    ("SELECT a AS \"set role\" FROM b", "read b"),
    ("INSERT INTO log (text) VALUES ('DELETE FROM orders')", "write log"),
    ("SELECT * FROM a WHERE note = 'pg_read_file(''x'')'", "read a"),
]  # fmt: skip

CTES = [
    ("WITH t AS (SELECT 1), u AS (SELECT * FROM t) SELECT * FROM u", "read"),
    # without RECURSIVE a CTE does not see itself: this is the table
    ("WITH secret AS (SELECT * FROM secret) SELECT * FROM secret", "read secret"),
    ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", "read"),
    # an inner WITH ends with its statement
    ("WITH a AS (WITH secret AS (SELECT 1) SELECT * FROM secret) SELECT * FROM a, secret", "read secret"),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", "read b"),
    ("WITH t AS (SELECT 1) SELECT * FROM public.t", "read public.t"),
    ("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) x, t", "read t"),
    ("WITH gone AS (DELETE FROM a WHERE id = 1 RETURNING *) SELECT * FROM gone", "read a; delete= a"),
    ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "write b; read a; delete! a"),
    ("WITH n AS (INSERT INTO a VALUES (1) RETURNING id) UPDATE b SET x = 1 WHERE id IN (SELECT id FROM n)",
     "write= b; write a; read a"),
    ("WITH x AS (UPDATE a SET b = 1 RETURNING *) SELECT 1", "read a; write! a"),
    ("WITH x AS (MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM x",
     "read a b; delete= a"),
    ("WITH a AS (SELECT 1) UPDATE a SET x = 1 WHERE id = 1", "write= a; read"),
]  # fmt: skip

WRITES = [
    ("INSERT INTO a VALUES (1)", "write a"),
    ("INSERT INTO a DEFAULT VALUES", "write a"),
    ("INSERT INTO a SELECT * FROM b", "write a; read b"),
    ("INSERT INTO a VALUES ((SELECT max(x) FROM b))", "write a; read b"),
    ("INSERT INTO a VALUES (1) RETURNING *", "write a; read a"),
    ("INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET y = (SELECT 1 FROM b)", "write a; read b"),
    ("INSERT INTO a VALUES (nextval('s'))", "write a; write nextval"),
    ("UPDATE a SET x = 1 WHERE id = 1", "write= a"),
    ("UPDATE a SET x = 1", "write! a"),
    ("UPDATE a SET x = b.x FROM b WHERE a.id = b.id", "write= a; read b"),
    ("UPDATE a SET x = 1 WHERE id = 1 RETURNING x", "write= a; read a"),
    ("UPDATE a SET (x, y) = (SELECT 1, 2 FROM b) WHERE id = 1", "write= a; read b"),
    ("DELETE FROM a WHERE id = 1", "delete= a"),
    ("DELETE FROM a", "delete! a"),
    ("DELETE FROM ONLY shop.a WHERE id = $1", "delete= shop.a"),
    ("DELETE FROM a WHERE CURRENT OF c", "delete= a"),
    ("TRUNCATE a", "delete! a"),
    ("TRUNCATE TABLE a, ONLY b.c RESTART IDENTITY CASCADE", "delete! a; delete! b.c"),
    ("LOCK TABLE a IN ACCESS EXCLUSIVE MODE", "write! a"),
    ("LOCK a IN ROW SHARE MODE", "write! a"),
    ("LOCK TABLE a, b IN ACCESS SHARE MODE NOWAIT", "read a b"),
    ("SELECT * FROM a WHERE id = 1 FOR UPDATE", "read a; write= a"),
    ("SELECT * FROM a FOR UPDATE", "read a; write! a"),
    ("SELECT * FROM a FOR KEY SHARE LIMIT 1", "read a; write= a"),
    ("SELECT * FROM a LIMIT 1 FOR UPDATE SKIP LOCKED", "read a; write= a"),
    ("SELECT * FROM a LIMIT ALL FOR SHARE", "read a; write! a"),
    ("SELECT * FROM a, b WHERE a.id = 1 FOR NO KEY UPDATE OF a", "read a b; write= a"),
    ("SELECT nextval('s')", "read; write nextval"),
    ("SELECT setval('s', 1)", "read; write setval"),
    ("NOTIFY jobs, 'x'", "write jobs"),
    ("SELECT pg_notify('jobs', 'x')", "read; write pg_notify"),
    ("SELECT pg_advisory_xact_lock(1)", "read; write pg_advisory_xact_lock"),
    ("SELECT lo_unlink(1)", "read; delete lo_unlink"),
    ("SELECT lo_from_bytea(0, '')", "read; write lo_from_bytea"),
    ("SELECT lo_get(1)", "read large objects"),
    ("REFRESH MATERIALIZED VIEW m", "write m"),
]  # fmt: skip

MERGES = [
    ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = 1", "write= a; read b"),
    ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", "delete= a; read b"),
    ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "delete! a; read b"),
    ("MERGE INTO a USING b ON true WHEN MATCHED AND a.id = 5 THEN DELETE", "delete= a; read b"),
    ("MERGE INTO a USING b ON b.id = 1 WHEN MATCHED THEN DELETE", "delete! a; read b"),
    ("MERGE INTO a USING b ON a.id = b.id WHEN NOT MATCHED BY SOURCE THEN DELETE", "delete! a; read b"),
    ("MERGE INTO a USING b ON a.id = b.id WHEN NOT MATCHED BY SOURCE AND a.old = 1 THEN DELETE", "delete= a; read b"),
    ("MERGE INTO a USING b ON a.id = b.id WHEN NOT MATCHED THEN INSERT VALUES (1)", "write a; read b"),
    ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DO NOTHING", "read b"),
    ("MERGE INTO a USING (SELECT * FROM c) b ON a.id = b.id WHEN MATCHED THEN DELETE RETURNING *",
     "delete= a; read a c"),
]  # fmt: skip

SCHEMA = [
    ("CREATE TABLE a (x int)", "schema a"),
    ("CREATE TEMP TABLE a (x int)", "schema a"),
    ("CREATE TABLE a AS SELECT * FROM b", "schema a; read b"),
    ("CREATE TABLE a AS TABLE b WITH NO DATA", "schema a; read b"),
    ("SELECT * INTO a FROM b", "schema a; read b"),
    ("SELECT * INTO TEMP a FROM b UNION SELECT * FROM c", "read b c; schema a"),
    ("CREATE TABLE a (LIKE b INCLUDING ALL)", "schema a b"),
    ("CREATE TABLE a (x int REFERENCES b (y))", "schema a b"),
    ("CREATE TABLE a PARTITION OF b FOR VALUES IN (1)", "schema a b"),
    ("CREATE VIEW v AS SELECT * FROM a", "schema v; read a"),
    ("CREATE OR REPLACE VIEW v AS SELECT pg_read_file('x')", "schema v; read; admin pg_read_file"),
    ("CREATE MATERIALIZED VIEW m AS SELECT * FROM a", "schema m; read a"),
    ("CREATE INDEX CONCURRENTLY i ON a (lower(x))", "schema a"),
    ("CREATE INDEX i ON a (mine(x))", "schema a; execute mine"),
    ("CREATE SEQUENCE s", "schema s"),
    ("ALTER SEQUENCE s RESTART", "schema s"),
    ("CREATE TYPE t AS (x int)", "schema t"),
    ("CREATE TYPE t AS ENUM ('a')", "schema t"),
    ("CREATE TYPE t AS RANGE (subtype = int4)", "schema t"),
    ("ALTER TYPE t ADD VALUE 'b'", "schema t"),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "schema d"),
    ("ALTER DOMAIN d DROP CONSTRAINT c", "schema d"),
    ("CREATE SCHEMA s", "schema s"),
    ("CREATE SCHEMA s CREATE TABLE a (x int)", "schema s; schema a"),
    ("ALTER TABLE a ADD COLUMN x int DEFAULT 1", "schema a"),
    ("ALTER TABLE a DROP COLUMN x", "schema! a"),
    ("ALTER TABLE a DETACH PARTITION b", "schema! a b"),
    ("ALTER TABLE a ATTACH PARTITION b FOR VALUES IN (1)", "schema a b"),
    ("ALTER TABLE a RENAME TO b", "schema a b"),
    ("ALTER TABLE a RENAME COLUMN x TO y", "schema a"),
    ("ALTER TABLE s.a SET SCHEMA t", "schema s.a t.a"),
    ("DROP TABLE a, s.b CASCADE", "schema! a s.b"),
    ("DROP TABLE IF EXISTS a", "schema! a"),
    ("DROP VIEW v", "schema! v"),
    ("DROP MATERIALIZED VIEW m", "schema! m"),
    ("DROP INDEX i", "schema! i"),
    ("DROP SEQUENCE s", "schema! s"),
    ("DROP SCHEMA s CASCADE", "schema! s"),
    ("DROP FUNCTION s.f(int)", "schema! s.f"),
    ("DROP TYPE t", "schema! t"),
    ("DROP TRIGGER t ON s.a", "schema! s.a"),
    ("DROP RULE r ON a", "schema! a"),
    ("DROP AGGREGATE g(int)", "schema! g"),
    ("DROP OPERATOR = (int, int)", "schema! ="),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "schema f; read"),
    ("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'begin end'", "schema p"),
    ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; RETURN 1; END", "schema f; delete! a; read"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = app AS 'SELECT 1'", "schema f; read"),
    ("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", "schema a f"),
    ("CREATE RULE r AS ON INSERT TO a DO INSTEAD DELETE FROM b", "schema a; delete! b"),
    ("CREATE AGGREGATE g(int) (sfunc = f, stype = int)", "schema g"),
    ("CREATE OPERATOR @@@ (leftarg = int, rightarg = int, function = f)", "schema @@@"),
    ("CREATE CAST (int AS t) WITH FUNCTION f(int)", "schema t"),
    ("CREATE STATISTICS s ON x, y FROM a", "schema a"),
    ("CREATE COLLATION c (locale = 'C')", "schema c"),
    ("COMMENT ON TABLE s.a IS 'x'", "schema s.a"),
    ("COMMENT ON COLUMN s.a.x IS 'x'", "schema s.a"),
    ("CREATE TEXT SEARCH CONFIGURATION c (COPY = english)", "schema c"),
]  # fmt: skip

ADMIN = [
    ("CREATE ROLE r SUPERUSER", "admin r"),
    ("CREATE USER u PASSWORD 'x'", "admin u"),
    ("ALTER ROLE r WITH LOGIN", "admin r"),
    ("ALTER USER CURRENT_USER PASSWORD 'x'", "admin CURRENT_USER"),
    ("ALTER ROLE r SET role = postgres", "admin r role; admin r role"),
    ("ALTER ROLE ALL SET search_path = x", "admin search_path"),
    ("ALTER ROLE r RENAME TO s", "admin r s"),
    ("DROP ROLE r, s", "admin! r s"),
    ("GRANT SELECT ON a TO PUBLIC", "admin a"),
    ("GRANT ALL ON ALL TABLES IN SCHEMA s TO r", "admin s"),
    ("REVOKE ALL ON DATABASE d FROM r", "admin d"),
    ("GRANT r TO s WITH ADMIN OPTION", "admin r"),
    ("REVOKE r FROM s", "admin r"),
    ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r", "admin"),
    ("REASSIGN OWNED BY r TO s", "admin! r"),
    ("DROP OWNED BY r", "admin! r"),
    ("ALTER TABLE a OWNER TO r", "schema a; admin a"),
    ("ALTER FUNCTION f() OWNER TO r", "admin f"),
    ("ALTER SCHEMA s OWNER TO r", "admin s"),
    ("ALTER TABLE a DISABLE ROW LEVEL SECURITY", "schema a; admin a"),
    ("ALTER TABLE a DISABLE TRIGGER ALL", "schema a; admin a"),
    ("CREATE POLICY p ON a USING (true)", "admin a"),
    ("ALTER POLICY p ON a USING (true)", "admin a"),
    ("DROP POLICY p ON s.a", "admin! s.a"),
    ("SECURITY LABEL ON TABLE a IS 'x'", "admin a"),
    ("CREATE EXTENSION dblink", "admin dblink"),
    ("ALTER EXTENSION e UPDATE", "admin e"),
    ("DROP EXTENSION e", "admin! e"),
    ("CREATE LANGUAGE plpython3u", "admin plpython3u"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'", "schema f; admin f"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x', 'y'", "schema f; admin f"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE 'PLPYTHON3U' AS 'x'", "schema f; admin f"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role = postgres AS 'SELECT 1'", "schema f; admin role; read"),
    ("CREATE CAST (int AS t) WITHOUT FUNCTION", "admin t"),
    ("CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()", "admin e"),
    ("ALTER EVENT TRIGGER e DISABLE", "admin e"),
    ("CREATE DATABASE d", "admin d"),
    ("ALTER DATABASE d SET role = x", "admin d role; admin d role"),
    ("ALTER DATABASE d RENAME TO e", "admin d e"),
    ("DROP DATABASE d", "admin! d"),
    ("CREATE TABLESPACE t LOCATION '/x'", "admin t"),
    ("DROP TABLESPACE t", "admin! t"),
    ("ALTER SYSTEM SET archive_command = 'x'", "admin archive_command"),
    ("ALTER SYSTEM RESET ALL", "admin all"),
    ("LOAD 'x'", "admin x"),
    ("CHECKPOINT", "admin"),
    ("VACUUM FULL a", "admin a"),
    ("ANALYZE a", "admin a"),
    ("CLUSTER a USING i", "admin a"),
    ("REINDEX TABLE a", "admin a"),
    ("CREATE FOREIGN DATA WRAPPER w", "admin w"),
    ("CREATE SERVER s FOREIGN DATA WRAPPER w", "admin s"),
    ("CREATE USER MAPPING FOR r SERVER s OPTIONS (password 'x')", "admin s"),
    ("CREATE FOREIGN TABLE a (x int) SERVER s", "admin a"),
    ("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "admin b"),
    ("CREATE PUBLICATION p FOR TABLE a", "admin p a"),
    ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "admin s"),
    ("DROP SUBSCRIPTION s", "admin! s"),
    ("CREATE ACCESS METHOD m TYPE index HANDLER h", "admin m"),
    ("PREPARE TRANSACTION 'x'", "admin x"),
    ("COMMIT PREPARED 'x'", "admin x"),
    ("ROLLBACK PREPARED 'x'", "admin x"),
    ("CREATE FUNCTION pg_catalog.lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "admin pg_catalog.lower; read"),
    ("ALTER TABLE pg_catalog.pg_class ADD x int", "admin pg_catalog.pg_class"),
    ("DROP TABLE a, pg_catalog.b", "admin! a pg_catalog.b"),
    ("UPDATE pg_settings SET setting = 'postgres' WHERE name = 'role'", "admin= pg_settings"),
    ("DELETE FROM pg_catalog.pg_class WHERE oid = 1", "admin= pg_catalog.pg_class"),
    ("INSERT INTO pg_proc SELECT * FROM a", "admin pg_proc; read a"),
    ("UPDATE information_schema.sql_parts SET x = 1", "admin! information_schema.sql_parts"),
    ("SELECT rolpassword FROM pg_authid", "read; admin pg_authid"),
    ("SELECT * FROM pg_catalog.pg_shadow, a", "read a; admin pg_catalog.pg_shadow"),
]  # fmt: skip

# SET ROLE in every spelling, and the settings that change how names and texts are read
SETTINGS = [
    ("SET ROLE postgres", "admin role"),
    ("SET ROLE 'postgres'", "admin role"),
    ("SET ROLE NONE", "admin role"),
    ("SET LOCAL ROLE postgres", "admin role"),
    ("SET role = postgres", "admin role"),
    ('SET "ROLE" TO postgres', "admin role"),
    ("SET SESSION AUTHORIZATION postgres", "admin session_authorization"),
    ("SET SESSION AUTHORIZATION DEFAULT", "session session_authorization"),
    ("SET session_authorization = postgres", "admin session_authorization"),
    ("SELECT set_config('role', 'postgres', false)", "read; admin role"),
    ("SELECT set_config('RoLe', 'postgres', false)", "read; admin role"),
    ("SELECT pg_catalog.set_config('session_authorization', 'x', true)", "read; admin session_authorization"),
    ("SELECT set_config('ro' || 'le', 'postgres', false)", "read; admin *"),
    ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'role'", "read pg_settings; admin role"),
    ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name <> 'work_mem'", "read pg_settings; admin *"),
    ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a.b' OR true", "read pg_settings; admin *"),
    ("SELECT set_config(name, 'x', false) FROM settings WHERE name = 'work_mem'", "read settings; admin *"),
    ("SELECT set_config(setting, 'x', false) FROM pg_settings WHERE name = 'work_mem'", "read pg_settings; admin *"),
    ("SELECT set_config(name, 'x', false) FROM pg_settings, t WHERE name = 'work_mem'", "read pg_settings t; admin *"),
    ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a.b'", "read pg_settings; session a.b"),
    ("SELECT set_config($1, $2, false)", "read; admin *"),
    ("SELECT set_config(name, 'x', false) FROM a", "read a; admin *"),
    ("SELECT set_config(U&'\\0072ole', 'x', false)", "read; admin role"),
    ("SELECT set_config(is_local => true, setting_name => 'role', new_value => 'x')", "read; admin *"),
    ("SELECT set_config('role'::text, 'x', false)", "read; admin role"),
    ("SELECT set_config('role.x'::varchar(4), 'x', false)", "read; admin *"),
    ("SELECT set_config('role.x'::evil.text, 'x', false)", "read; admin *"),
    ("SELECT set_config('search_path', 'public,x'::varchar(6), false)", "read; admin search_path"),
    ("SELECT set_config('app.tenant'::text, 'x'::pg_catalog.varchar, true)", "read; session app.tenant"),
    ("SET TIME ZONE INTERVAL '1' HOUR TO MINUTE", "session timezone"),
    ("WITH x AS (SELECT set_config('role', 'x', false)) SELECT 1", "read; admin role"),
    ("INSERT INTO a VALUES (set_config('role', 'x', false))", "write a; admin role"),
    ("RESET ROLE", "session role"),
    ("RESET SESSION AUTHORIZATION", "session session_authorization"),
    ("RESET ALL", "session all"),
    ("DISCARD ALL", "session"),
    ("SET session_replication_role = replica", "admin session_replication_role"),
    ("SET lo_compat_privileges = on", "admin lo_compat_privileges"),
    ("SET log_statement = 'none'", "admin log_statement"),
    ("SET session_preload_libraries = 'x'", "admin session_preload_libraries"),
    ("SET something_new = 1", "admin something_new"),
    ("SET standard_conforming_strings = off", "unknown standard_conforming_strings"),
    ("SET standard_conforming_strings = on", "session standard_conforming_strings"),
    ("SELECT set_config('standard_conforming_strings', 'off', false)", "read; unknown standard_conforming_strings"),
    ("SET client_encoding = 'SJIS'", "unknown client_encoding"),
    ("SET NAMES 'BIG5'", "unknown client_encoding"),
    ("SET client_encoding TO 'gb18030'", "unknown client_encoding"),
    ("SET client_encoding = 'UTF8'", "session client_encoding"),
    ("SET NAMES 'latin1'", "session client_encoding"),
    ("SET search_path = secret", "admin search_path"),
    ("SET search_path = public, secret", "admin search_path"),
    ("SET search_path TO \"$user\", public", "session search_path"),
    ("SET search_path = ''", "session search_path"),
    ("SELECT set_config('search_path', '', false)", "read; session search_path"),
    ("SELECT set_config('search_path', 'public, secret', false)", "read; admin search_path"),
    ("SELECT set_config('search_path', x, false) FROM a", "read a; admin search_path"),
    ("SET SCHEMA 'secret'", "admin search_path"),
    ("SET work_mem = '1GB'", "session work_mem"),
    ("SET enable_seqscan = off", "session enable_seqscan"),
    ("SET TIME ZONE 'UTC'", "session timezone"),
    ("SET TIME ZONE INTERVAL '1' HOUR TO MINUTE", "session timezone"),
    ("SET app.tenant = '7'", "session app.tenant"),
    ("SET LOCAL statement_timeout = 0", "session statement_timeout"),
    ("SET TRANSACTION READ ONLY", "session"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "session"),
    ("SET CONSTRAINTS ALL DEFERRED", "session"),
    ("SHOW work_mem", "session work_mem"),
    ("SHOW ALL", "session all"),
]  # fmt: skip

SESSION = [
    ("BEGIN", "session"),
    ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE", "session"),
    ("COMMIT AND CHAIN", "session"),
    ("END", "session"),
    ("ROLLBACK TO s", "session"),
    ("SAVEPOINT s", "session"),
    ("RELEASE s", "session"),
    ("UNLISTEN *", "session *"),
    ("DEALLOCATE ALL", "session *"),
    ("CLOSE c", "session"),
    ("FETCH 10 FROM c", "session"),
    ("MOVE ALL IN c", "session"),
    ("SELECT pg_sleep(1)", "read; session pg_sleep"),
    ("SELECT pg_advisory_unlock(1)", "read; session pg_advisory_unlock"),
    ("", "session"),
    (" ; -- nothing\n ;", "session"),
]

WRAPPED = [
    ("PREPARE p AS SELECT * FROM a", "session p; read a"),
    ("PREPARE p (int) AS DELETE FROM a", "session p; delete! a"),
    ("EXECUTE p (1)", "execute p"),
    ("CREATE TABLE a AS EXECUTE p", "schema a; execute p"),
    ("DECLARE c CURSOR FOR SELECT * FROM a", "session; read a"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM a FOR UPDATE", "session; read a; write! a"),
    ("EXPLAIN SELECT * FROM a", "session; read a"),
    ("EXPLAIN DELETE FROM a", "session; read a"),
    ("EXPLAIN (ANALYZE false) DELETE FROM a", "session; read a"),
    ("EXPLAIN (ANALYZE off, VERBOSE) UPDATE a SET x = 1", "session; read a"),
    ("EXPLAIN (ANALYZE 0) DELETE FROM a", "session; read a"),
    ("EXPLAIN ANALYZE DELETE FROM a", "session; delete! a"),
    ("EXPLAIN (ANALYZE) DELETE FROM a", "session; delete! a"),
    ("EXPLAIN (ANALYZE 1) DELETE FROM a", "session; delete! a"),
    ("EXPLAIN (ANALYZE on, ANALYZE off) DELETE FROM a", "session; delete! a"),
    ('EXPLAIN ("analyze" true) DELETE FROM a', "session; delete! a"),
    ("EXPLAIN ANALYZE CREATE TABLE a AS SELECT * FROM b", "session; schema a; read b"),
    ("EXPLAIN EXECUTE p", "session; read; execute p"),
    ("EXPLAIN SELECT mine(x) FROM a", "session; read a; execute mine"),
    ("EXPLAIN SELECT pg_read_file('x')", "session; read; admin pg_read_file"),
    ("DO $$ BEGIN DELETE FROM a; END $$", "execute plpgsql; delete! a"),
    ("DO LANGUAGE plpython3u 'x'", "execute plpython3u; unknown plpython3u; admin plpython3u"),
    ("CALL p(1)", "execute p"),
    ("CALL s.p((SELECT max(x) FROM a))", "execute s.p; read a"),
]  # fmt: skip

COPIES = [
    ("COPY a TO STDOUT", "read a; transfer a"),
    ("COPY s.a (x, y) TO STDOUT WITH (FORMAT csv)", "read s.a; transfer s.a"),
    ("COPY a FROM STDIN", "write a; transfer a"),
    ("COPY a FROM STDIN WHERE x > (SELECT 1 FROM b)", "write a; transfer a; read b"),
    ("COPY (SELECT * FROM a) TO STDOUT", "transfer; read a"),
    ("COPY (DELETE FROM a RETURNING *) TO STDOUT", "transfer; delete! a; read a"),
    ("COPY a TO '/tmp/x'", "read a; transfer a; admin /tmp/x"),
    ("COPY a FROM '/etc/passwd'", "write a; transfer a; admin /etc/passwd"),
    ("COPY a FROM PROGRAM 'curl evil'", "write a; transfer a; admin curl evil"),
    ("COPY (SELECT 1) TO PROGRAM 'sh'", "transfer; admin sh; read"),
    ("COPY pg_proc FROM STDIN", "admin pg_proc; transfer pg_proc"),
]

FUNCTIONS = [
    ("SELECT pg_read_file('/etc/passwd')", "read; admin pg_read_file"),
    ("SELECT pg_catalog.pg_read_binary_file('x')", "read; admin pg_catalog.pg_read_binary_file"),
    ("SELECT * FROM pg_ls_dir('.')", "read; admin pg_ls_dir"),
    ("SELECT lo_import('/etc/passwd')", "read; admin lo_import"),
    ("SELECT lo_export(1, '/x')", "read; admin lo_export"),
    ("SELECT pg_terminate_backend(1)", "read; admin pg_terminate_backend"),
    ("SELECT pg_cancel_backend(pid) FROM pg_stat_activity", "read pg_stat_activity; admin pg_cancel_backend"),
    ("SELECT pg_reload_conf()", "read; admin pg_reload_conf"),
    ("SELECT dblink('host=x', 'DROP TABLE y')", "read; admin dblink"),
    ("SELECT * FROM public.dblink('x', 'y') AS t(a int)", "read; admin public.dblink"),
    ("SELECT dblink_exec('x')", "read; admin dblink_exec"),
    ("SELECT query_to_xml('DELETE FROM a', true, true, '')", "read; unknown query_to_xml"),
    ("SELECT table_to_xml('secret', true, true, '')", "read; unknown table_to_xml"),
    ("SELECT ts_stat('SELECT x FROM a')", "read; unknown ts_stat"),
    ("SELECT * FROM crosstab('SELECT 1') AS t(a int)", "read; unknown crosstab"),
    ("SELECT cron.schedule('* * * * *', 'DROP TABLE a')", "read; unknown cron.schedule"),
    ("SELECT net.http_post('http://x')", "read; transfer net.http_post"),
    ("SELECT http_get('http://x')", "read; transfer http_get"),
    ("SELECT mine(1)", "read; execute mine"),
    ("SELECT app.mine(1) FROM a WHERE other(x)", "read a; execute app.mine; execute other"),
    ("SELECT public.lower('A')", "read; execute public.lower"),
    ("SELECT pg_something_new()", "read; unknown pg_something_new"),
    ("SELECT pg_catalog.brand_new()", "read; unknown pg_catalog.brand_new"),
    ("SELECT a OPERATOR(app.=) b FROM c", "read c; execute app.="),
    ("SELECT a OPERATOR(pg_catalog.=) b FROM c", "read c"),
    ("SELECT 1 FROM c WHERE a OPERATOR(app.=) ANY (SELECT 1)", "read c; execute app.="),
    ("SELECT 1 FROM c ORDER BY a USING OPERATOR(app.<)", "read c; execute app.<"),
    ("SELECT * FROM c TABLESAMPLE app.mine (1)", "read c; execute app.mine"),
    ("SELECT * FROM c ORDER BY mine(a) LIMIT mine(1)", "read c; execute mine"),
    ("UPDATE a SET x = mine(y) WHERE id = 1", "write= a; execute mine"),
    ("ALTER TABLE a ALTER x SET DEFAULT mine()", "schema a; execute mine"),
    ("SELECT pg_create_logical_replication_slot('a', 'b')", "read; admin pg_create_logical_replication_slot"),
    ("SELECT pg_stat_reset()", "read; admin pg_stat_reset"),
]

SEVERAL = [
    ("SELECT 1; DROP TABLE a", "read; schema! a"),
    ("BEGIN; DELETE FROM a; COMMIT", "session; delete! a; session"),
    ("SELECT 1; SELECT 1", "read"),
]

UNPARSABLE = [
    "IDENTIFY_SYSTEM",
    "START_REPLICATION SLOT s LOGICAL 0/0",
    "BASE_BACKUP",
    "SELEC 1",
    "SELECT 1; DROP TABL a",
    "\\copy a from b",
    "SELECT 'unterminated",
    "SELECT /* unterminated",
    "SELECT 1\0; DROP TABLE a",
]

TABLE = [
    *READS, *LOOK_ALIKES, *CTES, *WRITES, *MERGES, *SCHEMA, *ADMIN, *SETTINGS, *SESSION, *WRAPPED, *COPIES,
    *FUNCTIONS, *SEVERAL,
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), TABLE, ids=[sql for sql, _ in TABLE])
def test_what_a_statement_does(sql: str, expected: str) -> None:
    def in_order(text: str) -> list[str]:
        return sorted(text.split("; "))

    assert in_order(told(sql)) == in_order(expected)


@pytest.mark.parametrize("sql", UNPARSABLE)
def test_what_does_not_parse_is_unknown(sql: str) -> None:
    assert told(sql) == "unknown"


def test_every_statement_of_the_grammar_has_an_entry() -> None:
    kinds = {field.message_type.name for field in pg_query_pb2.DESCRIPTOR.message_types_by_name["Node"].fields}
    statements = {kind for kind in kinds if kind.endswith("Stmt")}
    assert len(statements) > 110
    assert statements - set(VISITORS) == set()


def test_a_node_that_nobody_knows_is_unknown() -> None:
    tree = {"SelectStmt": {"targetList": [{"ResTarget": {"val": {"BrandNewExpr": {"args": []}}}}]}}
    found = operations(Parsed("", (tree,), ((0, 0),)))
    assert [operation.effect for operation in found] == ["read", "unknown"]
    assert operations(Parsed("", ({"BrandNewStmt": {}},), ((0, 0),)))[0].effect == "unknown"


def test_nodes_that_only_analysis_makes_are_unknown() -> None:
    assert not {"Query", "FuncExpr", "OpExpr", "RangeTblEntry", "Var"} & (HARMLESS | set(VISITORS))


def test_every_effect_is_one_that_rules_know() -> None:
    for sql, _ in TABLE:
        try:
            found = effects(parse(sql)).operations
        except Unparsable:
            continue
        assert {operation.effect for operation in found} <= set(EFFECTS)


@pytest.mark.parametrize(
    "sql",
    [
        "SET work_mem = 1",
        "SELECT set_config('role', 'x', false)",
        "EXPLAIN (ANALYZE 1) SELECT 1",
        "DELETE FROM a WHERE x LIKE 'b%'",
        "COPY a TO '/x'",
        "COMMIT PREPARED 'x'",
        "DO 'x'",
        "CREATE TABLE a (x int)",
    ],
)
def test_what_depends_on_a_literal_says_so(sql: str) -> None:
    assert effects(parse(sql)).by_literal


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM a WHERE x LIKE 'b'", "DELETE FROM a WHERE id = 1", "UPDATE a SET x = 'y' WHERE 1 = 1", "BEGIN"],
)
def test_what_depends_on_no_literal_says_so(sql: str) -> None:
    assert not effects(parse(sql)).by_literal


@pytest.mark.parametrize(
    ("path", "objects"),
    [
        ("app, pg_temp", ["app.t"]),
        ('"$user", app', ["t", "app.t"]),
        ("''", ["t"]),
        ("app, other", ["app.t", "other.t"]),
    ],
)
def test_a_body_looks_for_names_where_its_function_does(path: str, objects: list[str]) -> None:
    head = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = {path}"
    found = {one.command: one for one in operations(parse(f"{head} AS 'DELETE FROM t WHERE id = 1'"))}
    assert [str(thing) for thing in found["DELETE"].objects] == objects
    found = {one.command: one for one in operations(parse(f"{head} BEGIN ATOMIC DELETE FROM t WHERE id = 1; END"))}
    assert [str(thing) for thing in found["DELETE"].objects] == ["t"]  # named as it is made, by the session
