-- The same in both worlds but for the secrets, which tests/attacks/secret.py writes.
CREATE SCHEMA vault;
CREATE TYPE contact AS (tel text, mail text);
CREATE DOMAIN address AS text;
CREATE TYPE rank AS ENUM ('low', 'middle', 'high', 'top');

CREATE TABLE people (
    id int PRIMARY KEY,
    name text NOT NULL,
    city text,
    boss int,
    email text UNIQUE,
    card text,
    ssn varchar(24),
    phone text,
    salary numeric(14, 2),
    pin int,
    ratio float8,
    born date,
    vip bool,
    grade rank,
    doc jsonb,
    page xml,
    blob bytea,
    tags text[],
    uid uuid,
    span int4range,
    host inet,
    lexemes tsvector,
    spot point
);
CREATE INDEX ON people (salary);
CREATE TABLE staff (desk text) INHERITS (people);
CREATE TABLE orders (
    id int PRIMARY KEY, person int REFERENCES people, item text, total numeric(10, 2), placed timestamptz, email_sent bool
);
CREATE TABLE notes (id serial PRIMARY KEY, body text, n int, at timestamptz DEFAULT '2026-01-01 00:00Z');
CREATE TABLE payments (id int, paid date, token text, amount numeric) PARTITION BY RANGE (paid);
CREATE TABLE payments_25 PARTITION OF payments FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE payments_26 PARTITION OF payments FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE profiles (id int, info contact, more contact[], home address);
CREATE TABLE folded (id int, email text, lower_email text GENERATED ALWAYS AS (lower(email)) STORED);
CREATE TABLE vault."Odd.Name" (id int, "E-Mail ""x""" text, "Größe" text, plain text);
CREATE TABLE keys (login text PRIMARY KEY, digest text);
CREATE TABLE queue (id int PRIMARY KEY, state text);
CREATE TABLE empty_mails (email text);
CREATE TABLE seen (id int, mark text);

CREATE VIEW contacts AS SELECT id, name, email AS contact FROM people;
CREATE VIEW initials AS SELECT id, left(email, 6) AS initial, name FROM people;
CREATE VIEW rich AS SELECT id, name FROM people WHERE salary > 400000;
CREATE VIEW totals AS SELECT city, sum(salary) AS total FROM people GROUP BY city;
CREATE VIEW whole AS SELECT id, people AS everything FROM people;
CREATE VIEW renamed (a, b, c) AS SELECT email, name, id FROM people;
CREATE VIEW everyone AS SELECT id, email FROM people UNION ALL SELECT id, email FROM folded;
CREATE MATERIALIZED VIEW mail_list AS SELECT id, email AS contact, upper(email) AS loud FROM people;

CREATE FUNCTION mail_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT email FROM people WHERE id = $1';
CREATE FUNCTION mail_now(int) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT email FROM people WHERE id = $1; END;
CREATE FUNCTION loud(people) RETURNS text LANGUAGE sql STABLE AS 'SELECT upper($1.email)';
CREATE FUNCTION rows_of() RETURNS SETOF people LANGUAGE sql STABLE AS 'SELECT * FROM people';
CREATE FUNCTION run_text(text) RETURNS text LANGUAGE plpgsql AS 'DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END';
CREATE FUNCTION add_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION say(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN ''x''; END';
CREATE FUNCTION first_row() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''%'', (SELECT email FROM people ORDER BY id LIMIT 1); RETURN NEW; END';
CREATE PROCEDURE copy_mails() LANGUAGE sql AS 'INSERT INTO notes (body) SELECT email FROM people';

INSERT INTO notes (body, n) SELECT 'note ' || i, i * 7 % 5 FROM generate_series(1, 9) i;
INSERT INTO queue SELECT i, 'open' FROM generate_series(1, 5) i;
INSERT INTO seen SELECT i, 'mark ' || i FROM generate_series(1, 4) i;
