-- What the statements of this directory work on. Each runs in a transaction that is rolled back.
CREATE ROLE victim;
CREATE ROLE other;
CREATE TABLE a (
    id int PRIMARY KEY, name text NOT NULL, flag bool, kind text, tags text[], data jsonb, span int4range,
    created timestamptz DEFAULT now(), updated_at timestamptz, parent int, total numeric DEFAULT 1
);
INSERT INTO a (id, name, flag, kind, tags, data, span)
    SELECT n, 'Name ' || n, n > 1, 'x', ARRAY['t'], '{"k": 1}', '[1,5]' FROM generate_series(1, 5) n;
CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE, x int DEFAULT 1);
INSERT INTO b SELECT n, n FROM generate_series(1, 5) n;
CREATE TABLE log (id bigserial, text text, "drop" text, "delete" bool DEFAULT false);
CREATE TABLE private (id int, secret text);
ALTER TABLE private ENABLE ROW LEVEL SECURITY;
CREATE SCHEMA shadow;
CREATE TABLE shadow.a (LIKE public.a INCLUDING ALL);
CREATE VIEW v AS SELECT * FROM a;
CREATE MATERIALIZED VIEW m AS SELECT * FROM a;
CREATE SEQUENCE s;
CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at = now(); RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TYPE mood AS ENUM ('good', 'bad');
