-- What the server says: errors, notices, details, hints, contexts; appendix A, chapters 9, 43.9, and 53.8.

# casts that quote what they cannot read
SELECT email::int FROM people WHERE id = 1
SELECT CAST(email AS date) FROM people WHERE id = 1
SELECT email::regclass FROM people WHERE id = 1
SELECT email::regproc, email::regtype FROM people WHERE id = 1
SELECT email::uuid FROM people WHERE id = 1
SELECT email::json FROM people WHERE id = 1
SELECT email::inet FROM people WHERE id = 1
SELECT email::point FROM people WHERE id = 1
SELECT email::interval FROM people WHERE id = 1
SELECT email::bool FROM people WHERE id = 1
SELECT email::rank FROM people WHERE id = 1
SELECT email::int4range FROM people WHERE id = 1
SELECT email::int[] FROM people WHERE id = 1
SELECT email::contact FROM people WHERE id = 1
SELECT email::people FROM people WHERE id = 1
SELECT email::tid, email::pg_lsn, email::macaddr FROM people WHERE id = 1
SELECT ssn::tsquery FROM people WHERE id = 1
SELECT ('{' || email)::int[] FROM people WHERE id = 1
SELECT ('("' || email)::contact FROM people WHERE id = 1
SELECT salary::int::bit(4)::int::regclass::text::int FROM people WHERE id = 1
SELECT encode(blob, 'escape')::int FROM people WHERE id = 1
SELECT (array_to_string(tags, ''))::int FROM people WHERE id = 1
SELECT p::text::int FROM people p WHERE id = 1
SELECT text 'x' || (SELECT email::int::text FROM people WHERE id = 1)

# casts in conditions, orders, limits
SELECT 1 FROM people WHERE email::int > 0
SELECT id FROM people ORDER BY email::int
SELECT 1 LIMIT (SELECT email FROM people WHERE id = 1)::int
SELECT count(*) FILTER (WHERE email::bool) FROM people
SELECT generate_series(1, (SELECT email::int FROM people WHERE id = 1))
SELECT o.id FROM orders o JOIN people p ON o.id = p.email::int

# implicit reading of text
INSERT INTO notes (n) SELECT email::int FROM people
UPDATE notes SET n = (SELECT email::int FROM people WHERE id = 1)
DELETE FROM notes WHERE n = (SELECT card::int2 FROM people WHERE id = 1)
UPDATE people SET email = email, boss = card::int
MERGE INTO notes n USING people p ON n.id = p.id WHEN MATCHED THEN UPDATE SET n = p.email::int

# functions that quote their argument
SELECT set_config(email, 'x', true) FROM people WHERE id = 1
SELECT current_setting(email) FROM people WHERE id = 1
SELECT to_regclass(email), nextval(email) FROM people WHERE id = 1
SELECT to_date(email, 'YYYY') FROM people WHERE id = 1
SELECT to_number(card, email) FROM people WHERE id = 1
SELECT to_timestamp(email, 'HH24') FROM people WHERE id = 1
SELECT encode('x', email) FROM people WHERE id = 1
SELECT decode(email, 'hex') FROM people WHERE id = 1
SELECT convert_to('x', email), convert('x', email, 'UTF8') FROM people WHERE id = 1
SELECT extract(epoch FROM now()), date_part(email, now()) FROM people WHERE id = 1
SELECT date_trunc(email, now()) FROM people WHERE id = 1
SELECT now() AT TIME ZONE email FROM people WHERE id = 1
SELECT make_timestamptz(2000, 1, 1, 1, 1, 1, email) FROM people WHERE id = 1
SELECT has_table_privilege(email, 'x') FROM people WHERE id = 1
SELECT has_table_privilege('people', email) FROM people WHERE id = 1
SELECT pg_get_serial_sequence(email, 'id') FROM people WHERE id = 1
SELECT pg_size_bytes(email) FROM people WHERE id = 1
SELECT regexp_matches('x', 'x', email) FROM people WHERE id = 1
SELECT to_tsquery('simple', email || ' x') FROM people WHERE id = 1
SELECT get_current_ts_config(), to_tsvector(email::regconfig, 'x') FROM people WHERE id = 1
[16] SELECT jsonb_path_query(to_jsonb(email), '$.double()') FROM people WHERE id = 1
SELECT jsonb_set('{"a": [1]}', ARRAY['a', email], '1') FROM people WHERE id = 1
SELECT '[1]'::jsonb #- ARRAY[email] FROM people WHERE id = 1
[17] SELECT JSON_VALUE(to_jsonb(email), '$' RETURNING int ERROR ON ERROR) FROM people WHERE id = 1
SELECT (jsonb_populate_record(NULL::orders, jsonb_build_object('id', email))).id FROM people WHERE id = 1
SELECT setseed(pin) FROM people WHERE id = 1
SELECT chr(pin) FROM people WHERE id = 1
SELECT make_date(pin, 1, 1) FROM people WHERE id = 1

