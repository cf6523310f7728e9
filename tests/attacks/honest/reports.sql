-- As dashboards, reports and people at a prompt write them; nothing here shows or computes with a masked column.
SELECT date_trunc('month', "public"."orders"."placed") AS "placed", count(*) AS "count" FROM "public"."orders" GROUP BY date_trunc('month', "public"."orders"."placed") ORDER BY date_trunc('month', "public"."orders"."placed") ASC
SELECT "source"."city" AS "city", SUM("source"."total") AS "sum" FROM (SELECT "public"."orders"."total" AS "total", "People"."city" AS "city" FROM "public"."orders" LEFT JOIN "public"."people" AS "People" ON "public"."orders"."person" = "People"."id") AS "source" GROUP BY "source"."city" ORDER BY "source"."city" ASC
SELECT CAST("orders"."placed" AS DATE) AS "day", AVG("orders"."total") AS "avg:total:ok" FROM "public"."orders" "orders" WHERE (("orders"."placed" >= (TIMESTAMP '2026-01-01 00:00:00.000')) AND ("orders"."item" IN ('item 1', 'item 2'))) GROUP BY 1 HAVING (COUNT(1) > 0)
SELECT extract(epoch FROM placed) AS time, total::float AS value, item AS metric FROM orders WHERE placed BETWEEN '2026-01-01' AND '2026-02-01' ORDER BY 1
WITH monthly AS (SELECT to_char(placed, 'YYYY-MM') AS month, sum(total) AS revenue FROM orders GROUP BY 1), ranked AS (SELECT *, lag(revenue) OVER (ORDER BY month) AS before FROM monthly) SELECT month, revenue, round(100 * (revenue - before) / nullif(before, 0), 1) AS growth FROM ranked ORDER BY month
SELECT p.name, count(o.id) FILTER (WHERE o.email_sent) AS sent, count(o.id) AS all, coalesce(sum(o.total), 0) AS total FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.id, p.name ORDER BY total DESC, p.id LIMIT 5
SELECT city, percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM people JOIN orders ON orders.person = people.id GROUP BY ROLLUP (city) ORDER BY city NULLS LAST
SELECT count(*) FROM people
SELECT count(id), count(DISTINCT city) FROM people
SELECT name, city FROM people WHERE id BETWEEN 2 AND 6 AND name LIKE 'name%' ORDER BY name
SELECT id, name FROM contacts ORDER BY id
SELECT * FROM orders ORDER BY id LIMIT 3
SELECT o FROM orders o ORDER BY o.id LIMIT 2
SELECT to_jsonb(o) FROM orders o WHERE id = 1
SELECT json_agg(q) FROM (SELECT id, state FROM queue ORDER BY id) q
SELECT 'email' AS email, length('card'), 'DROP TABLE people' AS text
SELECT email_sent, NOT email_sent FROM orders ORDER BY id LIMIT 4
SELECT note.body AS email FROM notes note ORDER BY note.id
SELECT x.email FROM (SELECT body AS email FROM notes ORDER BY id) x WHERE x.email LIKE 'note%'
SELECT string_agg(state, ',' ORDER BY id), array_agg(id ORDER BY id) FROM queue
SELECT generate_series(1, 3) AS card
SELECT tableoid::regclass, paid, amount FROM payments WHERE amount > 3 ORDER BY id
SELECT p.id, l.item FROM people p CROSS JOIN LATERAL (SELECT item FROM orders o WHERE o.person = p.id ORDER BY o.id LIMIT 1) l ORDER BY p.id
SELECT id FROM people WHERE EXISTS (SELECT 1 FROM orders WHERE orders.person = people.id) ORDER BY id
SELECT id FROM people EXCEPT SELECT person FROM orders ORDER BY 1
SELECT add_one(id) FROM queue ORDER BY id
SELECT plain, id FROM vault."Odd.Name"
SELECT login FROM keys
SELECT id, desk FROM staff ORDER BY id
UPDATE queue SET state = upper(state) WHERE id = 1 RETURNING id, state
UPDATE people SET city = initcap(city) WHERE id = 2 RETURNING id, name, city
INSERT INTO notes (id, body, n) SELECT id + 900, item, person FROM orders WHERE id < 4 RETURNING id, body
DELETE FROM queue USING people p WHERE p.id = queue.id AND p.city = 'city 1' RETURNING queue.*
INSERT INTO people (id, name, email, card) VALUES (700, 'new', 'new@example.org', '1') RETURNING id, name
UPDATE people SET email = 'changed@example.org', card = NULL WHERE id = 3 RETURNING id
COPY (SELECT id, item, total FROM orders ORDER BY id) TO STDOUT (FORMAT csv, HEADER)
COPY queue TO STDOUT
EXPLAIN (COSTS OFF) SELECT * FROM orders WHERE id = 1
EXPLAIN (COSTS OFF) SELECT id, name FROM people WHERE id = 1
SHOW server_version
SELECT current_user, current_database(), version()
SELECT relname, reltuples FROM pg_class WHERE relname IN ('orders', 'queue') ORDER BY 1
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'people' ORDER BY ordinal_position
SELECT count(*) FROM pg_stat_activity WHERE datname = 'nobody'
SELECT schemaname, relname FROM pg_stat_user_tables WHERE relname = 'orders'
