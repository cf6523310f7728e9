-- Odd corners of the grammar (gram.y), and what releases 16 to 18 brought.

# MERGE that returns
@server 17
MERGE INTO queue q USING people p ON q.id = p.id WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING merge_action(), p.email
MERGE INTO queue q USING people p ON q.id = p.id WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING *
MERGE INTO queue q USING people p ON q.id = p.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET state = p.email RETURNING q.state
WITH m AS (MERGE INTO queue q USING people p ON q.id = p.id WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING merge_action() AS a, p.card AS c) SELECT c FROM m
COPY (MERGE INTO queue q USING people p ON q.id = p.id WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING p.email) TO STDOUT

# which action MERGE takes
@server 17
@probe
MERGE INTO queue q USING people p ON q.id = p.id WHEN MATCHED AND p.vip THEN DELETE WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING merge_action(), q.id
MERGE INTO queue q USING people p ON q.id = p.id AND p.vip WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET state = 'y' RETURNING merge_action(), q.id

# old and new rows of what is not there
@server 18
INSERT INTO people (id, name, email) VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET name = 'z' RETURNING old.email, new.card
INSERT INTO people (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'z' RETURNING WITH (OLD AS email) email.email, email
UPDATE people SET name = 'x' WHERE id = 1 RETURNING old, new
UPDATE people SET name = 'x' WHERE id = 1 RETURNING (old).email, to_jsonb(new)
MERGE INTO people p USING queue q ON p.id = q.id WHEN MATCHED THEN UPDATE SET city = 'x' RETURNING old.email, new.card, old, merge_action()
DELETE FROM staff RETURNING WITH (OLD AS people) people.email

# virtual columns of temporary tables
@server 18
@steps
CREATE TEMP TABLE t (a text, b text GENERATED ALWAYS AS (a || '!') VIRTUAL)
INSERT INTO t (a) SELECT email FROM people
SELECT b FROM t
SELECT t FROM t

# virtual columns added later
@server 18
@steps
CREATE TEMP TABLE t AS SELECT email AS a, id FROM people
ALTER TABLE t ADD COLUMN b text GENERATED ALWAYS AS (a || '!') VIRTUAL
SELECT b FROM t

# virtual columns whose expression is changed
@server 18
@steps
CREATE TEMP TABLE t (a text, x text, b text GENERATED ALWAYS AS (x) VIRTUAL)
INSERT INTO t (a, x) SELECT email, 'y' FROM people
ALTER TABLE t ALTER b SET EXPRESSION AS (a)
SELECT b FROM t

# stored columns whose expression is changed
@server 17
@steps
CREATE TEMP TABLE t (a text, x text, b text GENERATED ALWAYS AS (x) STORED)
INSERT INTO t (a, x) SELECT email, 'y' FROM people
ALTER TABLE t ALTER b SET EXPRESSION AS (a)
SELECT b FROM t

# stored columns added later
@steps
CREATE TEMP TABLE t AS SELECT email AS a, id FROM people
ALTER TABLE t ADD COLUMN b text GENERATED ALWAYS AS (a || '!') STORED
SELECT b FROM t

# types of a temporary table's columns changed with USING
@steps
CREATE TEMP TABLE t AS SELECT email AS a, id FROM people
ALTER TABLE t ALTER id TYPE text USING a
SELECT id FROM t

# defaults of a temporary table that read
@steps
CREATE TEMP TABLE t (a text, b text DEFAULT mail_of(1))
INSERT INTO t (a) VALUES ('x')
SELECT b FROM t

# a temporary table renamed onto a name that was clear
@steps
CREATE TEMP TABLE c AS SELECT id, state FROM queue
CREATE TEMP TABLE t AS SELECT id, email AS state FROM people
ALTER TABLE c RENAME TO d
ALTER TABLE t RENAME TO c
SELECT state FROM c

# a temporary table's column renamed onto a clear one's name
@steps
CREATE TEMP TABLE t AS SELECT id, email AS a, name AS b FROM people
ALTER TABLE t RENAME b TO c
ALTER TABLE t RENAME a TO b
SELECT b FROM t

# a temporary table whose rename is rolled back
@steps
CREATE TEMP TABLE t AS SELECT id, email AS a FROM people
SAVEPOINT s
ALTER TABLE t RENAME TO u
CREATE TEMP TABLE t AS SELECT id, name AS a FROM people
ROLLBACK TO s
SELECT a FROM t

# a temporary view over a temporary table
@steps
CREATE TEMP TABLE t AS SELECT id, email AS a FROM people
CREATE TEMP VIEW v AS SELECT a AS b FROM t
SELECT b FROM v
SELECT upper(b) FROM v

# a temporary view made before what it shows is filled
@steps
CREATE TEMP TABLE t (id int, a text)
CREATE TEMP VIEW v AS SELECT a AS b FROM t
INSERT INTO t SELECT id, email FROM people
SELECT b FROM v

# constraints on a temporary table that say
@steps
CREATE TEMP TABLE t AS SELECT id, email AS a FROM people
ALTER TABLE t ADD CHECK (a::int > 0)

# CHECK with a temporary table's row
@steps
CREATE TEMP TABLE t (a text CHECK (length(a) < 3))
INSERT INTO t SELECT email FROM people

# COPY with errors set aside
@server 17
@steps
CREATE TEMP TABLE t (n int, a text)
COPY t FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose)
\in x\tb\n1\tc\n
INSERT INTO t SELECT 2, email FROM people
TABLE t

