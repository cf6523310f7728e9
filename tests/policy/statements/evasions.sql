-- Statements with an effect that somebody would deny, in spellings that hide it.
--
-- A block is a line "-- EFFECT" (with "!": unbounded), the statements, and "-->" with a query that is true on the same
-- connection once they ran (left out where the effect has a usual proof: tests/policy/evasions.py). "(18)" behind the
-- effect: only servers from that release on know the syntax. "(outside)": cannot run in a transaction, "--<" undoes it.
-- "(judged)": no server runs it as it is, or as it is set up here.

-- delete!
DELETE FROM a

-- delete!
DELETE FROM ONLY public.a AS t

-- delete!
DELETE FROM a -- WHERE id = 1

-- delete!
DELETE FROM a /* WHERE id = 1 */

-- delete!
DELETE FROM a WHERE true -- AND id = 1

-- delete!
DELETE FROM a WHERE 1 = 1

-- delete!
DELETE FROM a WHERE NOT false

-- delete!
DELETE FROM a WHERE 't'

-- delete!
DELETE FROM a WHERE id = id

-- delete!
DELETE FROM a WHERE a.id = id

-- delete!
DELETE FROM a WHERE (id) >= (a.id)

-- delete!
DELETE FROM a WHERE id IS NOT NULL

-- delete!
DELETE FROM a WHERE id = 1 OR true

-- delete!
DELETE FROM a WHERE id = 1 OR id <> 1 OR 'yes'

-- delete!
DELETE FROM a WHERE id = 1 OR NOT (id = 1 AND false)

-- delete!
DELETE FROM a WHERE id * 0 = 0

-- delete!
DELETE FROM a WHERE id % 1 = 0

-- delete!
DELETE FROM a WHERE id - id = 0

-- delete!
DELETE FROM a WHERE abs(id) >= 0

-- delete!
DELETE FROM a WHERE length(name) > -1

-- delete!
DELETE FROM a WHERE name >= ''

-- delete!
DELETE FROM a WHERE id < 2147483648

-- delete!
DELETE FROM a WHERE id BETWEEN -2147483648 AND 2147483647

-- delete!
DELETE FROM a WHERE created > '-infinity'

-- delete!
DELETE FROM a WHERE created < 'infinity'::timestamptz

-- delete!
DELETE FROM a WHERE coalesce(1, id) = 1

-- delete!
DELETE FROM a WHERE greatest(id, 100) = 100

-- delete!
DELETE FROM a WHERE repeat(name, 0) = ''

-- delete!
DELETE FROM a WHERE left(name, 0) = ''

-- delete!
DELETE FROM a WHERE name LIKE '%'

-- delete!
DELETE FROM a WHERE name LIKE '_%'

-- delete!
DELETE FROM a WHERE name LIKE '%' || ''

-- delete!
DELETE FROM a WHERE name LIKE chr(37)

-- delete!
DELETE FROM a WHERE name LIKE U&'\0025'

-- delete!
DELETE FROM a WHERE name LIKE E'\x25'

-- delete!
DELETE FROM a WHERE name LIKE E'\045'

-- delete!
DELETE FROM a WHERE name LIKE replace('%q', 'q', '')

-- delete!
DELETE FROM a WHERE name LIKE '%q'::varchar(1)

-- delete!
DELETE FROM a WHERE name LIKE ANY (ARRAY['q', '%'])

-- delete!
DELETE FROM a WHERE name LIKE ANY ('{q,%}')

-- delete!
DELETE FROM a WHERE name NOT LIKE ALL ('{q}')

-- delete!
DELETE FROM a WHERE name SIMILAR TO '%'

-- delete!
DELETE FROM a WHERE name SIMILAR TO 'q|%'

-- delete!
DELETE FROM a WHERE name ~ ''

-- delete!
DELETE FROM a WHERE name ~ '.'

-- delete!
DELETE FROM a WHERE name ~ 'q*'

-- delete!
DELETE FROM a WHERE name ~ 'q|'

-- delete!
DELETE FROM a WHERE name ~ '()'

-- delete!
DELETE FROM a WHERE name ~ '***:.'

-- delete!
DELETE FROM a WHERE name ~ '\A'

-- delete!
DELETE FROM a WHERE name ~* '[[:print:]]'

-- delete!
DELETE FROM a WHERE regexp_like(name, '')

-- delete!
DELETE FROM a WHERE starts_with(name, '')

-- delete!
DELETE FROM a WHERE name ^@ ''

-- delete!
DELETE FROM a WHERE tags @> ARRAY[]::text[]

-- delete!
DELETE FROM a WHERE tags @> '{}'

-- delete!
DELETE FROM a WHERE data @> '{}'

-- delete!
DELETE FROM a WHERE data @? '$'

-- delete!
DELETE FROM a WHERE id <@ '(,)'::int4range

-- delete!
DELETE FROM a WHERE span && '(,)'

-- delete!
DELETE FROM a WHERE span <@ int4range(NULL, NULL)

-- delete!
DELETE FROM a WHERE EXISTS (SELECT 1 FROM b)

-- delete!
DELETE FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = 1)

-- delete!
DELETE FROM a WHERE EXISTS (SELECT 1 FROM b WHERE id = 1)

-- delete!
DELETE FROM a WHERE EXISTS (SELECT 1 FROM a z WHERE z.id = a.id)

-- delete!
DELETE FROM a WHERE EXISTS (SELECT 1 FROM b a WHERE a.id = 1)

