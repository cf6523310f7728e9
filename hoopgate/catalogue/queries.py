"""The questions to a target's catalogue, and how their answers are read.

All are plain SELECTs over pg_catalog: nothing locks a user's relation or takes a look at its data, so an uncommitted
ALTER TABLE of a client delays none of them. The caller's connection sets ``statement_timeout`` and ``lock_timeout``
and an empty ``search_path``; any role that may connect can ask. PostgreSQL 13 or newer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Row = tuple[str | None, ...]

_MARK = "pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(':', {parts}), 0))"


def _mark(table: str, parts: str, condition: str = "oid >= 16384") -> str:
    # A row's xmin changes with every new version of the row, so the sum changes with any DDL that touched it.
    return f"(SELECT {_MARK.format(parts=parts)} FROM pg_catalog.{table} WHERE {condition})"  # noqa: S608 - constants


FINGERPRINT: Final = "SELECT pg_catalog.concat_ws('/', {})".format(
    ", ".join(
        [
            _mark("pg_class", "oid, xmin::text", "oid >= 16384 AND relkind <> 't'"),
            _mark("pg_attribute", "attrelid, attnum, xmin::text", "attrelid >= 16384 AND attnum > 0"),
            _mark("pg_namespace", "oid, xmin::text", "true"),
            _mark("pg_inherits", "inhrelid, inhparent, xmin::text", "true"),
            _mark("pg_rewrite", "oid, xmin::text"),
            _mark("pg_proc", "oid, xmin::text"),
            _mark("pg_aggregate", "aggfnoid::oid, xmin::text", "aggfnoid::oid >= 16384"),
            _mark("pg_operator", "oid, xmin::text"),
            _mark("pg_cast", "oid, xmin::text"),
            _mark("pg_type", "oid, xmin::text"),
            _mark("pg_enum", "oid, xmin::text", "true"),
            _mark("pg_extension", "oid, xmin::text", "true"),
        ]
    )
)
"""One row, one text: equal texts mean that all of the other questions would be answered as before."""

VERSIONS: Final = """
SELECT 'relation', c.oid::int8::text, pg_catalog.concat_ws(':', c.xmin, n.xmin, a.mark, i.indexrelid, i.xmin), NULL
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
  SELECT attrelid, pg_catalog.concat_ws(':', pg_catalog.count(*), {mark}) AS mark
  FROM pg_catalog.pg_attribute WHERE attnum > 0 GROUP BY attrelid) a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind <> 't'
UNION ALL
SELECT 'type', t.oid::int8::text, pg_catalog.concat_ws(':', t.xmin,
  (SELECT e.xmin FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1)), NULL
FROM pg_catalog.pg_type t
WHERE t.oid >= 16384 AND (t.typtype IN ('c', 'd', 'e') OR t.typtype = 'b' AND t.typcategory IN ('A', 'S'))
UNION ALL
SELECT 'function', p.oid::int8::text, pg_catalog.concat_ws(':', p.xmin, n.xmin, (
  SELECT d.refobjid FROM pg_catalog.pg_depend d
  WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 3079 LIMIT 1)), NULL
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid >= 16384
UNION ALL
SELECT 'rule', r.oid::int8::text, r.xmin::text, pg_catalog.concat_ws(':', r.ev_class, r.ev_type)
FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384
""".format(mark=_MARK.format(parts="attnum, xmin::text"))  # noqa: S608 - constants
"""Rows of (what, oid, version, rest): another version means that the thing is to be read anew. ``rest``, of a rule:
its relation, and the type of its command."""

OTHERS: Final = """
SELECT 'typename', pg_catalog.json_build_array(a.type::int8, a.modifier,
  pg_catalog.format_type(a.type, a.modifier))::text
FROM (SELECT DISTINCT atttypid AS type, atttypmod AS modifier FROM pg_catalog.pg_attribute
  WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped) a
UNION ALL
SELECT 'collation', pg_catalog.json_build_array(a.attrelid::int8, a.attnum,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname))::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND (t.typcollation <> a.attcollation OR t.typtype = 'd')
JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND a.attcollation NOT IN (0, 100)
UNION ALL
SELECT 'inherits', pg_catalog.json_build_array(h.inhparent::int8, h.inhrelid::int8)::text
FROM pg_catalog.pg_inherits h
UNION ALL
SELECT 'generated', pg_catalog.json_build_array(a.attrelid::int8, a.attnum, d.refobjsubid)::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_attrdef x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
JOIN pg_catalog.pg_depend d
  ON d.refclassid = 1259 AND d.refobjid = a.attrelid AND d.refobjsubid > 0 AND d.refobjsubid <> a.attnum
  AND (d.classid = 2604 AND d.objid = x.oid OR d.classid = 1259 AND d.objid = a.attrelid AND d.objsubid = a.attnum)
