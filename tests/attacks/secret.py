"""The secrets of two worlds, and the search for them in what a client gets, in every encoding an attacker thinks of.

The worlds differ in nothing but their secrets: values, lengths, order, duplicates, likeness. NULLs stand at the same
places and the last two characters of a phone are the same, since masks show both.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Final

from attrs import frozen

ROWS: Final = 12
VIPS: Final = {"a": (1, 2, 5, 8, 10), "b": (3, 4, 8, 9, 11, 12)}
LONGEST: Final = 1 << 20
BEGINNING: Final = 4  # bytes of a needle: none is shorter
FEW: Final = 20_000  # bytes that are cut into their beginnings
LETTERS: Final = "bcdfghjkmpqvwxz"  # no words come of these
COLUMNS: Final = (
    "email", "card", "ssn", "phone", "salary", "pin", "ratio", "born", "vip", "grade", "doc", "page", "blob", "tags",
    "uid", "span", "host", "lexemes", "spot",
)  # fmt: skip
EPOCH: Final = date(2000, 1, 1)
"""Day 0 of PostgreSQL's binary dates."""


@frozen
class Row:
    """One person's secrets: ``tokens`` are the words and numbers to look for, ``sql`` literals in COLUMNS' order."""

    tokens: tuple[str, ...]
    born: date
    sql: tuple[str, ...]


class World:
    """``name`` is the seed: every run has the same secrets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._random = Random(f"world {name}")
        self._more = ord(name) - ord("a")  # lengths differ too
        self.people = tuple(self._row(number) for number in range(1, ROWS + 1))
        self.others = {table: self.word() for table in ("payments", "profiles", "more", "home", "odd", "size", "keys")}
        self.folded = tuple(self.word() for _ in range(3))

    def word(self) -> str:
        return "".join(self._random.choice(LETTERS) for _ in range(self._random.randint(9, 15) + self._more))

    def digits(self, count: int) -> str:
        return "".join(self._random.choice("123456789") for _ in range(count))

    def _row(self, number: int) -> Row:
        pick = self._random
        email, phone, leaf, lexeme, tag, node, bytes_ = (self.word() for _ in range(7))
        card, ssn = self.digits(pick.choice((12, 14, 16))), f"{self.digits(3)}-{self.digits(2)}-{self.digits(6)}"
        salary, pin, span = self.digits(6), self.digits(9), self.digits(7)
        ratio, spot = f"0.{self.digits(9)}", self.digits(8)
        born = date(1931, 1, 1) + timedelta(days=pick.randrange(9000))
        uid, host = (
            f"{pick.getrandbits(128):032x}",
            f"10.{pick.randint(1, 255)}.{pick.randint(1, 255)}.{pick.randint(1, 255)}",
        )
        sql = (
            "NULL" if number == 7 else f"'{email.capitalize()}@Example.org'", f"'{card}'", f"'{ssn}'", f"'{phone}-42'",
            salary, f"{int(pin) % 2**31}", ratio, f"'{born}'", str(number in VIPS[self.name]).lower(),
            f"'{pick.choice(('low', 'middle', 'high', 'top'))}'", f"'{{\"leaf\": {{\"{leaf}\": [{pin}]}}}}'",
            f"'<p a=\"{node}\">{node}</p>'", f"convert_to('{bytes_}', 'UTF8')", f"ARRAY['{tag}', NULL]", f"'{uid}'",
            f"'[{span},{int(span) + 1000})'", f"'{host}'", f"'{lexeme}:1'", f"'({spot},1)'",
        )  # fmt: skip
        tokens = (phone, leaf, lexeme, tag, node, bytes_, card, ssn, uid, span, str(int(pin) % 2**31), spot, ratio[2:])
        return Row(tokens if number == 7 else (email, *tokens), born, sql)

    @property
    def tokens(self) -> Iterator[str]:
        for row in self.people:
            yield from row.tokens
        yield from self.others.values()
        yield from self.folded

    def load(self) -> str:
        """SQL that fills the schema."""
        rows = [
            f"({number}, 'name {number}', 'city {number % 3}', {number % 4 or 'NULL'}, {', '.join(row.sql)})"
            for number, row in enumerate(self.people, 1)
        ]
        columns = f"id, name, city, boss, {', '.join(COLUMNS)}"
        known = self.others
        return f"""
INSERT INTO people ({columns}) VALUES {", ".join(rows[:9])};
INSERT INTO staff ({columns}) VALUES {", ".join(rows[9:])};
UPDATE staff SET desk = 'desk ' || id;
INSERT INTO orders
    SELECT i, 1 + i % 8, 'item ' || i % 5, i * 1.5, timestamptz '2026-01-01Z' + i * interval '1 day', i % 2 = 0
    FROM generate_series(1, 30) i;
