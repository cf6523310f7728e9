-- The protocol itself: chapters 53 (messages, flow) and 54; names, portals, pipelines, formats.

# execute without a description
@steps
\parse q SELECT email, pin FROM people
\bind - q
\run - 0
\sync

# a portal read in pieces
@steps
\parse q SELECT email FROM people
\bind k q
\run k 2
\run k 3
\run k 0
\sync

# a portal made by the protocol, read by FETCH
@steps
\parse q SELECT email FROM people
\bind k q
\sync
FETCH ALL FROM k

# a portal read by FETCH after another of its name was closed
@steps
\parse q SELECT state FROM queue
\parse r SELECT email AS state FROM people
\bind k q
\run k 1
\close P k
\bind k r
\run k 1
\sync
FETCH ALL FROM k

# a cursor made by SQL, read by the protocol
@steps
DECLARE k CURSOR FOR SELECT email FROM people
\run k 0
\sync

# a statement's name used again
@steps
\parse q SELECT state FROM queue
\bind - q
\run - 1
\close S q
\sync
\parse q SELECT email FROM people
\bind - q
\run - 1
\sync

# a statement prepared by the protocol, executed by SQL
@steps
\parse q SELECT email FROM people
EXECUTE q

# a statement prepared by SQL, executed by the protocol
@steps
PREPARE q AS SELECT upper(email) FROM people
\bind - q
\run - 0
\sync

# a statement of which the transaction that made it failed
@steps
\parse q SELECT state FROM queue
DEALLOCATE q
\parse q SELECT email FROM people
\bind - q
\run - 0
\sync

# the names after DISCARD
@commits
@steps
\parse q SELECT state FROM queue
DISCARD ALL
\parse q SELECT email AS state FROM people
\bind - q
\run - 0
\sync

# a pipeline without Sync
@steps
\parse - SELECT email FROM people
\bind - -
\run - 0
\bind - -
\run - 1
\sync

# several statements in one message
SELECT 1; SELECT email FROM people
SELECT email FROM people; SELECT upper(email) FROM people; SELECT 2
BEGIN; SELECT email::text AS id FROM people; COMMIT
;;SELECT email FROM people;;
SELECT state FROM queue; SELECT email AS state, card FROM people; TABLE queue

# simple queries behind one another
@steps
\send SELECT state FROM queue
\send SELECT email AS state FROM people
SELECT state FROM queue
SELECT 1
SELECT 1

# function calls by number
@commits
@steps
\call 1598
\call 2331 people t t x
\call 2925 SELECT(email)FROM(people) t t x

# comments that look like ends
SELECT /* '; */ email /* ' */ FROM people -- '
SELECT $$ ' $$ || email || $x$ $$ $x$ FROM people
SELECT E'\'' || email FROM people
SELECT U&'\0027' || email FROM people
SELECT 'a'
    'b' || email FROM people
SELECT B'1' || email::text::varbit FROM people
SELECT /* /* */ 'x' */ email FROM people
SELECT n'x' || email FROM people

# strings read otherwise
@steps
SET standard_conforming_strings = off
SELECT '\' || ' , email FROM people -- '

# another encoding
@steps
SET client_encoding = SJIS
SELECT email FROM people
SELECT upper(email) FROM people

# another encoding yet
@steps
SET NAMES 'LATIN1'
SELECT email, upper(card) FROM people

# bytes in which a backslash may hide
@steps
SET client_encoding = BIG5
SELECT email FROM people

# UTF-16 text is none
@steps
SET client_encoding = SQL_ASCII
SELECT email FROM people

# settings of output
@steps
SET bytea_output = escape
SET datestyle = german
SET intervalstyle = iso_8601
SET extra_float_digits = 3
SET xmlbinary = hex
SET lc_monetary = 'C'
SELECT blob, born, age(born), ratio, page, salary::money FROM people

# settings of planning
@steps
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
PREPARE q (int) AS SELECT email FROM people WHERE id = $1
EXECUTE q (1)

# parallel and forced
@steps
@server 16
SET debug_parallel_query = on
SET parallel_setup_cost = 0
SELECT email, upper(card) FROM people

# a COPY whose fields end elsewhere, in the encoding that its message turns to
@steps
SET client_encoding = LATIN1
SET client_encoding = SJIS; COPY (SELECT chr(12509), name, email, chr(12477), 1 FROM people) TO STDOUT (DELIMITER '|')

# the same in the encoding that its batch turns to
@steps
SET client_encoding = LATIN1
\parse a SET client_encoding = SJIS
\parse q COPY (SELECT chr(12509), name, email, chr(12477), 1 FROM people) TO STDOUT (DELIMITER '|')
\bind - a
\run - 0
\bind - q
\run - 0
\sync

# the same in the encoding that a savepoint had
@steps
SET client_encoding = SJIS
SAVEPOINT s
SET client_encoding = LATIN1
\parse a ROLLBACK TO s
\parse q COPY (SELECT chr(12509), name, email, chr(12477), 1 FROM people) TO STDOUT (DELIMITER '|')
\bind - a
\run - 0
\bind - q
\run - 0
\sync

# the same in the encoding that the message before it turns to
@steps
SET client_encoding = LATIN1
\send SET client_encoding = SJIS
\send COPY (SELECT chr(12509), name, email, chr(12477), 1 FROM people) TO STDOUT (DELIMITER '|')
SELECT 1
SELECT 1
SELECT 1
SELECT 1

# the same by a Query behind a batch
@steps
SET client_encoding = LATIN1
\parse a SET client_encoding = SJIS
\bind - a
\run - 0
\send COPY (SELECT chr(12509), name, email, chr(12477), 1 FROM people) TO STDOUT (DELIMITER '|')
SELECT 1
SELECT 1
