-- Captured from Django 5.2, over this schema: what the server's log had of it, without what ends transactions.
SELECT
    c.relname,
    CASE
    WHEN c.relispartition THEN 'p'
    WHEN c.relkind IN ('m', 'v') THEN 'v'
    ELSE 't'
    END,
    obj_description(c.oid, 'pg_class')
    FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'empty_mails' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'empty_mails' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'empty_mails' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'empty_mails'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "empty_mails" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'folded' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'folded' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'folded' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'folded'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "folded" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'keys' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'keys' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'keys' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'keys'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "keys" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'notes' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'notes' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'notes' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'notes'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "notes" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'orders' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'orders' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'orders' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'orders'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "orders" LIMIT 1
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'people' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'people' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'payments' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'payments' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'payments' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'payments'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "payments" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'people' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'people'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "people" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'profiles' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'profiles' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'profiles' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'profiles'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "profiles" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'queue' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'queue' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'queue' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'queue'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "queue" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'seen' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'seen' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'seen' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'seen'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "seen" LIMIT 1
SELECT a1.attname, c2.relname, a2.attname
    FROM pg_constraint con
    LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
    LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
    LEFT JOIN
    pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
    LEFT JOIN
    pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
    WHERE
    c1.relname = 'staff' AND
    con.contype = 'f' AND
    c1.relnamespace = c2.relnamespace AND
    pg_catalog.pg_table_is_visible(c1.oid)