# JSON_TABLE with paths and defaults
@server 17
SELECT t.* FROM people p, JSON_TABLE(p.doc, '$' COLUMNS (a jsonb FORMAT JSON PATH '$.leaf', NESTED '$.leaf.*[*]' COLUMNS (n int PATH '$'))) t
SELECT u.* FROM people p, JSON_TABLE('[1]'::jsonb, '$[*]' PASSING p.email AS m COLUMNS (c text PATH '$m', e bool EXISTS PATH '$ ? ($m > "M")')) u
SELECT JSON_EXISTS('[1]'::jsonb, '$ ? ($m starts with "Q")' PASSING email AS m), JSON_ARRAY(SELECT email FROM people), JSON_OBJECT(name VALUE email ABSENT ON NULL WITH UNIQUE KEYS) FROM people
SELECT JSON_ARRAY(SELECT email FROM people ORDER BY id RETURNING jsonb), JSON_ARRAYAGG(email ORDER BY id ABSENT ON NULL RETURNING text) FROM people
SELECT JSON_SCALAR(pin), JSON(card), JSON_SERIALIZE(doc::json RETURNING bytea) FROM people
SELECT JSON_QUERY(doc, '$.leaf' WITH WRAPPER), email IS JSON, card IS JSON SCALAR, ssn IS NOT JSON WITH UNIQUE KEYS FROM people

# GRAPHs of rows
SELECT ROW(1, email) FROM people
SELECT (email, card) FROM people
SELECT (ROW(id, email)).* FROM people
SELECT (x).f2 FROM (SELECT ROW(id, email) x FROM people) y
SELECT (y.x).* FROM (SELECT (p, 1) x FROM people p) y
SELECT * FROM people p, LATERAL (SELECT p.*) q
SELECT (SELECT p) FROM people p
SELECT (SELECT q FROM (SELECT p.*) q) FROM people p
SELECT q.p FROM (SELECT p FROM people p OFFSET 0) q

# comparisons of rows
@probe
SELECT id FROM people WHERE (email, id) > ('M', 1)
SELECT id FROM people WHERE ROW(email, card) IS DISTINCT FROM ROW('x', 'y') AND (vip, id) < (true, 3)
SELECT id FROM people p WHERE (p.email, p.id) = ANY (SELECT email, id FROM people WHERE vip)
SELECT id FROM people WHERE (email COLLATE "C") < 'M'
SELECT id FROM people ORDER BY ROW(email, id)
SELECT id FROM people p ORDER BY p.email COLLATE "C" DESC NULLS FIRST OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY

# row sorts
@probe
SELECT id FROM (SELECT email, id FROM people) q ORDER BY q

# ROWS FROM
SELECT * FROM people p, ROWS FROM (unnest(ARRAY[p.email]), generate_series(1, 2)) WITH ORDINALITY r(a, b, c)
SELECT r FROM people p, ROWS FROM (json_to_record(to_json(p)) AS (email text, card text)) r
SELECT r.email FROM people p, json_to_record(to_json(p)) AS r(email text)
SELECT x FROM people p, jsonb_array_elements_text(jsonb_build_array(p.email)) x

