CREATE EXTENSION vector;
CREATE SCHEMA app;
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('SECRETsad', 'SECRETgay');

CREATE TABLE customers (
    id int PRIMARY KEY,
    email text UNIQUE,
    name text NOT NULL,
    card numeric CHECK (card > 10),
    born date,
    prefs jsonb,
    uid uuid,
    feeling mood,
    phone varchar(40),
    city text
);
INSERT INTO customers
SELECT i, 'SECRET' || i || '@example.com', 'name' || i, 411199990000 + i, '1977-07-07', '{"SECRET": 1}',
       'deadbeef-0000-4000-8000-000000000001', 'SECRETgay', 'SECRET-555-' || i, 'city' || i % 3
FROM generate_series(1, 5) i;

CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, note text, total numeric, email_sent bool);
INSERT INTO orders SELECT i, 1 + i % 5, 'note' || i, i * 10, true FROM generate_series(1, 10) i;

CREATE TABLE computed (
    id int,
    email text,
    folded text GENERATED ALWAYS AS (lower(email)) STORED,
    plain int GENERATED ALWAYS AS (id + 1) STORED
);
INSERT INTO computed (id, email) VALUES (1, 'SECRETcomputed');
CREATE FUNCTION same(boxed_text text, other int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = int, FUNCTION = same);

CREATE TABLE status (id int, status text);
INSERT INTO status VALUES (1, 'open');

CREATE TABLE app.users (id int PRIMARY KEY, login text, "Password" text, token bytea, tags text[]);
INSERT INTO app.users VALUES (1, 'root', 'SECRETpw', '\x5345435245545c', '{SECRET,tags}');

CREATE TABLE leads (id int, email_hash text, customer int);
INSERT INTO leads VALUES (1, 'h', 1);
CREATE TABLE other.leads (id int, email text);
INSERT INTO other.leads VALUES (1, 'SECRETlead');

-- a parent that no glob names as such: its child is named
CREATE TABLE people (id int, mail text);
CREATE TABLE masked_people (extra text) INHERITS (people);
INSERT INTO masked_people VALUES (1, 'SECRETchild', 'x');

CREATE TABLE events (id int, at date, payload text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events VALUES (1, '2024-05-05', 'SECRETpayload');

CREATE VIEW plain_view AS SELECT id, name FROM customers;
CREATE VIEW direct_view AS SELECT id, email AS contact, name FROM customers;
CREATE VIEW view_on_view AS SELECT id, contact AS again FROM direct_view;
CREATE VIEW computed_view AS SELECT id, lower(email) AS contact FROM customers;
CREATE VIEW filtering_view AS SELECT id FROM customers WHERE email LIKE 'SECRET1%';
CREATE VIEW row_view AS SELECT id, customers AS whole FROM customers;
CREATE VIEW row_text_view AS SELECT id, customers::text AS whole FROM customers;
CREATE VIEW nested_view AS SELECT id, e FROM (SELECT id, email AS e FROM customers) x;
CREATE VIEW union_view AS SELECT email AS e FROM customers UNION ALL SELECT 'x';
CREATE VIEW joined_view AS SELECT o.id, o.note, c.name FROM orders o JOIN customers c ON c.id = o.customer_id;
CREATE VIEW using_view AS SELECT a.id FROM customers a JOIN other.leads b USING (email);
CREATE VIEW alias_join_view AS SELECT j.email AS e FROM (customers c JOIN orders o ON true) AS j (a, email);
CREATE VIEW join_row_view AS SELECT j::text AS t FROM (orders o JOIN customers c ON true) AS j;
CREATE VIEW vouched_view AS SELECT id, upper(email) AS contact, name FROM customers;
CREATE VIEW deep_view AS SELECT contact FROM computed_view;
CREATE VIEW cte_view AS WITH c AS (SELECT email FROM customers) SELECT count(*) AS n FROM c WHERE email <> '';
CREATE VIEW grouped_view AS SELECT email, count(*) AS n FROM customers GROUP BY email;
CREATE VIEW activity_view AS SELECT pid, query FROM pg_stat_activity;
CREATE MATERIALIZED VIEW direct_matview AS SELECT id, email AS contact FROM customers;
CREATE MATERIALIZED VIEW computed_matview AS SELECT id, md5(email) AS h FROM customers;

CREATE FUNCTION peek() RETURNS text LANGUAGE sql AS 'SELECT email FROM customers LIMIT 1';
CREATE FUNCTION peek_all() RETURNS SETOF customers LANGUAGE sql AS 'SELECT * FROM customers';
CREATE FUNCTION shout(customers) RETURNS text LANGUAGE sql AS 'SELECT upper($1.email)';
CREATE FUNCTION note_len(orders) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers LIMIT 1';
CREATE FUNCTION safe_add(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2';
CREATE FUNCTION initcap(orders) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers LIMIT 1';
CREATE FUNCTION other.shadow(text) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers LIMIT 1';
CREATE FUNCTION peek_op(int, int) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers LIMIT 1';
CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = peek_op);
CREATE TYPE boxed AS (v text);
CREATE FUNCTION to_boxed(int) RETURNS boxed LANGUAGE sql AS 'SELECT row(email)::boxed FROM customers LIMIT 1';
CREATE CAST (int AS boxed) WITH FUNCTION to_boxed(int);
CREATE AGGREGATE peek_agg (int) (SFUNC = int4_sum, STYPE = int8);
CREATE PROCEDURE proc() LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT email FROM customers LIMIT 1); END $$;
CREATE VIEW function_view AS SELECT id, peek() AS e FROM orders;
CREATE VIEW operator_view AS SELECT id ### 1 AS e FROM orders;