SELECT
    c.conname,
    array(
    SELECT attname
    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
    WHERE ca.attrelid = c.conrelid
    ORDER BY cols.arridx
    ),
    c.contype,
    (SELECT fkc.relname || '.' || fka.attname
    FROM pg_attribute AS fka
    JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
    WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
    cl.reloptions
    FROM pg_constraint AS c
    JOIN pg_class AS cl ON c.conrelid = cl.oid
    WHERE cl.relname = 'staff' AND pg_catalog.pg_table_is_visible(cl.oid)
SELECT
    indexname,
    array_agg(attname ORDER BY arridx),
    indisunique,
    indisprimary,
    array_agg(ordering ORDER BY arridx),
    amname,
    exprdef,
    s2.attoptions
    FROM (
    SELECT
    c2.relname as indexname, idx.*, attr.attname, am.amname,
    CASE
    WHEN idx.indexprs IS NOT NULL THEN
    pg_get_indexdef(idx.indexrelid)
    END AS exprdef,
    CASE am.amname
    WHEN 'btree' THEN
    CASE (option & 1)
    WHEN 1 THEN 'DESC' ELSE 'ASC'
    END
    END as ordering,
    c2.reloptions as attoptions
    FROM (
    SELECT *
    FROM
    pg_index i,
    unnest(i.indkey, i.indoption)
    WITH ORDINALITY koi(key, option, arridx)
    ) idx
    LEFT JOIN pg_class c ON idx.indrelid = c.oid
    LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
    LEFT JOIN pg_am am ON c2.relam = am.oid
    LEFT JOIN
    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
    WHERE c.relname = 'staff' AND pg_catalog.pg_table_is_visible(c.oid)
    ) s2
    GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
SELECT
    a.attname AS column_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
    CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
    a.attidentity != '' AS is_autofield,
    col_description(a.attrelid, a.attnum) AS column_comment
    FROM pg_attribute a
    LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
    LEFT JOIN pg_collation co ON a.attcollation = co.oid
    JOIN pg_type t ON a.atttypid = t.oid
    JOIN pg_class c ON a.attrelid = c.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
    AND c.relname = 'staff'
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND pg_catalog.pg_table_is_visible(c.oid)
SELECT * FROM "staff" LIMIT 1
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people"
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE "people"."id" = 1 LIMIT 21
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE UPPER("people"."name"::text) LIKE UPPER('%name%') ORDER BY "people"."name" ASC LIMIT 5
SELECT COUNT(*) AS "__count" FROM "people"
SELECT 1 AS "a" FROM "people" WHERE "people"."city" = 'city 1' LIMIT 1
SELECT "people"."city" AS "city", COUNT("people"."id") AS "c" FROM "people" GROUP BY 1 HAVING COUNT("people"."id") > 1 ORDER BY 1 ASC
SELECT SUM("orders"."total") AS "total__sum", AVG("orders"."total") AS "total__avg", MAX("orders"."placed") AS "placed__max" FROM "orders"
SELECT "orders"."id", "orders"."person", "orders"."item", "orders"."total", "orders"."placed", "orders"."email_sent", "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "orders" LEFT OUTER JOIN "people" ON ("orders"."person" = "people"."id")
SELECT "orders"."id", "orders"."person", "orders"."item", "orders"."total", "orders"."placed", "orders"."email_sent" FROM "orders" WHERE "orders"."person" IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc", COUNT("orders"."id") AS "n" FROM "people" LEFT OUTER JOIN "orders" ON ("people"."id" = "orders"."person") GROUP BY "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" HAVING COUNT("orders"."id") > 1
SELECT DISTINCT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" INNER JOIN "orders" ON ("people"."id" = "orders"."person") WHERE "orders"."total" > 3
SELECT DATE_TRUNC('month', "orders"."placed" AT TIME ZONE 'America/Chicago') AS "m", COUNT("orders"."id") AS "c" FROM "orders" GROUP BY 1
SELECT "orders"."id", "orders"."person", "orders"."item", "orders"."total", "orders"."placed", "orders"."email_sent", ROW_NUMBER() OVER (PARTITION BY "orders"."person" ORDER BY "orders"."placed" ASC) AS "r" FROM "orders"
SELECT "people"."name" AS "name", (SELECT U0."item" AS "item" FROM "orders" U0 WHERE U0."person" = ("people"."id") ORDER BY U0."placed" DESC LIMIT 1) AS "last" FROM "people"
SELECT "people"."id", "people"."name" FROM "people" WHERE EXISTS(SELECT 1 AS "a" FROM "orders" U0 WHERE U0."person" = ("people"."id") LIMIT 1)
SELECT CASE WHEN "orders"."total" > 10 THEN 'b' ELSE 's' END AS "s" FROM "orders"
SELECT "orders"."id" AS "id" FROM "orders" WHERE ("orders"."item"::text LIKE 'item%' OR NOT ("orders"."person" = 1 AND "orders"."person" IS NOT NULL))
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE "people"."email" = 'x@y'
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE UPPER("people"."email"::text) = UPPER('x@y')
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people"
SELECT "orders"."id", "orders"."person", "orders"."item", "orders"."total", "orders"."placed", "orders"."email_sent" FROM "orders" WHERE (EXTRACT(MONTH FROM "orders"."placed" AT TIME ZONE 'America/Chicago') = 1 AND "orders"."placed" BETWEEN '2026-01-01 00:00:00-06:00'::timestamptz AND '2026-12-31 23:59:59.999999-06:00'::timestamptz)
(SELECT "people"."id" AS "id", "people"."name" AS "name" FROM "people") UNION (SELECT "people"."id" AS "id", "people"."name" AS "name" FROM "people" WHERE "people"."id" = 1)
SELECT DISTINCT "orders"."item" AS "item" FROM "orders"
SELECT "orders"."id", "orders"."person", "orders"."item", "orders"."total", "orders"."placed", "orders"."email_sent" FROM "orders" WHERE "orders"."id" IN (1, 2)
INSERT INTO "notes" ("body", "n") VALUES ('a', 1) RETURNING "notes"."id"
UPDATE "notes" SET "body" = 'b', "n" = 1 WHERE "notes"."id" = 124
UPDATE "notes" SET "n" = ("notes"."n" + 1) WHERE "notes"."n" = 1
SELECT "notes"."id", "notes"."body", "notes"."n" FROM "notes" WHERE "notes"."id" = 124 LIMIT 21
INSERT INTO "notes" ("body", "n") SELECT * FROM UNNEST(('{x,x,x}')::text[], ('{0,1,2}'::int4[])::integer[]) RETURNING "notes"."id"
SELECT "notes"."id", "notes"."body", "notes"."n" FROM "notes" WHERE "notes"."body" = 'zz' LIMIT 21
INSERT INTO "notes" ("body", "n") VALUES ('zz', 1) RETURNING "notes"."id"
SELECT "notes"."id", "notes"."body", "notes"."n" FROM "notes" WHERE "notes"."body" = 'zz' LIMIT 21 FOR UPDATE
UPDATE "notes" SET "n" = 2 WHERE "notes"."id" = 128
DELETE FROM "notes" WHERE "notes"."id" IN (124)
DELETE FROM "notes" WHERE "notes"."n" > 100
SELECT "notes"."id", "notes"."body", "notes"."n" FROM "notes" LIMIT 3
UPDATE "notes" SET "n" = (CASE WHEN ("notes"."id" = 1) THEN 2 WHEN ("notes"."id" = 2) THEN 4 WHEN ("notes"."id" = 4) THEN 3 ELSE NULL END)::integer WHERE "notes"."id" IN (1, 2, 4)
INSERT INTO "notes" ("id", "body", "n") VALUES (1, 'q', NULL) ON CONFLICT("id") DO UPDATE SET "body" = EXCLUDED."body" RETURNING "notes"."id"
INSERT INTO "people" ("id", "name", "city", "boss", "email", "card", "salary", "born", "vip", "doc") VALUES (600, 'n', NULL, NULL, 'a@example.org', NULL, NULL, NULL, NULL, NULL) RETURNING "people"."id"
UPDATE "people" SET "email" = 'b@example.org' WHERE "people"."id" = 600
DELETE FROM "orders" WHERE "orders"."person" IN (600)
DELETE FROM "people" WHERE "people"."id" IN (600)
SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE "people"."id" = 1 FOR UPDATE
EXPLAIN SELECT "people"."id", "people"."name", "people"."city", "people"."boss", "people"."email", "people"."card", "people"."salary", "people"."born", "people"."vip", "people"."doc" FROM "people" WHERE "people"."id" = 3
SELECT id, name FROM people
SELECT COUNT(*) AS "__count" FROM "notes"
SELECT LOWER("people"."name") AS "l", (COALESCE("people"."name", '') || COALESCE((COALESCE(' ', '') || COALESCE("people"."city", '')), '')) AS "c" FROM "people"
SELECT "people"."name" AS "person__name", SUM("orders"."total") AS "t", STDDEV_POP("orders"."total") AS "k" FROM "orders" LEFT OUTER JOIN "people" ON ("orders"."person" = "people"."id") GROUP BY 1
