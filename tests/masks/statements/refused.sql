-- One statement a line; each must be refused
-- views, rules, inheritance, partitions
UPDATE ruled SET v = 'y'
UPDATE ruled SET v = 'y' RETURNING id
INSERT INTO ruled VALUES (2, 'x')
-- ON CONFLICT
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.email
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = email
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = c.email
INSERT INTO customers AS excluded (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.email
-- functions, operators, casts and other code
SELECT 1 ### 2
SELECT 1 OPERATOR(public.###) 2
SELECT 1::boxed
SELECT CAST(1 AS public.boxed)
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
SELECT convert_from(data, 'UTF8') FROM pg_largeobject
SELECT pid FROM pg_stat_activity WHERE query LIKE '%SECRET%'
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
COPY customers TO STDOUT (FORMAT text, NULL '****')
COPY customers TO '/tmp/x'
COPY customers TO PROGRAM 'cat'
COPY status FROM '/etc/passwd'
COPY status FROM PROGRAM 'cat /etc/passwd'
SELECT 1; COPY customers TO STDOUT
COPY customers TO STDOUT; SELECT 1
COPY customers TO STDOUT (HEADER maybe)
-- names that run what nobody knows
EXECUTE nothing
FETCH ALL FROM nothing
EXPLAIN EXECUTE nothing
-- relations that nobody can see
SELECT id + 1 FROM no_such_schema.customers
SELECT chunk_data FROM pg_toast.pg_toast_1262
-- casts that are code, whatever they make
SELECT o::bytea FROM orders o
SELECT CAST(o AS pg_catalog.bytea) FROM orders o
-- constraints of domains are oracles
ALTER DOMAIN address ADD CHECK (VALUE NOT LIKE 'SECRET%')
ALTER DOMAIN address VALIDATE CONSTRAINT c