-- delete!
DELETE FROM a WHERE id IN (SELECT id FROM a)

-- delete!
DELETE FROM a WHERE id IN (SELECT z.id FROM a z LEFT JOIN b ON b.a_id = z.id)

-- delete!
DELETE FROM a WHERE id IN (SELECT id FROM a LIMIT 1000000000)

-- delete!
DELETE FROM a WHERE id IN (SELECT id FROM a ORDER BY 1 = 1 FETCH FIRST 1 ROW WITH TIES)

-- delete!
DELETE FROM a WHERE id IN (SELECT id FROM a UNION SELECT 7)

-- delete!
DELETE FROM a WHERE id IN (SELECT id FROM (TABLE a) z)

-- delete!
DELETE FROM a WHERE id IN (SELECT unnest(array_agg(id)) FROM a)

-- delete!
DELETE FROM a WHERE id = ANY (ARRAY(SELECT id FROM a))

-- delete!
DELETE FROM a WHERE id = ANY ((SELECT array_agg(id) FROM a)::int[])

-- delete!
DELETE FROM a WHERE ctid = ANY (ARRAY(SELECT ctid FROM a))

-- delete!
DELETE FROM a WHERE id >= (SELECT min(id) FROM a)

-- delete!
DELETE FROM a WHERE id <= ALL (SELECT max(id) FROM a)

-- delete!
DELETE FROM a WHERE id <= (SELECT id FROM a ORDER BY id DESC LIMIT 1)

-- delete!
DELETE FROM a WHERE (SELECT true)

-- delete!
DELETE FROM a WHERE (SELECT count(*) FROM a) > 0

-- delete!
DELETE FROM a WHERE CASE WHEN id = 1 THEN true ELSE true END

-- delete!
DELETE FROM a WHERE coalesce(id = 1, true) IS NOT NULL

-- delete!
DELETE FROM a WHERE (id = 1) IS NOT NULL

-- delete!
DELETE FROM a WHERE (id = 1) = (id = 1)

-- delete!
DELETE FROM a WHERE (id = 1) IN (true, false)

-- delete!
DELETE FROM a WHERE (a).id = a.id

-- delete!
DELETE FROM a WHERE a = a

-- delete!
DELETE FROM a WHERE a IS DISTINCT FROM NULL

-- delete!
DELETE FROM a WHERE a.tableoid = 'a'::regclass

-- delete!
DELETE FROM a WHERE pg_typeof(id)::text = 'integer'

-- delete!
DELETE FROM a WHERE num_nulls(id) = 0

-- delete!
DELETE FROM a WHERE xmin::text::bigint > 0 OR id = id

-- delete!
DELETE FROM a USING b

-- delete!
DELETE FROM a USING b WHERE b.id = 1

-- delete!
DELETE FROM a USING b WHERE b.id = b.id

-- delete!
DELETE FROM a USING a z WHERE z.id = a.id

-- delete!
DELETE FROM a USING (SELECT id FROM a) z WHERE z.id = a.id

-- delete!
WITH z AS (SELECT id FROM a) DELETE FROM a USING z WHERE z.id = a.id

-- delete!
WITH z AS (DELETE FROM a RETURNING *) SELECT 1

-- delete!
WITH RECURSIVE z AS (SELECT 1 UNION SELECT 2), y AS (DELETE FROM a WHERE EXISTS (SELECT 1 FROM z)) TABLE z

-- delete!
EXPLAIN ANALYZE DELETE FROM a

-- delete!
EXPLAIN (COSTS off, ANALYZE on) DELETE FROM a

-- delete!
explain (analyze, verbose) with z as (delete from a returning 1) select * from z

-- delete!
PREPARE p AS DELETE FROM a; EXECUTE p

-- delete!
PREPARE p (text) AS DELETE FROM a WHERE name LIKE $1; EXECUTE p('%')

-- delete!
PREPARE p (bool) AS DELETE FROM a WHERE id = 1 OR $1; EXECUTE p(true)

-- delete!
PREPARE p (int) AS DELETE FROM a WHERE id IN (SELECT id FROM a LIMIT $1); EXECUTE p(NULL)

-- delete!
COPY (DELETE FROM a RETURNING 1) TO '/dev/null'

-- delete!
SELECT 1; DELETE FROM a; SELECT 2

-- delete!
MERGE INTO a USING b ON true WHEN MATCHED AND b.id = 1 THEN DELETE

-- delete!
MERGE INTO a USING (VALUES (1)) z(i) ON 1 = 1 WHEN MATCHED THEN DELETE

-- delete!
MERGE INTO a USING a z ON a.id = z.id WHEN MATCHED THEN DELETE

-- delete! (18)
MERGE INTO a USING b ON a.id = -1 WHEN NOT MATCHED BY SOURCE THEN DELETE

-- delete!
CREATE RULE r AS ON UPDATE TO b DO ALSO DELETE FROM a; UPDATE b SET x = 2 WHERE id = 1

-- delete!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'; SELECT f()

-- delete!
CREATE FUNCTION f() RETURNS void LANGUAGE SQL AS $b$ SELECT 1; DELETE /* */ FROM a WHERE true $b$; SELECT f()

-- delete!
CREATE FUNCTION f(id int) RETURNS void LANGUAGE sql AS 'DELETE FROM a WHERE $1 = 7'; SELECT f(7)

-- delete!
CREATE FUNCTION f(x bool) RETURNS void LANGUAGE sql AS 'DELETE FROM a WHERE x'; SELECT f(true)

