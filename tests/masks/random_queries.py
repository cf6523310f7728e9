"""Random statements over a small schema, mostly valid: whatever comes to a mind that wants to know a masked value."""

from __future__ import annotations

from random import Random
from typing import Final

TABLES: Final = {
    "people": ("id", "secret", "name", "city"),
    "hidden.notes": ("id", "secret", "body"),
    "clear": ("id", "name", "score", "secret_count"),
    "shown": ("id", "alias_of_secret", "name"),
    "kids": ("id", "secret", "name", "city", "age"),
}
SCHEMA: Final = """
CREATE SCHEMA hidden;
CREATE TABLE people (id int PRIMARY KEY, secret text, name text, city text);
CREATE TABLE kids (age int) INHERITS (people);
CREATE TABLE hidden.notes (id int, secret text, body text);
CREATE TABLE clear (id int PRIMARY KEY, name text, score int, secret_count int);
CREATE VIEW shown AS SELECT id, secret AS alias_of_secret, name FROM people;
INSERT INTO people SELECT i, {secret}, 'n' || i, 'c' || i % 3 FROM generate_series(1, 7) i;
INSERT INTO kids SELECT i + 100, {secret}, 'k' || i, 'c' || i % 2, i FROM generate_series(1, 3) i;
INSERT INTO hidden.notes SELECT i, {secret}, 'b' || i FROM generate_series(1, 4) i;
INSERT INTO clear SELECT i, 'n' || i, i * 3 % 5, i FROM generate_series(1, 6) i;
ANALYZE;
"""
WORLDS: Final = ("'s' || i", "'t' || (9 - i) % 4")
"""Secrets of two worlds: other values, another order, other duplicates, another likeness."""

Scope = list[tuple[str, tuple[str, ...]]]


