-- Values taken to another place and read there: chapters 5, 7.8, 34-38, and the pages of CREATE, DECLARE, PREPARE.

# tables made of a query
@steps
CREATE TABLE stolen AS SELECT email AS name FROM people
SELECT name FROM stolen

# tables made by SELECT INTO
@steps
SELECT email AS name INTO stolen FROM people
TABLE stolen

# temporary tables
@steps
CREATE TEMP TABLE t AS SELECT id, email AS name FROM people
SELECT name FROM t
SELECT upper(name) FROM t
SELECT * FROM t ORDER BY id
COPY t TO STDOUT

# temporary tables filled later
@steps
CREATE TEMP TABLE t (a text, b text)
INSERT INTO t SELECT email, card FROM people
SELECT a, b FROM t

# a temporary table filled by UPDATE
@steps
CREATE TEMP TABLE t (id int, a text)
INSERT INTO t SELECT id FROM people
UPDATE t SET a = p.email FROM people p WHERE p.id = t.id
SELECT a FROM t

# a temporary table filled by MERGE
@steps
CREATE TEMP TABLE t (id int, a text)
MERGE INTO t USING people p ON p.id = t.id WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.email)
SELECT a FROM t

# a temporary table filled through ON CONFLICT
@steps
CREATE TEMP TABLE t (id int PRIMARY KEY, a text)
INSERT INTO t SELECT id, 'x' FROM people
INSERT INTO t SELECT id, email FROM people ON CONFLICT (id) DO UPDATE SET a = excluded.a
TABLE t

# a temporary table renamed, its column too
@steps
CREATE TEMP TABLE t AS SELECT email FROM people
ALTER TABLE t RENAME TO u
ALTER TABLE u RENAME COLUMN email TO name
SELECT name FROM u

# a temporary table's column moved on
@steps
CREATE TEMP TABLE t AS SELECT email AS a FROM people
CREATE TEMP TABLE u AS SELECT a AS b FROM t
CREATE TEMP TABLE v (LIKE u INCLUDING ALL)
INSERT INTO v TABLE u
SELECT b FROM v

# a temporary table under a permanent one's name
@steps
CREATE TEMP TABLE queue AS SELECT id, email AS state FROM people
SELECT state FROM queue
SELECT state FROM pg_temp.queue

# a temporary table that hides the masked one, and is gone again
@steps
CREATE TEMP TABLE people (id int, email text)
SELECT email FROM people
DROP TABLE people
SELECT email FROM people

# the same, undone by ROLLBACK TO
@steps
SAVEPOINT s
CREATE TEMP TABLE people (id int, email text)
ROLLBACK TO s
SELECT email FROM people

# the same, gone at the commit
@commits
@alone
BEGIN; CREATE TEMP TABLE people (id int, email text) ON COMMIT DROP; COMMIT; SELECT email FROM people

# a table that comes back when its drop is undone
@steps
CREATE TEMP TABLE t AS SELECT email FROM people
SAVEPOINT s
DROP TABLE t
CREATE TEMP TABLE t (email int)
ROLLBACK TO s
SELECT email FROM t

# rows kept after a truncate is undone
@steps
CREATE TEMP TABLE t AS SELECT email AS a FROM people
SAVEPOINT s
DROP TABLE t
ROLLBACK TO s
SELECT a FROM t

# a default and a generated column of a temporary table
@steps
CREATE TEMP TABLE t (a text, b text GENERATED ALWAYS AS (a || '!') STORED, c text DEFAULT 'x')
INSERT INTO t (a) SELECT email FROM people
SELECT b FROM t

# a temporary table that inherits
@steps
CREATE TEMP TABLE t () INHERITS (people)
SELECT email FROM t
INSERT INTO t SELECT * FROM ONLY people
SELECT email AS x FROM t

# a partition of one's own
@steps
CREATE TEMP TABLE p (a text) PARTITION BY LIST (a)
CREATE TEMP TABLE q PARTITION OF p DEFAULT
INSERT INTO p SELECT email FROM people
SELECT a FROM q

# a partition taken away from its table
@steps
ALTER TABLE payments DETACH PARTITION payments_25
ALTER TABLE payments_25 RENAME TO free
ALTER TABLE free RENAME token TO t
SELECT t FROM free

# a child taken away
@steps
ALTER TABLE staff NO INHERIT people
ALTER TABLE staff RENAME TO free
SELECT email FROM free

# a masked table attached under a new parent
@steps
CREATE TABLE parent (LIKE payments) PARTITION BY RANGE (paid)
ALTER TABLE payments DETACH PARTITION payments_25
ALTER TABLE parent ATTACH PARTITION payments_25 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
SELECT token FROM parent

# a new parent by INHERIT
@steps
CREATE TABLE parent (email text)
ALTER TABLE people INHERIT parent
SELECT email FROM parent
SELECT upper(email) FROM parent

# a masked table swapped under another name
@steps
ALTER TABLE people RENAME TO persons
SELECT email FROM persons