-- delete!
CREATE FUNCTION f(n int) RETURNS void LANGUAGE sql AS 'DELETE FROM a WHERE f.n = n'; SELECT f(7)

-- delete!
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT 1; END; SELECT f()

-- delete!
CREATE FUNCTION f() RETURNS int RETURN (SELECT 1); CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC DELETE FROM a WHERE 1 = 1; END; CALL p()

-- delete!
CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'WITH z AS (DELETE FROM a RETURNING 1) SELECT count(*) FROM z'; CREATE VIEW w AS SELECT f(); TABLE w

-- delete!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS E'DEL\145TE FROM a'; SELECT f()

-- delete!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS U&'D\0045LETE FROM a'; SELECT f()

-- delete!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE OR REPLACE FUNCTION g() RETURNS void LANGUAGE sql AS ''DELETE FROM a'''; SELECT f(); SELECT g()

-- write!
UPDATE a SET name = 'gone'

-- write!
UPDATE a SET name = 'gone' WHERE true

-- write!
UPDATE a SET (name, kind) = ROW ('gone', 'x') WHERE id = id

-- write!
UPDATE a SET name = 'gone' FROM b WHERE b.id = 1

-- write!
UPDATE v SET name = 'gone'

-- write!
INSERT INTO a SELECT * FROM a ON CONFLICT (id) DO UPDATE SET name = 'gone'

-- write!
MERGE INTO a USING b ON true WHEN MATCHED AND b.id = 1 THEN UPDATE SET name = 'gone'

-- write!
WITH z AS (UPDATE a SET name = 'gone' RETURNING 1) SELECT count(*) FROM z

-- write!
EXPLAIN (ANALYZE) UPDATE a SET name = 'gone'

-- write!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'UPDATE a SET name = ''gone'''; SELECT f()

-- delete.truncate!
TRUNCATE a CASCADE

-- delete.truncate!
TRUNCATE TABLE ONLY public.a, b RESTART IDENTITY

-- delete.truncate!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'TRUNCATE a CASCADE'; SELECT f()

-- schema.drop!
DROP TABLE b

-- schema.drop!
DROP TABLE IF EXISTS zz, public.b CASCADE

-- schema.drop!
/* SELECT 1 */ drop/**/table/**/"b"

-- schema.drop!
DROP TABLE U&"\0062"

-- schema.drop!
SELECT 1;;; DROP TABLE b;

-- schema.drop!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE b'; SELECT f()

-- schema.drop!
DROP SCHEMA shadow CASCADE
--> SELECT to_regclass('shadow.a') IS NULL

-- schema.drop!
ALTER TABLE b DROP COLUMN x
--> SELECT count(*) = 2 FROM pg_attribute WHERE attrelid = 'b'::regclass AND attnum > 0 AND NOT attisdropped

-- schema.drop!
ALTER TABLE IF EXISTS ONLY b ADD y int, DROP IF EXISTS x CASCADE
--> SELECT count(*) = 3 FROM pg_attribute WHERE attrelid = 'b'::regclass AND attnum > 0 AND NOT attisdropped

-- schema.drop!
ALTER TABLE b DROP CONSTRAINT b_a_id_fkey
--> SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'b_a_id_fkey')

-- schema.drop!
DROP FUNCTION plain(int)
--> SELECT to_regproc('plain') IS NULL

-- schema.drop!
DROP VIEW v
--> SELECT to_regclass('v') IS NULL

-- schema.drop!
DROP TRIGGER touched ON a
--> SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'touched')

-- schema
ALTER TABLE b RENAME TO c
--> SELECT to_regclass('b') IS NULL

-- schema
ALTER TABLE b SET SCHEMA shadow
--> SELECT to_regclass('b') IS NULL

-- write.lock!
LOCK a

-- write.lock!
LOCK TABLE ONLY public.a, b IN SHARE ROW EXCLUSIVE MODE NOWAIT

-- write.lock!
SELECT 1 FROM a FOR UPDATE
--> SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'RowShareLock')

-- write.lock!
SELECT 1 FROM (SELECT * FROM a FOR SHARE) z
--> SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'RowShareLock')

-- write.lock!
WITH z AS (SELECT * FROM a WHERE true FOR NO KEY UPDATE SKIP LOCKED) SELECT count(*) FROM z
--> SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'RowShareLock')

-- write.lock
SELECT pg_catalog.pg_advisory_lock(7)
--> SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7)

-- write.lock
SELECT "pg_try_advisory_xact_lock_shared"(7)
--> SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7)

-- write.lock!
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'LOCK a'; SELECT f()

-- admin.become
SET ROLE victim

-- admin.become
SET LOCAL ROLE 'victim'

-- admin.become
SET SESSION ROLE "victim"

-- admin.become
SET role = victim

-- admin.become
SET "RoLe" TO U&'victi\006d'

-- admin.become
SET SESSION AUTHORIZATION victim

-- admin.become
SET LOCAL SESSION AUTHORIZATION 'victim'

-- admin.become
SET session_authorization TO 'victim'

-- admin.become
SELECT set_config('role', 'victim', false)

-- admin.become
SELECT set_config('ROLE', 'victim', true)

-- admin.become
SELECT pg_catalog."set_config"('role'::text, 'victim', 'f')

-- admin.become
SELECT set_config('ro' || 'le', 'victim', false)

-- admin.become
SELECT set_config(chr(114) || 'ole', 'victim', false)

