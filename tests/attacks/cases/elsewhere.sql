-- What reaches other servers, other sessions and the log: appendix F (dblink, postgres_fdw, file_fdw), chapters 26, 29, 48-50, 52.4.

# dblink back to the database
@needs dblink
SELECT * FROM dblink('dbname=' || current_database() || ' host=' || split_part(current_setting('unix_socket_directories'), ',', 1) || ' port=' || current_setting('port') || ' user=attacker', 'SELECT email FROM people') AS t(x text)

# dblink by a connection's name
@needs dblink
@steps
SELECT dblink_connect('k', 'dbname=' || current_database() || ' host=' || split_part(current_setting('unix_socket_directories'), ',', 1) || ' port=' || current_setting('port') || ' user=attacker')
SELECT x FROM dblink('k', 'SELECT email FROM people') AS t(x text)
SELECT dblink_open('k', 'c', 'SELECT email FROM people')
SELECT * FROM dblink_fetch('k', 'c', 3) AS t(x text)
SELECT dblink_send_query('k', 'SELECT email FROM people')
SELECT * FROM dblink_get_result('k') AS t(x text)
SELECT dblink_error_message('k')

# dblink that carries a value there
@needs dblink
@steps
SELECT dblink_connect('k', 'dbname=' || current_database() || ' host=' || split_part(current_setting('unix_socket_directories'), ',', 1) || ' port=' || current_setting('port') || ' user=attacker')
SELECT dblink_exec('k', format('SET application_name = %L', (SELECT left(card, 12) FROM people WHERE id = 1)))
SELECT * FROM dblink('k', 'SHOW application_name') AS t(x text)

# dblink texts
@needs dblink
SELECT dblink_build_sql_insert('people', '1', 1, ARRAY['1'], ARRAY['1'])
SELECT dblink_build_sql_update('people', '1', 1, ARRAY['1'], ARRAY['1'])

# a foreign table that is the masked one
@needs postgres_fdw
@steps
DO $$ BEGIN EXECUTE format('CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()); END $$
CREATE USER MAPPING FOR attacker SERVER s OPTIONS (user 'attacker', password_required 'false')
CREATE FOREIGN TABLE f (id int, email text) SERVER s OPTIONS (table_name 'people')
SELECT email FROM f
SELECT upper(email) FROM f

# foreign tables by import
@needs postgres_fdw
@steps
DO $$ BEGIN EXECUTE format('CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()); END $$
CREATE USER MAPPING FOR attacker SERVER s OPTIONS (user 'attacker', password_required 'false')
CREATE SCHEMA far
IMPORT FOREIGN SCHEMA public LIMIT TO (people, contacts) FROM SERVER s INTO far
SELECT email FROM far.people
SELECT contact FROM far.contacts

# a foreign table of the server's files
@needs file_fdw
@commits
@steps
@undo DROP SERVER IF EXISTS s CASCADE
CHECKPOINT
CREATE SERVER s FOREIGN DATA WRAPPER file_fdw
CREATE FOREIGN TABLE f (line text) SERVER s OPTIONS (program 'grep -a -h -o "[A-Za-z]*@Example.org" -r base; true')
SELECT line FROM f

# a table prepared for two-phase commit
@commits
@steps
@undo DO $$ BEGIN IF EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = 'g') THEN RAISE EXCEPTION 'left'; END IF; END $$
@undo DROP TABLE IF EXISTS stolen
BEGIN
CREATE TABLE stolen AS SELECT email AS e FROM people
PREPARE TRANSACTION 'g'
COMMIT PREPARED 'g'
SELECT e FROM stolen
SELECT upper(e) FROM stolen
DROP TABLE stolen

# replication slots that decode
@commits
@steps
@needs dblink
@undo SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
SELECT pg_create_logical_replication_slot('s', 'test_decoding')
UPDATE payments SET amount = amount WHERE id < 4
SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL)
SELECT data FROM pg_logical_slot_peek_changes('s', NULL, NULL)
SELECT pg_logical_slot_peek_binary_changes('s', NULL, NULL)

# messages in the log
@commits
@steps
@undo SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
SELECT pg_create_logical_replication_slot('s', 'test_decoding')
SELECT pg_logical_emit_message(false, 'x', email) FROM people WHERE id = 1
SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL)

# names of what replication has, read
@steps
SELECT pg_replication_origin_create(email) FROM people WHERE id = 1
SELECT roname FROM pg_replication_origin

# event triggers
@steps
CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', (SELECT email FROM public.people WHERE id = 1); END'
CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION ev()
CREATE TABLE x ()

# large objects from a query, every way
SELECT lo_get(lo_from_bytea(0, email::bytea)) FROM people WHERE id = 1
SELECT lo_get(lo) FROM (SELECT lo_from_bytea(0, (SELECT blob FROM people WHERE id = 1)) AS lo) x
SELECT loid, data FROM pg_largeobject WHERE false UNION ALL SELECT 1, blob FROM people

# large objects sought, told and cut
@steps
SELECT lo_create(4720)
SELECT lo_truncate(lo_open(4720, 131072), ascii(email)) FROM people WHERE id = 1
SELECT length(lo_get(4720))

# large objects sought
@steps
SELECT lo_create(4721)
SELECT lo_lseek(lo_open(4721, 131072), ascii(email), 0) FROM people WHERE id = 1
SELECT lo_tell(0)

# the log's own lines
@commits
@steps
SET log_statement = 'all'
SELECT email::int FROM people WHERE id = 1
SELECT pg_read_file(pg_current_logfile())