INSERT INTO payments SELECT i, date '2025-06-01' + i * 40, '{known["payments"]}' || i, i FROM generate_series(1, 9) i;
INSERT INTO profiles VALUES
    (1, ROW('1', '{known["profiles"]}'), ARRAY[ROW('2', '{known["more"]}')::contact], '{known["home"]}');
INSERT INTO folded (id, email) SELECT i, v FROM unnest(ARRAY{list(self.folded)!r}) WITH ORDINALITY u(v, i);
INSERT INTO vault."Odd.Name" VALUES (1, '{known["odd"]}', '{known["size"]}', 'plain');
INSERT INTO keys VALUES ('root', '{known["keys"]}');
REFRESH MATERIALIZED VIEW mail_list;
"""


A: Final = World("a")
B: Final = World("b")
SENT: Final = re.compile(rb"[^0-9A-Za-z]+")


def found(came: Iterable[bytes], world: World) -> list[str]:
    """Which secrets of ``world`` stand in the values and fields that came, and how they were written."""
    values = [value[:LONGEST] for value in came]
    whole = b"\x00".join(values)
    # Letters that came one by one, in rows, columns or arrays, stand together once nothing is between them.
    joined = SENT.sub(b"", whole).lower()
    numbers = re.sub(rb"[^0-9]+", b",", whole)
    haystacks = (whole, whole.lower(), joined, joined[::-1], numbers)
    beginnings = _beginnings(haystacks)
    seen = []
    for how, needle in _needles(world):
        if beginnings is not None and needle[:BEGINNING] not in beginnings:
            continue
        if any(needle in haystack for haystack in haystacks):
            seen.append(f"{how}: {needle.decode(errors='backslashreplace')}")
    return seen


def _beginnings(haystacks: Iterable[bytes]) -> set[bytes] | None:
    """All runs of BEGINNING bytes; None where they are too many to be worth it."""
    found: set[bytes] = set()
    for haystack in haystacks:
        if len(haystack) > FEW:
            return None
        found.update(haystack[at : at + BEGINNING] for at in range(len(haystack)))
    return found


@cache
def _needles(world: World) -> tuple[tuple[str, bytes], ...]:
    needles: list[tuple[str, bytes]] = []
    for token in world.tokens:
        needles += _of_token(token)
    for row in world.people:
        needles += _of_day(row.born)
    return tuple(needles)


def _of_token(token: str) -> Iterator[tuple[str, bytes]]:
    plain = token.encode()
    yield "plain", plain
    yield "joined", SENT.sub(b"", plain).lower()
    # ten digits, since short runs of them come about by chance where numbers stand side by side
    if len(part := SENT.sub(b"", plain)[1 : 11 if token[0].isdigit() else 9].lower()) >= (
        10 if token[0].isdigit() else 8
    ):
        yield "part", part  # without its first letter: initcap, trim, substr
    yield "hex", plain[1:].hex().encode()
    yield "utf-16", plain[1:].decode().encode("utf-16-le")
    yield "codes", ",".join(str(code) for code in plain[1:]).encode()
    yield "bits", "".join(f"{code:08b}" for code in plain[1:]).encode()
    yield "translated", "".join(chr((ord(c) - 97 + 13) % 26 + 97) if c.isalpha() else c for c in token).encode()
    if token.isdigit() and int(token) < 2**31:
        yield "binary", struct.pack(">i", int(token))
    for shift in range(3):  # what stands before the token moves its base64
        coded = base64.b64encode(b"?" * shift + plain[1:])
        if len(inner := coded[4 if shift else 0 : -4]) >= 8:  # the ends depend on what stands beside
            yield "base64", inner
    for whole in (plain, f"{token.capitalize()}@Example.org".encode()):
        for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
            digest = hashlib.new(name, whole)
            yield name, digest.hexdigest().encode()
            yield name, digest.digest()
            yield name, base64.b64encode(digest.digest())


def _of_day(day: date) -> Iterator[tuple[str, bytes]]:
    for form in (
        "%Y-%m-%d",
        "%Y%m%d",
        "%d.%m.%Y",
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%b %d %Y",
        "%d %B %Y",
        "%Y-%j",
        "%B %d, %Y",
    ):
        yield "date", day.strftime(form).encode()
    yield "julian", str(day.toordinal() + 1721425).encode()
    yield "epoch", str((day - date(1970, 1, 1)).days * 86400).encode()
    yield "binary", struct.pack(">i", (day - EPOCH).days)
