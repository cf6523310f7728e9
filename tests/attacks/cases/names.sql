-- What a name means at that moment: chapters 5.10 (schemas), 19.11 (search_path), and definitions by another session.

# another schema first
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email int)
SELECT email FROM people
SET LOCAL search_path = mine
SELECT email FROM people
SET LOCAL search_path = public
SELECT email FROM people

# a schema turned back by ROLLBACK TO
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
SAVEPOINT s
SET search_path = mine
SELECT email || '' FROM people
ROLLBACK TO s
SELECT email || '' FROM people

# a schema turned by set_config
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
SET LOCAL search_path = mine
SELECT set_config('search_path', 'public', true)
SELECT upper(email) FROM people

# a schema turned in the same message
@alone
CREATE SCHEMA mine; CREATE TABLE mine.people (email text); SET LOCAL search_path = mine; SET LOCAL search_path = public; SELECT upper(email) FROM people

# a schema turned by DO
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
SET LOCAL search_path = mine
DO $$ BEGIN SET LOCAL search_path = public; END $$
SELECT upper(email) FROM people

# a schema turned back by the end of the transaction
@commits
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
BEGIN
SET LOCAL search_path = mine
SELECT upper(email) FROM people
COMMIT
SELECT upper(email) FROM people
@undo DROP SCHEMA IF EXISTS mine CASCADE

# a schema turned back by DISCARD ALL
@commits
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
SET search_path = mine
SELECT upper(email) FROM people
DISCARD ALL
SELECT upper(email) FROM people
@undo DROP SCHEMA IF EXISTS mine CASCADE

# a schema turned by RESET
@commits
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
SET search_path = mine
RESET search_path
SELECT upper(email) FROM people
@undo DROP SCHEMA IF EXISTS mine CASCADE

# a schema of the user's name
@steps
ALTER SCHEMA vault RENAME TO attacker
SELECT "Größe" || '' FROM "Odd.Name"

# a view put over the path
@steps
CREATE SCHEMA mine
CREATE VIEW mine.queue AS SELECT id, email AS state FROM public.people
SET LOCAL search_path = mine, public
SELECT state FROM queue

# tables that trade names in one transaction
@steps
ALTER TABLE queue RENAME TO q2
ALTER TABLE people RENAME TO queue
SELECT email FROM queue
SELECT upper(email) FROM queue

# columns that trade names
@steps
ALTER TABLE people RENAME email TO x
ALTER TABLE people RENAME name TO email
ALTER TABLE people RENAME x TO name
SELECT name FROM people

# a column dropped and made again
@steps
ALTER TABLE keys DROP COLUMN login
ALTER TABLE keys RENAME digest TO login
SELECT login FROM keys

# another session changes what a name means: a view replaced
@commits
@steps
CREATE VIEW v AS SELECT id, name FROM people
SELECT name FROM v
\2 CREATE OR REPLACE VIEW v AS SELECT id, email AS name FROM people
SELECT name FROM v
@undo DROP VIEW IF EXISTS v

# another session replaces a function
@commits
@steps
CREATE FUNCTION g() RETURNS text LANGUAGE sql AS 'SELECT name FROM people LIMIT 1'
SELECT g()
\2 CREATE OR REPLACE FUNCTION g() RETURNS text LANGUAGE sql AS 'SELECT email FROM people LIMIT 1'
SELECT g()
@undo DROP FUNCTION IF EXISTS g()

# another session adds a column that a view passes on
@commits
@steps
CREATE VIEW v AS SELECT id, state FROM queue
SELECT state FROM v
\2 CREATE OR REPLACE VIEW v AS SELECT id, (SELECT email FROM people WHERE people.id = queue.id) AS state FROM queue
SELECT state FROM v
@undo DROP VIEW IF EXISTS v

# another session renames the table under a prepared statement
@commits
@steps
\parse q SELECT state FROM queue
\bind - q
\run - 0
\sync
\2 BEGIN; ALTER TABLE queue RENAME TO queue_old; CREATE VIEW queue AS SELECT id, email AS state FROM people; COMMIT
\bind - q
\run - 0
\sync
@undo DO $$ BEGIN IF to_regclass('queue_old') IS NOT NULL THEN DROP VIEW queue; ALTER TABLE queue_old RENAME TO queue; END IF; END $$

# a table past the catalogue's age
@steps
CREATE TABLE fresh (id int, email text)
INSERT INTO fresh SELECT id, email FROM people
SELECT * FROM fresh

# functions' own settings
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (id int, email text)
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql SET search_path = public AS 'SELECT email FROM people'
SET LOCAL search_path = mine, public
SELECT f()

# a row type's function in another schema
@steps
CREATE FUNCTION vault.card_of(people) RETURNS text LANGUAGE sql AS 'SELECT $1.card'
SET LOCAL search_path = public, vault
SELECT p.card_of FROM people p

# quoted names that look like others
@steps
CREATE TEMP VIEW "people.email" AS SELECT email AS "id, name" FROM people
SELECT "id, name" FROM "people.email"
SELECT "people.email"."id, name" FROM "people.email"

# another role
@steps
SET ROLE pg_read_all_data
SELECT email, upper(card) FROM people

# session_user and the like do not matter
@steps
SET SESSION AUTHORIZATION postgres
SELECT email, upper(card) FROM people