-- admin.become (judged)
SELECT set_config(new_value => 'victim', is_local => false, setting_name => 'role')

-- admin.become
SELECT set_config(E'\x72ole', 'victim', false)

-- admin.become
SELECT set_config(n, 'victim', false) FROM (VALUES ('role')) t(n)

-- admin.become
SELECT set_config((SELECT 'role'), 'victim', false)

-- admin.become
SELECT * FROM set_config('session_authorization', 'victim', false)

-- admin.become
SELECT 1 FROM a WHERE set_config('role', 'victim', false) IS NOT NULL

-- admin.become
SELECT 1 ORDER BY set_config('role', 'victim', false)

-- admin.become
VALUES (set_config('role', 'victim', false))

-- admin.become
INSERT INTO log (text) VALUES (set_config('role', 'victim', false))

-- admin.become
UPDATE a SET name = set_config('role', 'victim', false) WHERE id = 1

-- admin.become
INSERT INTO log (text) VALUES ('x') RETURNING set_config('role', 'victim', false)

-- admin.become
SELECT 1 LIMIT length(set_config('role', 'victim', false))

-- admin.become
SELECT CASE WHEN true THEN set_config('role', 'victim', false) END

-- admin.become
SELECT * FROM ROWS FROM (set_config('role', 'victim', false), generate_series(1, 2))

-- admin.become
WITH z AS MATERIALIZED (SELECT set_config('role', 'victim', false)) TABLE z

-- admin.become
COPY (SELECT set_config('role', 'victim', false)) TO '/dev/null'

-- admin.become
PREPARE p (text) AS SELECT set_config($1, 'victim', false); EXECUTE p('role')

-- admin.become
PREPARE p AS SELECT 1; EXPLAIN ANALYZE SELECT set_config('role', 'victim', false)

-- admin.become
DECLARE c CURSOR FOR SELECT set_config('role', 'victim', false); FETCH c

-- admin.become
ALTER TABLE log ALTER text SET DEFAULT set_config('role', 'victim', false); INSERT INTO log DEFAULT VALUES

-- admin.become
CREATE VIEW w AS SELECT set_config('role', 'victim', false) AS x; SELECT x FROM w

-- admin.become
CREATE TABLE n AS SELECT set_config('role', 'victim', false)

-- admin.become
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT set_config(''role'', ''victim'', false)'; SELECT f()

-- admin.become
CREATE FUNCTION f(n text) RETURNS text RETURN set_config(n, 'victim', false); SELECT f('role')

-- admin.become
CREATE AGGREGATE g (text, bool) (sfunc = set_config, stype = text, initcond = 'role'); SELECT g('victim', false)

-- admin.become (judged)
CREATE AGGREGATE g (sfunc1 = pg_catalog.set_config, basetype = text, stype1 = text)

-- admin.become
ALTER ROLE other SET role = victim
--> SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE 'role=victim' = ANY (setconfig))

-- admin.become
ALTER USER other IN DATABASE postgres SET ROLE TO 'victim'
--> SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE 'role=victim' = ANY (setconfig))

-- admin.become
ALTER DATABASE postgres SET session_authorization = victim
--> SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE 'session_authorization=victim' = ANY (setconfig))

-- admin.become
CREATE FUNCTION f() RETURNS name LANGUAGE sql SET role = victim AS 'SELECT current_user'; SELECT set_config('x.y', f(), false)
--> SELECT current_setting('x.y') = 'victim'

-- admin.become
ALTER FUNCTION plain(int) SET role = victim
--> SELECT 'role=victim' = ANY (proconfig) FROM pg_proc WHERE proname = 'plain'

-- admin.role
CREATE USER eve SUPERUSER
--> SELECT rolsuper FROM pg_roles WHERE rolname = 'eve'

-- admin.role
CREATE GROUP eve ROLE other
--> SELECT pg_has_role('other', 'eve', 'member')

-- admin.role
ALTER USER other WITH SUPERUSER
--> SELECT rolsuper FROM pg_roles WHERE rolname = 'other'

-- admin.role
ALTER GROUP victim ADD USER other
--> SELECT pg_has_role('other', 'victim', 'member')

-- admin.role
GRANT victim TO other
--> SELECT pg_has_role('other', 'victim', 'member')

-- admin.role
GRANT pg_read_all_data TO other
--> SELECT pg_has_role('other', 'pg_read_all_data', 'member')

-- admin.role
ALTER ROLE CURRENT_USER PASSWORD 'x'
--> SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = current_user

-- admin.role
DROP ROLE other
--> SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'other')

-- admin.role
ALTER ROLE other RENAME TO eve
--> SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eve')

-- admin.role
ALTER TABLE b OWNER TO other; DROP OWNED BY other

-- admin.role
REASSIGN OWNED BY victim TO other
--> SELECT true

-- admin.role
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE ROLE eve SUPERUSER'; SELECT f()
--> SELECT rolsuper FROM pg_roles WHERE rolname = 'eve'

-- admin.privilege
GRANT ALL ON a TO PUBLIC
--> SELECT has_table_privilege('other', 'a', 'delete')

-- admin.privilege
GRANT SELECT (name) ON a TO other
--> SELECT has_column_privilege('other', 'a', 'name', 'select')

-- admin.privilege
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM other CASCADE
--> SELECT true

-- admin.privilege
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC
--> SELECT EXISTS (SELECT FROM pg_default_acl)