class Author:
    """Writes statements. ``depth`` bounds sub-selects."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._names = 0

    def statement(self) -> str:
        kind = self._random.random()
        if kind < 0.72:
            return self.select([], 2, [])[0]
        if kind < 0.82:
            return self.change()
        if kind < 0.88:
            return f"COPY ({self.select([], 1, [])[0]}) TO STDOUT"
        if kind < 0.93:
            return f"EXPLAIN (COSTS OFF) {self.select([], 1, [])[0]}"
        how, one = self.pick("UNION", "UNION ALL", "EXCEPT"), self.expression([("clear", TABLES["clear"])], 1, [])
        return f"SELECT {one} FROM clear {how} SELECT {self.column([('people', TABLES['people'])])} FROM people"

    def pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def chance(self, of: float) -> bool:
        return self._random.random() < of

    def name(self) -> str:
        self._names += 1
        # Some names come again, so that inner ones hide outer ones.
        return self.pick("a", "b", "c") if self.chance(0.3) else f"x{self._names}"

    def select(self, outer: Scope, depth: int, ctes: Scope) -> tuple[str, tuple[str, ...]]:
        """A SELECT and the names of its columns."""
        clause = ""
        if depth and self.chance(0.2):
            name = self.name()
            query, columns = self.select(outer, depth - 1, ctes)
            clause, ctes = f"WITH {name} AS ({query}) ", [*ctes, (name, columns)]
        sources, scope = self.sources(outer, depth, ctes)
        visible = scope + outer
        targets, columns = self.targets(scope, visible, depth, ctes)
        parts = [f"{clause}SELECT {'DISTINCT ' if self.chance(0.1) else ''}{targets} FROM {sources}"]
        if self.chance(0.4):
            parts.append(f"WHERE {self.condition(visible, depth, ctes)}")
        if self.chance(0.06):
            parts.append(f"GROUP BY {self.pick('1', '1, 2', self.column(visible), self.expression(visible, 0, ctes))}")
        if self.chance(0.3):
            parts.append(f"ORDER BY {self.pick('1', '2', '3', *columns[:2], self.expression(visible, 0, ctes))}")
        if self.chance(0.1):
            parts.append(f"LIMIT {self._random.randint(1, 5)}")
        return " ".join(parts), columns

    def sources(self, outer: Scope, depth: int, ctes: Scope) -> tuple[str, Scope]:
        text, scope = self.source(outer, depth, ctes, [])
        for _ in range(self._random.choice((0, 0, 1, 1, 2))):
            more, added = self.source(outer, depth, ctes, scope)
            how = self._random.random()
            if how < 0.4:
                on = self.condition(scope + added, 0, ctes)
                text = f"{text} {self.pick('JOIN', 'LEFT JOIN', 'FULL JOIN')} {more} ON {on}"
            elif how < 0.55:
                text = f"{text} JOIN {more} USING ({self.pick('id', 'id', 'name', 'secret')})"
            elif how < 0.65:
                text = f"{text} NATURAL JOIN {more}"
            else:
                text = f"{text} CROSS JOIN {more}"
            scope = scope + added
        if self.chance(0.1):
            alias = self.name()
            return f"({text} CROSS JOIN (SELECT 1) one) AS {alias}", [(alias, scope[0][1])]
        return text, scope

    def source(self, outer: Scope, depth: int, ctes: Scope, left: Scope) -> tuple[str, Scope]:
        kind = self._random.random()
        alias = self.name()
        if depth and kind < 0.15:
            query, columns = self.select(outer, depth - 1, ctes)
            return f"({query}) {alias}", [(alias, columns)]
        if depth and kind < 0.25:
            query, columns = self.select(left + outer, depth - 1, ctes)
            return f"LATERAL ({query}) {alias}", [(alias, columns)]
        if ctes and kind < 0.4:
            name, columns = self._random.choice(ctes)
            return f"{name} {alias}", [(alias, columns)]
        table = self.pick(*TABLES)
        if kind < 0.45:
            return f"{table} AS {alias} (p, q, r)", [(alias, ("p", "q", "r"))]
        if kind < 0.6:
            return table, [(table, TABLES[table])]
        return f"{self.pick('', '', 'ONLY ')}{table} {alias}", [(alias, TABLES[table])]

    def targets(self, scope: Scope, visible: Scope, depth: int, ctes: Scope) -> tuple[str, tuple[str, ...]]:
        texts: list[str] = []
        columns: list[str] = []
        for _ in range(self._random.randint(1, 3)):
            kind = self._random.random()
            if kind < 0.15:
                source, names = self._random.choice(scope)
                texts.append("*" if self.chance(0.5) else f"{source.split('.')[-1]}.*")
                columns += names
            else:
                text = self.column(scope) if kind < 0.65 else self.expression(visible, depth, ctes)
                if self.chance(0.4):
                    alias = self.pick("e", "secret", "id", "name")
                    texts.append(f"{text} AS {alias}")
                    columns.append(alias)
                else:
                    texts.append(text)
                    columns.append(text.rsplit(".", 1)[-1] if text.replace(".", "").isidentifier() else "e")
        return ", ".join(texts), tuple(columns)

    def column(self, scope: Scope) -> str:
        source, names = self._random.choice(scope)
        clear = [name for name in names if "secret" not in name or name == "secret_count"]
        name = self._random.choice(clear or names) if self.chance(0.75) else self._random.choice((*names, "secret"))
        return name if self.chance(0.25) else f"{source.split('.')[-1]}.{name}"

    def expression(self, scope: Scope, depth: int, ctes: Scope) -> str:
        kind = self._random.random()
        if kind < 0.5:
            return self.column(scope)
        if kind < 0.65:
            return self.pick("1", "'s3'", "NULL", "'x'")
        if kind < 0.7:
            return self._random.choice(scope)[0].split(".")[-1]  # a whole row, or a column of that name
        if depth and kind < 0.8:
            return f"(SELECT {self.expression(scope, 0, ctes)} FROM {self.source(scope, 0, ctes, [])[0]} LIMIT 1)"
        shape = self.pick(
            "md5(({})::text)", "length(({})::text)", "coalesce({}, NULL)", "({})::text", "({}) IS NULL",
            "row({})", "to_jsonb({})", "({}).secret", "max(({})::text) OVER ()", "count(*) OVER (ORDER BY {})",
            "concat({}, '')",
            "CASE WHEN ({})::text > 's3' THEN 1 END", "secret({})", "nullif({}, 's3')",
        )  # fmt: skip
        return shape.format(self.column(scope) if self.chance(0.7) else self.expression(scope, 0, ctes))

    def condition(self, scope: Scope, depth: int, ctes: Scope) -> str:
        kind = self._random.random()
        if depth and kind < 0.2:
            return f"{self.pick('', 'NOT ')}EXISTS ({self.select(scope, depth - 1, ctes)[0]})"
        if depth and kind < 0.3:
            return f"({self.column(scope)})::text IN ({self.select(scope, depth - 1, ctes)[0]})"
        if kind < 0.5:
            return self.pick("true", "1 = 1", f"{self._random.choice(scope)[0].split('.')[-1]}.id > 2")
        operator = self.pick("=", "<", "<>", "LIKE", "IS NOT DISTINCT FROM")
        return f"({self.expression(scope, depth, ctes)})::text {operator} ({self.expression(scope, 0, ctes)})::text"

    def change(self) -> str:
        table = self.pick("people", "clear", "hidden.notes")
        own: Scope = [("t", TABLES[table])]
        other: Scope = [("u", TABLES[self.pick("people", "clear")])]
        returning = self.targets([*own, ("old", TABLES[table])], own, 1, [])[0]
        value, condition = self.expression(own + other, 1, []), self.condition(own + other, 1, [])
        column = self._random.choice(TABLES[table][1:3])
        from_table = "people" if "secret" in other[0][1] else "clear"
        kind = self._random.random()
        if kind < 0.5:
            return (
                f"UPDATE {table} t SET {column} = ({value})::text FROM {from_table} u "
                f"WHERE t.id = u.id AND {condition} RETURNING {returning}"
            )
        if kind < 0.75:
            return f"DELETE FROM {table} t USING {from_table} u WHERE t.id = u.id AND {condition} RETURNING {returning}"
        query = self.select([], 1, [])[0]
        return f"INSERT INTO {table} AS t (id, {column}) {query} RETURNING {returning}"
