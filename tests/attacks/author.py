"""Writes random statements over the attacks' schema, typed so that most run, and says what each touches."""

from __future__ import annotations

from random import Random
from typing import Final

from attrs import define, field, frozen

TYPES: Final = "tinbdajw"  # text, int, numeric, bool, date, array of text, jsonb, whole row
CLEAR: Final = {
    "orders": {"id": "i", "person": "i", "item": "t", "total": "n", "email_sent": "b"},
    "queue": {"id": "i", "state": "t"},
    "notes": {"id": "i", "body": "t", "n": "i"},
    "seen": {"id": "i", "mark": "t"},
    "people": {"id": "i", "name": "t", "city": "t", "boss": "i"},
    "staff": {"id": "i", "name": "t", "city": "t", "desk": "t"},
    "contacts": {"id": "i", "name": "t"},
    "mail_list": {"id": "i"},
    "payments": {"id": "i", "paid": "d", "amount": "n"},
    "profiles": {"id": "i"},
    "folded": {"id": "i"},
}
_PERSON: Final = {
    "email": "t", "card": "t", "ssn": "t", "phone": "t", "salary": "n", "pin": "i", "born": "d", "vip": "b",
    "doc": "j", "tags": "a",
}  # fmt: skip
MASKED: Final = {
    "people": _PERSON,
    "staff": _PERSON,
    "contacts": {"contact": "t"},
    "mail_list": {"contact": "t", "loud": "t"},
    "payments": {"token": "t"},
    "profiles": {"home": "t"},
    "folded": {"email": "t", "lower_email": "t"},
    "renamed": {"a": "t"},
    "everyone": {"email": "t"},
}
LITERALS: Final = {
    "t": ("'x'", "'name 1'", "'M'", "''", "NULL::text"),
    "i": ("1", "3", "0", "7"),
    "n": ("1.5", "500000"),
    "b": ("true", "false"),
    "d": ("date '1945-01-01'", "date '2025-07-01'"),
    "a": ("ARRAY['x']", "'{}'::text[]"),
    "j": ("'{}'::jsonb", "'{\"a\": [1]}'::jsonb"),
}
SHAPES: Final = {
    "t": (
        "upper({t})", "lower({t})", "substr({t}, {s})", "left({t}, 4)", "reverse({t})", "({t} || {t})", "md5({t})",
        "({i})::text", "({n})::text", "({d})::text", "({b})::text", "({j})::text", "({a})::text", "({w})::text",
        "coalesce({t}, {t})", "nullif({t}, {t})", "greatest({t}, {t})", "concat({t}, {i}, {w})", "format('%s', {t})",
        "CASE WHEN {b} THEN {t} ELSE {t} END", "array_to_string({a}, ',')", "({a})[1]", "({j} ->> 'leaf')",
        "encode(convert_to({t}, 'UTF8'), 'hex')", "to_char({d}, 'YYYY-MM-DD')", "quote_literal({t})", "repeat({t}, 2)",
        "(SELECT {t} LIMIT 1)", "translate({t}, 'abc', 'xyz')", "split_part({t}, '@', 1)",
        "regexp_replace({t}, 'a', '')", "row_to_json({w})::text", "CAST({t} AS varchar(9))", "({t} COLLATE \"C\")",
    ),
    "i": (
        "length({t})", "ascii({t})", "({i} % 7)", "abs({i})", "({b})::int", "extract(year FROM {d})::int",
        "cardinality({a})", "hashtext({t})", "coalesce({i}, {i})", "CASE WHEN {b} THEN {i} END",
        "position('a' IN {t})", "({i} # {s})", "greatest({i}, {i})", "array_length({a}, 1)", "pg_column_size({t})",
        "num_nulls({t}, {i})",
    ),
    "n": ("({n} + {n})", "round({n})", "({i})::numeric", "coalesce({n}, {n})", "least({n}, {n})", "trim_scale({n})"),
    "b": (
        "({t} > {t})", "({t} LIKE '%a%')", "({i} = {i})", "({n} > {n})", "({d} < {d})", "({t} IS NULL)", "(NOT {b})",
        "({b} AND {b})", "({b} OR {b})", "({t} = ANY ({a}))", "({j} ? 'leaf')", "({t} ~ '^[A-M]')",
        "({i} BETWEEN {s} AND 9)", "({t} IN ({t}, {t}))", "({w} IS NOT NULL)", "({t} IS DISTINCT FROM {t})",
        "coalesce({b}, {b})",
    ),
    "d": ("({d} + {s})", "coalesce({d}, {d})", "date_trunc('year', {d})::date", "greatest({d}, {d})"),
    "a": (
        "ARRAY[{t}, {t}]", "string_to_array({t}, 'x')", "array_append({a}, {t})", "({a} || {t})",
        "array_remove({a}, {t})",
    ),
    "j": (
        "to_jsonb({t})", "jsonb_build_object('a', {t}, 'b', {i})", "to_jsonb({w})", "({j} -> 'a')",
        "jsonb_build_array({t}, {n})", "({j} || {j})", "to_jsonb({a})", "jsonb_strip_nulls({j})",
    ),
}  # fmt: skip
WINDOWS: Final = {
    "t": (
        "max({t}) OVER (ORDER BY {o})",
        "lag({t}) OVER (ORDER BY {o})",
        "first_value({t}) OVER (PARTITION BY {o} ORDER BY {o})",
    ),
    "i": ("row_number() OVER (ORDER BY {o}, {o})", "count(*) OVER (PARTITION BY {o})", "rank() OVER (ORDER BY {o})"),
    "n": ("sum({n}) OVER (ORDER BY {o})",),
}  # fmt: skip
AGGREGATES: Final = {
    "t": ("max({t})", "min({t})", "string_agg({t}, ',' ORDER BY {t})"),
    "i": ("count(*)", "max({i})", "count({t})", "count(DISTINCT {t})", "count(*) FILTER (WHERE {b})"),
    "n": ("sum({n})", "avg({i})", "max({n})"),
    "b": ("bool_or({b})", "every({b})"),
    "a": ("array_agg({t} ORDER BY {i})",),
    "j": ("jsonb_agg({t} ORDER BY {i})", "jsonb_object_agg({i}, {t})"),
}


