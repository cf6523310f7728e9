-- Other places where a value can lie, or which can be made to say it: chapters 9.27, 19, 20, 27, 35, 52, 53.

# settings
@steps
SELECT set_config('application_name', (SELECT email FROM people WHERE id = 1), false)
SHOW application_name

# settings that the server reports by itself
@steps
SELECT set_config('application_name', left(card, 40), false) FROM people WHERE id = 1
SELECT current_setting('application_name')

# settings of one's own
@steps
SELECT set_config('x.y', email, true) FROM people WHERE id = 1
SELECT current_setting('x.y')

# settings through the view
UPDATE pg_settings SET setting = (SELECT left(card, 12) FROM people WHERE id = 1) WHERE name = 'application_name'
SELECT set_config('search_path', email, true) FROM people WHERE id = 1

# sequences
@steps
SELECT setval('notes_id_seq', pin) FROM people WHERE id = 1
SELECT currval('notes_id_seq'), last_value FROM notes_id_seq

# a sequence moved as often as a value says
@probe
@steps
CREATE SEQUENCE s
SELECT count(nextval('s')) FROM generate_series(1, (SELECT length(email) FROM people WHERE id = 1))
SELECT last_value FROM s

# a sequence moved where a value says
@probe
@steps
CREATE SEQUENCE s
SELECT id FROM people WHERE vip AND nextval('s') > 0
SELECT last_value FROM s

# a sequence under CASE
@steps
CREATE SEQUENCE s
SELECT count(CASE WHEN vip THEN nextval('s') END) FROM people
SELECT last_value FROM s

# advisory locks
@steps
SELECT pg_advisory_xact_lock(pin) FROM people
SELECT objid FROM pg_locks WHERE locktype = 'advisory' ORDER BY 1

# notifications
@commits
@steps
LISTEN c
SELECT pg_notify('c', (SELECT email FROM people WHERE id = 1))
SELECT 1

# notifications by channel
@commits
@steps
LISTEN "587395569762"
SELECT pg_notify(card, 'x') FROM people WHERE id = 1
SELECT 1

# large objects
@steps
SELECT lo_from_bytea(4711, convert_to((SELECT email FROM people WHERE id = 1), 'UTF8'))
SELECT lo_get(4711)
SELECT data FROM pg_largeobject WHERE loid = 4711

# large objects by number
@steps
SELECT lo_create(pin) FROM people WHERE id = 1
SELECT oid FROM pg_largeobject_metadata

# large objects written in pieces
@steps
SELECT lo_create(4712)
SELECT lowrite(lo_open(4712, 131072), email::bytea) FROM people WHERE id = 1
SELECT loread(lo_open(4712, 262144), 40)

# comments and names of things
@steps
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE queue IS %L', (SELECT email FROM people WHERE id = 1)); END $$
SELECT obj_description('queue'::regclass)

# names of things
@steps
DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', (SELECT email FROM people WHERE id = 1)); END $$
SELECT relname FROM pg_class ORDER BY oid DESC LIMIT 1

# statistics
SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'people'
SELECT tablename, most_common_vals, histogram_bounds, most_common_elems FROM pg_stats WHERE attname = 'email'
SELECT histogram_bounds::text FROM pg_stats WHERE attname = 'card'
SELECT array_to_string(histogram_bounds::text::text[], ',') FROM pg_stats WHERE attname = 'email'
SELECT stavalues1, stavalues2 FROM pg_statistic WHERE starelid = 'people'::regclass
SELECT s FROM pg_statistic s WHERE starelid = 'people'::regclass
SELECT s.x FROM (SELECT histogram_bounds AS x FROM pg_stats WHERE tablename = 'people') s
COPY (SELECT stavalues1, stavalues2 FROM pg_statistic WHERE starelid = 'people'::regclass ORDER BY staattnum) TO STDOUT
COPY (SELECT attname, most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'people' ORDER BY attname) TO STDOUT
SELECT to_jsonb(s) FROM pg_stats s WHERE attname = 'salary'
SELECT pg_stats FROM pg_stats WHERE tablename = 'people'

