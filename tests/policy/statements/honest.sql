--- look-alikes
SELECT 'DROP TABLE orders'

SELECT 1 -- ; DROP TABLE a

SELECT /* DELETE FROM a; */ 1

SELECT /* a /* nested */ TRUNCATE b */ 1

SELECT "drop", "delete" FROM log

SELECT l."drop" AS "set role" FROM log l WHERE l."delete"

INSERT INTO log (text) VALUES ('DELETE FROM a; DROP TABLE b')

INSERT INTO log (text, "drop") VALUES (E'it\'s; TRUNCATE a', $$GRANT ALL ON a TO PUBLIC$$)

SELECT $x$ COPY a TO PROGRAM 'sh' $x$

SELECT U&'\0027; DROP TABLE a; --' AS "alter system"

SELECT 'it''s; SET ROLE postgres; --'

SELECT name FROM a WHERE name = 'pg_read_file(''/etc/passwd'')'

SELECT count(*) AS truncate FROM a

SELECT id AS "DROP TABLE a" FROM a

UPDATE log SET text = 'DELETE FROM a WHERE true' WHERE id = 1

UPDATE log SET "delete" = true, "drop" = 'drop' WHERE "delete" = false

DELETE FROM log WHERE text LIKE 'DROP TABLE%'

DELETE FROM log WHERE text LIKE '%%DROP%%' AND NOT "delete"

DELETE FROM log WHERE "delete"

SELECT current_user, session_user, current_setting('role'), user

SELECT current_setting('search_path'), pg_backend_pid(), version()

SHOW role

SELECT 'role' AS set_config, 'x' AS pg_terminate_backend

SELECT a.name AS copy, a.kind AS program FROM a WHERE a.kind = 'program'

WITH "drop" AS (SELECT 1 AS "table") SELECT "table" FROM "drop"

WITH deleted AS (SELECT id FROM a WHERE flag) SELECT count(*) FROM deleted

PREPARE "delete" AS SELECT 1

SELECT json_build_object('query', 'DROP TABLE a', 'sql', 'GRANT x TO y')

SELECT * FROM (VALUES ('drop table'), ('set role')) AS t("delete from")

SELECT regexp_replace(text, 'DROP\s+TABLE', '') FROM log

COMMENT ON TABLE a IS 'DROP TABLE a; -- not'

SELECT 'a'
    'b'

SELECT 1;

;

DELETE FROM a WHERE id < 3 OR id > 30

DELETE FROM a WHERE id = 1 OR id = 2 OR name <> 'x' AND kind = 'y'

DELETE FROM a WHERE id <> 3 OR id <> 3

UPDATE a SET name = 'x' WHERE flag IS NULL OR NOT flag

DELETE FROM a WHERE created < '2001-01-01' OR created > '2030-01-01'

DELETE FROM a WHERE name LIKE 'x%' OR name NOT LIKE 'xy%' AND id = 3

DELETE FROM a WHERE id NOT IN (1, 2) OR kind IN ('x', 'y')

DELETE FROM a WHERE parent IS NULL OR parent <> 7

--- sessions and pools
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT

START TRANSACTION READ ONLY

SET TRANSACTION ISOLATION LEVEL SERIALIZABLE

SAVEPOINT s1; RELEASE SAVEPOINT s1

ROLLBACK TO SAVEPOINT s1

DISCARD ALL

SET application_name = 'drop table app'

SET statement_timeout TO '30s'; SET LOCAL lock_timeout = '5s'; SET idle_in_transaction_session_timeout = 60000

SET client_encoding = 'UTF8'; SET DateStyle = ISO; SET client_min_messages TO warning; SET TIME ZONE 'UTC'

SET standard_conforming_strings = on

SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

SET search_path TO "$user", public

SELECT pg_catalog.set_config('search_path', '', false)

SELECT set_config('request.jwt.claims', '{"role": "anon"}', true), set_config('app.tenant_id', '42', true)

SET app.current_user_id = '7'

RESET ROLE

RESET ALL

SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_schema()

DEALLOCATE ALL

CLOSE ALL; UNLISTEN *; RESET ALL

SELECT pg_advisory_unlock_all()

SELECT pg_sleep(0)

--- object-relational mappers
SELECT "a"."id", "a"."name" FROM "a" WHERE "a"."id" IN (1, 2, 3) ORDER BY "a"."id" ASC LIMIT 21

