-- How a value may travel inside one statement: chapters 7 (queries) and the pages of SELECT, VALUES, TABLE, WITH.

# sub-selects
SELECT (SELECT email FROM people WHERE id = o.person) FROM orders o
SELECT x.e FROM (SELECT email AS e FROM people) x
SELECT e FROM (SELECT e FROM (SELECT email FROM people) a(e)) b
SELECT (SELECT string_agg(email, ',') FROM people)
SELECT (SELECT x FROM (SELECT p.email) y(x)) FROM people p
SELECT * FROM (TABLE people) x
SELECT * FROM (VALUES ((SELECT email FROM people WHERE id = 1)), ('x')) v

# WITH
WITH x AS (SELECT email AS name, id FROM people) SELECT name FROM x
WITH x(a, b) AS (SELECT id, card FROM people) SELECT b FROM x
WITH x AS MATERIALIZED (TABLE people) SELECT x.ssn FROM x
WITH people AS (SELECT email AS name FROM people) SELECT name FROM people
WITH RECURSIVE r(n, t) AS (SELECT 1, email FROM people WHERE id = 1 UNION ALL SELECT n + 1, t FROM r WHERE n < 3) SELECT t FROM r
WITH RECURSIVE r(n, t, rest) AS (SELECT 0, '', email FROM people WHERE id = 1 UNION ALL SELECT n + 1, left(rest, 1), substr(rest, 2) FROM r WHERE n < 14) SELECT t FROM r
WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT id + 100, email FROM r WHERE id < 100) SEARCH DEPTH FIRST BY email SET o SELECT o FROM r
WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT id, email FROM r WHERE id < 100) CYCLE email SET c USING p SELECT p FROM r

# data-changing WITH
WITH x AS (UPDATE people SET name = name RETURNING email) SELECT * FROM x
WITH x AS (DELETE FROM staff RETURNING *) SELECT email FROM x
WITH x AS (INSERT INTO notes (body) SELECT email FROM people RETURNING body) SELECT body FROM x
WITH x AS (UPDATE notes SET body = p.email FROM people p WHERE p.id = notes.id RETURNING notes.body) TABLE x

# set operations
@probe
SELECT email FROM people UNION SELECT 'x'
SELECT 'x' UNION ALL SELECT card FROM people
SELECT name FROM people UNION SELECT ssn FROM people
(SELECT email FROM people) INTERSECT (SELECT email FROM people)
SELECT email FROM people EXCEPT ALL SELECT 'x'
SELECT name, city FROM people WHERE false UNION ALL SELECT email, card FROM people
SELECT id FROM people UNION SELECT pin FROM people
VALUES ('x') UNION ALL SELECT email FROM people

# joins and their columns
SELECT a.email FROM people a JOIN people b USING (email)
SELECT email FROM people a FULL JOIN (SELECT 'x' AS email) b USING (email)
SELECT email FROM (SELECT 'x' AS email) b NATURAL FULL JOIN people
SELECT j.b2 FROM (people p JOIN orders o ON o.person = p.id) AS j(a, b, c, d, b2)
SELECT j.email FROM (people p CROSS JOIN queue) AS j
SELECT u.email FROM people a JOIN people b USING (email) AS u
SELECT m FROM orders LEFT JOIN LATERAL (SELECT email AS m FROM people WHERE id = orders.person) l ON true
SELECT l.* FROM people p, LATERAL (SELECT p.email, p.card) l
SELECT l.x FROM people p CROSS JOIN LATERAL (VALUES (p.email), (p.card)) l(x)
SELECT f FROM people p, LATERAL unnest(ARRAY[p.email]) f
SELECT f FROM people p, concat(p.email, '') f

# groups, aggregates
SELECT max(email), min(card), string_agg(ssn, ','), array_agg(phone), any_value(email) FROM people
@server 16
# aggregates of numbers and truth
@probe
SELECT sum(salary), avg(pin), stddev(salary), bit_and(pin), bit_or(pin), bit_xor(pin), every(vip), bool_or(vip) FROM people
SELECT sum(salary) FROM people WHERE id = 1
SELECT corr(pin, salary), regr_slope(pin, id), covar_pop(salary, id), var_pop(pin), max(born), range_agg(span), range_intersect_agg(span) FROM people
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY email), mode() WITHIN GROUP (ORDER BY card), percentile_cont(0.5) WITHIN GROUP (ORDER BY pin) FROM people
SELECT rank('M') WITHIN GROUP (ORDER BY email), dense_rank(500000) WITHIN GROUP (ORDER BY salary), cume_dist('M') WITHIN GROUP (ORDER BY email) FROM people
SELECT count(*) FILTER (WHERE email > 'M'), string_agg(name, ',') FILTER (WHERE vip), string_agg(name, ',' ORDER BY email) FROM people
SELECT array_agg(id ORDER BY salary), json_agg(id ORDER BY email) FROM people
SELECT count(DISTINCT left(email, 1)), sum(DISTINCT pin) FROM people
SELECT city, max(email) FROM people GROUP BY city HAVING max(email) > 'A' ORDER BY 1
SELECT pg_catalog.max(p.email) FROM people p