CREATE TABLE audited (id int PRIMARY KEY, v text);
INSERT INTO audited VALUES (1, 'x');
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found text := (SELECT email FROM customers LIMIT 1);
BEGIN
    IF NEW.v = 'boom' THEN
        RAISE EXCEPTION 'saw %', found USING DETAIL = found, HINT = found, COLUMN = found;
    ELSIF NEW.v = 'class' THEN
        RAISE EXCEPTION 'saw %', found USING ERRCODE = '42501';
    ELSIF NEW.v = 'cast' THEN
        NEW.id := found::int;
    END IF;
    RAISE NOTICE 'saw %', found;
    RAISE WARNING 'saw %', found;
    RETURN NEW;
END $$;
CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION tell();

CREATE TABLE ruled (id int, v text);
INSERT INTO ruled VALUES (1, 'x');
CREATE RULE tell AS ON UPDATE TO ruled DO ALSO SELECT email || '' FROM customers;
CREATE TABLE quiet_ruled (id int, v text);
CREATE RULE tell AS ON UPDATE TO quiet_ruled DO ALSO SELECT id FROM orders;

CREATE TABLE renamed_later (id int, secret_to_be text);
CREATE TABLE docs (id int, embedding vector(3), body text);
INSERT INTO docs VALUES (1, '[1,2,3]', '<a>1</a>');
ANALYZE;

CREATE TYPE contact AS (tel text, email text);
CREATE DOMAIN contacts AS contact[];
CREATE TABLE cards (id int, info contact, more contacts, plain point);
INSERT INTO cards VALUES (1, ROW('1', 'SECRETfield'), ARRAY[ROW('2', 'SECRETelement')::contact], '(1,2)');
CREATE TABLE customers_history (id int, was customers);
INSERT INTO customers_history SELECT id, c FROM customers c;
CREATE VIEW cards_view AS SELECT id, (info).email AS e FROM cards;
CREATE DOMAIN address AS text;
CREATE TABLE addressed (id int, email address);
INSERT INTO addressed VALUES (1, 'SECRETaddress');
CREATE FUNCTION order_bytes(orders) RETURNS bytea LANGUAGE sql AS
    'SELECT convert_to(email, ''UTF8'') FROM customers LIMIT 1';
CREATE CAST (orders AS bytea) WITH FUNCTION order_bytes(orders);
CREATE TABLE watched (id int, v text);
INSERT INTO watched VALUES (1, 'x');
CREATE FUNCTION tell_row(int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'saw %', (SELECT email FROM customers LIMIT 1);
    RETURN true;
END $$;
CREATE POLICY told ON watched USING (tell_row(id));
ALTER TABLE watched ENABLE ROW LEVEL SECURITY;