SELECT COUNT(*) AS "__count" FROM "a" WHERE ("a"."flag" AND NOT ("a"."kind" = 'x'))

SELECT EXISTS (SELECT 1 AS "one" FROM "a" WHERE "a"."id" = 1 LIMIT 1)

UPDATE "a" SET "name" = 'x', "kind" = NULL WHERE "a"."id" = 1

UPDATE "a" SET "total" = ("a"."total" + 1) WHERE "a"."kind" IN ('x', 'y')

UPDATE "a" SET "flag" = CASE WHEN ("a"."id" = 1) THEN true WHEN ("a"."id" = 2) THEN false ELSE NULL END WHERE "a"."id" IN (1, 2)

DELETE FROM "b" WHERE "b"."a_id" IN (1, 2)

DELETE FROM "b" WHERE "b"."id" IN (SELECT U0."id" FROM "b" U0 INNER JOIN "a" U1 ON (U0."a_id" = U1."id") WHERE U1."kind" = 'x')

DELETE FROM "a" WHERE "a"."created" < '2020-01-01T00:00:00+00:00'::timestamptz

DELETE FROM "a" WHERE NOT EXISTS (SELECT 1 FROM "b" U0 WHERE U0."a_id" = ("a"."id"))

INSERT INTO "a" ("id", "name") VALUES (10, 'x'), (11, 'y') ON CONFLICT ("id") DO UPDATE SET "name" = EXCLUDED."name" RETURNING "a"."id"

INSERT INTO "a" ("id", "name") VALUES (10, 'x') ON CONFLICT DO NOTHING

INSERT INTO "log" ("text") SELECT "name" FROM "a" WHERE "id" = 1

INSERT INTO log (text) SELECT p0::text FROM (VALUES ('x', 0), ('y', 1)) AS imp_sen(p0, sen_counter) ORDER BY sen_counter RETURNING log.id

SELECT a.id AS a_id, a.name AS a_name, b_1.id AS b_1_id FROM a LEFT OUTER JOIN b AS b_1 ON a.id = b_1.a_id WHERE a.id = 1

SELECT anon_1.id FROM (SELECT a.id AS id FROM a WHERE a.id = 1 LIMIT 1) AS anon_1 LEFT OUTER JOIN b ON b.a_id = anon_1.id FOR UPDATE OF b

SELECT "a".* FROM "a" WHERE "a"."id" = 1 LIMIT 1 FOR UPDATE

SELECT a.id FROM a JOIN b ON b.a_id = a.id WHERE a.id = 1 FOR UPDATE OF a

SELECT a.id FROM a INNER JOIN b ON a.id = b.a_id WHERE b.id = 7 FOR NO KEY UPDATE

SELECT id FROM a WHERE kind = 'x' ORDER BY created LIMIT 10 FOR UPDATE SKIP LOCKED

