-- One statement a line; each must be refused
-- names, aliases, positions
SELECT email AS e FROM customers ORDER BY e
SELECT email AS e, id FROM customers ORDER BY id, e DESC
SELECT email FROM customers ORDER BY 1
SELECT id, email FROM customers ORDER BY 2
SELECT * FROM customers ORDER BY 2
SELECT id, c.* FROM customers c ORDER BY 3
SELECT email AS e, count(*) FROM customers GROUP BY e
SELECT email, count(*) FROM customers GROUP BY 1
SELECT email, count(*) FROM customers GROUP BY ROLLUP (1)
SELECT email, count(*) FROM customers GROUP BY GROUPING SETS ((1), ())
SELECT DISTINCT email FROM customers
SELECT DISTINCT * FROM customers
SELECT DISTINCT ON (1) email FROM customers
SELECT DISTINCT ON (e) email AS e FROM customers
SELECT a FROM customers AS c(a, b)
SELECT b FROM customers AS c(a, b)
SELECT c.x FROM (customers a JOIN orders o ON a.id = o.id) AS c(w, x)
SELECT upper(b) FROM customers AS c(a, b)
SELECT c FROM customers c
SELECT customers FROM customers
SELECT customers FROM public.customers
SELECT j FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT upper(j.email) FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT j.*::text FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT public.customers.email || '' FROM public.customers
SELECT customers.* IS NULL FROM customers
SELECT upper(email) FROM ONLY customers
SELECT upper(email) FROM customers TABLESAMPLE SYSTEM (100)
SELECT upper(email) FROM orders, customers
SELECT upper(email) FROM customers FOR UPDATE
TABLE customers ORDER BY email
SELECT 1 FROM (TABLE customers) x
SELECT x.* FROM (SELECT * FROM customers) x
SELECT * FROM (SELECT c.* FROM customers c) x
SELECT * FROM (SELECT * FROM customers LIMIT 1) x WHERE x.email > 'a'
SELECT * FROM customers UNION ALL SELECT * FROM customers
SELECT email FROM customers EXCEPT SELECT 'a'
(SELECT email FROM customers) INTERSECT (SELECT 'SECRET1@example.com')
WITH x AS (TABLE customers) SELECT email FROM x
WITH x AS (SELECT * FROM customers) SELECT email FROM x
WITH customers AS (SELECT * FROM customers) SELECT email FROM customers
WITH x AS (WITH customers AS (SELECT 1 AS email) SELECT 1) SELECT upper(email) FROM customers, x
WITH a AS (SELECT upper(email) AS e FROM customers), customers AS (SELECT 1) SELECT e FROM a
WITH customers AS (SELECT 1) SELECT upper(email) FROM public.customers
WITH x AS (UPDATE customers SET name = name RETURNING email) SELECT * FROM x
WITH x AS (DELETE FROM customers RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO customers (id, name) VALUES (99, 'x') RETURNING customers) SELECT * FROM x
-- joins
SELECT count(*) FROM customers JOIN other.leads USING (email)
SELECT count(*) FROM customers NATURAL JOIN other.leads
SELECT count(*) FROM other.leads NATURAL JOIN customers
SELECT count(*) FROM customers NATURAL JOIN (SELECT 'SECRET1@example.com' AS email) x
SELECT count(*) FROM customers c JOIN (SELECT 'SECRET1@example.com' AS e) x ON x.e = c.email
SELECT count(*) FROM customers c JOIN customers d USING (email)
SELECT x.email FROM customers c JOIN customers d USING (email) AS x
SELECT count(*) FROM (customers c JOIN orders o ON true) AS j WHERE j.email > 'a'
SELECT count(*) FROM (customers c JOIN orders o ON true) AS j NATURAL JOIN other.leads
-- scopes: an inner name that might, or might not, be the outer one's column
SELECT (SELECT count(*) FROM orders WHERE email > 'a') FROM customers
SELECT (SELECT email FROM orders LIMIT 1) FROM customers
SELECT (SELECT x.e FROM (SELECT email AS e) x) FROM customers
SELECT (SELECT max(x) FROM generate_series(1, length(email)) x) FROM customers
SELECT (SELECT 1 FROM status s JOIN orders o ON email = 'a' LIMIT 1) FROM customers
SELECT id FROM orders o WHERE (SELECT email FROM customers c WHERE c.id = o.customer_id) > 'a'
SELECT id FROM orders o WHERE o.customer_id IN (SELECT c.id FROM customers c WHERE c.email > 'a')
SELECT id FROM orders o WHERE EXISTS (SELECT * FROM customers c WHERE c.email > o.note)
SELECT EXISTS (SELECT email FROM customers INTERSECT SELECT 'SECRET1@example.com')
SELECT EXISTS (SELECT DISTINCT ON (email) 1 FROM customers)
SELECT ARRAY(SELECT email FROM customers)
SELECT ROW(1, 2) = (SELECT id, email FROM customers LIMIT 1)
-- views, rules, inheritance, partitions
SELECT * FROM computed_view
SELECT id FROM filtering_view
SELECT id FROM row_view
SELECT * FROM nested_view
SELECT * FROM union_view
SELECT id FROM using_view
SELECT * FROM join_row_view
SELECT * FROM deep_view
SELECT * FROM cte_view
SELECT n FROM grouped_view
SELECT id FROM computed_matview
SELECT * FROM row_text_view
SELECT id FROM function_view
SELECT e FROM operator_view
SELECT upper(contact) FROM direct_view
SELECT upper(again) FROM view_on_view
SELECT upper(contact) FROM direct_matview
SELECT upper(contact) FROM vouched_view
SELECT upper(query) FROM activity_view
SELECT contact FROM direct_view GROUP BY contact
SELECT direct_view FROM direct_view
UPDATE ruled SET v = 'y'
UPDATE ruled SET v = 'y' RETURNING id
INSERT INTO ruled VALUES (2, 'x')
SELECT upper(mail) FROM people
SELECT upper(mail) FROM ONLY people
SELECT upper(mail) FROM masked_people
SELECT upper(payload) FROM events
SELECT upper(payload) FROM events_2024
SELECT e FROM events e
INSERT INTO customers (id, name, email) SELECT 90, 'x', email FROM customers LIMIT 1
-- ON CONFLICT
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.email
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = email
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = c.email
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE c.email > 'a'
INSERT INTO customers AS excluded (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.email
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (lower(email)) DO NOTHING
-- RETURNING
UPDATE customers SET name = name RETURNING old
UPDATE customers SET name = name RETURNING new
UPDATE customers SET name = name RETURNING upper(old.email)
UPDATE customers SET name = name RETURNING WITH (OLD AS o) upper(o.email)
UPDATE customers SET name = name RETURNING WITH (OLD AS o) o
UPDATE customers SET name = name RETURNING customers
DELETE FROM customers WHERE id = 99 RETURNING email = 'a'
MERGE INTO customers c USING status s ON c.id = s.id WHEN MATCHED THEN DO NOTHING RETURNING c
-- functions, operators, casts and other code
SELECT peek()
SELECT public.peek()
SELECT * FROM peek()
SELECT * FROM peek_all()
SELECT * FROM ROWS FROM (peek())
SELECT (peek_all()).email
SELECT 1 ### 2
SELECT 1 OPERATOR(public.###) 2
SELECT 1::boxed
SELECT CAST(1 AS public.boxed)
SELECT peek_agg(1)
SELECT peek_agg(id) OVER () FROM orders
SELECT initcap(o) FROM orders o
SELECT o.note_len FROM orders o
SELECT (o).note_len FROM orders o
SELECT orders.note_len FROM orders
SELECT public.orders.note_len FROM public.orders
SELECT other.shadow('x')
SELECT shadow('x')
SELECT id FROM orders ORDER BY peek()
SELECT 1 WHERE peek() > 'a'
INSERT INTO status VALUES (2, peek())
CALL proc()
DO $$ BEGIN PERFORM 1; END $$
SELECT 1 = ANY (SELECT id ### 1 FROM orders)
SELECT id FROM orders ORDER BY id USING ###
SELECT query_to_xml('SELECT email FROM customers', true, true, '')
SELECT table_to_xml('customers', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT schema_to_xml('public', true, true, '')
SELECT pg_catalog.cursor_to_xml('k', 1, true, true, '')
SELECT * FROM ts_stat('SELECT email FROM customers')
SELECT ts_rewrite('a'::tsquery, 'SELECT email FROM customers')
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('x')
SELECT lo_import('/etc/passwd')
SELECT lo_get(1)
SELECT loread(1, 1)
SELECT * FROM pg_logical_slot_peek_changes('s', NULL, NULL)
SELECT * FROM pg_stat_get_activity(NULL)
SELECT pg_stat_get_backend_activity(1)
SELECT currtid2('customers', '(0,1)')
SELECT * FROM pg_prepared_statement()
SELECT dblink('', 'SELECT 1')
SELECT * FROM crosstab('SELECT 1') AS t(a int)
SELECT no_such_function(1)
-- the server's own values
SELECT pid FROM pg_stat_activity WHERE query LIKE '%SECRET%'
SELECT upper(query) FROM pg_stat_activity
SELECT most_common_vals::text FROM pg_stats
SELECT pg_stats FROM pg_stats
SELECT length(histogram_bounds::text) FROM pg_stats
SELECT array_to_string(stavalues1, ',') FROM pg_statistic
SELECT s::text FROM pg_catalog.pg_statistic s
SELECT convert_from(data, 'UTF8') FROM pg_largeobject
SELECT upper(statement) FROM pg_prepared_statements
SELECT upper(rolpassword) FROM pg_authid
SELECT passwd || '' FROM pg_shadow
UPDATE pg_settings SET setting = query FROM pg_stat_activity
-- definitions
ALTER TABLE customers RENAME COLUMN email TO plain
ALTER TABLE customers RENAME TO plain
ALTER TABLE customers SET SCHEMA app
ALTER SCHEMA public RENAME TO plain
ALTER SCHEMA app RENAME TO plain
ALTER VIEW direct_view RENAME COLUMN contact TO plain
ALTER TABLE masked_people NO INHERIT people
ALTER TABLE events DETACH PARTITION events_2024
ALTER TABLE customers ADD COLUMN x text GENERATED ALWAYS AS (email) STORED
ALTER TABLE customers ALTER COLUMN name TYPE text USING email
ALTER TABLE customers ALTER COLUMN email TYPE varchar(10)
ALTER TABLE customers ADD CHECK (email LIKE 'S%')
ALTER TABLE customers ADD UNIQUE (email)
ALTER TABLE customers ADD FOREIGN KEY (email) REFERENCES status (status)
ALTER TABLE customers DROP COLUMN city
CREATE TABLE parent (LIKE events); ALTER TABLE parent ATTACH PARTITION events_2024 DEFAULT
ALTER TABLE customers INHERIT people
ALTER TABLE orders ADD FOREIGN KEY (note) REFERENCES customers (email)
CREATE TABLE probe (e text REFERENCES customers (email))
CREATE INDEX ON customers (email)
CREATE INDEX ON customers (lower(email))
CREATE INDEX ON customers (id) INCLUDE (email)
CREATE UNIQUE INDEX ON customers (id) WHERE email > 'a'
CREATE STATISTICS st ON id, email FROM customers
CREATE STATISTICS st ON (lower(email)), id FROM customers
CLUSTER customers USING customers_email_key
CLUSTER
ALTER TABLE customers CLUSTER ON customers_email_key
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT email FROM customers'
CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT email FROM customers; END
CREATE PROCEDURE f() LANGUAGE sql AS ''
CREATE TRIGGER t AFTER UPDATE ON orders EXECUTE FUNCTION tell()
CREATE RULE r AS ON UPDATE TO orders DO ALSO SELECT email FROM customers
CREATE POLICY p ON customers USING (email > 'a')
CREATE AGGREGATE a (int) (SFUNC = int4_sum, STYPE = int8)
CREATE OPERATOR @@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)
CREATE CAST (int AS mood) WITH INOUT
CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION tell()
CREATE EXTENSION dblink
CREATE SERVER s FOREIGN DATA WRAPPER f
CREATE FOREIGN TABLE f (a text) SERVER s
IMPORT FOREIGN SCHEMA public FROM SERVER s INTO app
CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p
LOAD 'x'
LISTEN ch
ALTER FUNCTION peek() RENAME TO safe_peek
ALTER FUNCTION peek() SET SCHEMA app
ALTER FUNCTION peek() STABLE
CREATE SCHEMA s2 CREATE VIEW v AS SELECT lower(email) FROM public.customers
CREATE TABLE stolen AS EXECUTE p
CREATE TABLE stolen AS TABLE customers
SELECT * INTO stolen FROM customers
CREATE TEMP VIEW stolen AS TABLE customers
EXPLAIN ANALYZE CREATE TABLE stolen AS TABLE customers
CREATE RECURSIVE VIEW stolen (e) AS SELECT email FROM customers
INSERT INTO status (status) TABLE customers
-- settings that change how text is read
SET standard_conforming_strings = off
SET LOCAL standard_conforming_strings TO false
SELECT set_config('standard_conforming_strings', 'off', false)
SELECT set_config('Standard_Conforming_Strings', 'off', false)
ALTER ROLE postgres SET standard_conforming_strings = off
ALTER DATABASE masks SET standard_conforming_strings = off
ALTER SYSTEM SET standard_conforming_strings = off
UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'
-- COPY
COPY customers TO '/tmp/x'
COPY customers TO PROGRAM 'cat'
COPY status FROM '/etc/passwd'
COPY status FROM PROGRAM 'cat /etc/passwd'
COPY (SELECT * FROM customers c JOIN orders o USING (id)) TO STDOUT
COPY (SELECT * FROM customers, (SELECT 1) x) TO STDOUT
SELECT 1; COPY customers TO STDOUT
COPY customers TO STDOUT; SELECT 1
COPY customers TO STDOUT (HEADER maybe)
COPY computed_view TO STDOUT
COPY (SELECT c FROM customers c) TO STDOUT
COPY customers TO STDOUT (FORMAT text, NULL '****')
SELECT c.row_to_json FROM customers c
SELECT (c).to_jsonb FROM customers c
-- several statements
SELECT 1; SELECT upper(email) FROM customers
BEGIN; SELECT upper(email) FROM customers; COMMIT
-- names that run what nobody knows
EXECUTE nothing
FETCH ALL FROM nothing
EXPLAIN EXECUTE nothing
-- relations that nobody can see
SELECT upper(email) FROM no_such_table
SELECT id + 1 FROM no_such_schema.customers
SELECT chunk_data FROM pg_toast.pg_toast_1262
-- columns computed from masked ones
SELECT upper(folded) FROM computed
SELECT * FROM computed ORDER BY 3
SELECT c.*, o.* FROM customers c JOIN orders o USING (id) ORDER BY 2
SELECT * FROM customers c JOIN orders o USING (id) ORDER BY 1
-- fields of composite types, and rows kept in columns
SELECT (info).email FROM cards
SELECT (info).* FROM cards
SELECT (more[1]).email FROM cards
SELECT info::text FROM cards
SELECT (was).email FROM customers_history
SELECT h.was::text FROM customers_history h
SELECT e FROM cards_view
SELECT * FROM cards WHERE info > ROW('1', 'S')::contact
-- casts that are code, whatever they make
SELECT o::bytea FROM orders o
SELECT CAST(o AS pg_catalog.bytea) FROM orders o
-- constraints of domains are oracles
ALTER DOMAIN address ADD CHECK (VALUE NOT LIKE 'SECRET%')
ALTER DOMAIN address VALIDATE CONSTRAINT c
