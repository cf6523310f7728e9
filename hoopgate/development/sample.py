"""The demo's database: a small web shop, the same at every start. Nobody in it exists.

Addresses are under RFC 2606's domains, telephone numbers out of the ranges kept for fiction, card numbers pass
Luhn's check but begin as no issuer's do.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from hoopgate.development import words
from hoopgate.development.postgres import PostgresServer

DATABASE = "shop"
SCHEMA = Path(__file__).with_name("sample.sql")
CUSTOMERS, PRODUCTS, ORDERS, TICKETS, CARTS, STAFF = 2_000, 180, 4_000, 900, 600, 40

Row = tuple[object, ...]


@frozen
class Credentials:
    """Passwords of the sample's two login roles; the gateway alone is told of them."""

    app_ro: str
    app_rw: str


def load(server: PostgresServer, credentials: Credentials, database: str = DATABASE) -> None:
    """Make the database, its roles and its rows (about 17,000). Raises PostgresError; takes under two seconds."""
    roles = "".join(
        f"CREATE ROLE {name} LOGIN PASSWORD {_literal(password)};\n"
        for name, password in (("app_ro", credentials.app_ro), ("app_rw", credentials.app_rw))
    )
    server.execute(f"{roles}CREATE DATABASE {database};")
    server.execute(script(), database)


def script() -> str:
    """The schema, the rows as COPY blocks, the privileges: input for psql. The same text at every call."""
    structure, _, privileges = SCHEMA.read_text().partition("-- rows\n")
    return "".join([structure, *_copies(random.Random(20261122)), privileges])  # noqa: S311 - the same rows each time


def _copies(chance: random.Random) -> Iterator[str]:
    orders = list(_orders(chance))
    tables: list[tuple[str, list[Row]]] = [
        ("customers", [_customer(chance, number) for number in range(1, CUSTOMERS + 1)]),
        ("products", [_product(chance, number) for number in range(1, PRODUCTS + 1)]),
        ("orders", orders),
        ("order_items", list(_items(chance))),
        ("billing.payments", [_payment(chance, row) for row in orders]),
        ("tickets", [_ticket(chance, number) for number in range(1, TICKETS + 1)]),
        ("carts", [_cart(chance, number) for number in range(1, CARTS + 1)]),
        ("staff", [_employee(chance, number) for number in range(1, STAFF + 1)]),
    ]
    for name, rows in tables:
        lines = "".join("\t".join(map(_cell, row)) + "\n" for row in rows)
        yield f"COPY {name} FROM stdin;\n{lines}\\.\n"


def _cell(value: object) -> str:
    """One value in COPY's text format; our words hold neither tabs nor backslashes."""
    return "\\N" if value is None else str(value)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _moment(chance: random.Random, first_day: int = 0, days: int = 670) -> str:
    """A time from 2025 on, in UTC; the sample's present is November 2026."""
    day = first_day + chance.randrange(days)
    months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 2
    year, month = 2025, 1
    for length in months:
        if day < length:
            break
        day -= length
        month += 1
        if month == 13:
            year, month = 2026, 1
    clock = f"{chance.randrange(24):02d}:{chance.randrange(60):02d}:{chance.randrange(60):02d}"
    return f"{year}-{month:02d}-{day + 1:02d} {clock}+00"


def _person(chance: random.Random) -> tuple[str, str]:
    return chance.choice(words.FIRST_NAMES), chance.choice(words.LAST_NAMES)


def _address(first: str, last: str, number: int, domain: str) -> str:
    return f"{first}.{last}{number}@{domain}".lower().replace("'", "").replace(" ", "")


def card_number(chance: random.Random) -> str:
    """Sixteen digits, the last of which is Luhn's check digit (ISO/IEC 7812-1)."""
    digits = [9, 9, 9, 9, *(chance.randrange(10) for _ in range(11))]
    total = sum(digit if place % 2 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(digits))
    return "".join(map(str, [*digits, -total % 10]))


def _hash(chance: random.Random) -> str:
    """What a password hash looks like; no password has it."""
    return "$argon2id$v=19$m=65536,t=3,p=4$" + hashlib.sha256(chance.randbytes(16)).hexdigest()[:43]


def _customer(chance: random.Random, number: int) -> Row:
    first, last = _person(chance)
    city, country, phone = chance.choice(words.CITIES)
    domain = chance.choice(("example.com", "example.net", "example.org"))
    call = f"{phone}{chance.randrange(100):02d}"
    street = f"{chance.randrange(1, 240)} {chance.choice(words.STREETS)}"
    email = _address(first, last, number, domain)
    card = card_number(chance) if chance.random() < 0.8 else None
    return number, f"{first} {last}", email, call, street, city, country, card, _hash(chance), _moment(chance, 0, 600)


def _product(chance: random.Random, number: int) -> Row:
    category, things = words.PRODUCTS[number % len(words.PRODUCTS)]
    name = f"{chance.choice(words.MAKES)} {things[number // len(words.PRODUCTS) % len(things)]}"
    price = f"{chance.randrange(4, 240)}.{chance.choice((0, 50, 90, 95, 99)):02d}"
    return number, f"{category[:3].upper()}-{number:04d}", name, category, price, chance.randrange(0, 400)


def _orders(chance: random.Random) -> Iterator[Row]:
    for number in range(1, ORDERS + 1):
        status = chance.choices(("delivered", "shipped", "paid", "returned", "cancelled"), (70, 10, 9, 6, 5))[0]
        total = f"{chance.randrange(9, 700)}.{chance.randrange(100):02d}"
        yield number, chance.randrange(1, CUSTOMERS + 1), _moment(chance), status, total


def _items(chance: random.Random) -> Iterator[Row]:
    for order in range(1, ORDERS + 1):
        for product in sorted(chance.sample(range(1, PRODUCTS + 1), chance.choice((1, 1, 1, 2, 2, 3)))):
            yield order, product, chance.choice((1, 1, 1, 2, 3)), f"{chance.randrange(4, 240)}.99"


def _payment(chance: random.Random, order: Row) -> Row:
    method = chance.choices(("card", "transfer", "voucher"), (80, 15, 5))[0]
    iban = f"XX{chance.randrange(100):02d}TEST{chance.randrange(10**14):014d}" if method == "transfer" else None
    return order[0], order[0], method, iban, order[4], order[2]


def _ticket(chance: random.Random, number: int) -> Row:
    subject, body = chance.choice(words.TICKETS)
    state = chance.choices(("closed", "open", "waiting"), (75, 15, 10))[0]
    priority = chance.choices(("low", "normal", "high"), (20, 65, 15))[0]
    customer = chance.randrange(1, CUSTOMERS + 1)
    text = body.format(order=chance.randrange(1, ORDERS + 1))
    return number, customer, _moment(chance, 200, 470), subject, text, state, priority


def _cart(chance: random.Random, number: int) -> Row:
    product = chance.randrange(1, PRODUCTS + 1)
    return number, chance.randrange(1, CUSTOMERS + 1), product, chance.choice((1, 1, 2)), _moment(chance, 600, 70)


def _employee(chance: random.Random, number: int) -> Row:
    first, last = _person(chance)
    token = "shp_" + hashlib.sha256(chance.randbytes(16)).hexdigest()[:32]
    pick: Callable[[tuple[str, ...]], str] = chance.choice
    return (
        number,
        f"{first} {last}",
        _address(first, last, number, "shop.example"),
        pick(words.JOBS),
        _hash(chance),
        token,
    )