# keys of groups
@probe
SELECT email FROM people GROUP BY email
SELECT left(email, 9), count(*) FROM people GROUP BY 1
SELECT email, count(*) FROM people GROUP BY ROLLUP (email)
SELECT GROUPING(email), email FROM people GROUP BY CUBE (email)
SELECT salary FROM people GROUP BY DISTINCT salary
SELECT DISTINCT email FROM people
SELECT DISTINCT ON (email) card FROM people
SELECT DISTINCT left(email, 8) FROM people

# windows
@probe
SELECT lag(email) OVER (ORDER BY id), lead(card) OVER (ORDER BY id), first_value(ssn) OVER (ORDER BY id) FROM people
SELECT nth_value(email, 2) OVER w, last_value(email) OVER w, max(email) OVER w FROM people WINDOW w AS (ORDER BY id)
SELECT id, row_number() OVER (ORDER BY email), rank() OVER (ORDER BY salary), ntile(4) OVER (ORDER BY pin) FROM people ORDER BY id
SELECT id, cume_dist() OVER (ORDER BY salary), percent_rank() OVER (ORDER BY email), dense_rank() OVER (ORDER BY vip) FROM people ORDER BY id
SELECT id, count(*) OVER (PARTITION BY left(email, 1)), sum(id) OVER (ORDER BY salary RANGE BETWEEN 100000 PRECEDING AND CURRENT ROW) FROM people ORDER BY id
SELECT id, lag(id) OVER (ORDER BY born), first_value(name) OVER (ORDER BY email), string_agg(name, ',') OVER (ORDER BY pin) FROM people ORDER BY id
SELECT id, count(*) OVER w FROM people WINDOW w AS (ORDER BY pin ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) ORDER BY id
SELECT id, lead(id, length(email)) OVER (ORDER BY id), lag(id, pin % 5) OVER (ORDER BY id), ntile((pin % 5 + 1)::int) OVER (ORDER BY id) FROM people ORDER BY id
SELECT id, sum(1) OVER (ORDER BY id ROWS BETWEEN (SELECT length(email) FROM people WHERE id = 1) PRECEDING AND CURRENT ROW) FROM orders ORDER BY id
SELECT id, sum(1) FILTER (WHERE vip) OVER (ORDER BY id) FROM people ORDER BY id

# conditions, which only ask
@probe
SELECT id FROM people WHERE email LIKE 'D%' ORDER BY id
SELECT name FROM people WHERE salary > 500000
SELECT count(*) FROM people WHERE salary < 400000
SELECT id FROM orders WHERE person IN (SELECT id FROM people WHERE vip)
SELECT id FROM queue WHERE EXISTS (SELECT FROM people WHERE salary < 200000)
SELECT a.id, b.id FROM people a JOIN people b ON a.email < b.email
SELECT id FROM people WHERE ascii(substr(email, 1, 1)) > 77 ORDER BY id
SELECT 1 WHERE (SELECT email FROM people WHERE id = 1) > 'N'
SELECT p.id FROM people p JOIN folded f ON lower(p.email) > f.email
SELECT id FROM people GROUP BY id HAVING max(email) > 'M'
SELECT id FROM contacts WHERE contact > 'M'
SELECT name FROM rich
SELECT id FROM people WHERE email ~ '^[A-M]' OR id = 3

# orders, limits and what is chosen by them
@probe
SELECT id FROM people ORDER BY email
SELECT name FROM people ORDER BY salary DESC LIMIT 1
SELECT id FROM people ORDER BY length(email), id
SELECT id FROM people ORDER BY vip, id FETCH FIRST 3 ROWS WITH TIES
SELECT id FROM orders ORDER BY (SELECT email FROM people WHERE people.id = orders.person), id
SELECT id FROM orders ORDER BY id LIMIT (SELECT length(email) FROM people WHERE id = 1)
SELECT id FROM orders ORDER BY id OFFSET (SELECT length(card) FROM people WHERE id = 1)
SELECT DISTINCT ON (left(email, 1)) id FROM people ORDER BY left(email, 1), id
SELECT id FROM people ORDER BY email USING <
SELECT id FROM people ORDER BY CASE WHEN vip THEN id ELSE -id END

# set-returning functions whose number of rows is a value
@probe
SELECT name FROM people, generate_series(1, length(email)) ORDER BY id
SELECT p.id FROM people p, regexp_split_to_table(email, 'x')
SELECT id FROM people, unnest(string_to_array(email, 'q'))

