"""The questions to a target's catalogue, and how their answers are read.

All are plain SELECTs over pg_catalog: nothing locks a user's relation or takes a look at its data, so an uncommitted
ALTER TABLE of a client delays none of them. The caller's connection sets ``statement_timeout`` and ``lock_timeout``
and an empty ``search_path``; any role that may connect can ask. PostgreSQL 13 or newer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hoopgate.catalogue.snapshot import ColumnInfo, Function, Reads, Relation, Snapshot, UserType

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
            _mark("pg_operator", "oid, xmin::text"),
            _mark("pg_cast", "oid, xmin::text"),
            _mark("pg_type", "oid, xmin::text"),
            _mark("pg_enum", "oid, xmin::text", "true"),
            _mark("pg_extension", "oid, xmin::text", "true"),
        ]
    )
)
"""One row, one text: equal texts mean that :data:`STATE` would answer the same."""

STATE: Final = """
SELECT 'relation', pg_catalog.json_build_array(c.oid::int8, n.nspname, c.relname, c.relkind, c.relpersistence,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::int8, a.attgenerated <> '')
     ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')),
  (SELECT i.indkey::text FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary LIMIT 1))::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 't'
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
SELECT 'rewrite', pg_catalog.json_build_array(r.oid::int8, r.xmin::text, r.ev_class::int8, r.ev_type)::text
FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384
UNION ALL
SELECT 'calls', pg_catalog.json_build_array(d.objid::int8, d.refobjid::int8)::text
FROM pg_catalog.pg_depend d
WHERE d.classid = 2618 AND d.refclassid = 1255 AND d.refobjid >= 16384
UNION ALL
SELECT 'calls', pg_catalog.json_build_array(d.objid::int8, p.oid::int8)::text
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode::oid
WHERE d.classid = 2618 AND d.refclassid = 2617 AND p.oid >= 16384 AND p.prolang NOT IN (12, 13)
UNION ALL
SELECT 'function', pg_catalog.json_build_array(p.oid::int8, n.nspname, p.proname, l.lanname,
  (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
   WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 3079 LIMIT 1))::text
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384
UNION ALL
SELECT 'builtins', pg_catalog.json_agg(DISTINCT p.proname)::text FROM pg_catalog.pg_proc p WHERE p.oid < 16384
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
UNION ALL
SELECT 'type', pg_catalog.json_build_array(t.oid::int8, t.typtype, t.typcategory,
  CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END::int8, t.typrelid::int8,
  (SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1))::text
FROM pg_catalog.pg_type t
WHERE t.oid >= 16384 AND (t.typtype IN ('c', 'd', 'e') OR t.typtype = 'b' AND t.typcategory IN ('A', 'S'))
"""
"""Everything but the rules' trees, in one statement and so at one moment. Rows of (what, JSON array).

Object ids of the server's own catalogues and languages are fixed (source, ``catalog/*.dat``): 1255 pg_proc, 1259
pg_class, 2604 pg_attrdef, 2617 pg_operator, 2618 pg_rewrite, 3079 pg_extension; languages 12 internal and 13 C.
Operators in C look at their operands; an operator by a name that the server has itself cannot be told from that one
without types, and is taken for it.
"""


def actions_query(rules: Iterable[int]) -> str:
    """Rows of (oid, xmin, ev_action, ev_qual) of these rules."""
    numbers = ", ".join(str(int(rule)) for rule in rules)
    columns = "r.oid::int8::text, r.xmin::text, r.ev_action::text, r.ev_qual::text"
    return f"SELECT {columns} FROM pg_catalog.pg_rewrite r WHERE r.oid IN ({numbers})"  # noqa: S608 - integers only


class State:
    """The rows of :data:`STATE`, sorted out. ``rules``: oid -> (xmin, relation, type of its command)."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.relations: dict[int, Relation] = {}
        self.inherits: list[tuple[int, int]] = []
        self.generated: list[tuple[int, int, int]] = []
        self.rules: dict[int, tuple[str, int, str]] = {}
        self.calls: dict[int, set[int]] = {}
        self.functions: dict[int, Function] = {}
        self.builtins: frozenset[str] = frozenset()
        self.operators: dict[str, tuple[int, ...]] = {}
        self.casts: dict[str, tuple[int, ...]] = {}
        self.types: dict[int, UserType] = {}
        for what, values in rows:
            getattr(self, f"_{what}")(json.loads(values or "null"))

    def _relation(self, values: list[Any]) -> None:
        oid, schema, name, kind, persistence, columns, key = values
        made = tuple(ColumnInfo(*column) for column in columns or ())
        keys = tuple(int(number) for number in (key or "").split())
        self.relations[oid] = Relation(oid, schema, name, kind, persistence, made, keys)

    def _inherits(self, values: list[Any]) -> None:
        self.inherits.append((values[0], values[1]))

    def _generated(self, values: list[Any]) -> None:
        relation, column, base = values
        self.generated.append((relation, column, base))

    def _rewrite(self, values: list[Any]) -> None:
        oid, version, relation, command = values
        self.rules[oid] = (version, relation, command)

    def _calls(self, values: list[Any]) -> None:
        self.calls.setdefault(values[0], set()).add(values[1])

    def _function(self, values: list[Any]) -> None:
        oid, schema, name, language, extension = values
        self.functions[oid] = Function(oid, schema, name, language, extension or "")

    def _builtins(self, values: list[Any]) -> None:
        self.builtins = frozenset(values)

    def _operator(self, values: list[Any]) -> None:
        self.operators[values[0]] = (*self.operators.get(values[0], ()), values[1])

    def _cast(self, values: list[Any]) -> None:
        self.casts[values[0]] = (*self.casts.get(values[0], ()), values[1])

    def _type(self, values: list[Any]) -> None:
        oid, kind, category, element, relation, label = values
        if kind == "e":
            self.types[oid] = UserType("enum", label=label or "")
        elif kind == "c":
            self.types[oid] = UserType("row", relation=relation)
        elif kind == "d":
            self.types[oid] = UserType("domain", element=element)
        else:
            self.types[oid] = UserType("array", element=element) if category == "A" else UserType("text")

    def snapshot(self, serial: int, fingerprint: str, reads: Mapping[int, Reads]) -> Snapshot:
        """Join the state with what its rules read (by the rule's oid; a missing one is opaque)."""
        views: dict[int, Reads] = {}
        rules: dict[int, tuple[Reads, ...]] = {}
        for oid, (_, relation, command) in self.rules.items():
            read = reads.get(oid, Reads(opaque=True))
            if command == "1":  # CMD_SELECT: the query of a view
                views[relation] = read
            else:
                rules[relation] = (*rules.get(relation, ()), read)
        return Snapshot(
            serial=serial,
            fingerprint=fingerprint,
            relations=self.relations,
            inherits=tuple(self.inherits),
            generated=tuple(self.generated),
            views=views,
            rules=rules,
            functions=self.functions,
            builtins=self.builtins,
            operators=self.operators,
            casts=self.casts,
            types=self.types,
        )
