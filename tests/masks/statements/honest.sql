-- Each must pass
SELECT 1
SELECT now(), current_user, version()
SELECT count(*) FROM customers
SELECT count(id) FROM customers
SELECT name, upper(city) FROM customers WHERE id > 1 ORDER BY name DESC
SELECT city, count(*) FROM customers GROUP BY city
SELECT city AS c, count(*) FROM customers GROUP BY c ORDER BY 2 DESC, 1
SELECT DISTINCT city FROM customers
SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.name HAVING sum(o.total) > 1
SELECT * FROM orders
SELECT o.* FROM orders o ORDER BY 1
SELECT orders FROM orders
SELECT to_jsonb(o) FROM orders o
SELECT row_to_json(o) FROM (SELECT * FROM orders) o
SELECT status FROM status
SELECT status.status FROM status
SELECT * FROM orders WHERE EXISTS (SELECT * FROM customers c WHERE c.id = orders.customer_id)
SELECT * FROM orders WHERE EXISTS (SELECT email FROM customers c WHERE c.id = orders.customer_id)
SELECT * FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE city = 'city1')
SELECT * FROM orders NATURAL JOIN status
SELECT * FROM orders o JOIN leads l USING (id)
SELECT l.email_hash FROM leads l WHERE l.customer IN (SELECT id FROM customers)
WITH customers AS (SELECT 1 AS email) SELECT email + 1 FROM customers
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r
WITH x AS (SELECT id, name FROM customers) SELECT upper(name) FROM x ORDER BY x.id
SELECT x.name || '!' FROM (SELECT name FROM customers) AS x(name)
SELECT id FROM customers UNION SELECT id FROM orders ORDER BY 1
SELECT email FROM (SELECT 'mine' AS email) c WHERE email > 'a'
SELECT c.email FROM (VALUES ('a')) c(email) ORDER BY c.email
SELECT * FROM generate_series(1, 3) AS email WHERE email > 1
SELECT u.email || 'x' FROM unnest(ARRAY['a']) AS u(email)
SELECT id FROM customers c WHERE c.id = (SELECT max(id) FROM orders)
SELECT ctid, tableoid::regclass, xmin FROM customers
SELECT c.ctid, c.tableoid FROM customers c
SELECT safe_add(1, 2)
SELECT public.safe_add(id, 1) FROM customers
SELECT '[1,2,3]'::vector
SELECT id FROM docs ORDER BY embedding <-> '[1,1,1]' LIMIT 5
SELECT l2_distance(embedding, '[1,1,1]') FROM docs
SELECT * FROM plain_view
SELECT upper(name) FROM direct_view
SELECT id FROM direct_matview ORDER BY id
SELECT * FROM joined_view
SELECT name FROM vouched_view ORDER BY name
SELECT 'email' AS email
SELECT length('email')
SELECT email_sent FROM orders WHERE email_sent
SELECT extra || '' FROM masked_people
SELECT id FROM people ORDER BY id
SELECT at FROM events WHERE at > '2024-01-01'
SELECT login FROM app.users WHERE login LIKE 'r%'
SELECT CASE WHEN id > 1 THEN name END FROM customers
SELECT (SELECT count(*) FROM leads l WHERE l.email_hash > 'a' AND l.customer = c.id) FROM customers c
SELECT id FROM customers c LEFT JOIN LATERAL (SELECT max(total) AS m FROM orders o WHERE o.customer_id = c.id) l ON true ORDER BY l.m
SELECT extract(year FROM now()), date_trunc('day', now()), position('a' IN 'ba'), trim(' a '), substring('abc' FROM 2)
SELECT coalesce(note, ''), nullif(note, ''), greatest(id, 1), note IS NULL, note ILIKE 'n%' FROM orders
SELECT array_agg(id ORDER BY id), jsonb_agg(note), percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders
SELECT sum(total) OVER (PARTITION BY customer_id ORDER BY id ROWS UNBOUNDED PRECEDING) FROM orders
SELECT JSON_OBJECT('a': id), JSON_VALUE('{"a":1}', '$.a') FROM orders
SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$')) t
-- writes
INSERT INTO customers (id, name, email) VALUES (60, 'x', 'a@b')
INSERT INTO customers VALUES (61, 'a@b', 'n')
UPDATE customers SET email = 'new@b' WHERE id = 1
UPDATE customers SET email = NULL, phone = 'x' WHERE id = 2
UPDATE customers SET email = lower('A@B') WHERE city = 'nowhere'
UPDATE customers SET prefs['a'] = '1' WHERE id = 1
INSERT INTO customers (id, name, email) VALUES (1, 'x', 'z@b') ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name
INSERT INTO customers (id, name, email) VALUES (1, 'x', 'z@b') ON CONFLICT (email) DO NOTHING
INSERT INTO orders (id, note) VALUES (50, 'x') RETURNING id, note
UPDATE orders SET note = upper(note) WHERE id = 1 RETURNING *
UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id RETURNING o.id, c.name
DELETE FROM customers WHERE id = 99
DELETE FROM orders USING customers c WHERE c.id = customer_id AND c.city = 'none' RETURNING orders.*
MERGE INTO status s USING orders o ON s.id = o.id WHEN MATCHED THEN UPDATE SET status = o.note WHEN NOT MATCHED THEN INSERT VALUES (o.id, o.note) RETURNING merge_action(), s.*
INSERT INTO audited VALUES (5, 'ok')
UPDATE quiet_ruled SET v = 'y'
INSERT INTO app.users (id, login) VALUES (7, 'x')
TRUNCATE status
INSERT INTO leads SELECT id, name, id FROM customers
INSERT INTO docs (id, embedding) VALUES (9, '[1,2,3]')
-- sessions and definitions
BEGIN
COMMIT
ROLLBACK
START TRANSACTION ISOLATION LEVEL SERIALIZABLE
BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT
SET search_path = app, public
SET LOCAL statement_timeout = 1000
SHOW search_path
SHOW ALL
RESET ALL
DISCARD ALL
SET standard_conforming_strings = on
SET client_min_messages TO warning
SET TIME ZONE 'UTC'
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SELECT set_config('search_path', '', false)
SELECT current_setting('search_path')
LOCK TABLE orders
NOTIFY ch, 'x'
UNLISTEN *
VACUUM customers
ANALYZE customers
CHECKPOINT
REINDEX TABLE customers
REFRESH MATERIALIZED VIEW direct_matview
SET CONSTRAINTS ALL DEFERRED
CREATE TABLE t1 (id serial PRIMARY KEY, email text DEFAULT 'x', n int CHECK (n > 0), c int REFERENCES customers)
CREATE TABLE t1 (LIKE customers INCLUDING ALL)
CREATE TABLE t1 () INHERITS (people)
CREATE TABLE t1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
CREATE TABLE t1 (c int REFERENCES customers (id) ON DELETE CASCADE)
CREATE TABLE t1 AS SELECT id, name FROM customers
CREATE TEMP TABLE t1 AS SELECT city, count(*) AS n FROM customers GROUP BY 1
SELECT id, name INTO TEMP t1 FROM customers
CREATE VIEW v1 AS SELECT id, name FROM customers
CREATE MATERIALIZED VIEW v1 AS SELECT city FROM customers
DROP VIEW plain_view
CREATE INDEX ON customers (city)
CREATE INDEX ON customers (lower(name)) WHERE id > 0
CREATE STATISTICS st ON id, city FROM customers
ALTER TABLE customers ADD COLUMN x int DEFAULT 1 NOT NULL
ALTER TABLE customers ALTER COLUMN name SET DEFAULT 'x'
ALTER TABLE customers RENAME COLUMN city TO town
ALTER TABLE customers ALTER COLUMN name TYPE varchar(200)
ALTER TABLE customers ADD CONSTRAINT k CHECK (length(name) > 0)
ALTER TABLE customers ALTER email SET NOT NULL
ALTER TABLE orders DROP COLUMN note
ALTER TABLE orders RENAME TO orders2
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)
ALTER TABLE orders REPLICA IDENTITY FULL
DROP TABLE orders CASCADE
DROP TABLE customers CASCADE
COMMENT ON COLUMN customers.email IS 'masked'
GRANT SELECT ON customers TO PUBLIC
REVOKE ALL ON customers FROM PUBLIC
CREATE ROLE r1
CREATE SCHEMA s1 CREATE TABLE t (a int)
CREATE TYPE color AS ENUM ('r')
CREATE DOMAIN d1 AS int CHECK (VALUE > 0)
CREATE SEQUENCE s1
DROP FUNCTION peek()
EXPLAIN SELECT name FROM customers
EXPLAIN (ANALYZE, BUFFERS) SELECT count(*) FROM orders
PREPARE p1 (int) AS SELECT name FROM customers WHERE id = $1
DEALLOCATE ALL
COPY orders TO STDOUT
COPY (SELECT id, name FROM customers) TO STDOUT (FORMAT csv, HEADER)
COPY customers (id, name) TO STDOUT
COPY orders FROM STDIN
COPY customers FROM STDIN (FORMAT csv)
-- what psql and drivers ask
SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = '1259' ORDER BY a.attnum
SELECT pg_catalog.pg_get_viewdef('plain_view'::regclass)
SELECT * FROM information_schema.columns WHERE table_name = 'customers'
SELECT table_name FROM information_schema.tables ORDER BY 1
SELECT conname, conkey, confkey FROM pg_constraint WHERE conkey IS NOT NULL
SELECT oid, typname FROM pg_type WHERE oid = 25 ORDER BY oid
SELECT pid, state, wait_event FROM pg_stat_activity WHERE state = 'active'
SELECT null_frac, n_distinct FROM pg_stats WHERE tablename = 'orders'
SELECT pg_size_pretty(pg_total_relation_size('customers'))
SELECT * FROM pg_locks
SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY 2
SELECT plain FROM computed WHERE plain = 2
COPY computed (id) TO STDOUT
SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'
SELECT id, plain FROM cards WHERE plain IS NOT NULL
ALTER DOMAIN address ADD CHECK (VALUE <> '') NOT VALID
ALTER DOMAIN address SET DEFAULT 'x'
SELECT 'x'::bytea, '5'::int, now()::text