# scalar answers to a question
@probe
SELECT (SELECT count(*) FROM people WHERE email > 'M')
SELECT EXISTS (SELECT FROM people WHERE email > 'N' AND id = 1)
SELECT 5 IN (SELECT id FROM people WHERE vip), 500000 > ALL (SELECT salary FROM people WHERE id < 3)
SELECT ARRAY(SELECT id FROM people ORDER BY email)
SELECT (SELECT id FROM people ORDER BY email LIMIT 1), (SELECT name FROM people ORDER BY salary LIMIT 1)
SELECT o.id, (SELECT vip FROM people p WHERE p.id = o.person) FROM orders o ORDER BY 1
SELECT id, (SELECT count(*) FROM people q WHERE q.email < p.email) FROM people p ORDER BY id
SELECT id, EXISTS (SELECT FROM people q WHERE q.pin < p.pin AND q.id <> p.id) FROM people p ORDER BY id
SELECT CASE WHEN EXISTS (SELECT FROM people WHERE id = 1 AND vip) THEN 'yes' ELSE 'no' END, NOT EXISTS (SELECT FROM people WHERE id = 2 AND vip)
SELECT count(*) FROM (SELECT DISTINCT left(email, 1) FROM people) x
SELECT sum(id) FROM people WHERE vip
SELECT string_agg(id::text, ',' ORDER BY email) FROM people
SELECT (SELECT array_agg(id) FROM people WHERE grade = 'top')

# numbers of rows from rows that a value chose
@probe
SELECT count(*) FROM people WHERE email > 'M'
SELECT city, count(*) FROM people WHERE vip GROUP BY city ORDER BY city
SELECT max(id) FROM people WHERE salary > 500000
SELECT id, row_number() OVER (ORDER BY id) FROM people WHERE vip

# names in scope and out of scope
SELECT (SELECT email) FROM people
SELECT (SELECT email FROM queue LIMIT 1) FROM people
SELECT x.email FROM queue q, LATERAL (SELECT email FROM people WHERE id = q.id) x
SELECT ("people"."email") FROM public.people
SELECT PUBLIC.PEOPLE.EMAIL FROM PUBLIC.PEOPLE
SELECT U&"\0065mail" FROM people
SELECT U&"!0065mail" UESCAPE '!' FROM U&"p\0065ople"

# odd names
SELECT "E-Mail ""x""", "Größe" FROM vault."Odd.Name"
SELECT upper("Größe"), o."E-Mail ""x""" || '' FROM vault."Odd.Name" o
SELECT o FROM vault."Odd.Name" o
SELECT U&"Gr\00F6\00DFe" FROM vault.U&"Odd\002EName"
COPY vault."Odd.Name" TO STDOUT

# samples, ONLY, children, partitions
SELECT email FROM ONLY people
SELECT * FROM staff
SELECT email FROM people * TABLESAMPLE SYSTEM (100)
SELECT token FROM payments
SELECT upper(token) FROM payments_25
SELECT tableoid::regclass, token FROM payments_26
SELECT payments_25 FROM payments_25
SELECT p FROM payments p

# views
SELECT contact FROM contacts
SELECT upper(contact) FROM contacts
SELECT initial FROM initials
SELECT total FROM totals
SELECT everything FROM whole
SELECT (everything).email FROM whole
SELECT a FROM renamed
SELECT email FROM everyone
SELECT contact, loud FROM mail_list
SELECT max(loud) FROM mail_list
SELECT contacts FROM contacts

# composite types, domains and generated columns
SELECT info, more, home FROM profiles
SELECT (info).mail, (info).*, more[1], (more[1]).mail, (more[1:1]) FROM profiles
SELECT home::text, upper(home), home || '' FROM profiles
SELECT m FROM profiles, unnest(more) m
SELECT mail FROM profiles, unnest(more)
SELECT lower_email, upper(lower_email), email FROM folded
SELECT ROW('1', home)::contact FROM profiles
SELECT mail(info) FROM profiles

# stars in lists of values
SELECT v.column5 FROM people p, LATERAL (VALUES (p.*)) v
SELECT v.b FROM people p, LATERAL (VALUES (1, p.*)) v(a, x1, x2, x3, x4, b)
SELECT (SELECT column5 FROM (VALUES (p.*)) q) FROM people p
SELECT to_jsonb(x) -> 'column6' FROM (SELECT v.* FROM people p, LATERAL (VALUES (p.id, p.*)) v) x
SELECT v.column2 FROM profiles p, LATERAL (VALUES ((p.info).*)) v
COPY (SELECT v.column5 FROM people p, LATERAL (VALUES (p.*)) v) TO STDOUT
[17] MERGE INTO queue q USING (SELECT v.* FROM people p, LATERAL (VALUES (p.*)) v) s ON q.id = s.column1 WHEN MATCHED THEN UPDATE SET state = 'x' RETURNING s.column5

# conditions over them
@probe
SELECT EXISTS (SELECT 1 FROM (VALUES (p.*)) v(a, b, c, d, x) WHERE x LIKE 'Q%') FROM people p

# comparisons that fail or not
@probe
SELECT a.r = b.r FROM (SELECT r FROM (SELECT vip x, 1 y FROM people WHERE id = 1) r) a, (SELECT r FROM (SELECT true, 'y'::text) r) b
SELECT greatest(a.r, b.r) FROM (SELECT r FROM (SELECT vip x, 1 y FROM people WHERE id = 1) r) a, (SELECT r FROM (SELECT true, 'y'::text) r) b
[18] SELECT max(r) FROM (SELECT r FROM (SELECT vip x, 1 y FROM people WHERE id = 1) r UNION ALL SELECT r FROM (SELECT true, 'y'::text) r) u
