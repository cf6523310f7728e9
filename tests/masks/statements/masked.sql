-- Each must pass, and show masks
SELECT email FROM customers
SELECT * FROM customers
TABLE customers
SELECT c.* FROM customers c
SELECT c.email, c.id FROM customers AS c
SELECT public.customers.email FROM public.customers
SELECT email AS id FROM customers
SELECT (email) FROM customers
SELECT email, email, name FROM customers
SELECT email FROM customers WHERE id = 1 ORDER BY id LIMIT 1
SELECT id, email FROM customers ORDER BY 1
SELECT email FROM ONLY customers
SELECT email FROM customers TABLESAMPLE SYSTEM (100)
SELECT email FROM customers FOR UPDATE
SELECT email FROM customers FOR SHARE OF customers
SELECT DISTINCT ON (id) id, email FROM customers
SELECT id, email FROM customers GROUP BY id
SELECT c.email, o.note FROM customers c JOIN orders o ON o.customer_id = c.id
SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id
SELECT c.email FROM customers c JOIN leads USING (id)
SELECT j.email FROM (customers c JOIN orders o ON true) AS j
SELECT j.* FROM (customers c JOIN orders o ON true) AS j
SELECT c.email FROM customers c NATURAL JOIN status s
WITH x AS (SELECT 1 AS id) SELECT email FROM customers JOIN x USING (id)
SELECT email, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) FROM customers c
SELECT email, row_number() OVER (ORDER BY id) FROM customers
SELECT mail FROM people
SELECT * FROM people
SELECT mail, extra FROM masked_people
SELECT * FROM events
SELECT payload FROM events_2024
SELECT contact FROM direct_view
SELECT * FROM view_on_view
SELECT * FROM direct_matview
SELECT * FROM vouched_view
SELECT e FROM alias_join_view
SELECT "Password", token FROM app.users
SELECT * FROM app.users
SELECT login, tags FROM app.users u
SELECT card, born, prefs, uid, feeling, phone FROM customers
SELECT pid, query FROM pg_stat_activity
SELECT * FROM pg_stats WHERE tablename = 'customers'
SELECT * FROM pg_statistic
SELECT rolname, rolpassword FROM pg_authid
SELECT * FROM activity_view
INSERT INTO customers (id, name, email) VALUES (70, 'x', 'SECRETnew') RETURNING *
INSERT INTO customers (id, name) VALUES (71, 'x') RETURNING email, phone
UPDATE customers SET name = 'y' WHERE id = 1 RETURNING email
UPDATE customers SET email = 'SECRETx' WHERE id = 1 RETURNING old.email, new.email
UPDATE customers SET name = 'y' RETURNING WITH (OLD AS before) before.email, before.*
UPDATE customers c SET name = 'y' FROM orders o WHERE o.customer_id = c.id RETURNING c.*, o.*
DELETE FROM other.leads RETURNING *
MERGE INTO customers c USING status s ON c.id = s.id WHEN MATCHED THEN UPDATE SET name = 'z' RETURNING c.email
INSERT INTO customers (id, name, email) VALUES (1, 'x', 'SECRETy') ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING email
BEGIN; DECLARE k CURSOR FOR SELECT email FROM customers; COMMIT
COPY customers TO STDOUT
COPY customers (email, id) TO STDOUT
COPY customers TO STDOUT (FORMAT csv, HEADER)
COPY customers TO STDOUT (FORMAT binary)
COPY BINARY customers TO STDOUT
COPY customers TO STDOUT CSV HEADER FORCE QUOTE *
COPY customers TO STDOUT (DELIMITER '|')
COPY customers TO STDOUT (FORMAT csv, NULL 'NIL', QUOTE '''', HEADER false)
COPY app.users TO STDOUT (FORMAT csv)
COPY app.users TO STDOUT
COPY (SELECT * FROM customers) TO STDOUT
COPY (SELECT id, c.* , 1 FROM customers c) TO STDOUT (FORMAT csv)
COPY (SELECT c.*, o.* FROM customers c JOIN orders o ON o.customer_id = c.id) TO STDOUT
COPY (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.id) TO STDOUT
COPY (SELECT j.* FROM (orders o JOIN customers c ON true) AS j) TO STDOUT
COPY (UPDATE customers SET name = 'q' RETURNING *) TO STDOUT
COPY (SELECT contact FROM direct_view) TO STDOUT
COPY masked_people TO STDOUT
COPY events_2024 TO STDOUT
COPY (TABLE events) TO STDOUT
EXPLAIN (COSTS OFF) SELECT * FROM customers
EXPLAIN (VERBOSE, COSTS OFF) SELECT email FROM customers
SELECT email FROM customers; SELECT * FROM customers
PREPARE q1 AS SELECT email FROM customers WHERE id = $1
SELECT * FROM computed
SELECT folded FROM computed
COPY (SELECT * FROM computed) TO STDOUT
SELECT * FROM customers ORDER BY 1
SELECT c.*, o.* FROM customers c, orders o ORDER BY 1, 3 DESC, 11
SELECT o.*, c.* FROM customers c, orders o ORDER BY 4
DELETE FROM orders USING customers c WHERE c.id = customer_id RETURNING c.email
UPDATE orders SET note = 'x' FROM customers c WHERE c.id = customer_id RETURNING c.*
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET note = 'x' RETURNING c.email, c.*
SELECT o.id, c.email FROM orders o LEFT JOIN customers c ON c.id = o.customer_id
SELECT o.id, c.email FROM customers c RIGHT JOIN orders o ON c.id = o.customer_id
SELECT o.id, c.email FROM customers c FULL JOIN orders o ON c.id = o.customer_id
SELECT email FROM customers c CROSS JOIN LATERAL (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) x
SELECT * FROM cards
SELECT info, more FROM cards
SELECT id, was FROM customers_history
TABLE customers_history
COPY cards TO STDOUT
COPY customers_history TO STDOUT (FORMAT binary)
-- values that are computed with masked ones, or come a longer way
SELECT a FROM customers AS c(a, b)
SELECT b FROM customers AS c(a, b)
SELECT c.x FROM (customers a JOIN orders o ON a.id = o.id) AS c(w, x)
SELECT upper(b) FROM customers AS c(a, b)
SELECT c FROM customers c
SELECT customers FROM customers
SELECT customers FROM public.customers
SELECT j FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT upper(j.email) FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT j.*::text FROM (customers c JOIN orders o ON c.id = o.id) AS j
SELECT public.customers.email || '' FROM public.customers
SELECT customers.* IS NULL FROM customers
SELECT upper(email) FROM ONLY customers
SELECT upper(email) FROM customers TABLESAMPLE SYSTEM (100)
SELECT upper(email) FROM orders, customers
SELECT upper(email) FROM customers FOR UPDATE
SELECT 1 FROM (TABLE customers) x
SELECT x.* FROM (SELECT * FROM customers) x
SELECT * FROM (SELECT c.* FROM customers c) x
SELECT * FROM customers UNION ALL SELECT * FROM customers
WITH x AS (TABLE customers) SELECT email FROM x
WITH x AS (SELECT * FROM customers) SELECT email FROM x
WITH customers AS (SELECT * FROM customers) SELECT email FROM customers
WITH x AS (WITH customers AS (SELECT 1 AS email) SELECT 1) SELECT upper(email) FROM customers, x
WITH a AS (SELECT upper(email) AS e FROM customers), customers AS (SELECT 1) SELECT e FROM a
WITH customers AS (SELECT 1) SELECT upper(email) FROM public.customers
WITH x AS (UPDATE customers SET name = name RETURNING email) SELECT * FROM x
WITH x AS (INSERT INTO customers (id, name) VALUES (99, 'x') RETURNING customers) SELECT * FROM x
SELECT (SELECT email FROM orders LIMIT 1) FROM customers
SELECT (SELECT x.e FROM (SELECT email AS e) x) FROM customers
SELECT ARRAY(SELECT email FROM customers)
SELECT * FROM computed_view
SELECT id FROM row_view
SELECT * FROM nested_view
SELECT * FROM union_view
SELECT * FROM join_row_view
SELECT * FROM deep_view
SELECT id FROM computed_matview
SELECT * FROM row_text_view
SELECT upper(contact) FROM direct_view
SELECT upper(again) FROM view_on_view
SELECT upper(contact) FROM direct_matview
SELECT upper(contact) FROM vouched_view
SELECT upper(query) FROM activity_view
SELECT direct_view FROM direct_view
SELECT upper(mail) FROM people
SELECT upper(mail) FROM ONLY people
SELECT upper(mail) FROM masked_people
SELECT upper(payload) FROM events
SELECT upper(payload) FROM events_2024
SELECT e FROM events e
UPDATE customers SET name = name RETURNING old
UPDATE customers SET name = name RETURNING new
UPDATE customers SET name = name RETURNING upper(old.email)
UPDATE customers SET name = name RETURNING WITH (OLD AS o) upper(o.email)
UPDATE customers SET name = name RETURNING WITH (OLD AS o) o
UPDATE customers SET name = name RETURNING customers
DELETE FROM customers WHERE id = 99 RETURNING email = 'a'
MERGE INTO customers c USING status s ON c.id = s.id WHEN MATCHED THEN DO NOTHING RETURNING c
SELECT peek_agg(1)
SELECT peek_agg(id) OVER () FROM orders
SELECT upper(query) FROM pg_stat_activity
SELECT most_common_vals::text FROM pg_stats
SELECT pg_stats FROM pg_stats
SELECT length(histogram_bounds::text) FROM pg_stats
SELECT array_to_string(stavalues1, ',') FROM pg_statistic
SELECT s::text FROM pg_catalog.pg_statistic s
SELECT upper(statement) FROM pg_prepared_statements
SELECT upper(rolpassword) FROM pg_authid
SELECT passwd || '' FROM pg_shadow
COPY (SELECT * FROM customers c JOIN orders o USING (id)) TO STDOUT
COPY (SELECT * FROM customers, (SELECT 1) x) TO STDOUT
COPY (SELECT c FROM customers c) TO STDOUT
SELECT c.row_to_json FROM customers c
SELECT (c).to_jsonb FROM customers c
SELECT 1; SELECT upper(email) FROM customers
BEGIN; SELECT upper(email) FROM customers; COMMIT
SELECT upper(folded) FROM computed
SELECT * FROM customers c JOIN orders o USING (id) ORDER BY 1
SELECT (info).email FROM cards
SELECT (info).* FROM cards
SELECT info::text FROM cards
SELECT (was).email FROM customers_history
SELECT h.was::text FROM customers_history h
SELECT e FROM cards_view