# a masked column renamed
@steps
ALTER TABLE people RENAME email TO mail
SELECT mail FROM people

# a schema renamed
@steps
ALTER SCHEMA vault RENAME TO open
SELECT "Größe" FROM open."Odd.Name"

# a table moved to another schema
@steps
CREATE SCHEMA open
ALTER TABLE keys SET SCHEMA open
ALTER TABLE open.keys RENAME TO doors
SELECT digest FROM open.doors

# a view made
@steps
CREATE VIEW v AS SELECT email AS name FROM people
SELECT name FROM v

# a view of a temporary kind, replaced
@steps
CREATE TEMP VIEW v AS SELECT name FROM people
SELECT name FROM v
CREATE OR REPLACE TEMP VIEW v AS SELECT email AS name FROM people
SELECT name FROM v

# a recursive view
@steps
CREATE RECURSIVE VIEW v (n) AS SELECT email FROM people
TABLE v

# a materialized view
@steps
CREATE MATERIALIZED VIEW v AS SELECT email AS name FROM people
SELECT name FROM v

# a view that exists, its column renamed
@steps
ALTER VIEW contacts RENAME contact TO c
SELECT c FROM contacts

# a rule on a plain table
@steps
CREATE RULE r AS ON UPDATE TO queue DO ALSO SELECT email FROM people
UPDATE queue SET state = 'x'

# a rule that makes a view another one
@steps
CREATE VIEW v AS SELECT name AS e FROM people
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO v DO INSTEAD SELECT email AS e FROM people
SELECT e FROM v

# row security that says
@steps
ALTER TABLE queue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
CREATE POLICY p ON queue USING (say((SELECT email FROM people WHERE people.id = queue.id)) = 'x')
GRANT ALL ON queue, people TO pg_read_all_data
SET ROLE pg_read_all_data
SELECT id FROM queue

# rows written to a plain table
@steps
INSERT INTO notes (body) SELECT email FROM people
SELECT body FROM notes

