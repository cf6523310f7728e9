-- {e} is a mention; every context makes something of it
SELECT md5(({e})::text) FROM customers c
SELECT ({e})::text || '' FROM customers c
SELECT id FROM customers c WHERE ({e})::text LIKE 'S%'
SELECT id FROM customers c WHERE ({e})::text = ANY ('{a,b}')
SELECT id FROM customers c ORDER BY ({e})
SELECT id FROM customers c ORDER BY ({e})::text USING <
SELECT count(*) FROM customers c GROUP BY ({e})
SELECT count(*) FROM customers c GROUP BY ROLLUP (({e}))
SELECT count(*) FROM customers c HAVING max(({e})::text) > 'a'
SELECT string_agg(({e})::text, ',') FROM customers c
SELECT count(*) FILTER (WHERE ({e})::text > 'a') FROM customers c
SELECT count(DISTINCT ({e})) FROM customers c
SELECT row_number() OVER (ORDER BY ({e})) FROM customers c
SELECT row_number() OVER w FROM customers c WINDOW w AS (PARTITION BY ({e}))
SELECT DISTINCT ON (({e})) id FROM customers c
SELECT CASE WHEN ({e})::text > 'a' THEN 1 END FROM customers c
SELECT ARRAY[({e})::text] FROM customers c
SELECT ROW(({e}), 1) FROM customers c
SELECT json_build_object('a', ({e})) FROM customers c
SELECT JSON_OBJECT('a': ({e})) FROM customers c
SELECT x.e FROM (SELECT ({e}) AS e FROM customers c) x
SELECT (SELECT ({e})::text FROM customers c LIMIT 1)
SELECT 1 WHERE 'SECRET1@example.com' IN (SELECT ({e})::text FROM customers c)
SELECT 1 WHERE EXISTS (SELECT 1 FROM customers c WHERE ({e})::text > 'a')
SELECT 1 WHERE EXISTS (SELECT ({e})::text FROM customers c GROUP BY 1 HAVING count(*) > 1)
WITH x AS (SELECT ({e}) AS e FROM customers c) SELECT e FROM x
WITH x AS MATERIALIZED (SELECT ({e})::text AS e FROM customers c) SELECT * FROM x
WITH RECURSIVE x AS (SELECT ({e})::text AS e FROM customers c UNION ALL SELECT e FROM x WHERE false) TABLE x
SELECT ({e})::text FROM customers c UNION SELECT 'a'
SELECT 'a' UNION ALL SELECT ({e})::text FROM customers c
SELECT o.id FROM orders o JOIN customers c ON ({e})::text > o.note
SELECT l.e FROM customers c, LATERAL (SELECT ({e})::text AS e) l
SELECT l.e FROM customers c CROSS JOIN LATERAL unnest(ARRAY[({e})::text]) l(e)
SELECT l FROM customers c, LATERAL ROWS FROM (upper(({e})::text)) l
SELECT * FROM customers c, JSON_TABLE(to_jsonb(({e})), '$' COLUMNS (a text PATH '$')) t
SELECT id FROM customers c LIMIT (SELECT length(({e})::text) FROM customers c LIMIT 1)
VALUES ((SELECT ({e})::text FROM customers c LIMIT 1))
INSERT INTO status (status) SELECT ({e})::text FROM customers c
INSERT INTO status (status) VALUES ((SELECT ({e})::text FROM customers c LIMIT 1))
INSERT INTO status (status) VALUES ('x') RETURNING (SELECT ({e})::text FROM customers c LIMIT 1)
CREATE TABLE stolen AS SELECT ({e}) AS e FROM customers c
CREATE TEMP TABLE stolen AS SELECT ({e})::text AS e FROM customers c
SELECT ({e}) AS e INTO stolen FROM customers c
CREATE VIEW stolen AS SELECT ({e}) AS e FROM customers c
CREATE MATERIALIZED VIEW stolen AS SELECT ({e})::text AS e FROM customers c
UPDATE orders SET note = (SELECT ({e})::text FROM customers c LIMIT 1)
UPDATE orders o SET note = ({e})::text FROM customers c WHERE c.id = o.customer_id
UPDATE customers c SET name = ({e})::text
UPDATE customers c SET name = 'x' WHERE ({e})::text > 'a'
UPDATE customers c SET name = 'x' RETURNING upper(({e})::text)
UPDATE customers c SET (name, city) = (SELECT ({e})::text, 'x')
DELETE FROM customers c WHERE ({e})::text > 'a'
DELETE FROM orders o USING customers c WHERE ({e})::text > o.note
DELETE FROM status RETURNING (SELECT ({e})::text FROM customers c LIMIT 1)
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET note = ({e})::text
MERGE INTO orders o USING customers c ON ({e})::text > o.note WHEN MATCHED THEN DELETE
MERGE INTO orders o USING customers c ON o.id = c.id + 90 WHEN MATCHED AND ({e})::text > 'a' THEN DELETE
MERGE INTO status s USING customers c ON false WHEN NOT MATCHED THEN INSERT (status) VALUES (({e})::text)
COPY (SELECT upper(({e})::text) FROM customers c) TO STDOUT
COPY (SELECT id FROM customers c WHERE ({e})::text > 'a') TO STDOUT
EXPLAIN ANALYZE SELECT id FROM customers c WHERE ({e})::text > 'a'
EXPLAIN SELECT id FROM customers c WHERE ({e})::text = 'a'
PREPARE p AS SELECT upper(({e})::text) FROM customers c
BEGIN; DECLARE k CURSOR FOR SELECT upper(({e})::text) FROM customers c
ALTER TABLE orders ADD CHECK (note <> (SELECT ({e})::text FROM customers c LIMIT 1))
SET x.y = 'a'; SELECT set_config('x.y', ({e})::text, false) FROM customers c
SELECT pg_notify('ch', ({e})::text) FROM customers c