WITH next AS (SELECT id FROM a WHERE kind = 'x' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE a SET kind = 'y' FROM next WHERE a.id = next.id RETURNING a.*

UPDATE a SET kind = 'y' WHERE id = (SELECT id FROM a WHERE kind = 'x' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id

DELETE FROM a WHERE ctid IN (SELECT ctid FROM a WHERE created < now() - interval '30 days' LIMIT 1000)

DELETE FROM a WHERE id IN (SELECT id FROM a ORDER BY id LIMIT 500)

UPDATE a SET name = d.name FROM (VALUES (1, 'x'), (2, 'y')) AS d(id, name) WHERE d.id = a.id

UPDATE a SET name = d.name FROM unnest(ARRAY[1, 2], ARRAY['x', 'y']) AS d(id, name) WHERE a.id = d.id

UPDATE a SET data = jsonb_set(data, '{k}', '2') WHERE data->>'k' = '1'

UPDATE a SET data = data || '{"x": 1}' WHERE id = ANY ('{1,2}'::int[])

UPDATE a SET tags = array_append(tags, 'y') WHERE tags @> ARRAY['t'] AND NOT 'y' = ANY (tags)

UPDATE a SET updated_at = CURRENT_TIMESTAMP WHERE (id, kind) = (1, 'x')

UPDATE a SET kind = 'y' WHERE 1 = 1 AND id = 5

UPDATE a SET kind = 'y' WHERE id = 5 AND (false OR flag)

UPDATE a SET total = total - 1 WHERE id = 1 AND total >= 1

UPDATE a SET name = upper(name) WHERE lower(name) = lower('Name 1')

UPDATE a SET name = trim(name) WHERE name <> trim(name)

UPDATE a SET flag = NOT flag WHERE flag IS NULL

UPDATE b SET x = a.total FROM a WHERE a.id = b.a_id AND a.kind = 'x'

MERGE INTO a USING (VALUES (1, 'x')) AS s(id, name) ON a.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)

DELETE FROM a USING b WHERE b.a_id = a.id AND b.x = 7

DELETE FROM a WHERE name ILIKE 'tmp%' OR name ~ '^test_[0-9]+$'

DELETE FROM a WHERE id NOT IN (SELECT a_id FROM b)

DELETE FROM a WHERE id < (SELECT max(id) FROM a)

DELETE FROM a t1 USING a t2 WHERE t1.id < t2.id AND t1.name = t2.name

DELETE FROM a WHERE span @> 3 AND data ? 'k'

SELECT nextval('s'), currval('s')

SELECT pg_catalog.nextval('s'::regclass)

SELECT setval('s', (SELECT max(id) FROM a))

SELECT pg_catalog.setval('public.s', 42, true)

SELECT nextval(pg_get_serial_sequence('log', 'id'))

SELECT pg_advisory_xact_lock(hashtext('job'))

SELECT pg_try_advisory_lock(1, 2)

LISTEN jobs

NOTIFY jobs, 'drop table'

SELECT pg_notify('jobs', 'x')

DECLARE c NO SCROLL CURSOR WITHOUT HOLD FOR SELECT * FROM a; FETCH FORWARD 100 FROM c; CLOSE c

COPY a (id, name) FROM STDIN

COPY a TO STDOUT WITH (FORMAT csv, HEADER)

COPY (SELECT id, name FROM a WHERE flag) TO STDOUT (FORMAT binary)

CREATE TEMP TABLE staging (LIKE a INCLUDING DEFAULTS) ON COMMIT DROP

CREATE TEMPORARY TABLE t2 AS SELECT * FROM a WHERE id = 1

INSERT INTO a (id, name) SELECT id + 100, name FROM a ON CONFLICT (id) DO NOTHING

EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM a WHERE id = 1

EXPLAIN DELETE FROM a

--- reports and tools
SELECT date_trunc('month', created) AS month, count(*), sum(total), avg(total)::numeric(10, 2) FROM a GROUP BY 1 ORDER BY 1 DESC

SELECT kind, percentile_cont(0.95) WITHIN GROUP (ORDER BY total) AS p95, count(*) FILTER (WHERE flag) FROM a GROUP BY ROLLUP (kind) HAVING count(*) > 0

SELECT id, row_number() OVER (PARTITION BY kind ORDER BY created DESC) AS rn, lag(total) OVER w FROM a WINDOW w AS (ORDER BY id)

WITH RECURSIVE tree AS (SELECT id, parent FROM a WHERE parent IS NULL UNION ALL SELECT a.id, a.parent FROM a JOIN tree ON a.parent = tree.id) SELECT count(*) FROM tree

SELECT a.id, x.n FROM a CROSS JOIN LATERAL generate_series(1, 3) AS x(n) LEFT JOIN LATERAL (SELECT max(b.x) FROM b WHERE b.a_id = a.id) y ON true

SELECT "source"."kind" AS "kind", SUM("source"."total") AS "sum" FROM (SELECT * FROM "public"."a") AS "source" WHERE "source"."created" >= now() - INTERVAL '30 day' GROUP BY "source"."kind" ORDER BY "source"."kind" ASC LIMIT 2000

SELECT CAST(created AS DATE), EXTRACT(dow FROM created), to_char(created, 'YYYY-MM'), age(created) FROM a

SELECT string_agg(name, ', ' ORDER BY name), array_agg(DISTINCT kind), jsonb_object_agg(id, name) FROM a

SELECT coalesce(nullif(trim(name), ''), 'none'), greatest(total, 0), least(total, 9), round(total, 2) FROM a

SELECT jsonb_path_query(data, '$.k'), data #>> '{k}', jsonb_array_length('[]'), to_jsonb(a) FROM a

SELECT to_tsvector('english', name) @@ plainto_tsquery('x'), ts_rank(to_tsvector(name), to_tsquery('x')) FROM a

SELECT md5(name), encode(sha256(name::bytea), 'hex'), gen_random_uuid() FROM a

SELECT DISTINCT ON (kind) kind, name FROM a ORDER BY kind, created DESC

SELECT * FROM a TABLESAMPLE bernoulli (10) REPEATABLE (42)

TABLE a ORDER BY id OFFSET 2 FETCH NEXT 2 ROWS ONLY

SELECT * FROM a WHERE (name, id) > ('x', 1) AND kind BETWEEN 'a' AND 'z' AND name NOT LIKE '%drop%'

SELECT array_cat(tags, ARRAY['x']), array_position(tags, 't'), cardinality(tags), unnest(tags) FROM a

SELECT starts_with(name, 'N'), split_part(name, ' ', 1), format('%s-%I', name, kind) FROM a

SELECT * FROM json_to_recordset('[{"x": 1}]') AS r(x int)

SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_table_size(c.oid), pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid)

SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef) FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

SELECT c.relname, c.relkind OPERATOR(pg_catalog.=) 'r' FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(a)$' COLLATE pg_catalog.default

SELECT table_name, column_name FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')

SELECT conname, pg_catalog.pg_get_constraintdef(oid, true) FROM pg_catalog.pg_constraint WHERE conrelid = 'a'::regclass

SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'a'::regclass

SELECT pid, state, wait_event FROM pg_stat_activity WHERE state <> 'idle'

SELECT relname, n_live_tup, last_vacuum, last_analyze FROM pg_stat_user_tables

SELECT rolname, rolsuper, rolcanlogin FROM pg_catalog.pg_roles

SELECT datname, pg_size_pretty(pg_database_size(datname)) FROM pg_database WHERE datallowconn

SELECT has_table_privilege('a', 'TRUNCATE'), pg_has_role(current_user, 'victim', 'USAGE')

SELECT name, setting FROM pg_settings WHERE name LIKE 'drop%'

SELECT typname, typtype, typelem FROM pg_type WHERE typname = ANY ('{hstore,citext}')

SELECT t.oid, t.typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid WHERE typname = 'hstore'

SELECT lower(span), upper(span), isempty(span), span * '[2,3]' FROM a

SELECT inet_client_addr() IS NULL, pg_postmaster_start_time() < now(), txid_current() > 0

SELECT xmin, ctid, tableoid::regclass FROM a WHERE ctid = '(0,1)'

SELECT width_bucket(total, 0, 10, 5), ntile(4) OVER (ORDER BY total), mode() WITHIN GROUP (ORDER BY kind) OVER () IS NULL FROM a

SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['x', 'y'])) WITH ORDINALITY AS t(a, b, n)

SELECT overlay('abc' placing 'x' from 2), substring('abc' from 'b.'), position('b' in 'abc'), trim(both ' ' from ' x '), extract(epoch from now()) > 0

SELECT id FROM a WHERE flag IS NOT TRUE AND kind IS DISTINCT FROM 'y' AND parent ISNULL

SELECT (SELECT count(*) FROM b WHERE b.a_id = a.id) FROM a ORDER BY 1 NULLS LAST LIMIT ALL

SELECT GROUPING(kind), kind FROM a GROUP BY CUBE (kind)

--- migrations
CREATE TABLE IF NOT EXISTS accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE NOT NULL CHECK (email LIKE '%@%'), total numeric DEFAULT 0, full_name text GENERATED ALWAYS AS (lower(email)) STORED)

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_name ON a USING btree (lower(name)) WHERE flag

CREATE INDEX a_data ON a USING gin (data jsonb_path_ops)

ALTER TABLE a ADD COLUMN IF NOT EXISTS deleted_at timestamptz, ALTER COLUMN kind SET DEFAULT 'x', ALTER COLUMN kind SET NOT NULL

ALTER TABLE a ALTER COLUMN total TYPE numeric(12, 2) USING total::numeric(12, 2)

ALTER TABLE b ADD CONSTRAINT b_x CHECK (x > 0) NOT VALID; ALTER TABLE b VALIDATE CONSTRAINT b_x

ALTER TABLE a RENAME COLUMN kind TO sort

CREATE TYPE status AS ENUM ('new', 'dropped', 'deleted')

ALTER TYPE mood ADD VALUE IF NOT EXISTS 'dropped' AFTER 'bad'

CREATE SCHEMA IF NOT EXISTS reporting

CREATE OR REPLACE VIEW v2 AS SELECT id, name FROM a WHERE deleted IS NULL

CREATE OR REPLACE VIEW v AS SELECT * FROM a

