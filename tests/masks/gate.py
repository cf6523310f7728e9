"""The mask guard between a test and a real server: psycopg does the wire, the guard judges every frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from attrs import define, field
from psycopg import pq
from psycopg.pq import abc as pq_abc
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.catalogue import Catalogue
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.copy import CopySplicer
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Config, Mask
from hoopgate.errors import HoopgateError
from hoopgate.frames import Column, Columns, Notice, Phase, Statement
from hoopgate.guards.mask import Masks
from hoopgate.guards.places import SCHEMAS
from hoopgate.inference import Inference
from hoopgate.interfaces import Identity
from hoopgate.metrics import Metrics
from hoopgate.policy.sql.parser import parse
from hoopgate.verdicts import ALLOW, Block, Rewrite
from hoopgate.verdicts import Mask as MaskVerdict

FIELDS = {
    "S": pq.DiagnosticField.SEVERITY,
    "V": pq.DiagnosticField.SEVERITY_NONLOCALIZED,
    "C": pq.DiagnosticField.SQLSTATE,
    "M": pq.DiagnosticField.MESSAGE_PRIMARY,
    "D": pq.DiagnosticField.MESSAGE_DETAIL,
    "H": pq.DiagnosticField.MESSAGE_HINT,
    "P": pq.DiagnosticField.STATEMENT_POSITION,
    "q": pq.DiagnosticField.INTERNAL_QUERY,
    "W": pq.DiagnosticField.CONTEXT,
    "s": pq.DiagnosticField.SCHEMA_NAME,
    "t": pq.DiagnosticField.TABLE_NAME,
    "c": pq.DiagnosticField.COLUMN_NAME,
    "d": pq.DiagnosticField.DATATYPE_NAME,
    "n": pq.DiagnosticField.CONSTRAINT_NAME,
    "F": pq.DiagnosticField.SOURCE_FILE,
    "L": pq.DiagnosticField.SOURCE_LINE,
    "R": pq.DiagnosticField.SOURCE_FUNCTION,
}
TRANSACTION = {pq.TransactionStatus.IDLE: "I", pq.TransactionStatus.INTRANS: "T", pq.TransactionStatus.INERROR: "E"}


def fired(result: Any) -> Any:
    """The value of a Deferred that has fired, or a plain one."""
    if not isinstance(result, Deferred):
        return result
    values: list[Any] = []
    result.addBoth(values.append)
    assert values, "the Deferred has not fired"
    if isinstance(values[0], Failure):
        values[0].raiseException()
    return values[0]


def connect(dsn: str) -> pq.PGconn:
    connection = pq.PGconn.connect(dsn.encode())
    assert connection.status == pq.ConnStatus.OK, connection.error_message
    return connection


def rows(connection: pq.PGconn, sql: str) -> list[tuple[str | None, ...]]:
    """Run one SELECT as text, by the extended protocol."""
    result = connection.exec_params(sql.encode(), None)
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise HoopgateError(result.error_message.decode())
    return [
        tuple(None if (cell := result.get_value(i, j)) is None else cell.decode() for j in range(result.nfields))
        for i in range(result.ntuples)
    ]


class FakeEngine:
    def __init__(self, masks: Sequence[Mask]) -> None:
        self._masks = tuple(masks)

    def masks(self, identity: Any, target: Any) -> tuple[Mask, ...]:
        return self._masks


class FakeParser:
    def parse(self, text: str, *, whole: bool = False) -> Any:
        return parse(text)


@define(eq=False)
class Output:
    """What reached the client."""

    refused: Block | None = None
    results: list[list[tuple[bytes | None, ...]]] = field(factory=list)
    copied: bytes = b""
    tags: list[str] = field(factory=list)
    errors: list[dict[str, str]] = field(factory=list)
    notices: list[dict[str, str]] = field(factory=list)

    @property
    def rows(self) -> list[tuple[bytes | None, ...]]:
        return self.results[-1]

    def everything(self) -> bytes:
        cells = [cell for result in self.results for row in result for cell in row if cell is not None]
        texts = [text.encode() for fields in (*self.errors, *self.notices) for text in fields.values()]
        return b"\n".join([*cells, self.copied, *texts])


class Places:
    """Where the session looks for names, as the statements' guard would have it: unknown where nobody can be asked."""

    def __init__(self, connection: pq.PGconn) -> None:
        self._connection = connection
        self._last: tuple[str, ...] | None = None

    @property
    def schemas(self) -> tuple[str, ...] | None:
        if self._connection.transaction_status not in (pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS):
            return None
        found = tuple(name for (name,) in rows(self._connection, SCHEMAS) if name is not None)
        if found != self._last:
            self._last = found
        return self._last


class Session:
    """A session as the guard sees it."""

    def __init__(self, connection: pq.PGconn, catalogue: Catalogue, masks: Sequence[Mask], config: Config) -> None:
        self.connection = connection
        self.catalogue = catalogue
        self.id = "s1"
        self.gateway = SimpleNamespace(metrics=Metrics())
        self.identity = Identity("https://id.example.com", "ann")
        self.target = None
        self.places = Places(connection)
        self.config = config
        self.engine = FakeEngine(masks)
        self.parser = FakeParser()
        self.decision = None
        self.client_encoding = "utf-8"
        self.running = False
        self.tentative = False
        self.batch = 0
        self.rested = 0  # each statement is answered before the next comes
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []

    @property
    def transaction(self) -> str:
        return TRANSACTION[pq.TransactionStatus(self.connection.transaction_status)]

    def ask(self, sql: str) -> Deferred[list[tuple[str | None, ...]]]:
        self.asked.append(sql)
        if self.transaction == "E":
            return fail(HoopgateError("the transaction has failed"))
        try:
            return succeed(rows(self.connection, sql))
        except HoopgateError as error:
            return fail(error)

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def later(self, payload: bytes) -> None:
        fields = json.loads(payload)
        self.events.append((fields.pop("event"), fields))


