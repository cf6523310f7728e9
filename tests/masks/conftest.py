"""A database of its own with masked columns of every sort; each masked value is easy to recognise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import pq

from hoopgate.catalogue import Catalogue
from hoopgate.config.model import Config, Mask, SecretRef
from hoopgate.development.postgres import EmbeddedPostgres
from tests.masks.gate import Gate, catalogue_of, connect

MASKS = (
    Mask("emails", ("*.*.email",)),
    Mask("cards", ("public.customers.card",), kind="fixed"),
    Mask("phones", ("public.customers.phone",), kind="keep-last", keep=2),
    Mask("passwords", ("*.*.password", "*.*.token"), kind="hash", key=SecretRef("env", "key")),
    Mask("rest", ("public.customers.born", "public.customers.prefs", "public.customers.uid"), kind="fixed"),
    Mask("null", ("public.customers.feeling", "app.users.tags"), kind="null"),
    Mask("children", ("public.masked_people.mail", "public.events_2024.payload")),
    Mask("vouched", ("public.vouched_view.contact",)),
)
MARKS = (b"SECRET", b"secret", b"4111999", b"1977-07-07", b"deadbeef", b"534543524554", b"5345435245")
CONFIG = Config(path=Path("hoopgate.toml"), version="1", masks=MASKS, functions_safe=("public.safe_*",))


@pytest.fixture(scope="session")
def masks_dsn(embedded_postgres: EmbeddedPostgres) -> str:
    embedded_postgres.execute("CREATE DATABASE masks")
    embedded_postgres.execute((Path(__file__).parent / "schema.sql").read_text(), "masks")
    return embedded_postgres.dsn("masks")


@pytest.fixture(scope="session")
def catalogue_connection(masks_dsn: str) -> Iterator[pq.PGconn]:
    connection = connect(masks_dsn)
    yield connection
    connection.finish()


@pytest.fixture(scope="session")
def catalogue(catalogue_connection: pq.PGconn) -> Catalogue:
    """Of a clock that stands still: fresh for ever, and refreshed where the guard asks for it."""
    return catalogue_of(catalogue_connection)


@pytest.fixture
def open_gate(masks_dsn: str, catalogue: Catalogue) -> Iterator[Callable[[], Gate]]:
    gates: list[Gate] = []

    def make() -> Gate:
        gates.append(Gate(masks_dsn, catalogue, MASKS, CONFIG, key=b"k" * 32))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def gate(open_gate: Callable[[], Gate]) -> Gate:
    """A session whose transaction is rolled back with its connection."""
    return open_gate()