-- admin.privilege
ALTER TABLE a OWNER TO other
--> SELECT relowner = 'other'::regrole FROM pg_class WHERE oid = 'a'::regclass

-- admin.privilege
ALTER VIEW v OWNER TO other
--> SELECT relowner = 'other'::regrole FROM pg_class WHERE oid = 'v'::regclass

-- admin.privilege
CREATE SCHEMA AUTHORIZATION other
--> SELECT nspowner = 'other'::regrole FROM pg_namespace WHERE nspname = 'other'

-- admin.privilege
ALTER TABLE private DISABLE ROW LEVEL SECURITY
--> SELECT NOT relrowsecurity FROM pg_class WHERE oid = 'private'::regclass

-- admin.privilege
CREATE POLICY p ON private USING (true)
--> SELECT EXISTS (SELECT FROM pg_policy)

-- admin.privilege
ALTER TABLE a DISABLE TRIGGER touched
--> SELECT tgenabled = 'D' FROM pg_trigger WHERE tgname = 'touched'

-- admin.privilege
ALTER TABLE a ENABLE ALWAYS TRIGGER touched
--> SELECT tgenabled = 'A' FROM pg_trigger WHERE tgname = 'touched'

-- admin.privilege
GRANT SET ON PARAMETER session_replication_role TO other
--> SELECT has_parameter_privilege('other', 'session_replication_role', 'set')

-- admin.privilege
SELECT lo_create(4711); GRANT ALL ON LARGE OBJECT 4711 TO other
--> SELECT lomacl IS NOT NULL FROM pg_largeobject_metadata WHERE oid = 4711

-- admin.catalogue
UPDATE pg_authid SET rolsuper = true WHERE rolname = 'other'
--> SELECT rolsuper FROM pg_roles WHERE rolname = 'other'

-- admin.catalogue
DELETE FROM pg_catalog.pg_policy
--> SELECT true

-- admin.catalogue
UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name = 'row_security'
--> SELECT current_setting('row_security') = 'off'

-- admin.catalogue
INSERT INTO pg_auth_members SELECT * FROM pg_auth_members WHERE false
--> SELECT true

-- admin.catalogue
COPY pg_statistic FROM '/dev/null'
--> SELECT true

-- admin.catalogue
MERGE INTO pg_proc p USING b ON p.oid = b.id WHEN MATCHED THEN UPDATE SET prosecdef = true
--> SELECT true

-- admin.code
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'
--> SELECT prosecdef FROM pg_proc WHERE proname = 'f'

-- admin.code
CREATE PROCEDURE f() LANGUAGE sql EXTERNAL SECURITY DEFINER AS 'SELECT 1'
--> SELECT prosecdef FROM pg_proc WHERE proname = 'f'

-- admin.code
ALTER FUNCTION plain SECURITY DEFINER
--> SELECT prosecdef FROM pg_proc WHERE proname = 'plain'

-- admin.code
ALTER ROUTINE plain(int) LEAKPROOF
--> SELECT proleakproof FROM pg_proc WHERE proname = 'plain'

-- admin.code
CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()
--> SELECT EXISTS (SELECT FROM pg_event_trigger)

-- unknown.body
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DELETE FROM a''; RETURN 1; END'; SELECT f()
--> SELECT count(*) = 0 FROM a

-- unknown.body
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE ''DELETE FROM a RETURNING id''; END'; SELECT f()
--> SELECT count(*) = 0 FROM a

-- unknown.body
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE r record; BEGIN FOR r IN EXECUTE ''DELETE FROM a RETURNING id'' LOOP NULL; END LOOP; END'; SELECT f()
--> SELECT count(*) = 0 FROM a

-- unknown.body
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE ''SELECT 1''; CLOSE c; END'; SELECT f()
--> SELECT true

-- unknown.body
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; MOVE RELATIVE length(set_config(''role'', ''victim'', false)) IN c; END'; SELECT f()
--> SELECT current_user = 'victim'

-- unknown.body (judged)
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE U&"fla\0067" bool := true; BEGIN DELETE FROM a WHERE flag; END'; SELECT 1

-- unknown.body
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg bool := true; BEGIN DELETE FROM a WHERE aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg; END'; SELECT f()
--> SELECT count(*) = 0 FROM a

-- unknown.block
DO LANGUAGE plpgsql $x$ BEGIN EXECUTE 'DROP' || ' TABLE b'; END $x$
--> SELECT to_regclass('b') IS NULL

-- delete!
DO 'BEGIN DELETE FROM a; END'

-- delete!
DO $$ << l >> DECLARE x bool; BEGIN BEGIN x := true; DELETE FROM a WHERE l.x; END; END l $$

-- delete!
DO $$ DECLARE É bool := true; BEGIN DELETE FROM a WHERE É; END $$

-- delete!
DO $$ #variable_conflict use_variable
DECLARE flag bool := true; BEGIN DELETE FROM a WHERE flag; END $$

-- delete!
DO $$ DECLARE a record; BEGIN SELECT true AS yes INTO a; DELETE FROM a WHERE a.yes; END $$

-- delete!
DO $$ BEGIN IF false THEN NULL; ELSIF 1 = 1 THEN DELETE FROM a; END IF; END $$

-- delete!
DO $$ BEGIN CASE 1 WHEN 2 THEN NULL; ELSE DELETE FROM a; END CASE; END $$

-- delete!
DO $$ BEGIN <<l>> LOOP DELETE FROM a; EXIT l WHEN true; END LOOP l; END $$