# rows written by UPDATE, and given back
UPDATE notes SET body = (SELECT email FROM people WHERE id = 1) RETURNING body
UPDATE notes SET body = p.email FROM people p WHERE p.id = notes.id RETURNING notes.body
INSERT INTO notes (body) SELECT email FROM people RETURNING body, upper(body)
INSERT INTO notes (body) VALUES ((SELECT email FROM people WHERE id = 1)) RETURNING body
[17] MERGE INTO notes n USING people p ON n.id = p.id WHEN MATCHED THEN UPDATE SET body = p.email RETURNING n.body
UPDATE people SET name = email RETURNING name
UPDATE people SET city = card RETURNING city, id
UPDATE people SET boss = pin RETURNING boss
UPDATE people SET (name, city) = (email, card) RETURNING name, city
UPDATE people SET (name, city) = (SELECT email, card FROM people LIMIT 1) RETURNING name
DELETE FROM staff RETURNING email
DELETE FROM notes USING people WHERE people.id = notes.id RETURNING people.email, people
INSERT INTO people (id, name) SELECT id + 50, email FROM people WHERE id = 1 RETURNING name
INSERT INTO people (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = people.email RETURNING name
INSERT INTO people AS p (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = p.email || '' RETURNING name

# old and new rows
@server 18
UPDATE people SET email = 'x@y' WHERE id = 1 RETURNING old.email
UPDATE people SET email = 'x@y' WHERE id = 1 RETURNING WITH (OLD AS o, NEW AS n) o.email, o, n.card
DELETE FROM staff RETURNING old.*

# a masked column copied to a clear one and back
@steps
UPDATE people SET name = email
SELECT name FROM people

# masked columns swapped by ALTER ... USING
@steps
DROP VIEW totals
ALTER TABLE people ALTER city TYPE text USING email
SELECT city FROM people

# a new column with a masked value
@steps
ALTER TABLE people ADD COLUMN copy text GENERATED ALWAYS AS (email || '') STORED
SELECT copy FROM people

# a virtual generated column
@steps
@server 18
ALTER TABLE people ADD COLUMN copy text GENERATED ALWAYS AS (email || '') VIRTUAL
SELECT copy FROM people

# prepared statements
@steps
PREPARE p AS SELECT email FROM people
EXECUTE p
CREATE TEMP TABLE t AS EXECUTE p
SELECT email FROM t

# a prepared statement with a parameter
@steps
PREPARE p (text) AS SELECT email || $1 FROM people
EXECUTE p ('')

# a prepared statement whose names mean something else by now
@steps
CREATE TEMP TABLE people (email text)
PREPARE p AS SELECT email FROM people
EXECUTE p
DROP TABLE pg_temp.people
EXECUTE p

# a prepared statement planned again under another search_path
@steps
CREATE SCHEMA bare
CREATE TABLE bare.people (email text)
SET LOCAL search_path = bare
PREPARE p AS SELECT email FROM people
EXECUTE p
SET LOCAL search_path = public
EXECUTE p

# a prepared statement whose star grows
@steps
PREPARE p AS SELECT * FROM contacts
EXECUTE p

# cursors
@steps
DECLARE c CURSOR FOR SELECT email FROM people
FETCH 2 FROM c
MOVE 1 IN c
FETCH ALL FROM c

# scrolling, holding cursors
@steps
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id, upper(email) FROM people ORDER BY id
FETCH LAST FROM c
FETCH BACKWARD 3 FROM c
FETCH ABSOLUTE 2 FROM c

# a binary cursor
@steps
DECLARE c BINARY CURSOR FOR SELECT email, pin, born FROM people
FETCH ALL FROM c

# a cursor that outlives its transaction
@commits
@steps
BEGIN
DECLARE c CURSOR WITH HOLD FOR SELECT email FROM people
COMMIT
FETCH ALL FROM c
CLOSE c

# a cursor whose name is used again
@steps
DECLARE c CURSOR FOR SELECT name FROM queue q JOIN people USING (id)
FETCH 1 FROM c
CLOSE c
DECLARE c CURSOR FOR SELECT email AS name FROM people
FETCH 1 FROM c

# a cursor whose name is free again by ROLLBACK TO
@steps
SAVEPOINT s
DECLARE c CURSOR FOR SELECT state FROM queue
ROLLBACK TO s
DECLARE c CURSOR FOR SELECT email AS state FROM people
FETCH ALL FROM c

# a cursor at a row, for UPDATE WHERE CURRENT OF
@steps
DECLARE c CURSOR FOR SELECT * FROM people WHERE id = 1 FOR UPDATE
FETCH 1 FROM c
UPDATE people SET name = email WHERE CURRENT OF c RETURNING name

# COPY out
COPY people TO STDOUT
COPY people (email) TO STDOUT (FORMAT csv, HEADER)
COPY people (email, pin) TO STDOUT (FORMAT binary)
COPY (SELECT email FROM people) TO STDOUT
COPY (SELECT upper(email) FROM people) TO STDOUT (FORMAT csv, FORCE_QUOTE *)
COPY (SELECT p FROM people p) TO STDOUT
COPY (UPDATE people SET name = name RETURNING email) TO STDOUT
COPY (SELECT * FROM people NATURAL JOIN queue) TO STDOUT
COPY (TABLE contacts) TO STDOUT
COPY (SELECT * FROM people ORDER BY 1) TO STDOUT (FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'x', ENCODING 'LATIN1')
COPY (WITH x AS (SELECT email AS id FROM people) TABLE x) TO STDOUT
COPY BINARY people TO STDOUT
COPY people TO STDOUT CSV HEADER QUOTE AS 'o'
COPY people TO STDOUT (FORMAT text, NULL 'city 1', DELIMITER '|')
COPY people (name, email) TO STDOUT (ENCODING 'SJIS')

# COPY out of a partitioned parent and its like
@server 18
COPY mail_list TO STDOUT

# COPY in, with a trigger's or a constraint's words
@steps
CREATE UNIQUE INDEX i ON people (city, card)
COPY people (id, name, city, card) FROM STDIN
\in 901\tx\tcity 1\t587395569762\n

# stars into temporary tables
@steps
CREATE TEMP TABLE tmp (n int, body text)
INSERT INTO tmp VALUES (1, 'x')
UPDATE tmp SET (n, body) = ROW(x.*) FROM (SELECT id, email FROM people WHERE id = 1) x
SELECT body FROM tmp

# stars into temporary tables, of new rows
@steps
CREATE TEMP TABLE tmp (LIKE people)
INSERT INTO tmp VALUES ((SELECT x FROM people x WHERE id = 1).*)
SELECT email FROM tmp

# stars into temporary tables, by MERGE
@steps
CREATE TEMP TABLE tmp (LIKE people)
MERGE INTO tmp USING people p ON false WHEN NOT MATCHED THEN INSERT VALUES (p.*)
SELECT email FROM tmp

# stars into a clear column beside a masked one
@steps
UPDATE people SET (email, name) = ROW(x.*) FROM (SELECT 'q' || email, email FROM people WHERE id = 1) x WHERE people.id = 2
SELECT name FROM people WHERE id = 2

# an aggregate that is allowed, and its order
@steps
SELECT count(id ORDER BY set_config('a.b', email, false)) FROM people WHERE id = 1
SELECT current_setting('a.b')

# INTO within a set operation
@steps
SELECT email AS e INTO zz FROM people UNION ALL SELECT 'x'
SELECT e FROM zz

# INTO within a set operation, temporary
@steps
SELECT email AS e INTO TEMP zz FROM people UNION ALL SELECT 'x'
SELECT e FROM zz

# a function that writes, called by another
@steps
CREATE FUNCTION keep(text) RETURNS text LANGUAGE sql AS 'INSERT INTO notes (body) VALUES ($1) RETURNING body'
CREATE FUNCTION keep_too(text) RETURNS text LANGUAGE sql AS 'SELECT keep($1)'
SELECT keep_too(email) FROM people WHERE id = 1
SELECT body FROM notes
