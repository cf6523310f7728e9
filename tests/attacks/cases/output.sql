-- What a SELECT may show of a value: the manual's chapters 4 (expressions), 8 (types), 9 (functions).

# the value as it is
SELECT email, card, ssn, phone, salary, pin, born, doc, page, blob, tags, uid, host, lexemes, spot FROM people

# every column by a star, in each order of tables
SELECT * FROM people
SELECT o.*, p.* FROM orders o JOIN people p ON p.id = o.person
SELECT * FROM people NATURAL JOIN orders

# aliases that look harmless
SELECT email AS name, card AS id, ssn AS city FROM people
SELECT name FROM people AS p(id, n, city, boss, name)

# the old function notation for columns
SELECT email(p), p.email, (p).email, (p.*).email, people.email FROM people p, people LIMIT 5
SELECT card(people) FROM people

# a function called as if it were a column
SELECT p.loud, (p).loud FROM people p
SELECT loud(p) FROM people p

# whole rows
SELECT p FROM people p
SELECT people FROM people
SELECT p.*::text FROM people p
SELECT ROW(p.*) FROM people p
SELECT (p).* FROM (SELECT people AS p FROM people) x
SELECT p::people FROM people p
SELECT array_agg(p) FROM people p
SELECT (array_agg(p))[1].email FROM people p

# whole rows by the output function and its like
SELECT record_out(p) FROM people p
SELECT textin(record_out(p)) FROM people p
SELECT record_send(p) FROM people p
SELECT encode(record_send(p), 'hex') FROM people p

# parts of text
SELECT substr(email, 1, 9), substring(email FROM 2), left(email, -1), right(email, 12) FROM people
SELECT split_part(email, '@', 1), overlay(email PLACING 'z' FROM 1 FOR 1) FROM people
SELECT regexp_replace(email, '^.', ''), regexp_match(email, '.(.*)@'), regexp_substr(email, '[a-z]+') FROM people
SELECT substring(email SIMILAR '%#"[a-z]{8}#"%' ESCAPE '#') FROM people

# letters one by one
SELECT substr(email, i, 1) FROM people, generate_series(1, 20) i WHERE id = 1 ORDER BY i
SELECT ascii(substr(email, i, 1)) FROM people, generate_series(1, 20) i WHERE id = 4 ORDER BY i
SELECT get_byte(convert_to(email, 'UTF8'), i) FROM people, generate_series(0, 8) i WHERE id = 5 ORDER BY i
SELECT get_bit(blob, i) FROM people, generate_series(0, 71) i WHERE id = 5 ORDER BY i

# letters one by one, in as many rows
@probe
SELECT string_to_table(email, NULL) FROM people WHERE id = 2
SELECT regexp_split_to_table(email, '') FROM people WHERE id = 3
SELECT (regexp_matches(email, '.', 'g'))[1] FROM people WHERE id = 5

# case, padding, repetition, order of letters
SELECT upper(email), lower(email), initcap(ssn), reverse(email), lpad(email, 40, '.'), repeat(email, 2) FROM people
SELECT translate(email, 'abcdefghijklmnopqrstuvwxyz', 'nopqrstuvwxyzabcdefghijklm') FROM people
SELECT trim('B' FROM email), btrim(email), quote_literal(email), quote_ident(email), quote_nullable(email) FROM people
SELECT normalize(email), unistr(email) FROM people
[18] SELECT casefold(email COLLATE pg_c_utf8) FROM people

# encodings
SELECT encode(convert_to(email, 'UTF8'), 'hex'), encode(email::bytea, 'base64'), encode(email::bytea, 'escape') FROM people
SELECT convert_to(email, 'LATIN1'), email::bytea, to_hex(pin) FROM people
[16] SELECT to_bin(pin), to_oct(pin) FROM people
SELECT textsend(email), int4send(pin), numeric_send(salary), uuid_send(uid), date_send(born), jsonb_send(doc) FROM people
SELECT ascii(email), chr(ascii(email)), pin::bit(32), ('x' || encode(email::bytea, 'hex'))::bit(64) FROM people