@frozen
class Source:
    alias: str
    clear: dict[str, str]
    masked: dict[str, str]
    whole_is_masked: bool
    table: bool = True


@frozen
class Text:
    """``touches``: something masked has a part; ``asks``: it chooses rows, groups or an order, or makes an error."""

    sql: tuple[str, ...]
    touches: bool
    asks: bool


@define
class Author:
    """``masked``: how often a column is a masked one; 0 writes honest statements alone."""

    seed: int
    masked: float = 0.35
    _random: Random = field(factory=Random)
    _touches: bool = False
    _asks: bool = False
    _asking: int = 0
    _names: int = 0

    def __attrs_post_init__(self) -> None:
        self._random = Random(f"{self.seed} {self.masked}")

    def text(self) -> Text:
        kind = self._random.random()
        query = self.query(2, [], ordered=True)
        if kind < 0.70:
            sql: tuple[str, ...] = (query,)
        elif kind < 0.76:
            sql = (f"COPY ({query}) TO STDOUT",)
        elif kind < 0.80:
            sql = (f"PREPARE prepared{self.seed} AS {query}", f"EXECUTE prepared{self.seed}")
        elif kind < 0.84:
            # Names of their own: one that held masked values once keeps its masks for the session.
            name = f"cursor{self.seed}"
            sql = (f"DECLARE {name} CURSOR FOR {query}", f"FETCH 3 FROM {name}", f"FETCH ALL FROM {name}")
        elif kind < 0.90:
            name = f"made{self.seed}"
            made = f"CREATE TEMP TABLE {name} AS SELECT * FROM ({query}) q"
            sql = (made, f"SELECT * FROM {name}", f"SELECT {name} FROM {name}")
        else:
            sql = (self.change(),)
        return Text(sql, self._touches, self._asks)

    def pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def chance(self, of: float) -> bool:
        return self._random.random() < of

    def query(self, depth: int, outer: list[Source], *, ordered: bool = False, columns: str = "") -> str:
        """A SELECT; ``columns`` are the types wanted of its targets, any if empty."""
        start = ""
        if depth and self.chance(0.15):
            name = self.name()
            start = f"WITH {name} AS ({self.query(depth - 1, [])}) "
            ctes = [name]
        else:
            ctes = []
        sources, scope = self.sources(depth, outer, ctes)
        visible = scope + outer
        if self.chance(0.2):
            return start + self.grouped(sources, scope, depth, columns)
        wanted = columns or "".join(self.pick(*"ttttiinbdaj") for _ in range(self._random.randint(1, 4)))
        targets = ", ".join(self.target(kind, visible, depth) for kind in wanted)
        if not columns and self.chance(0.08):
            targets = self.star(scope)
        distinct = ""
        if not columns and self.chance(0.06):
            distinct, self._asks = "DISTINCT ", self._asks or self._touches
        sql = f"{start}SELECT {distinct}{targets} FROM {sources}"
        if self.chance(0.4):
            sql += f" WHERE {self.asking('b', visible, depth)}"
        if ordered and not distinct and self.chance(0.5):
            sql += f" ORDER BY {self.asking(self.pick(*'tin'), visible, 1)}"
        if ordered and self.chance(0.1):
            sql += f" LIMIT {self._random.randint(1, 9)}"
        return sql

    def grouped(self, sources: str, scope: list[Source], depth: int, columns: str) -> str:
        kinds = columns or "".join(self.pick(*AGGREGATES) for _ in range(self._random.randint(1, 3)))
        targets = ", ".join(
            self.fill(self.pick(*AGGREGATES[kind]), scope, 1) if kind in AGGREGATES else self.pick(*LITERALS[kind])
            for kind in kinds
        )
        if columns or self.chance(0.4):
            return f"SELECT {targets} FROM {sources}"
        key = self.asking("t", scope, 0)
        return f"SELECT {key}, {targets} FROM {sources} GROUP BY {key} ORDER BY {key}"

    def target(self, kind: str, visible: list[Source], depth: int) -> str:
        if kind in WINDOWS and self.chance(0.07):
            sql = self.fill(self.pick(*WINDOWS[kind]), visible, 0)
        else:
            sql = self.expression(kind, visible, depth)
        return f"{sql} AS {self.pick('name', 'id', 'email', 'x')}" if self.chance(0.3) else sql

    def star(self, scope: list[Source]) -> str:
        source = self._random.choice(scope)
        if source.whole_is_masked and not self.masked:
            return f"{source.alias}.{self._random.choice(list(source.clear))}"
        self._touches |= source.whole_is_masked
        return self.pick(f"{source.alias}.*", f"{source.alias}")

    def sources(self, depth: int, outer: list[Source], ctes: list[str]) -> tuple[str, list[Source]]:
        sql, first = self.source(depth, outer)
        scope = [first]
        for name in ctes:
            sql += f" CROSS JOIN (SELECT count(*) AS c FROM {name}) {self.name()}"
        for _ in range(self._random.choice((0, 0, 0, 1, 1, 2))):
            more, source = self.source(depth, outer + scope, lateral=True)
            scope.append(source)
            if self.chance(0.75):
                sql += f" {self.pick('JOIN', 'LEFT JOIN')} {more} ON {self.asking('b', scope, 0)}"
            else:
                sql += f" CROSS JOIN {more}"
        return sql, scope

    def source(self, depth: int, outer: list[Source], *, lateral: bool = False) -> tuple[str, Source]:
        alias = self.name()
        if depth and self.chance(0.2):
            before = self._touches
            self._touches = False
            kinds = "".join(self.pick(*"tid") for _ in range(2))
            inner = self.query(depth - 1, outer if lateral else [], columns=kinds)
            columns = dict(zip(("u", "v"), kinds, strict=True))
            tainted, self._touches = self._touches, self._touches or before
            word = "LATERAL " if lateral else ""
            clear, masked = ({}, columns) if tainted else (columns, {})
            return f"{word}({inner}) {alias}(u, v)", Source(alias, clear, masked, tainted, table=False)
        tables = [*CLEAR, *MASKED] if self.masked else list(CLEAR)
        table = self._random.choice(tables)
        masked = MASKED.get(table, {})
        only = "ONLY " if table in ("people", "orders") and self.chance(0.1) else ""
        return f"{only}{table} {alias}", Source(alias, CLEAR.get(table, {}), masked, bool(masked))

    def name(self) -> str:
        self._names += 1
        return f"x{self._names}"

    def asking(self, kind: str, scope: list[Source], depth: int) -> str:
        """An expression where it chooses."""
        self._asking += 1
        try:
            return self.expression(kind, scope, depth)
        finally:
            self._asking -= 1

    def expression(self, kind: str, scope: list[Source], depth: int) -> str:
        if kind == "w":
            return self.whole(scope)
        roll = self._random.random()
        if depth > 0 and roll < 0.08:
            inner = self.query(depth - 1, scope, columns=kind)
            if kind == "b" and self.chance(0.5):
                return f"EXISTS ({inner})"
            return f"({inner} LIMIT 1)" if " LIMIT " not in inner else f"({inner})"
        if depth >= 0 and roll < 0.55:
            return self.fill(self.pick(*SHAPES[kind]), scope, depth - 1)
        return self.column(kind, scope)

    def fill(self, shape: str, scope: list[Source], depth: int) -> str:
        parts = shape.split("{")
        sql = parts[0]
        for part in parts[1:]:
            letter, rest = part[0], part[2:]
            if letter == "s":
                sql += str(self._random.randint(1, 5))
            elif letter == "o":
                sql += self.asking(self.pick(*"tin"), scope, -1)
            elif "FILTER" in sql or "DISTINCT" in shape or "ORDER BY" in sql:
                sql += self.asking(letter, scope, depth)
            else:
                sql += self.expression(letter, scope, depth)
            sql += rest
        return sql

    def whole(self, scope: list[Source]) -> str:
        rows = [one for one in scope if not one.whole_is_masked or self.masked]
        if not rows:
            return "ROW(1, 2)"
        source = self._random.choice(rows)
        self._saw(source.whole_is_masked)
        return source.alias

    def column(self, kind: str, scope: list[Source]) -> str:
        masked = [f"{one.alias}.{name}" for one in scope for name, type_ in one.masked.items() if type_ == kind]
        clear = [f"{one.alias}.{name}" for one in scope for name, type_ in one.clear.items() if type_ == kind]
        if masked and self.masked and (not clear or self.chance(self.masked)):
            self._saw(True)
            return self._random.choice(masked)
        return self._random.choice(clear) if clear else self.pick(*LITERALS[kind])

    def _saw(self, masked: bool) -> None:
        self._touches |= masked
        self._asks |= masked and self._asking > 0

    def change(self) -> str:
        table = self.pick("queue", "notes", "orders", "people", "seen")
        own = Source("t", CLEAR[table], MASKED.get(table, {}), table in MASKED)
        column = self._random.choice([name for name, kind in CLEAR[table].items() if kind == "t"])
        value, where = self.expression("t", [own], 1), self.asking("b", [own], 1)
        returning = ", ".join(self.target(self.pick(*"tin"), [own], 1) for _ in range(2))
        if self.chance(0.5):
            return f"UPDATE {table} t SET {column} = {value} WHERE {where} RETURNING {returning}"
        if self.chance(0.5):
            return f"DELETE FROM {self.pick('queue', 'notes', 'seen')} t WHERE t.id > 2 RETURNING t.id"
        rows = f"SELECT id + 100, {value} FROM {table} t WHERE {where}"
        return f"INSERT INTO queue AS t {rows} ON CONFLICT DO NOTHING RETURNING t.id"
