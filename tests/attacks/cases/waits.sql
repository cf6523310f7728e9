-- A statement waits, for a lock or behind another, and what its names mean is changed meanwhile: chapters 13.3, 5.10, 54.2.

# a table that hid another is dropped while a statement waits
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 BEGIN
\2 DROP TABLE decoy."Odd.Name"
\send SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# the same behind another statement of the message
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 SELECT 1
\send SELECT pg_sleep(0.3); SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.05)
\2 DROP TABLE decoy."Odd.Name"
SELECT 1

# it is renamed
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 BEGIN
\2 ALTER TABLE decoy."Odd.Name" RENAME TO other
\send SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# it is moved to another schema
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
@undo DROP SCHEMA IF EXISTS decoy2 CASCADE
CREATE SCHEMA decoy
CREATE SCHEMA decoy2
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 BEGIN
\2 ALTER TABLE decoy."Odd.Name" SET SCHEMA decoy2
\send SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# its schema is dropped with it
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 BEGIN
\2 DROP SCHEMA decoy CASCADE
\send SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# its schema is renamed
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
@undo DROP SCHEMA IF EXISTS decoy2 CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault, public
\2 SELECT 1
\send SELECT pg_sleep(0.3); SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.05)
\2 ALTER SCHEMA decoy RENAME TO decoy2
SELECT 1

# a view that hid it is dropped with what it was made of
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy.base (id int, "Größe" text)
CREATE VIEW decoy."Odd.Name" AS SELECT * FROM decoy.base
SET search_path = decoy, vault, public
\2 BEGIN
\2 DROP TABLE decoy.base CASCADE
\send SELECT upper("Größe") FROM "Odd.Name"
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# a column that hid an outer one is renamed
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (email text)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy RENAME email TO other
\send SELECT (SELECT upper(email) FROM decoy) FROM people
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# a column renamed behind another statement of the message
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (email text)
INSERT INTO decoy VALUES ('x')
\2 SELECT 1
\send SELECT pg_sleep(0.3); SELECT (SELECT upper(email) FROM decoy) FROM people
\2 SELECT pg_sleep(0.05)
\2 ALTER TABLE decoy RENAME email TO other
SELECT 1

# a column that hid a table's alias is dropped
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (x text, z int)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy DROP COLUMN x
\send SELECT md5(x::text) FROM decoy, people x
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# columns whose names go by their places
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (x text, z int)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy DROP COLUMN x
\send SELECT upper(f) FROM (decoy CROSS JOIN people) AS j(a, b, c, d, e, y, f)
\2 SELECT pg_sleep(0.1)
\2 COMMIT
\send SELECT pg_sleep(0.1); SELECT lower(e::text) FROM (decoy CROSS JOIN people) AS j(a, b, c, d, e)
\2 ALTER TABLE decoy DROP COLUMN z
SELECT 1

# a column that hid an outer one is dropped, and the answer is copied
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy DROP COLUMN email
\send COPY (SELECT (SELECT upper(email) FROM decoy) FROM people) TO STDOUT
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# a parent gets a child
@commits
@steps
@undo DO $$ BEGIN ALTER TABLE people NO INHERIT parent; EXCEPTION WHEN OTHERS THEN NULL; END $$
@undo DROP TABLE IF EXISTS parent
CREATE TABLE parent (email text)
\2 BEGIN
\2 ALTER TABLE people INHERIT parent
\send SELECT upper(email) FROM parent
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT pg_sleep(0.1)
SELECT upper(email) FROM parent

# a view's column gets the name that was an outer one's
@commits
@steps
@undo DO $$ BEGIN ALTER VIEW contacts RENAME c TO contact; EXCEPTION WHEN OTHERS THEN NULL; END $$
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (c text)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER VIEW contacts RENAME contact TO c
\send SELECT (SELECT upper(c) FROM contacts WHERE id = 1) FROM decoy
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1

# another session's temporary table is dropped
@commits
@steps
CREATE TEMP TABLE people (id int, email text)
CREATE TEMP TABLE mine AS SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()
\2 SELECT 1
\send SELECT pg_sleep(0.3); SELECT upper(email) FROM people
\2 SELECT pg_sleep(0.05)
\2 DO $$ DECLARE s text; BEGIN SELECT n.nspname INTO s FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'mine' ORDER BY c.oid DESC LIMIT 1; EXECUTE 'DROP TABLE ' || s || '.people'; END $$
SELECT 1

# a name moved by two-phase commit
@commits
@steps
@undo DROP SCHEMA IF EXISTS decoy CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault
SELECT upper("Größe") FROM "Odd.Name"
BEGIN
DROP TABLE decoy."Odd.Name"
PREPARE TRANSACTION 'g2'
COMMIT PREPARED 'g2'
SELECT upper("Größe") FROM "Odd.Name"

# a column that hid an outer one is dropped, and the value is written
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
@undo DELETE FROM notes WHERE id > 9
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy DROP COLUMN email
\send INSERT INTO notes (body) SELECT (SELECT upper(email) FROM decoy) FROM people
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1
SELECT body FROM notes WHERE id > 9

# a column dropped behind another statement of the message
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
@undo DELETE FROM notes WHERE id > 9
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 SELECT 1
\send SELECT pg_sleep(0.3); INSERT INTO notes (body) SELECT (SELECT upper(email) FROM decoy) FROM people
\2 SELECT pg_sleep(0.05)
\2 ALTER TABLE decoy DROP COLUMN email
SELECT 1
SELECT body FROM notes WHERE id > 9

# the same behind another message
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
@undo DELETE FROM notes WHERE id > 9
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 SELECT 1
\send SELECT pg_sleep(0.3)
\send INSERT INTO notes (body) SELECT (SELECT upper(email) FROM decoy) FROM people
\2 SELECT pg_sleep(0.05)
\2 ALTER TABLE decoy DROP COLUMN email
SELECT 1
SELECT 1
SELECT body FROM notes WHERE id > 9
SELECT 1
SELECT 1

# the same into a setting
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 SELECT 1
\send SELECT pg_sleep(0.3)
\send SELECT count(*) FROM people WHERE set_config('a.b', (SELECT upper(email) FROM decoy), false) IS NOT NULL
\2 SELECT pg_sleep(0.05)
\2 ALTER TABLE decoy DROP COLUMN email
SELECT 1
SELECT 1
SHOW a.b
SELECT 1
SELECT 1

# the same into a table of its own
@commits
@steps
@undo DROP TABLE IF EXISTS decoy
CREATE TABLE decoy (email text, z int)
INSERT INTO decoy VALUES ('x')
\2 BEGIN
\2 ALTER TABLE decoy DROP COLUMN email
\send CREATE TEMP TABLE t AS SELECT (SELECT upper(email) FROM decoy) AS a FROM people
\2 SELECT pg_sleep(0.1)
\2 COMMIT
SELECT 1
SELECT a FROM t
