"""What only the client's own session can know: temporary tables, uncommitted definitions, its search_path.

One SELECT for all names of a statement, asked on that session. It cannot fail for what it is asked (an error would
abort the client's transaction): names are compared, never resolved by a function that checks privileges.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hoopgate.catalogue.queries import Row
from hoopgate.catalogue.snapshot import ColumnInfo, Relation

Name = tuple[str | None, str]  # schema, None for an unqualified name; relation

_QUERY = """
SELECT w.i::pg_catalog.text, pg_catalog.json_build_array(
  c.oid::pg_catalog.int8, n.nspname, c.relname, c.relkind, c.relpersistence,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::pg_catalog.int8,
       a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char") ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a
   WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
     AND NOT a.attisdropped),
  EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid))::pg_catalog.text
FROM (VALUES {values}) w(i, s, r)
JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) w.r
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.<>) 'c'::pg_catalog."char"
  AND c.relkind OPERATOR(pg_catalog.<>) 't'::pg_catalog."char" AND CASE
  WHEN w.s IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
  WHEN w.s OPERATOR(pg_catalog.=) 'pg_temp'::pg_catalog.name
    THEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
  ELSE n.nspname OPERATOR(pg_catalog.=) w.s END
"""


def session_query(names: Sequence[Name]) -> str:
    """The question about these names (at least one); its rows are for :func:`session_relations`."""
    values = ", ".join(
        f"({index}, {_literal(schema)}::pg_catalog.name, {_literal(name)}::pg_catalog.name)"
        for index, (schema, name) in enumerate(names)
    )
    return _QUERY.format(values=values)


def session_relations(names: Sequence[Name], rows: Iterable[Row]) -> dict[Name, Relation | None]:
    """The relation that the session sees under each name, or None."""
    found: dict[Name, Relation | None] = dict.fromkeys(names)
    for index, values in rows:
        oid, schema, name, kind, persistence, columns, child = json.loads(values or "null")
        made = tuple(ColumnInfo(*column) for column in columns or ())
        found[names[int(index or 0)]] = Relation(oid, schema, name, kind, persistence, made, child=child)
    return found


def _literal(text: str | None) -> str:
    # E'' reads the same whatever standard_conforming_strings is.
    return "NULL" if text is None else "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