-- delete!
DO $$ BEGIN RAISE EXCEPTION 'x'; EXCEPTION WHEN no_data_found OR raise_exception THEN DELETE /* ' */ FROM a; END $$

-- delete!
DO $$ DECLARE n int; BEGIN WITH z AS (DELETE FROM a RETURNING id) SELECT max(id) INTO STRICT n FROM z; END $$

-- delete!
DO $$ DECLARE r record; BEGIN FOR r IN DELETE FROM a RETURNING id LOOP NULL; END LOOP; END $$

-- delete!
DO $$ DECLARE "x y" int; BEGIN DELETE FROM a RETURNING 1 INTO "x y"; EXCEPTION WHEN others THEN DELETE FROM a; END $$

-- delete!
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM a; RETURN NULL; END'; CREATE TRIGGER t AFTER UPDATE ON b EXECUTE FUNCTION f(); UPDATE b SET x = 2 WHERE id = 1

-- delete!
CREATE FUNCTION f(flag bool) RETURNS void LANGUAGE plpgsql AS '#variable_conflict use_variable
BEGIN DELETE FROM a WHERE flag; END'; SELECT f(true)

-- delete!
CREATE FUNCTION f() RETURNS TABLE (yes bool) LANGUAGE plpgsql AS 'BEGIN yes = true; DELETE FROM a WHERE yes; END'; SELECT f()

-- admin.become
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE PLPGSQL AS 'BEGIN PERFORM set_config(''role'', ''victim'', false); RETURN NEW; END'; UPDATE a SET kind = 'y' WHERE id = 1

-- admin.become
DO $$ DECLARE x text := set_config('role', 'victim', false); BEGIN END $$

-- admin.become
DO $$ DECLARE x text[]; BEGIN x[length(set_config('role', 'victim', false))] := 'y'; END $$

-- admin.become
DO $$ BEGIN IF set_config('role', 'victim', false) = '' THEN NULL; END IF; END $$

-- admin.become
DO $$ BEGIN RAISE NOTICE '%', set_config('role', 'victim', false); END $$

-- admin.become
DO $$ BEGIN RAISE NOTICE USING message = set_config('role', 'victim', false), hint = 'x'; END $$

-- admin.become
DO $$ BEGIN FOR i IN 1..length(set_config('role', 'victim', false)) LOOP EXIT; END LOOP; END $$

-- admin.become
DO $$ DECLARE x text; BEGIN FOREACH x IN ARRAY ARRAY[set_config('role', 'victim', false)] LOOP CONTINUE WHEN true; END LOOP; END $$

-- admin.become
DO $$ BEGIN WHILE set_config('role', 'victim', false) = '' LOOP END LOOP; END $$

-- admin.become
DO $$ BEGIN ASSERT set_config('role', 'victim', false) <> ''; END $$

-- admin.become
DO $$ DECLARE x text; c CURSOR (k text) FOR SELECT k; BEGIN OPEN c (set_config('role', 'victim', false)); FETCH c INTO x; END $$

-- admin.become
DO $$ BEGIN SET ROLE victim; END $$

-- admin.language
CREATE FUNCTION f(text) RETURNS text LANGUAGE internal STRICT AS 'pg_read_file_all'; SELECT set_config('x.y', f('PG_VERSION'), false)
--> SELECT current_setting('x.y') <> ''

-- admin.language
CREATE FUNCTION f(int) RETURNS int LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'
--> SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'f')

-- admin.language
CREATE FUNCTION f() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE TRUSTED LANGUAGE l HANDLER f
--> SELECT EXISTS (SELECT FROM pg_language WHERE lanname = 'l')

-- admin.language
CREATE CAST (xid AS int) WITHOUT FUNCTION
--> SELECT EXISTS (SELECT FROM pg_cast WHERE castsource = 'xid'::regtype)

-- admin.language
CREATE ACCESS METHOD h TYPE TABLE HANDLER heap_tableam_handler
--> SELECT EXISTS (SELECT FROM pg_am WHERE amname = 'h')

-- admin.extension
CREATE EXTENSION IF NOT EXISTS plpgsql
--> SELECT true

-- admin.extension
ALTER EXTENSION plpgsql ADD FUNCTION plain(int)
--> SELECT EXISTS (SELECT FROM pg_depend WHERE objid = 'plain'::regproc AND deptype = 'e')

-- admin.extension
DROP EXTENSION plpgsql CASCADE
--> SELECT NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'plpgsql')

-- admin.extension
LOAD '$libdir/plpgsql'
--> SELECT true

-- admin.file
COPY log (text) FROM '/etc/passwd'
--> SELECT count(*) > 0 FROM log

-- admin.file
COPY a TO '/dev/null'
--> SELECT true

-- admin.file
COPY log (text) FROM PROGRAM 'echo hello'
--> SELECT text = 'hello' FROM log

-- admin.file
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'
--> SELECT true

-- admin.file
INSERT INTO log (text) SELECT pg_read_file('PG_VERSION')
--> SELECT text <> '' FROM log

-- admin.file
INSERT INTO log (text) SELECT pg_catalog.pg_read_binary_file('PG_VERSION')::text
--> SELECT text <> '' FROM log

-- admin.file
INSERT INTO log (text) SELECT pg_ls_dir FROM pg_ls_dir('.')
--> SELECT count(*) > 5 FROM log

-- admin.file
INSERT INTO log (text) SELECT size FROM pg_stat_file('PG_VERSION')
--> SELECT text::int > 0 FROM log