# digests
SELECT md5(email), sha256(email::bytea), sha224(blob), sha384(blob), sha512(blob) FROM people
SELECT hashtext(email), hashtextextended(email, 1), hashint4(pin), jsonb_hash(doc), uuid_hash(uid) FROM people
[18] SELECT crc32(blob), crc32c(blob) FROM people

# lengths and positions
SELECT length(email), char_length(card), octet_length(email), bit_length(email) FROM people
SELECT position('x' IN email), strpos(email, 'q'), regexp_count(email, '[a-m]'), regexp_instr(email, 'k') FROM people
SELECT pg_column_size(email), scale(salary), min_scale(salary), width_bucket(salary, 0, 999999, 50) FROM people
SELECT array_length(tags, 1), cardinality(regexp_split_to_array(email, '')), bit_count(blob) FROM people
SELECT pg_column_size(p) FROM people p

# putting together
SELECT email || '', '' || email, concat(email), concat_ws('-', 'a', email), format('%s %I %L', email, email, card) FROM people
SELECT format('%1$s%1$s', VARIADIC ARRAY[email]) FROM people
SELECT 'x' || p FROM people p
SELECT concat(p) FROM people p
SELECT format('%s', p) FROM people p
SELECT concat_ws(',', VARIADIC tags) FROM people

# choices
SELECT COALESCE(email, 'x'), NULLIF(email, ''), GREATEST(email, ''), LEAST(email, '~'), GREATEST(salary, 0) FROM people
SELECT CASE WHEN true THEN email END, CASE id WHEN 1 THEN card ELSE ssn END FROM people
SELECT CASE WHEN email > 'M' THEN 'high' ELSE 'low' END FROM people
SELECT CASE email WHEN 'x' THEN 1 ELSE length(name) + ascii(email) END FROM people
SELECT email > 'M', email LIKE 'K%', email ~ 'x', salary > 500000, born < '1945-01-01', vip, NOT vip, pin % 2 = 0 FROM people
SELECT vip::int, vip::text, vip IS TRUE, vip AND true, booland_statefunc(vip, true), grade > 'low', grade::text FROM people
SELECT email BETWEEN 'A' AND 'M', email IN ('x', card), email = ANY (ARRAY['x', email || '']), email IS DISTINCT FROM card FROM people
SELECT (email, card) < ('M', ''), ROW(email, id) = ROW('x', 1), p IS NOT NULL AND p.salary > 500000 FROM people p

# casts
SELECT email::varchar(5), email::char(9), email::name, email::"char", email::text COLLATE "C", CAST(email AS varchar) FROM people
SELECT salary::int, salary::text, salary::money, salary::float4, pin::bigint, pin::oid, pin::text, pin::regclass, pin::text::xid FROM people WHERE id < 3
SELECT born::text, born::timestamp, born::timestamptz, born + 0, born - date '2000-01-01', age(born), to_char(born, 'YYYY-MM-DD') FROM people
SELECT uid::text, host::text, host(host), abbrev(host), span::text, lower(span), upper(span), spot::text, spot[0], doc::text, page::text FROM people
SELECT text(email), "varchar"(email, 5, true), int8(pin), name(email), bpchar(ascii(email)::"char") FROM people

# reinterpretation of bytes
SELECT pin::oid::regproc, pin::oid::regtype, pin::oid::regrole, pin::oid::regnamespace FROM people
SELECT money(pin), chr(pin % 50000 + 65), to_timestamp(pin), make_date(1900 + pin % 100, 1, 1), make_interval(secs => pin) FROM people

# numbers
SELECT salary + 0, -salary, salary * 1, abs(salary), round(salary), sqrt(salary), ln(salary), mod(pin, 1000000000), pin # 0, ~pin FROM people
SELECT to_char(salary, '999999999'), to_char(pin, 'RN'), to_number(card, '9999999999999999'), trim_scale(salary), ratio * 10 FROM people
SELECT generate_series(pin, pin) FROM people
SELECT numeric_out(salary), int4out(pin), float8out(ratio), cash_words(pin::money) FROM people

# lengths of series
@probe
SELECT i FROM people, generate_series(1, length(email)) i WHERE id = 1
SELECT count(*) FROM people p, LATERAL generate_series(1, length(p.email)) GROUP BY p.id ORDER BY p.id
SELECT generate_series(1, length(email)) FROM people WHERE id = 1
SELECT repeat('x', length(email)) FROM people
SELECT array_fill(0, ARRAY[length(email)]) FROM people

