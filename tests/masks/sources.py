"""Three databases for masks that hold where relations are read: two with other secrets, one that holds the masks.

What a statement gives that was made to read masks is what it gives, as it was written, where the tables hold nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import define, evolve
from psycopg import pq

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.config.model import Mask
from hoopgate.development.postgres import PostgresServer
from hoopgate.policy.lineage.respell import respell
from hoopgate.policy.lineage.results import Answer, SourceRead, Traced
from hoopgate.policy.lineage.trace import trace
from hoopgate.policy.sql.tree import Parsed, parse
from hoopgate.respelling import Respelling
from tests.masks.gate import catalogue_of, connect, fired

PATH: Final = ("public",)
LARGEST: Final = 1 << 20


@define
class Answered:
    """What a client gets: of each result its shape and rows, and the fields of errors."""

    results: list[Any]
    errors: list[dict[str, str]]
    tags: list[str]
    copied: bytes = b""

    def sorted(self) -> Answered:
        """With rows in one order, since other values make for other plans."""
        return evolve(self, results=[(columns, sorted(rows, key=repr)) for columns, rows in self.results])


class Worlds:
    """``schema`` is SQL with ``{secret}``, an expression over ``i``; ``secrets`` are two of them and the mask's."""

    def __init__(
        self, server: PostgresServer, name: str, schema: str, secrets: Sequence[str], masks: Sequence[Mask]
    ) -> None:
        self.connections: list[pq.PGconn] = []
        for number, secret in enumerate(secrets):
            database = f"{name}{number}"
            server.execute(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
            server.execute(schema.replace("{secret}", secret), database)
            self.connections.append(connect(server.dsn(database)))
        snapshot = fired(catalogue_of(connect(server.dsn(f"{name}0"))).current())
        self.index: MaskIndex = compile_masks(snapshot, masks)

    def close(self) -> None:
        for connection in self.connections:
            connection.finish()

    def traced(self, sql: str) -> tuple[Parsed, Answer]:
        parsed = parse(sql)
        return parsed, trace(parsed, self.index, path=PATH, refreshed=True)

    def respelled(self, sql: str) -> Respelling:
        parsed, answer = self.traced(sql)
        if not isinstance(answer, Traced):  # the statement is wrong, and the guard would have the server say so
            reads = tuple(self._named(parsed.statements))
            uncosted: tuple[int, ...] = ()
        else:
            reads, uncosted = answer.reads, answer.uncosted
        assert reads, "nothing of it is read through masks"
        return respell(parsed, reads, self.index, largest=LARGEST, uncosted=uncosted)

    def _named(self, tree: Any) -> Iterator[SourceRead]:
        """Every table that is named without a schema, by hand."""
        if isinstance(tree, dict):
            name = tree.get("RangeVar", {}).get("relname", "")
            for relation in self.index.relations("public", name):
                yield SourceRead(tree["RangeVar"]["location"], relation.oid)
        for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ():
            yield from self._named(each)

    def answers(self, sql: str) -> tuple[Answered, Answered, Answered]:
        """With the first secrets, with the second, and as it was written where the tables hold masks."""
        made = self.respelled(sql)
        first, second = (ask(connection, made.text) for connection in self.connections[:2])
        for answered in (first, second):
            for error in answered.errors:
                if "P" in error:
                    error["P"] = str(made.position(int(error["P"])))
        return first, second, ask(self.connections[2], sql)


FIELDS: Final = {
    "C": pq.DiagnosticField.SQLSTATE,
    "M": pq.DiagnosticField.MESSAGE_PRIMARY,
    "P": pq.DiagnosticField.STATEMENT_POSITION,
}


def ask(connection: pq.PGconn, sql: str) -> Answered:
    """Run it by the simple protocol in a transaction that is undone."""
    connection.exec_(b"BEGIN")
    answered = Answered([], [], [])
    connection.send_query(sql.encode())
    while (result := connection.get_result()) is not None:
        if result.status == pq.ExecStatus.TUPLES_OK:
            columns = [(result.fname(i), _type(result.ftype(i)), result.fmod(i)) for i in range(result.nfields)]
            rows = [[result.get_value(row, i) for i in range(result.nfields)] for row in range(result.ntuples)]
            answered.results.append((columns, rows))
        elif result.status == pq.ExecStatus.COPY_OUT:
            while (got := connection.get_copy_data(0))[0] > 0:
                answered.copied += bytes(got[1])
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            found = {code: result.error_field(which) for code, which in FIELDS.items()}
            answered.errors.append({code: text.decode() for code, text in found.items() if text is not None})
        else:
            answered.tags.append((result.command_status or b"").decode())
    connection.exec_(b"ROLLBACK")
    return answered


def _type(oid: int) -> int:
    """A row's own type is that of its table, and through a sub-select it is ``record``."""
    return 2249 if oid >= 16384 else oid