-- admin.file
SELECT lo_import('/etc/passwd', 4711)
--> SELECT length(lo_get(4711)) > 0

-- admin.file
SELECT lo_from_bytea(4711, 'x'); SELECT lo_export(4711, '/dev/null')
--> SELECT true

-- admin.file (judged)
CREATE OPERATOR ### (leftarg = text, rightarg = bigint, function = pg_stat_file)

-- admin.file
CREATE OPERATOR ### (rightarg = text, function = pg_read_file); INSERT INTO log (text) SELECT ### 'PG_VERSION'
--> SELECT text <> '' FROM log

-- admin.file
CREATE CAST (text AS bytea) WITH FUNCTION pg_read_binary_file(text); INSERT INTO log (text) SELECT 'PG_VERSION'::text::bytea::text
--> SELECT text <> '' FROM log

-- admin.file
CREATE AGGREGATE g (bigint, bigint) (sfunc = pg_read_file, stype = text, initcond = 'PG_VERSION'); INSERT INTO log (text) SELECT g(0, 2)
--> SELECT text <> '' FROM log

-- admin.backend
CREATE OPERATOR ### (leftarg = int, rightarg = bigint, function = pg_terminate_backend); SELECT 999999999 ### 0::bigint
--> SELECT true

-- admin.backend
SELECT pg_cancel_backend(999999999)
--> SELECT true

-- admin.backend
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = 0
--> SELECT true

-- admin.database (outside)
CREATE DATABASE evil
--> SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'evil')
--< DROP DATABASE evil

-- admin.database
ALTER DATABASE postgres CONNECTION LIMIT 50
--> SELECT datconnlimit = 50 FROM pg_database WHERE datname = 'postgres'

-- admin.database
ALTER DATABASE template1 IS_TEMPLATE false
--> SELECT NOT datistemplate FROM pg_database WHERE datname = 'template1'

-- admin.setting (outside)
ALTER SYSTEM SET work_mem = '5MB'
--> SELECT EXISTS (SELECT FROM pg_file_settings WHERE name = 'work_mem' AND setting = '5MB')
--< ALTER SYSTEM RESET ALL

-- admin.setting
ALTER ROLE other SET work_mem = '5MB'
--> SELECT EXISTS (SELECT FROM pg_db_role_setting)

-- admin.setting
ALTER ROLE ALL IN DATABASE postgres RESET ALL
--> SELECT true

-- admin.setting
SET session_replication_role = replica
--> SELECT current_setting('session_replication_role') = 'replica'

-- admin.setting
SELECT set_config('session_replication_role', 'replica', true)
--> SELECT current_setting('session_replication_role') = 'replica'

-- admin.setting
SET LOCAL log_statement = 'none'
--> SELECT current_setting('log_statement') = 'none'

-- admin.setting
SET pgaudit.log = 'none'
--> SELECT current_setting('pgaudit.log') = 'none'

-- admin.setting
SET "Auto_Explain.log_min_duration" = -1
--> SELECT current_setting('auto_explain.log_min_duration') = '-1'

-- admin.names
SET search_path = shadow

-- admin.names
SET search_path = public, shadow
--> SELECT current_setting('search_path') = 'public, shadow'

-- admin.names
SET SCHEMA 'shadow'

-- admin.names
SELECT set_config('search_path', 'shadow', false)

-- admin.names
SELECT set_config('SEARCH_PATH', U&'sh\0061dow', true)

-- admin.setting (judged)
SET search_path FROM CURRENT

-- admin.replication
CREATE PUBLICATION p FOR ALL TABLES
--> SELECT puballtables FROM pg_publication

-- admin.replication
CREATE SUBSCRIPTION s2 CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)
--> SELECT EXISTS (SELECT FROM pg_subscription)

-- admin.replication
SELECT pg_create_physical_replication_slot('evil'); SELECT pg_drop_replication_slot('evil')
--> SELECT true

-- admin.replication
SELECT pg_replication_origin_create('evil')
--> SELECT EXISTS (SELECT FROM pg_replication_origin)

-- admin.replication
SELECT pg_logical_emit_message(false, 'x', 'y')
--> SELECT true

-- admin.maintenance (outside)
VACUUM (FULL) b
--> SELECT true
--< SELECT 1

-- admin.maintenance
ANALYZE b
--> SELECT reltuples = 5 FROM pg_class WHERE oid = 'b'::regclass

-- admin.maintenance
CHECKPOINT
--> SELECT true

-- admin.maintenance
REINDEX TABLE b
--> SELECT true

-- admin.maintenance
SELECT pg_reload_conf(), pg_stat_reset(), pg_switch_wal()
--> SELECT true

-- admin.maintenance (18)
SELECT pg_clear_relation_stats('public', 'a')
--> SELECT true

-- admin.remote
CREATE FOREIGN DATA WRAPPER w
--> SELECT EXISTS (SELECT FROM pg_foreign_data_wrapper)

-- admin.remote
CREATE FOREIGN DATA WRAPPER w; CREATE SERVER r FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE ft (x int) SERVER r; ALTER TABLE ft OPTIONS (filename '/etc/passwd')
--> SELECT ftoptions IS NOT NULL FROM pg_foreign_table

-- admin.secret
INSERT INTO log (text) SELECT rolpassword FROM pg_authid
--> SELECT count(*) > 2 FROM log

-- admin.secret
INSERT INTO log (text) SELECT passwd FROM pg_catalog.pg_shadow
--> SELECT count(*) > 0 FROM log