# dates
SELECT extract(epoch FROM born), extract(julian FROM born), date_part('year', born), isfinite(born) FROM people
SELECT date_trunc('year', born), born + interval '0', to_char(born, 'J'), born::timestamp AT TIME ZONE 'UTC', justify_days(age(born)) FROM people
SELECT generate_series(born::timestamp, born::timestamp, '1 day') FROM people
SELECT daterange(born, NULL), tstzrange(born, NULL), date_bin('1 day', born, '2000-01-01'), (born, born) OVERLAPS (born, born + 1) FROM people

# arrays
SELECT ARRAY[email], ARRAY[email, card], ARRAY(SELECT email FROM people), array_append('{}'::text[], email) FROM people
SELECT tags[1], tags[1:1], array_to_string(tags, ','), unnest(tags), array_position(tags, 'x'), array_to_json(tags), tags::text FROM people
SELECT u FROM people, unnest(tags) u
SELECT u, o FROM people, unnest(tags, ARRAY[email]) WITH ORDINALITY AS t(u, v, o)
SELECT string_to_array(email, 'x'), regexp_split_to_array(email, 'q'), array_replace(ARRAY[email], '', ''), tags || email FROM people
SELECT (ARRAY[email])[1], (SELECT e FROM unnest(ARRAY[email]) e), trim_array(ARRAY[email, 'x'], 1) FROM people
[18] SELECT array_sort(ARRAY[email, card]), array_reverse(ARRAY[email]) FROM people

# ranges and network addresses
SELECT int4range(pin, NULL), numrange(salary, NULL), span * '(,)', range_merge(span, '[1,1]'), isempty(span), int4multirange(span) FROM people
SELECT set_masklen(host, 24), network(host), host & inet '255.255.255.255', host - inet '10.0.0.0', inet_merge(host, host), family(host) FROM people
SELECT broadcast(host), hostmask(host), text(host), host::cidr, host + 1 FROM people
SELECT lower(r), upper(r) FROM people, LATERAL (SELECT textrange FROM (VALUES (numrange(pin, pin + 1))) v(textrange)) x(r)

# geometry
SELECT spot + point '(0,0)', spot <-> point '(0,0)', circle(spot, 1), box(spot, spot), lseg(spot, spot), diagonal(box(spot, point '(0,0)')) FROM people
SELECT point(pin, 1), line(spot, point '(0,0)'), slope(spot, point '(0,0)'), spot ~= spot FROM people

# JSON made of rows and columns
SELECT to_json(p), to_jsonb(p), row_to_json(p), row_to_json(p, true) FROM people p
SELECT json_build_object('a', email), json_build_array(card), jsonb_build_object(COALESCE(ssn, ''), 1), json_object(ARRAY['a', ssn]) FROM people
SELECT json_agg(p), jsonb_agg(email), json_object_agg(id, email), jsonb_object_agg(ssn, 1) FROM people p
SELECT to_json(email), to_jsonb(pin), json_strip_nulls(row_to_json(p)), jsonb_pretty(to_jsonb(p)) FROM people p
SELECT r.value FROM people p, LATERAL jsonb_each_text(to_jsonb(p)) r
SELECT * FROM people p, LATERAL jsonb_to_record(to_jsonb(p)) AS r(email text, card text)
SELECT (jsonb_populate_record(NULL::people, to_jsonb(p))).email FROM people p
SELECT jsonb_populate_record(p, '{}') FROM people p
SELECT (json_populate_record(p, '{"id": 3}')).email FROM people p

# JSON taken apart
SELECT doc -> 'leaf', doc ->> 'leaf', doc #> '{leaf}', doc #>> '{leaf}', doc['leaf'] FROM people
SELECT jsonb_object_keys(doc -> 'leaf'), jsonb_path_query(doc, '$.leaf.*[0]'), jsonb_typeof(doc) FROM people
SELECT k FROM people, jsonb_path_query(doc, '$.**') k
SELECT k FROM people, jsonb_path_query(doc, '$.leaf.keyvalue().key') k
SELECT jsonb_set(doc, '{x}', '1'), doc || '{}', doc - 'x', jsonb_strip_nulls(doc), jsonb_insert(doc, '{x}', '1') FROM people