# statistics of distribution
@probe
SELECT n_distinct, correlation, avg_width FROM pg_stats WHERE tablename = 'people' ORDER BY attname
SELECT stadistinct, stawidth, stanumbers1 FROM pg_statistic WHERE starelid = 'people'::regclass ORDER BY staattnum
SELECT most_common_freqs, most_common_elem_freqs, elem_count_histogram FROM pg_stats WHERE tablename = 'people' ORDER BY attname

# statistics that one makes
@steps
@probe
CREATE STATISTICS st (mcv, ndistinct, dependencies) ON vip, grade FROM people
ANALYZE people
SELECT most_common_vals, n_distinct, dependencies FROM pg_stats_ext
SELECT stxdmcv, stxdndistinct FROM pg_statistic_ext_data

# pages of tables
@steps
@commits
CHECKPOINT
SELECT pg_read_binary_file(pg_relation_filepath('people'))
SELECT encode(pg_read_binary_file(pg_relation_filepath('people')), 'escape')

# pages of tables as large objects
@steps
CHECKPOINT
SELECT lo_import(current_setting('data_directory') || '/' || pg_relation_filepath('people'), 4715)
SELECT lo_get(4715)

# files and programs
@steps
CREATE TEMP TABLE t (line text)
COPY people TO '/tmp/hoopgate-attack'
COPY t FROM '/tmp/hoopgate-attack'
TABLE t

# programs
@steps
COPY (SELECT email FROM people) TO PROGRAM 'cat > /tmp/hoopgate-attack-2'
SELECT pg_read_file('/tmp/hoopgate-attack-2')

# programs whose output is read
@steps
CREATE TEMP TABLE t (line text)
COPY t FROM PROGRAM 'grep -a -h -o "[a-zA-Z]*@Example.org" -r base'
TABLE t

# export of large objects
@steps
SELECT lo_from_bytea(4713, email::bytea) FROM people WHERE id = 1
SELECT lo_export(4713, '/tmp/hoopgate-attack-3')
SELECT pg_read_file('/tmp/hoopgate-attack-3')

# two-phase commit
@commits
@steps
BEGIN
CREATE TABLE stolen AS SELECT email FROM people
COMMIT
TABLE stolen
DROP TABLE stolen
@undo DROP TABLE IF EXISTS stolen

# another session sees what the first wrote
@commits
@steps
CREATE TABLE shared (a text)
INSERT INTO shared SELECT email FROM people
\2 SELECT a FROM shared
DROP TABLE shared
@undo DROP TABLE IF EXISTS shared

# definitions that quote values
@steps
DO $$ BEGIN EXECUTE format('ALTER TABLE queue ALTER state SET DEFAULT %L', (SELECT email FROM people WHERE id = 1)); END $$
SELECT pg_get_expr(adbin, adrelid), adbin FROM pg_attrdef WHERE adrelid = 'queue'::regclass
INSERT INTO queue (id) VALUES (78) RETURNING state

# bounds of partitions that are values
@steps
DO $$ BEGIN EXECUTE format('CREATE TABLE pp PARTITION OF payments FOR VALUES FROM (%L) TO (%L)', (SELECT max(born) FROM people), '1999-01-01'); END $$
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'pp'

# whole tables by function
SELECT currtid2('people', '(0,1)'), email FROM people

# sizes that depend on a value
SELECT pg_column_size(p.*) FROM people p ORDER BY id
SELECT sum(pg_column_size(email)) FROM people

# EXPLAIN
@probe
EXPLAIN SELECT * FROM people WHERE email > 'M'
EXPLAIN SELECT * FROM people WHERE salary > 500000
EXPLAIN (FORMAT json) SELECT * FROM people WHERE vip
EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF) SELECT id FROM people WHERE vip
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, BUFFERS OFF) SELECT id FROM people WHERE left(email, 1) = 'Q'
EXPLAIN SELECT email FROM people ORDER BY salary
EXPLAIN SELECT 1 FROM people a JOIN people b ON a.grade = b.grade