class Gate:
    """One client's session through the guard."""

    def __init__(self, dsn: str, catalogue: Catalogue, masks: Sequence[Mask], config: Config, **keys: bytes) -> None:
        self.connection = connect(dsn)
        self.session = Session(self.connection, catalogue, masks, config)
        self.factory = Masks(lambda ref: succeed(keys[ref.rest]), Inference(Clock()))
        self.guard = self.factory.open(self.session)  # type: ignore[arg-type]
        self._output = Output()
        self._statement: Statement | None = None
        self.connection.notice_handler = self._noticed

    def close(self) -> None:
        self.connection.finish()

    def judge(self, sql: str, phase: Phase = Phase.SIMPLE, **names: str) -> Any:
        """The guard's verdict on a statement alone."""
        self._statement = Statement(b"", sql, phase, **names)
        return fired(self.guard.inspect(self._statement))

    def run(self, sql: str) -> Output:
        """A simple query, all the way."""
        output = self._output = Output()
        verdict = self.judge(sql)
        if verdict is not ALLOW:
            assert isinstance(verdict, Block), verdict
            output.refused = verdict
            return output
        self.connection.send_query(sql.encode())
        self._results(output)
        return output

    def extended(self, sql: str, *, binary: bool = False) -> Output:
        """Parse, Bind, Execute."""
        output = self._output = Output()
        for phase in (Phase.PREPARE, Phase.BIND, Phase.EXECUTE):
            verdict = self.judge(sql, phase)
            if verdict is not ALLOW:
                output.refused = verdict
                return output
        self.connection.send_query_params(
            sql.encode(), None, result_format=pq.Format.BINARY if binary else pq.Format.TEXT
        )
        self._results(output)
        return output

    def _results(self, output: Output) -> None:
        while (result := self.connection.get_result()) is not None:
            status = result.status
            if status == pq.ExecStatus.TUPLES_OK:
                output.results.append(self._masked(result, len(output.results) + len(output.tags)))
            elif status == pq.ExecStatus.COPY_OUT:
                output.copied += self._copied(result)
            elif status == pq.ExecStatus.COPY_IN:
                self.connection.put_copy_end(b"no data here")
            elif status == pq.ExecStatus.FATAL_ERROR:
                output.errors.append(self._said(result, error=True))
            else:
                output.tags.append((result.command_status or b"").decode())

    def _masked(self, result: pq_abc.PGresult, place: int) -> list[tuple[bytes | None, ...]]:
        columns = tuple(
            Column(
                (result.fname(i) or b"").decode(),
                result.ftable(i),
                result.ftablecol(i) if result.ftablecol(i) < 32768 else result.ftablecol(i) - 65536,
                result.ftype(i),
                result.fsize(i),
                result.fmod(i),
                int(result.fformat(i)),
            )
            for i in range(result.nfields)
        )
        verdict = fired(self.guard.inspect(Columns(b"", columns, self._statement, place=place)))
        plan = Plan((None,) * len(columns)) if verdict is ALLOW else verdict.plan
        assert verdict is ALLOW or isinstance(verdict, MaskVerdict)
        return [
            tuple(
                cell if (cell := result.get_value(i, j)) is None or change is None else change(cell)
                for j, change in enumerate(plan.transforms)
            )
            for i in range(result.ntuples)
        ]

    def _copied(self, result: pq_abc.PGresult) -> bytes:
        binary = int(result.fformat(0))
        body = bytes([binary]) + result.nfields.to_bytes(2, "big") + binary.to_bytes(2, "big") * result.nfields
        raw = b"H" + (len(body) + 4).to_bytes(4, "big") + body
        frame = Columns(raw, (), self._statement, "binary" if binary else "text")
        verdict = fired(self.guard.inspect(frame))
        assert not isinstance(verdict, Block), verdict
        splicer = None if verdict is ALLOW else CopySplicer(verdict.plan.plan, verdict.plan.options, 1 << 20)
        parts = []
        while True:
            size, data = self.connection.get_copy_data(0)
            if size < 0:
                break
            message = b"d" + (len(data) + 4).to_bytes(4, "big") + bytes(data)
            parts.append(message if splicer is None else splicer.feed(message))
        if splicer is not None:
            parts.append(splicer.finish())
        return b"".join(part[5:] for part in parts)

    def _said(self, result: pq_abc.PGresult, *, error: bool) -> dict[str, str]:
        fields = {
            code: text.decode() for code, which in FIELDS.items() if (text := result.error_field(which)) is not None
        }
        raw = messages.fields_response(b"E" if error else b"N", {code: text.encode() for code, text in fields.items()})
        verdict = fired(self.guard.inspect(Notice(raw, fields, self._statement, error)))
        if verdict is ALLOW:
            return fields
        assert isinstance(verdict, Rewrite)
        assert isinstance(verdict.frame, Notice)
        wire = {code: text.decode() for code, text in messages.parse_fields(verdict.frame.raw).items()}
        assert wire == verdict.frame.fields
        return wire

    def _noticed(self, result: pq_abc.PGresult) -> None:
        self._output.notices.append(self._said(result, error=False))


def catalogue_of(connection: pq.PGconn, clock: Clock | None = None) -> Catalogue:
    """A catalogue over a connection of its own."""
    connection.exec_(b"SET search_path = ''")  # as the service's has it
    return Catalogue(lambda sql: succeed(rows(connection, sql)), clock or Clock())


def fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
