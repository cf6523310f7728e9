"""A little PostgreSQL: names, transactions, skip-to-Sync and COPY as the real one has them; SQL of a few words.

Statements: ``rows N``, ``do X``, ``begin``, ``commit``, ``rollback``, ``fail``, ``copyin``, ``copyout``; several with
``;``. Anything else is a syntax error. Checked against the real one by tests/live/test_model.py.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from hoopgate.codecs.postgresql import messages as m
from hoopgate.frames import Column

COLUMNS = m.row_description([Column("c", 16400, 1, 25, -1, -1, 0)])
COPY_IN = b"G" + (7).to_bytes(4, "big") + b"\0\0\0"
COPY_OUT = b"H" + (9).to_bytes(4, "big") + b"\0\0\1\0\0"
NO_DATA = m.no_data()
ENDS = ("rollback", "commit")
Waits = Generator[None, bytes, None]


class Refused(Exception):
    """An ERROR with its SQLSTATE."""


class Fatal(Exception):
    """The connection ends."""


class Server:
    """``receive`` requests, ``take`` what was flushed. ``ran`` are the statements that ran to their end.

    ``refuse`` holds words: a text with ``word`` is an error in the phase of that letter (Q, P, B, E).
    ``leaves``: what a Query was at as it failed in a transaction is left as the unnamed portal, which the gateway takes
    for none: whoever executes it gets an error of another SQLSTATE.
    """

    def __init__(self, refuse: dict[str, str] | None = None, *, leaves: bool = False) -> None:
        self.refuse = refuse or {}
        self.leaves = leaves
        self.failed: set[bytes] = set()  # portals of a transaction that has failed, which its end will drop
        self.prepared: dict[bytes, str] = {}
        self.portals: dict[bytes, list[bytes] | str] = {}
        self.texts: dict[bytes, str] = {}  # of portals
        self.status = b"I"
        self.ran: list[str] = []
        self._buffer = b""
        self._out = b""
        self._flushed = b""
        self._main = self._loop()
        next(self._main)

    def receive(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 5 and len(self._buffer) > (size := int.from_bytes(self._buffer[1:5], "big")):
            raw, self._buffer = self._buffer[: size + 1], self._buffer[size + 1 :]
            self._main.send(raw)

    def take(self) -> bytes:
        data, self._flushed = self._flushed, b""
        return data

    def _send(self, *data: bytes) -> None:
        self._out += b"".join(data)

    def _flush(self) -> None:
        self._flushed += self._out
        self._out = b""

    # --- the main loop (postgres.c)

    def _loop(self) -> Waits:
        skipping = False
        while True:
            raw = yield
            kind = raw[:1]
            if kind == b"S":
                skipping = False
                self._end_implicit()
                self._ready()
            elif skipping or kind in b"dcf":
                continue
            elif kind == b"H":
                self._flush()
            elif kind == b"Q":
                try:
                    yield from self._query(m.parse_query(raw).decode())
                except Refused as error:
                    self._error(error)
                self._ready()
            else:
                try:
                    yield from self._extended(kind, raw)
                except Refused as error:
                    self._error(error)
                    skipping = True

    def _ready(self) -> None:
        self._send(m.ready_for_query(self.status))
        self._flush()

    def _error(self, error: Refused) -> None:
        self._send(m.error_response(sqlstate=str(error), message="no"))
        self._flush()
        if self.status == b"T":
            self.status = b"E"
            self.failed.update(self.portals)
        elif self.status == b"I":
            self._drop_portals()

    def _end_implicit(self) -> None:
        if self.status == b"I":
            self._drop_portals()

    def _drop_portals(self) -> None:
        self.portals.clear()
        self.texts.clear()
        self.failed.clear()

    def _judge(self, phase: str, text: str) -> None:
        for word, letters in self.refuse.items():
            if word in text and phase in letters:
                raise Refused("42501")

    # --- requests

    def _query(self, text: str) -> Waits:
        self.prepared.pop(b"", None)
        self._close(b"")
        self._judge("Q", text)
        statements = parse(text)
        if not statements:
            self._send(m.empty_query_response())
        for statement in statements:
            self._alive(statement)
            if self.leaves:
                self.portals[b""] = self.texts[b""] = statement
            yield from self._run(statement, describe=True)
            if self.leaves:
                self._close(b"")
        self._end_implicit()

    def _extended(self, kind: bytes, raw: bytes) -> Waits:
        if kind == b"P":
            self._parse(m.parse_parse(raw))
        elif kind == b"B":
            self._bind(m.parse_bind(raw))
        elif kind == b"D":
            self._describe(*m.parse_describe(raw))
        elif kind == b"C":
            what, name = m.parse_close(raw)
            if what == b"S":
                self.prepared.pop(name[:63], None)
            else:
                self._close(name[:63])
            self._send(m.close_complete())
        elif kind == b"E":
            yield from self._execute(*m.parse_execute(raw))
        else:
            raise Fatal(kind)

    def _close(self, portal: bytes) -> None:
        self.portals.pop(portal, None)
        self.texts.pop(portal, None)
        self.failed.discard(portal)

    def _parse(self, parsed: m.ParseMessage) -> None:
        name, text = parsed.name[:63], parsed.text.decode()
        if not name:
            self.prepared.pop(b"", None)
        if name in self.prepared:
            raise Refused("42P05")  # the real one looks only after it has parsed; the gateway cannot
        self._judge("P", text)
        statements = parse(text)
        if len(statements) > 1:
            raise Refused("42601")
        self._alive(*statements)
        self.prepared[name] = text
        self._send(m.parse_complete())

    def _bind(self, bound: m.BindMessage) -> None:
        name, portal = bound.statement[:63], bound.portal[:63]
        if name not in self.prepared:
            raise Refused("26000")
        text = self.prepared[name]
        self._judge("B", text)
        self._alive(*parse(text))
        if portal and portal in self.portals:
            raise Refused("42P03")
        self._close(portal)
        self.portals[portal] = text
        self.texts[portal] = text
        self._send(m.bind_complete())

    def _describe(self, what: bytes, name: bytes) -> None:
        known = self.prepared if what == b"S" else self.texts
        if name[:63] not in known:
            raise Refused("26000" if what == b"S" else "34000")
        if what == b"S":
            self._send(m.parameter_description(()))
        rows = known[name[:63]].startswith("rows")
        if rows and self.status == b"E":
            raise Refused("25P02")
        self._send(COLUMNS if rows else NO_DATA)

    def _execute(self, name: bytes, most: int) -> Waits:
        portal = self.portals.get(name[:63])
        if portal is None:
            raise Refused("34000")
        if name[:63] in self.failed:
            raise Refused("25P02")
        text = self.texts[name[:63]]
        self._judge("E", text)
        statements = parse(text)
        if not statements:
            self._send(m.empty_query_response())
            return
        self._alive(*statements)
        if isinstance(portal, str) and not text.startswith("rows"):
            yield from self._run(text, describe=False)
            if name[:63] in self.portals:
                self.portals[name[:63]] = []
            return
        if not text.startswith("rows"):
            raise Refused("55000")  # a portal runs once
        rows = list(rows_of(text)) if isinstance(portal, str) else portal
        if isinstance(portal, str):
            self.ran.append(text)
        some, rest = (rows[:most], rows[most:]) if most > 0 else (rows, [])
        self._send(*some)
        self.portals[name[:63]] = rest
        suspended = 0 < most <= len(some)
        self._send(m.portal_suspended() if suspended else m.command_complete(f"SELECT {len(some)}"))

    def _alive(self, *statements: str) -> None:
        if self.status == b"E" and any(each not in ENDS for each in statements):
            raise Refused("25P02")

    # --- statements

    def _run(self, text: str, *, describe: bool) -> Waits:
        word, _, rest = text.partition(" ")
        tag = word.upper()
        if word == "fail":
            raise Refused("42P01")
        if word == "begin":
            self.status = b"T"
        elif word in ENDS:
            tag = "ROLLBACK" if self.status == b"E" else tag
            self.status = b"I"
            self._drop_portals()
        elif word == "rows":
            if describe:
                self._send(COLUMNS)
            self._send(*rows_of(text))
            tag = f"SELECT {rest.split()[0]}"
        elif word == "copyout":
            self._send(COPY_OUT, m.copy_data(b"secret\n"), m.copy_done())
            tag = "COPY 1"
        elif word == "copyin":
            yield from self._copy_in()
            tag = "COPY 0"
        self.ran.append(text)
        self._send(m.command_complete(tag))

    def _copy_in(self) -> Waits:
        self._send(COPY_IN)
        self._flush()
        while True:
            raw = yield
            kind = raw[:1]
            if kind == b"c":
                return
            if kind == b"f" or (kind == b"d" and b"bad" in raw):
                raise Refused("57014" if kind == b"f" else "22P02")
            if kind not in b"dHS":
                raise Fatal(kind)


def parse(text: str) -> list[str]:
    """The statements of a message. Raises Refused."""
    statements = [each.strip() for each in text.split(";") if each.strip()]
    words = {"rows", "do", "begin", "commit", "rollback", "fail", "copyin", "copyout"}
    if any(each.partition(" ")[0] not in words for each in statements):
        raise Refused("42601")
    return statements


def rows_of(text: str) -> Iterator[bytes]:
    return (m.data_row([b"secret %d" % number]) for number in range(int(text.split()[1])))