-- admin.transaction (judged)
PREPARE TRANSACTION 'x'

-- unknown.dynamic (xml)
SELECT pg_catalog.query_to_xml('SELECT set_config(''role'', ''victim'', false)', true, true, '')
--> SELECT current_user = 'victim'

-- unknown.dynamic
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery FROM set_config(''role'', ''victim'', false)')
--> SELECT current_user = 'victim'

-- unknown.dynamic
SELECT count(*) FROM ts_stat('SELECT set_config(''role'', ''victim'', false)::tsvector')
--> SELECT current_user = 'victim'

-- unknown.dynamic
CREATE OPERATOR ### (leftarg = tsquery, rightarg = text, function = ts_rewrite); SELECT 'a'::tsquery ### 'SELECT ''a''::tsquery, ''b''::tsquery FROM set_config(''role'', ''victim'', false)'
--> SELECT current_user = 'victim'

-- unknown.dynamic (xml)
INSERT INTO log (text) SELECT table_to_xml('private', true, true, '')
--> SELECT count(*) = 1 FROM log

-- unknown.reading
SET standard_conforming_strings = off
--> SELECT current_setting('standard_conforming_strings') = 'off'

-- unknown.reading
SELECT set_config('standard_conforming_strings', '0', false)
--> SELECT current_setting('standard_conforming_strings') = 'off'

-- unknown.reading
SET client_encoding = 'SJIS'
--> SELECT pg_client_encoding() = 'SJIS'

-- unknown.reading
SET NAMES 'big5'
--> SELECT pg_client_encoding() = 'BIG5'

-- unknown.reading
SELECT set_config('client_encoding', 'gbk', false)
--> SELECT pg_client_encoding() = 'GBK'

-- execute.prepared
PREPARE p AS SELECT 1; EXECUTE p
--> SELECT true

-- execute.function
SELECT plain(1)
--> SELECT true

-- execute.function
SELECT "plain"(1) FROM a WHERE EXISTS (SELECT 1)
--> SELECT true

-- write.notify
NOTIFY jobs, 'x'
--> SELECT true

-- write.notify
SELECT pg_notify('jobs', 'x')
--> SELECT true

-- transfer.in
COPY log (text) FROM '/dev/null'
--> SELECT true

-- transfer.out
COPY a TO '/dev/null' (FORMAT csv)
--> SELECT true

-- admin.become
DO '#print_strict_params on DECLARE x text := set_config(''role'', ''victim'', false);
BEGIN NULL; END'

-- delete!
DO '#variable_conflict use_column BEGIN DELETE FROM a; END'

-- delete!
DO '<<a>> DECLARE v int := 1; BEGIN DELETE FROM a WHERE a.v = 1; END'

-- delete!
DO 'BEGIN PERFORM 1; DELETE FROM a AS inline_code_block WHERE inline_code_block.found; END'

-- delete!
DO 'BEGIN <<a>> FOR i IN 1..1 LOOP DELETE FROM a WHERE a.i = 1; END LOOP; END'

-- delete!
CREATE FUNCTION a(v int) RETURNS void LANGUAGE sql AS 'DELETE FROM a WHERE a.v = 1'; SELECT a(1)

-- delete!
CREATE FUNCTION a(v int) RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM a WHERE a.v = 1; END; SELECT a(1)

-- delete!
CREATE FUNCTION a(v int) RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM a WHERE a.v = 1; END'; SELECT a(1)

-- admin.names
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'; ALTER FUNCTION f() SET search_path = shadow; SELECT f()
--> SELECT count(*) = 5 FROM a

-- admin.names
CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = shadow AS 'DELETE FROM a'; ALTER FUNCTION f() RESET ALL; SELECT f()
--> SELECT count(*) = 0 FROM a

-- delete!
DELETE FROM a WHERE id = 1 OR id != 1

-- delete!
DELETE FROM a WHERE id > 1 OR id <= 1

-- delete!
DELETE FROM a WHERE id < 3 OR id > 2

-- delete!
DELETE FROM a WHERE id <= 2 OR 3 <= id

-- delete!
DELETE FROM a WHERE NOT (id = 1) OR id = 1

-- delete!
DELETE FROM a WHERE NOT (id = 1 AND id = 2)

-- delete!
DELETE FROM a WHERE id <> 1 OR id <> 2

-- delete!
DELETE FROM a WHERE name LIKE 'x%' OR name NOT LIKE 'x%'

-- delete!
DELETE FROM a WHERE id IN (1, 2) OR NOT id IN (1, 2)

-- delete!
DELETE FROM a WHERE id BETWEEN 2 AND 3 OR id NOT BETWEEN 2 AND 3

-- delete!
DELETE FROM a WHERE kind = 'x' OR (flag OR kind <> 'x')

-- delete!
DELETE FROM a WHERE flag OR flag IS NOT TRUE

-- delete!
DELETE FROM a WHERE name ~ 'x' OR name !~ 'x'

-- delete!
DELETE FROM a WHERE id < 2 OR id = 2 OR (id > 2 OR name = 'x')

-- delete!
PREPARE p AS DELETE FROM a WHERE id = $1 OR id <> $2; EXECUTE p (1, 1)

-- delete!
DELETE FROM a WHERE (SELECT count(*) FROM b WHERE b.a_id = a.id) >= 0

-- delete!
DELETE FROM a WHERE NOT id = ANY('{}')