# functions side by side, whose rows are as many as letters
@probe
SELECT r.* FROM people p, ROWS FROM (string_to_table(p.email, 'x'), regexp_split_to_table(p.card, '')) r

# samples whose size is a value
@probe
SELECT id FROM orders TABLESAMPLE SYSTEM ((SELECT CASE WHEN vip THEN 100 ELSE 0 END FROM people WHERE id = 1))

# locks that fail
@probe
SELECT id FROM people WHERE vip FOR UPDATE NOWAIT
SELECT q.id FROM queue q JOIN people p ON p.id = q.id AND p.vip FOR SHARE OF q

# ranges and multiranges
SELECT int8range(pin, pin + 1), int8multirange(int8range(pin, NULL)), numrange(salary, salary, '[]'), datemultirange(daterange(born, NULL)) FROM people
SELECT multirange(span), unnest(int4multirange(span)), range_agg(span) OVER (), upper_inf(span), lower(int4multirange(span)) FROM people
SELECT span @> 5, span && int4range(1, 5000000), span << int4range(5000000, NULL), span -|- int4range(1, 2) FROM people

# range errors
@probe
SELECT int4range(5, ascii(email) - 75) FROM people WHERE id = 1
SELECT id FROM people WHERE span && int4range(1, 5000000)

# XMLTABLE
@needs xml
SELECT t.* FROM people p, XMLTABLE('//p' PASSING p.page COLUMNS i FOR ORDINALITY, a text PATH '@a' DEFAULT 'z', x xml PATH '.') t
SELECT t.* FROM people p, XMLTABLE(('/' || 'a') PASSING xmlelement(name a, p.email) COLUMNS b text PATH '.') t
SELECT t.* FROM people p, XMLTABLE(XMLNAMESPACES('http://x' AS n), '/n:a' PASSING xmlelement(name a, xmlattributes('http://x' AS xmlns), p.card) COLUMNS b text PATH '.') t
SELECT xpath('/a/text()', xmlelement(name a, email)), xpath_exists('/p[@a > "m"]', page) FROM people
[16] SELECT xmlserialize(DOCUMENT page AS text INDENT) FROM people
SELECT XMLEXISTS('/p[starts-with(@a, "b")]' PASSING page) FROM people

# windows that leave rows out
SELECT string_agg(email, ',') OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM people
SELECT max(card) OVER (ORDER BY id GROUPS 2 PRECEDING EXCLUDE TIES), first_value(email) OVER (PARTITION BY city ORDER BY id) FROM people
[16] SELECT lag(email, 1, card) OVER (ORDER BY id), any_value(email) OVER () FROM people

# frames by value
@probe
SELECT id, count(*) OVER (ORDER BY salary RANGE BETWEEN 100000 PRECEDING AND 100000 FOLLOWING EXCLUDE GROUP) FROM people ORDER BY id
SELECT id, sum(id) OVER (ORDER BY born GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM people ORDER BY id
SELECT id, sum(id) OVER w, rank() OVER (w RANGE UNBOUNDED PRECEDING) FROM people WINDOW w AS (PARTITION BY vip ORDER BY id) ORDER BY id

# grouping sets
@probe
SELECT city, vip, count(*), GROUPING(vip) FROM people GROUP BY GROUPING SETS ((city), (vip), ()) ORDER BY 1, 2
SELECT count(*) FROM people GROUP BY CUBE (vip, grade) ORDER BY 1
SELECT max(id), count(*) FROM people GROUP BY ROLLUP (left(email, 1)) ORDER BY 1, 2

# recursion in search of a value
@probe
WITH RECURSIVE r AS (SELECT id, email, 1 AS n FROM people WHERE id = 1 UNION ALL SELECT id, substr(email, 2), n + 1 FROM r WHERE email <> '') SELECT n FROM r
WITH RECURSIVE r(a, b) AS (SELECT id, vip FROM people UNION SELECT a + 1, b FROM r WHERE b AND a < 15) SELECT a FROM r ORDER BY 1

# recursion that finds cycles
@probe
WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT id + 100, email FROM r WHERE id < 100) SEARCH BREADTH FIRST BY email, id SET o SELECT id FROM r ORDER BY o

# planner's and executor's own functions
SELECT pg_column_compression(email), pg_column_size(card) FROM people
[17] SELECT pg_column_toast_chunk_id(email), email || '' FROM people
SELECT pg_typeof(email), pg_collation_for(email), email || '' FROM people
SELECT col_description(pin::oid, 1), obj_description(pin::oid), email || '' FROM people
SELECT format_type(pin::oid, NULL), to_regtype(email), pin::oid::regclass::text FROM people
[16] SELECT pg_input_error_info(email, 'int') FROM people

