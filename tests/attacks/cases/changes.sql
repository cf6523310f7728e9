-- Names and tables that change in a transaction, before any catalogue tells: DROP, ALTER, INHERITS, PARTITION OF.

# a table is dropped that hid another
@steps
@commits
@undo DROP TABLE IF EXISTS public."Odd.Name"
CREATE TABLE public."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = public, vault
BEGIN
DROP TABLE public."Odd.Name"
SELECT upper("Größe") FROM "Odd.Name"

# and the statement was prepared before
@steps
@commits
@undo DROP TABLE IF EXISTS public."Odd.Name"
CREATE TABLE public."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = public, vault
\parse a SELECT upper("Größe") FROM "Odd.Name"
BEGIN
DROP TABLE public."Odd.Name"
\bind - a
\run - 0
\sync

# its schema is renamed
@steps
@commits
@undo DROP SCHEMA IF EXISTS decoy CASCADE
@undo DROP SCHEMA IF EXISTS decoy2 CASCADE
CREATE SCHEMA decoy
CREATE TABLE decoy."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = decoy, vault
BEGIN
ALTER SCHEMA decoy RENAME TO decoy2
SELECT upper("Größe") FROM "Odd.Name"
ROLLBACK

# a table becomes a partition of a new one
@steps
CREATE TABLE par (login text NOT NULL, digest text) PARTITION BY LIST (login)
ALTER TABLE par ATTACH PARTITION keys DEFAULT
SELECT digest FROM par

# a column is computed from one that fits a mask
@steps
CREATE SCHEMA mine
CREATE TABLE mine.people (email text, leak text GENERATED ALWAYS AS (email) STORED)
INSERT INTO mine.people (email) SELECT email FROM public.people
SELECT leak FROM mine.people

# a parent shows what a child that fits a mask is given
@steps
CREATE SCHEMA mine
CREATE TABLE mine.par (email text)
CREATE TABLE mine.people () INHERITS (mine.par)
INSERT INTO mine.people (email) SELECT email FROM public.people
SELECT email FROM mine.par

# a child gets the name that fits
@steps
@commits
@undo DROP SCHEMA IF EXISTS mine CASCADE
CREATE SCHEMA mine
CREATE TABLE mine.par (email text)
CREATE TABLE mine.c () INHERITS (mine.par)
BEGIN
ALTER TABLE mine.c RENAME TO people
INSERT INTO mine.people (email) SELECT email FROM public.people
SELECT email FROM mine.par
ROLLBACK

# a table under a view gets the name that fits
@steps
@commits
@undo DROP SCHEMA IF EXISTS mine CASCADE
CREATE SCHEMA mine
CREATE TABLE mine.c (email text)
CREATE VIEW mine.v AS SELECT email AS x FROM mine.c
BEGIN
ALTER TABLE mine.c RENAME TO people
INSERT INTO mine.people (email) SELECT email FROM public.people
SELECT x FROM mine.v
ROLLBACK

# a temporary child that no word calls temporary
@steps
SET search_path = pg_temp, public
CREATE TABLE c () INHERITS (notes)
INSERT INTO c (body) SELECT email FROM people
SELECT body FROM notes

# temporary partitions that no word calls temporary
@steps
SET search_path = pg_temp, public
CREATE TABLE tp (id int, mark text) PARTITION BY LIST (id)
CREATE TABLE tp1 PARTITION OF tp DEFAULT
INSERT INTO tp SELECT id, email FROM people
SELECT mark FROM tp1

# a table is dropped that hid another, in the batch that reads it
@steps
@commits
@undo DROP TABLE IF EXISTS public."Odd.Name"
CREATE TABLE public."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = public, vault
\parse p DROP TABLE public."Odd.Name"
\parse a SELECT upper("Größe") FROM "Odd.Name"
\bind - p
\run - 0
\bind k a
\run k 0
\sync

# and parsed in that batch
@steps
@commits
@undo DROP TABLE IF EXISTS public."Odd.Name"
CREATE TABLE public."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = public, vault
\parse p DROP TABLE public."Odd.Name"
\bind - p
\run - 0
\x SELECT upper("Größe") FROM "Odd.Name"

# what a transaction dropped is dropped when it ends in the batch
@steps
@commits
@undo DROP TABLE IF EXISTS public."Odd.Name"
CREATE TABLE public."Odd.Name" (id int, "Größe" text, plain text)
SET search_path = public, vault
\parse p DROP TABLE public."Odd.Name"
\parse c COMMIT
\parse a SELECT upper("Größe") FROM "Odd.Name"
BEGIN
\bind - p
\run - 0
\bind - c
\run - 0
\bind k a
\run k 0
\sync