# EXPLAIN of what runs code while it plans
@steps
CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT email FROM public.people WHERE id = 1'
EXPLAIN (VERBOSE) SELECT * FROM queue WHERE state = f()

# EXPLAIN ANALYZE that writes
@probe
@steps
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) CREATE TEMP TABLE t AS SELECT email AS name FROM people
SELECT name FROM t

# EXPLAIN EXECUTE
@probe
@steps
PREPARE p (text) AS SELECT id FROM people WHERE left(email, 1) = $1
EXPLAIN EXECUTE p('Q')
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) EXECUTE p('Q')

# subscript and field games
SELECT (ARRAY(SELECT p FROM people p))[1].email
SELECT (SELECT array_agg(people) FROM people)[2]
SELECT (json_agg(people) -> 0 ->> 'email') FROM people
SELECT (ROW(email, card)::contact).tel, (ROW(id, email, 1)).f2 FROM people
SELECT (x).f1 FROM (SELECT ROW(email) AS x FROM people) y

# record types that come out of functions
SELECT * FROM json_to_recordset((SELECT json_agg(p) FROM people p)) AS x(id int, email text)
SELECT * FROM jsonb_populate_recordset(NULL::people, (SELECT jsonb_agg(p) FROM people p))
SELECT * FROM unnest((SELECT array_agg(p) FROM people p))
SELECT (unnest((SELECT array_agg(p) FROM people p))).email

# system columns and locks
SELECT ctid, tableoid, p.email FROM people p
SELECT email FROM people FOR UPDATE SKIP LOCKED
SELECT email FROM people FOR NO KEY UPDATE OF people NOWAIT

# tuples by their place
SELECT email FROM people WHERE ctid = '(0,1)'
SELECT upper(email) FROM people WHERE ctid = ANY (ARRAY['(0,1)'::tid, '(0,2)'])

# operators called by schema and by function
SELECT email OPERATOR(pg_catalog.||) '' FROM people
SELECT pg_catalog.textcat(email, ''), pg_catalog.text_larger(email, ''), pg_catalog.texteq(email, 'x'), pg_catalog.bttextcmp(email, 'M') FROM people
SELECT int4pl(pin, 0), numeric_add(salary, 0), date_pli(born, 0), numeric_cmp(salary, 500000), int4lt(pin, 5), uuid_cmp(uid, uid) FROM people
SELECT pg_catalog.like(email, 'K%'), textregexeq(email, 'x'), starts_with(email, 'K'), email ^@ 'K', text_pattern_lt(email, 'M') FROM people
SELECT hashtext(email) % 2, hash_array(tags), hash_range(span), hash_numeric(salary), hashbpchar(email) FROM people

# operators and casts of one's own
@steps
CREATE OPERATOR @@@ (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat)
SELECT email @@@ '' FROM people

# an operator that hides a common one
@steps
CREATE FUNCTION f(int, int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', (SELECT email FROM public.people WHERE id = 1); RETURN true; END'
CREATE SCHEMA mine
CREATE OPERATOR mine.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.f)
SET LOCAL search_path = mine, public, pg_catalog
SELECT id FROM queue WHERE id <= 1

# a function that hides a common one
@steps
CREATE FUNCTION upper(int) RETURNS text LANGUAGE sql AS 'SELECT email FROM people WHERE id = $1'
SELECT upper(id) FROM queue

# an aggregate of one's own
@steps
CREATE AGGREGATE glue (text) (SFUNC = textcat, STYPE = text, INITCOND = '')
SELECT glue(email) FROM people

# a type's own input
@steps
CREATE CAST (text AS int) WITH INOUT AS IMPLICIT
SELECT 1 + email FROM people WHERE id = 1