# XML that is none
@needs xml
SELECT email::xml FROM people WHERE id = 1
SELECT xmlparse(DOCUMENT '<' || email) FROM people WHERE id = 1

# numbers that overflow say which
SELECT born + 2000000000 FROM people
SELECT card::int FROM people WHERE id = 1
SELECT (card || '0000000000')::bigint FROM people WHERE id = 1

# whether an error comes, which is counted as a probe
@probe
SELECT id FROM people WHERE CASE WHEN vip THEN email::int > 0 ELSE true END
SELECT 1 FROM people GROUP BY card::date
SELECT 1 / (CASE WHEN vip THEN 0 ELSE 1 END) FROM people WHERE id = 1
SELECT CASE WHEN vip THEN 1 / (id - id) ELSE 0 END FROM people WHERE id = 1
SELECT 1 / (SELECT count(*) FROM people WHERE id = 1 AND vip)
SELECT (SELECT id FROM people WHERE vip AND id < 4)

# constraints say the row
INSERT INTO people (id, name, email) SELECT 99, 'x', email FROM people WHERE id = 1
UPDATE people SET email = (SELECT email FROM people WHERE id = 2) WHERE id = 1
UPDATE people SET name = NULL WHERE id = 1
INSERT INTO orders (id, person) SELECT id + 100, pin FROM people

# constraints made for it
@steps
ALTER TABLE people ADD CONSTRAINT c CHECK (email < 'A') NOT VALID
UPDATE people SET name = 'x' WHERE id = 1

# a constraint that is checked at once
ALTER TABLE people ADD CHECK (NOT vip OR id <> 9)
ALTER TABLE people ADD CHECK (email::int > 0)
ALTER TABLE people ALTER card TYPE int USING card::int
CREATE UNIQUE INDEX ON people (vip) WHERE id IN (1, 8)
CREATE INDEX ON people ((email::int))
CREATE INDEX ON people (id) WHERE email::bool
ALTER TABLE people ADD COLUMN x int GENERATED ALWAYS AS (card::int) STORED
ALTER TABLE people ADD FOREIGN KEY (email) REFERENCES keys (login)
ALTER TABLE payments ADD CHECK (token > 'd')

# domains that check what is there
@steps
ALTER DOMAIN address ADD CHECK (VALUE < 'm')

# domains that raise
@steps
CREATE DOMAIN small AS text CHECK (VALUE::int > 0)
SELECT email::small FROM people WHERE id = 1

# code that says what it sees
SELECT say(email) FROM people WHERE id = 1
SELECT say(p::text) FROM people p WHERE id = 1
DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM people WHERE id = 1); END $$
DO $$ BEGIN RAISE EXCEPTION '%', (SELECT email FROM people WHERE id = 1); END $$
DO $$ BEGIN PERFORM email::int FROM people WHERE id = 1; END $$
DO $$ DECLARE v text; BEGIN SELECT email INTO v FROM people WHERE id = 1; RAISE EXCEPTION 'x' USING HINT = v, DETAIL = v, COLUMN = v, CONSTRAINT = v, TABLE = v, DATATYPE = v, SCHEMA = v; END $$
DO $$ DECLARE v text; BEGIN SELECT left(md5(email), 5) INTO v FROM people WHERE id = 1; RAISE EXCEPTION 'x' USING ERRCODE = upper(v); END $$
DO $$ BEGIN ASSERT false, (SELECT email FROM people WHERE id = 1); END $$
DO $$ BEGIN EXECUTE 'SELECT ' || quote_ident((SELECT email FROM people WHERE id = 1)); END $$
DO $$ BEGIN EXECUTE format('SET application_name = %L', (SELECT email FROM people WHERE id = 1)); END $$

# triggers that say
@steps
CREATE TRIGGER t AFTER INSERT ON queue FOR EACH ROW EXECUTE FUNCTION first_row()
INSERT INTO queue VALUES (77, 'x')

# functions made and called
@steps
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT email FROM people WHERE id = 1'
SELECT pg_temp.f()

# functions with a body that is parsed
@steps
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT email FROM people; END
SELECT * FROM f()

# a procedure that gives back
@steps
CREATE PROCEDURE f(INOUT x text) LANGUAGE sql AS 'SELECT email FROM people WHERE id = 1'
CALL f('x')

# verbosity of the server
@steps
SET client_min_messages = debug5
SET debug_print_parse = on
SET log_error_verbosity = verbose
SET log_statement_stats = on
SELECT email::int FROM people WHERE id = 1

# the executor's own prints
@steps
SET client_min_messages = log
SET debug_print_plan = on
SET debug_print_rewritten = on
SELECT id FROM people WHERE email = (SELECT email FROM people WHERE id = 1)

# an order within an aggregate that is allowed
@probe
SELECT count(id ORDER BY email::int) FROM people