# SQL/JSON
SELECT JSON_OBJECT('a': email), JSON_ARRAY(email, card), JSON_OBJECTAGG(id: email), JSON_ARRAYAGG(email) FROM people GROUP BY email, card
@server 16
# SQL/JSON queries
@server 17
SELECT JSON_VALUE(doc, '$.leaf.*[0]'), JSON_QUERY(doc, '$.leaf'), JSON_EXISTS(doc, '$.leaf.*[0] ? (@ > 1000000000)') FROM people
SELECT t.* FROM people, JSON_TABLE(doc, '$.leaf.*[*]' COLUMNS (v int PATH '$', n FOR ORDINALITY)) t
SELECT t.* FROM people, JSON_TABLE('{}', '$' PASSING email AS e COLUMNS (v text PATH '$e')) t
SELECT JSON_SERIALIZE(doc), JSON_SCALAR(email), JSON(doc::text), doc IS JSON OBJECT FROM people
SELECT JSON_VALUE('{}', '$x' PASSING email AS x), jsonb_path_query('[1]', '$x', jsonb_build_object('x', email)) FROM people

# XML
@needs xml
SELECT xmlelement(NAME a, email), xmlforest(email AS e, card), xmlconcat(page), xmlcomment(ssn), xmlpi(NAME x, phone) FROM people
SELECT xpath('/p/text()', page), xpath('/p/@a', page), xmlserialize(CONTENT page AS text), xml_is_well_formed(email) FROM people
SELECT xmlagg(page), xmlagg(xmlelement(NAME a, xmlattributes(email AS b))) FROM people
SELECT t.* FROM people, XMLTABLE('/p' PASSING page COLUMNS a text PATH '@a', b text PATH '.') t
SELECT t.* FROM people, XMLTABLE('/p' PASSING '<p/>' COLUMNS a text PATH '@a' DEFAULT email) t
SELECT xmlparse(CONTENT email), xmlroot(page, VERSION '1.0'), xmlexists('//p[@a]' PASSING page), page::text FROM people
[17] SELECT xmltext(email) FROM people

# text search
SELECT to_tsvector('simple', email), lexemes::text, tsvector_to_array(lexemes), strip(lexemes), length(lexemes), unnest(lexemes) FROM people
SELECT ts_headline('simple', email, 'x'), plainto_tsquery('simple', card), ts_debug('simple', email), ts_lexize('simple', ssn) FROM people
SELECT phraseto_tsquery('simple', phone), ts_rank(lexemes, 'x'), lexemes || 'a:1', setweight(lexemes, 'A'), array_to_tsvector(tags[1:1]) FROM people
SELECT (ts_parse('default', email)).token FROM people
SELECT * FROM people p, LATERAL ts_parse('default', p.email)
SELECT jsonb_to_tsvector('simple', doc, '"all"'), json_to_tsvector(doc::json, '["key"]'), ts_filter(lexemes, '{d}'), numnode(plainto_tsquery(email)) FROM people

# full text of a statement in a function
SELECT * FROM ts_stat('SELECT lexemes FROM people')
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(email) FROM people WHERE id = 1')
SELECT run_text('SELECT email FROM people WHERE id = 1')

# the text of a statement in a function that makes XML
@needs xml
SELECT query_to_xml('SELECT email FROM people', true, true, '')
SELECT table_to_xml('people', true, true, ''), schema_to_xml('public', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT table_to_xml_and_xmlschema('people', true, true, ''), query_to_xml_and_xmlschema('TABLE people', true, true, '')

# cursors that are read as XML
@steps
@needs xml
DECLARE c CURSOR FOR SELECT email FROM people
SELECT cursor_to_xml('c', 100, true, true, '')

# functions that read
SELECT mail_of(1), mail_now(2), mail_of(id) FROM orders LIMIT 4
SELECT * FROM rows_of()
SELECT (rows_of()).email
SELECT r.email FROM rows_of() r
SELECT * FROM ROWS FROM (rows_of(), generate_series(1, 3))

# errors made of values: see errors.sql; here the functions themselves
SELECT pg_input_is_valid(email, 'int'), pg_input_error_info(email, 'int') FROM people
@server 16