WHERE a.attrelid >= 16384 AND a.attgenerated <> ''
UNION ALL
SELECT 'calls', pg_catalog.json_build_array(d.objid::int8, d.refobjid::int8)::text
FROM pg_catalog.pg_depend d
WHERE d.classid IN (2618, 1255) AND d.refclassid = 1255 AND d.refobjid >= 16384
UNION ALL
SELECT 'calls', pg_catalog.json_build_array(d.objid::int8, p.oid::int8)::text
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode::oid
WHERE d.classid IN (2618, 1255) AND d.refclassid = 2617 AND p.oid >= 16384 AND p.prolang NOT IN (12, 13)
UNION ALL
SELECT 'aggregate', pg_catalog.json_build_array(a.aggfnoid::oid::int8, ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
  a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]::int8[])::text
FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid::oid >= 16384
UNION ALL
SELECT 'operator', pg_catalog.json_build_array(o.oprname, p.oid::int8)::text
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode::oid
WHERE p.oid >= 16384 AND p.prolang NOT IN (12, 13)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator s WHERE s.oid < 16384 AND s.oprname = o.oprname)
UNION ALL
SELECT 'cast', pg_catalog.json_build_array(t.typname, p.oid::int8)::text
FROM pg_catalog.pg_cast k
JOIN pg_catalog.pg_type t ON t.oid = k.casttarget
JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc
WHERE p.oid >= 16384 AND p.prolang NOT IN (12, 13)
"""
"""What is small enough to be read whole, in one statement. Rows of (what, JSON array).

Object ids of the server's own catalogues and languages are fixed (source, ``catalog/*.dat``): 1255 pg_proc, 1259
pg_class, 2604 pg_attrdef, 2617 pg_operator, 2618 pg_rewrite, 3079 pg_extension; languages 12 internal and 13 C.
Operators in C look at their operands; an operator by a name that the server has itself cannot be told from that one
without types, and is taken for it.
"""

_RELATIONS: Final = """
SELECT c.oid::int8::text, pg_catalog.json_build_array(c.oid::int8, n.nspname, c.relname, c.relkind, c.relpersistence,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::int8, a.attgenerated <> '',
     a.atttypmod) ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')),
  (SELECT i.indkey::text FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary LIMIT 1),
  c.relrowsecurity)::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN ({numbers})
"""

_TYPES: Final = """
SELECT t.oid::int8::text, pg_catalog.json_build_array(t.typtype, t.typcategory,
  CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END::int8, t.typrelid::int8,
  CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) ELSE
    (SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1) END)::text
FROM pg_catalog.pg_type t
WHERE t.oid IN ({numbers})
"""

_FUNCTIONS: Final = """
SELECT p.oid::int8::text, pg_catalog.json_build_array(p.oid::int8, n.nspname, p.proname, l.lanname,
  CASE WHEN p.oid >= 16384 THEN
    (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 3079 LIMIT 1) END,
  p.prokind, p.provolatile, p.proretset, p.prorettype::int8, p.prosecdef, p.proargnames, p.proargmodes,
  coalesce(p.proallargtypes, p.proargtypes::oid[])::int8[], p.proconfig)::text
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid {range}
"""

BUILTINS: Final = _FUNCTIONS.format(range="< 16384")
"""Rows of (oid, JSON array): the functions that came with the server."""

_RULES: Final = """
SELECT r.oid::int8::text, CASE WHEN pg_catalog.octet_length(r.ev_action::text) <= {longest} THEN r.ev_action::text END,
  CASE WHEN pg_catalog.octet_length(r.ev_qual::text) <= {longest} THEN r.ev_qual::text ELSE '(' END
FROM pg_catalog.pg_rewrite r WHERE r.oid IN ({numbers})
"""

_BODIES: Final = """
SELECT b.oid, CASE WHEN pg_catalog.octet_length(b.source) <= {longest} THEN b.source END,
  CASE WHEN pg_catalog.octet_length(b.tree) <= {longest} THEN b.tree WHEN b.tree IS NOT NULL THEN '' END
FROM (SELECT p.oid::int8::text AS oid, p.prosrc AS source, pg_catalog.to_jsonb(p) ->> 'prosqlbody' AS tree
  FROM pg_catalog.pg_proc p WHERE p.oid IN ({numbers})) b
"""


def relations_query(oids: Iterable[int]) -> str:
    """Rows of (oid, JSON array) of these relations, with their columns."""
    return _RELATIONS.format(numbers=_numbers(oids))


def types_query(oids: Iterable[int]) -> str:
    """Rows of (oid, JSON array) of these types."""
    return _TYPES.format(numbers=_numbers(oids))


def functions_query(oids: Iterable[int]) -> str:
    """Rows of (oid, JSON array) of these functions."""
    return _FUNCTIONS.format(range=f"IN ({_numbers(oids)})")


def rules_query(oids: Iterable[int], longest: int) -> str:
    """Rows of (oid, ev_action, ev_qual) of these rules; a tree of more than ``longest`` bytes is left out."""
    return _RULES.format(numbers=_numbers(oids), longest=longest)


def bodies_query(oids: Iterable[int], longest: int) -> str:
    """Rows of (oid, prosrc, prosqlbody) of these functions. The last came with version 14. One of more than
    ``longest`` bytes is left out."""
    return _BODIES.format(numbers=_numbers(oids), longest=longest)


def _numbers(oids: Iterable[int]) -> str:
    return ", ".join(str(int(oid)) for oid in oids)