CREATE MATERIALIZED VIEW m2 AS SELECT kind, count(*) FROM a GROUP BY kind WITH NO DATA

REFRESH MATERIALIZED VIEW CONCURRENTLY m

CREATE SEQUENCE IF NOT EXISTS s2 START 10; ALTER SEQUENCE s2 OWNED BY a.id

CREATE TABLE parts (id int, created date) PARTITION BY RANGE (created); CREATE TABLE parts_2024 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')

CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@]+@[^@]+$')

CREATE FUNCTION add_one(n int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT n + 1'

CREATE OR REPLACE FUNCTION latest(wanted text) RETURNS SETOF a LANGUAGE sql STABLE SET search_path = public AS $$ SELECT * FROM a WHERE kind = wanted ORDER BY created DESC LIMIT 10 $$

CREATE FUNCTION archive(n int) RETURNS void BEGIN ATOMIC INSERT INTO log (text) SELECT name FROM a WHERE id = n; DELETE FROM b WHERE a_id = n; END

CREATE FUNCTION half(n numeric) RETURNS numeric RETURN n / 2

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END; $$

CREATE TRIGGER a_touch BEFORE UPDATE ON a FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch()

CREATE FUNCTION audit() RETURNS trigger AS $body$
DECLARE
    who text := coalesce(current_setting('app.user', true), current_user);
    n integer;
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO log (text) VALUES (OLD.name || ' deleted by ' || who);
        RETURN OLD;
    ELSIF NEW.name IS DISTINCT FROM OLD.name THEN
        SELECT count(*) INTO n FROM log WHERE text = NEW.name;
        IF n > 10 THEN
            RAISE EXCEPTION 'too many: %', n USING ERRCODE = 'check_violation';
        END IF;
        UPDATE b SET x = n + 1 WHERE b.a_id = NEW.id;
    END IF;
    RETURN NEW;
END
$body$ LANGUAGE plpgsql

DO $$ BEGIN CREATE TYPE mood AS ENUM ('good', 'bad'); EXCEPTION WHEN duplicate_object THEN NULL; END $$

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'b_x_positive') THEN
        ALTER TABLE b ADD CONSTRAINT b_x_positive CHECK (x > 0);
    END IF;
END
$$

CREATE RULE log_updates AS ON UPDATE TO b DO ALSO INSERT INTO log (text) VALUES (NEW.x::text || OLD.x::text)

CREATE AGGREGATE product (numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1')

CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq)

CREATE STATISTICS a_stats (dependencies) ON kind, flag FROM a

CREATE COLLATION german (provider = icu, locale = 'de')

COMMENT ON COLUMN a.name IS 'truncate me; drop me'

UPDATE a SET kind = 'x' WHERE kind IS NULL

INSERT INTO log (text) VALUES ('migrated'); CREATE TABLE schema_migrations (version bigint PRIMARY KEY)

ALTER INDEX a_pkey RENAME TO a_key

ALTER TABLE a SET (fillfactor = 80), ALTER COLUMN name SET STATISTICS 200

ALTER TABLE a REPLICA IDENTITY FULL

LOCK TABLE a IN ACCESS SHARE MODE

DO $$ DECLARE c CURSOR (n int) FOR SELECT id FROM a WHERE id > n; r record; BEGIN OPEN c(1); FETCH c INTO r; UPDATE a SET kind = 'y' WHERE CURRENT OF c; CLOSE c; FOR r IN c(n := 2) LOOP RAISE NOTICE '%', r.id; END LOOP; END $$

DO $$ #variable_conflict use_column DECLARE n int; BEGIN <<batches>> LOOP DELETE FROM a WHERE id IN (SELECT id FROM a WHERE created < now() - interval '1 year' LIMIT 1000); GET DIAGNOSTICS n = ROW_COUNT; EXIT batches WHEN n = 0; END LOOP; END $$

CREATE FUNCTION listed(a int, OUT b int) RETURNS SETOF int LANGUAGE plpgsql STABLE AS $$ DECLARE r a%ROWTYPE; BEGIN FOR r IN SELECT * FROM a t WHERE t.id > listed.a LOOP b := r.id; RETURN NEXT; END LOOP; RETURN QUERY SELECT id FROM b; END $$

CREATE FUNCTION renamed(id int, name text) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS 'UPDATE a SET name = renamed.name WHERE a.id = renamed.id'

SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'
