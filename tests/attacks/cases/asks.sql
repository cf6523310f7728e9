-- Bits that only behaviour tells, though no value and no condition of the client's shows: `source` must give none of them.

# conditions in writes
@probe
UPDATE queue SET state = 'x' WHERE id IN (SELECT id FROM people WHERE vip)
DELETE FROM queue WHERE (SELECT email FROM people WHERE people.id = queue.id) > 'M'
UPDATE queue SET state = 'x' FROM people p WHERE p.id = queue.id AND p.salary > 500000 RETURNING queue.id
MERGE INTO queue q USING people p ON q.id = p.id AND p.vip WHEN MATCHED THEN DELETE
INSERT INTO notes (body) SELECT name FROM people WHERE vip
UPDATE people SET name = 'x' WHERE vip
DELETE FROM staff WHERE vip
UPDATE people SET city = 'x' WHERE vip RETURNING id
MERGE INTO people p USING queue q ON p.id = q.id AND p.email > 'M' WHEN MATCHED THEN UPDATE SET city = 'x'
MERGE INTO people p USING queue q ON p.id = q.id WHEN MATCHED AND p.vip THEN UPDATE SET city = 'x'

# unique values that exist
@steps
@probe
CREATE TEMP TABLE t (e text PRIMARY KEY)
INSERT INTO t SELECT left(email, 1) FROM people WHERE id < 7

# unique values, kept apart by ON CONFLICT
@probe
@alone
CREATE TEMP TABLE t (e bool PRIMARY KEY); INSERT INTO t SELECT vip FROM people WHERE id IN (1, 8) ON CONFLICT DO NOTHING

# a limit, and rows that are locked
@probe
SELECT id FROM people WHERE vip ORDER BY id FOR UPDATE SKIP LOCKED

# COPY with a condition
@probe
COPY (SELECT id FROM people WHERE vip) TO STDOUT

# cursors over conditions
@probe
@steps
DECLARE c CURSOR FOR SELECT id FROM people WHERE vip ORDER BY id
MOVE ALL IN c
FETCH BACKWARD ALL FROM c

# errors under a condition
@probe
SELECT 1 / (id - 1) FROM people WHERE vip AND id = 1
SELECT id / 0 FROM people WHERE email > 'T' AND id = 2
