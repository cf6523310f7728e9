"""Sends an attack over raw sessions and keeps every byte that comes."""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import define, field

from hoopgate.codecs.postgresql import messages as m
from tests.attacks.script import Attack
from tests.live.wire import ClosedError, Wire, extended

SECONDS = 15.0
ASKS_FOR_DATA = re.compile(r"\\x(b?)(?:\[(.*?)\])? (.*)", re.DOTALL)


@define
class Came:
    """What came: whole messages, by session, and each message's values and fields apart."""

    messages: list[bytes] = field(factory=list)
    other: list[bytes] = field(factory=list)
    ended: bool = False

    @property
    def values(self) -> list[bytes]:
        """Cells and fields, without the lengths between them; a COPY's data as they came."""
        return [value for raw in (*self.messages, *self.other) for value in _values(raw)]

    @property
    def errors(self) -> list[dict[str, str]]:
        return [
            {code: text.decode(errors="replace") for code, text in m.parse_fields(raw).items()}
            for raw in self.messages
            if raw[:1] == b"E"
        ]

    @property
    def rows(self) -> list[list[bytes | None]]:
        return [m.parse_data_row(raw) for raw in self.messages if raw[:1] == b"D"]

    def without_rows(self) -> list[bytes]:
        """What is left where rows may come or not, as far as the client asked for them by their values."""
        return [raw for raw in self.messages if raw[:1] not in b"DCsZ"]


def _values(raw: bytes) -> list[bytes]:
    kind = raw[:1]
    if kind == b"D":
        return [cell for cell in m.parse_data_row(raw) if cell is not None]
    if kind in (b"E", b"N"):
        return list(m.parse_fields(raw).values())
    return [raw[5:]]


def send(attack: Attack, wire: Wire, connect: Callable[[], Wire]) -> Came:
    """Run ``attack`` in the session ``wire`` (and another where it wants two), in a transaction unless it commits."""
    came = Came()
    others: list[Wire] = []

    def another() -> Wire:
        others.append(connect())
        return others[-1]

    try:
        _send(attack, wire, came, another)
    except (ClosedError, TimeoutError, ConnectionError) as error:
        came.messages += getattr(error, "so_far", [])
        came.ended = True
    for one in others:
        one.close()
    return came


def _send(attack: Attack, wire: Wire, came: Came, another: Callable[[], Wire]) -> None:
    sender, other = _Sender(wire, came.messages), None
    if "commits" not in attack.flags:
        wire.query("BEGIN")
    for line in attack.lines:
        if line.startswith("\\2 "):
            other = other or _Sender(another(), came.other)
            other.line(line[3:])
        else:
            sender.line(line)
    sender.line("ROLLBACK")


@define
class _Sender:
    wire: Wire
    came: list[bytes]

    def line(self, line: str) -> None:
        if not line.startswith("\\"):
            self._await(m.query(line.encode()))
        elif match := ASKS_FOR_DATA.fullmatch(line):
            binary, values, sql = match.groups()
            parameters = [None if value == "\\N" else value.encode() for value in values.split("|")] if values else []
            self._await(extended(sql, *parameters, result=(1,) if binary else ()))
        else:
            word, _, rest = line[1:].partition(" ")
            getattr(self, f"_{word}")(rest)

    def _await(self, data: bytes) -> None:
        """Send, and keep what comes until the server is ready, or waits for a COPY's data."""
        self.wire.send(data)
        while True:
            try:
                raw = self.wire.message(SECONDS)
            except ClosedError:
                raise ClosedError([]) from None
            self.came.append(raw)
            if raw[:1] in b"ZGW":
                return

    def _in(self, rest: str) -> None:
        if self.came[-1][:1] != b"G":
            return  # refused: nobody waits for data
        data = rest.encode().decode("unicode_escape").encode("latin-1")
        self._await(m.copy_data(data) + m.copy_done())

    def _send(self, rest: str) -> None:
        self.wire.send(m.query(rest.encode()))

    def _parse(self, rest: str) -> None:
        name, _, sql = rest.partition(" ")
        self._await(m.parse_message(_name(name), sql, ()) + m.sync())

    def _bind(self, rest: str) -> None:
        portal, name = rest.split()
        self.wire.send(m.bind(_name(portal), _name(name), (), (), ()))

    def _run(self, rest: str) -> None:
        portal, rows = rest.split()
        self.wire.send(m.describe(b"P", _name(portal)) + m.execute(_name(portal), int(rows)))

    def _close(self, rest: str) -> None:
        kind, name = rest.split()
        self.wire.send(m.close(kind.encode(), _name(name)))

    def _sync(self, rest: str) -> None:
        self._await(m.sync())

    def _call(self, rest: str) -> None:
        oid, *arguments = rest.split()
        body = int(oid).to_bytes(4, "big") + b"\0\0" + len(arguments).to_bytes(2, "big")
        for argument in arguments:
            body += len(argument).to_bytes(4, "big") + argument.encode()
        body += b"\0\0"
        self._await(b"F" + (len(body) + 4).to_bytes(4, "big") + body)


def _name(text: str) -> bytes:
    return b"" if text == "-" else text.encode()
