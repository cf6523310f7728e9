-- Each passes, shows masks, and tells of masked values by what it decides: it counts as a probe
SELECT email AS e FROM customers ORDER BY e
SELECT email AS e, id FROM customers ORDER BY id, e DESC
SELECT email FROM customers ORDER BY 1
SELECT id, email FROM customers ORDER BY 2
SELECT * FROM customers ORDER BY 2
SELECT id, c.* FROM customers c ORDER BY 3
SELECT email AS e, count(*) FROM customers GROUP BY e
SELECT email, count(*) FROM customers GROUP BY 1
SELECT email, count(*) FROM customers GROUP BY ROLLUP (1)
SELECT email, count(*) FROM customers GROUP BY GROUPING SETS ((1), ())
SELECT DISTINCT email FROM customers
SELECT DISTINCT * FROM customers
SELECT DISTINCT ON (1) email FROM customers
SELECT DISTINCT ON (e) email AS e FROM customers
TABLE customers ORDER BY email
SELECT * FROM (SELECT * FROM customers LIMIT 1) x WHERE x.email > 'a'
SELECT email FROM customers EXCEPT SELECT 'a'
(SELECT email FROM customers) INTERSECT (SELECT 'SECRET1@example.com')
SELECT count(*) FROM customers JOIN other.leads USING (email)
SELECT count(*) FROM customers NATURAL JOIN other.leads
SELECT count(*) FROM other.leads NATURAL JOIN customers
SELECT count(*) FROM customers NATURAL JOIN (SELECT 'SECRET1@example.com' AS email) x
SELECT count(*) FROM customers c JOIN (SELECT 'SECRET1@example.com' AS e) x ON x.e = c.email
SELECT count(*) FROM customers c JOIN customers d USING (email)
SELECT x.email FROM customers c JOIN customers d USING (email) AS x
SELECT count(*) FROM (customers c JOIN orders o ON true) AS j WHERE j.email > 'a'
SELECT count(*) FROM (customers c JOIN orders o ON true) AS j NATURAL JOIN other.leads
SELECT (SELECT count(*) FROM orders WHERE email > 'a') FROM customers
SELECT (SELECT max(x) FROM generate_series(1, length(email)) x) FROM customers
SELECT (SELECT 1 FROM status s JOIN orders o ON email = 'a' LIMIT 1) FROM customers
SELECT id FROM orders o WHERE (SELECT email FROM customers c WHERE c.id = o.customer_id) > 'a'
SELECT id FROM orders o WHERE o.customer_id IN (SELECT c.id FROM customers c WHERE c.email > 'a')
SELECT id FROM orders o WHERE EXISTS (SELECT * FROM customers c WHERE c.email > o.note)
SELECT EXISTS (SELECT email FROM customers INTERSECT SELECT 'SECRET1@example.com')
SELECT EXISTS (SELECT DISTINCT ON (email) 1 FROM customers)
SELECT id FROM filtering_view
SELECT id FROM using_view
SELECT * FROM cte_view
SELECT n FROM grouped_view
SELECT id FROM function_view
SELECT e FROM operator_view
SELECT contact FROM direct_view GROUP BY contact
INSERT INTO customers (id, name, email) SELECT 90, 'x', email FROM customers LIMIT 1
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE c.email > 'a'
INSERT INTO status (status) TABLE customers
SELECT * FROM computed ORDER BY 3
SELECT c.*, o.* FROM customers c JOIN orders o USING (id) ORDER BY 2
SELECT (more[1]).email FROM cards
SELECT * FROM cards WHERE info > ROW('1', 'S')::contact
SELECT o.note_len FROM orders o
SELECT (o).note_len FROM orders o
SELECT orders.note_len FROM orders
SELECT public.orders.note_len FROM public.orders
SELECT peek()
SELECT public.peek()
SELECT * FROM peek()
SELECT id, email, card FROM peek_all()
SELECT * FROM ROWS FROM (peek())
SELECT (peek_all()).email
SELECT initcap(o) FROM orders o
SELECT other.shadow('x')
SELECT id FROM orders ORDER BY peek()
SELECT 1 WHERE peek() > 'a'