# whether things are visible, or there
@probe
SELECT has_table_privilege((1259 + id - CASE WHEN vip THEN 0 ELSE 1300 END)::oid, 'SELECT') FROM people ORDER BY id
SELECT to_regclass('p' || CASE WHEN vip THEN 'eople' ELSE '' END) FROM people ORDER BY id

# transactions' numbers
SELECT pg_xact_status((pin % 3)::text::xid8), txid_status(pin % 5), age(pin::text::xid) FROM people
SELECT pg_snapshot_xmin((pin || ':' || pin || ':')::pg_snapshot) FROM people
SELECT mxid_age(pin::text::xid), pg_lsn '0/0' + pin, '0/0'::pg_lsn + salary FROM people

# errors under row comparisons and indirection
SELECT (ARRAY[1,2])[email::int] FROM people WHERE id = 1
SELECT email = ANY (email::text[]) FROM people WHERE id = 1
SELECT overlay('x' PLACING 'y' FROM pin FOR pin) || email FROM people WHERE id = 1
SELECT normalize(email, NFC), email IS NFC NORMALIZED, normalize(card, NFKD) FROM people
SELECT to_char(now(), email), to_char(pin, email), to_char(salary, card) FROM people
SELECT string_agg(email, card ORDER BY id) FROM people
SELECT regexp_like(email, '^[A-M]'), regexp_substr(email, '.', 2), regexp_count(email, '.') FROM people
[18] SELECT reverse(blob), uuidv7() IS NULL AND email > 'M', uuid_extract_timestamp(uid) FROM people

# tables like the masked one
@steps
CREATE TEMP TABLE t (LIKE people INCLUDING ALL)
INSERT INTO t OVERRIDING USER VALUE SELECT * FROM ONLY people
SELECT email, card FROM t
SELECT t FROM t

# tables of a row's type
@steps
CREATE TYPE mine AS (a int, b text)
CREATE TEMP TABLE t OF mine
INSERT INTO t SELECT id, email FROM people
SELECT b FROM t

# CREATE SCHEMA with everything in it
@steps
CREATE SCHEMA mine CREATE VIEW v AS SELECT email AS a FROM public.people CREATE TABLE t (x text)
SELECT a FROM mine.v

# CREATE TABLE AS with names, and without data
@steps
CREATE TEMP TABLE t (a, b) AS SELECT id, email FROM people WITH NO DATA
INSERT INTO t SELECT id, email FROM people
SELECT b FROM t

# CREATE TABLE AS from a cursor's or table's text
@steps
CREATE TEMP TABLE t AS TABLE people
SELECT email FROM t
CREATE TEMP TABLE u AS VALUES ((SELECT card FROM people WHERE id = 1))
SELECT column1 FROM u
CREATE TEMP TABLE v (x) AS (WITH q AS (SELECT email FROM people) TABLE q)
SELECT x FROM v

# temporary materialized copies
@steps
CREATE MATERIALIZED VIEW mv AS SELECT contact FROM mail_list
SELECT contact FROM mv

# UPDATE with FROM of a set
@steps
CREATE TEMP TABLE t (id int, a text)
INSERT INTO t VALUES (1, ''), (2, '')
UPDATE t SET a = v.e FROM (VALUES (1, (SELECT email FROM people WHERE id = 1))) v(i, e) WHERE v.i = t.id
SELECT a FROM t

# arrays and fields of a temporary table
@steps
CREATE TEMP TABLE t (id int, a text[], c contact)
INSERT INTO t VALUES (1)
UPDATE t SET a[1] = (SELECT email FROM people WHERE id = 1), c.tel = (SELECT card FROM people WHERE id = 2)
SELECT a FROM t
SELECT (c).tel FROM t

# insert into fields
@steps
CREATE TEMP TABLE t (id int, c contact)
INSERT INTO t (id, c.tel) SELECT id, email FROM people
SELECT c FROM t

# subscripts of a clear column beside
UPDATE notes SET body = (ARRAY[email])[1] FROM people WHERE people.id = notes.id RETURNING body

# whether a function can be computed
@server 18
@probe
SELECT gamma(pin % 5) FROM people
