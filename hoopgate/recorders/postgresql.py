"""PostgreSQL's side of a recording: what the target answered after masking, and the data of COPY.

Statements and verdicts come from events. The codec is the one that the gateway runs; memory is bounded by one message
of at most a MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.errors import RemoteProtocolError
from hoopgate.recorders.items import Copied, Done, Heading, Item, Omitted, Row, Said
from hoopgate.recorders.messages import NotUnderstoodError, Oversized, Splitter

# Types whose binary form is plain (pg_type.dat); all others are shown in hexadecimal.
_BOOL: Final = 16
_INTEGERS: Final = frozenset({20, 21, 23, 26})
_TEXTS: Final = frozenset({18, 19, 25, 114, 142, 705, 1042, 1043})


class Decoder:
    """Both directions of one session."""

    def __init__(self) -> None:
        self._client = _FromClient()
        self._target = _FromTarget()
        self.login = self._target.login
        self.from_client = self._client.decode
        self.from_target = self._target.decode


class _FromClient:
    """Of the client's bytes only COPY data is told: statements come as events."""

    def __init__(self) -> None:
        self._splitter: Splitter | None = Splitter()

    def decode(self, at: float, data: bytes) -> Iterator[Item]:
        if self._splitter is None:
            return
        try:
            for message in self._splitter.feed(data):
                if isinstance(message, Oversized):
                    if message.kind == b"d":
                        yield Omitted(at, f"{message.size} bytes of COPY data")
                elif message.raw[:1] == b"d":
                    yield Copied(at, False, message.raw[5:])
        except NotUnderstoodError as error:
            self._splitter = None
            yield Omitted(at, f"the client's bytes from here on: {error}")


class _FromTarget:
    """Decodes the direction from the target."""

    def __init__(self) -> None:
        self._splitter: Splitter | None = Splitter()
        self._encoding = "utf-8"
        self._formats: tuple[int, ...] = ()
        self._types: tuple[int, ...] = ()
        self._names: tuple[str, ...] = ()
        self._stale = False

    def login(self, fields: dict[str, Any]) -> None:
        """The client may have named its encoding as it connected."""
        settings = fields.get("settings")
        if isinstance(settings, dict):
            for name, value in settings.items():
                if str(name).lower() == "client_encoding":
                    self._encoding = codec(str(value)) or self._encoding

    def decode(self, at: float, data: bytes) -> Iterator[Item]:
        if self._splitter is None:
            return
        try:
            for message in self._splitter.feed(data):
                if isinstance(message, Oversized):
                    yield Omitted(at, f"a message {message.kind.decode('latin-1')} of {message.size} bytes")
                else:
                    yield from self._message(at, message.raw)
        except (NotUnderstoodError, RemoteProtocolError) as error:
            self._splitter = None
            yield Omitted(at, f"the target's bytes from here on: {error}")

    def _message(self, at: float, raw: bytes) -> Iterator[Item]:
        kind = raw[:1]
        if kind == b"D":
            yield from self._row(at, raw)
        elif kind == b"T":
            columns = messages.parse_row_description(raw)
            self._names = tuple(self._text(column.name.encode("utf-8", "surrogateescape")) for column in columns)
            self._formats = tuple(column.format for column in columns)
            self._types = tuple(column.type_oid for column in columns)
            self._stale = False
            yield Heading(at, self._names, self._formats)
        elif kind == b"C":
            yield Done(at, self._text(messages.parse_command_complete(raw)))
        elif kind in (b"E", b"N"):
            fields = messages.parse_fields(raw)
            yield Said(at, kind == b"E", {code: self._text(value) for code, value in fields.items()})
        elif kind == b"d":
            yield Copied(at, True, raw[5:])
        elif kind == b"s":
            yield Done(at, "suspended")
        else:
            self._silent(kind, raw)

    def _silent(self, kind: bytes, raw: bytes) -> None:
        """Messages that show nothing but may change what follows means."""
        if kind == b"2":
            self._stale = True
        elif kind == b"S":
            name, value = messages.parse_parameter_status(raw)
            if name == b"client_encoding":
                self._encoding = codec(value.decode("latin-1")) or "latin-1"

    def _row(self, at: float, raw: bytes) -> Iterator[Item]:
        values = messages.parse_data_row(raw)
        if self._stale or len(values) != len(self._names):
            if len(values) != len(self._names):
                self._names = tuple(f"column {number}" for number in range(1, len(values) + 1))
                self._formats = self._types = ()
            self._stale = False
            yield Heading(at, self._names, self._formats, presumed=True)
        formats = self._formats or (0,) * len(values)
        types = self._types or (0,) * len(values)
        yield Row(
            at,
            tuple(
                None if value is None else self._shown(value, format_, oid)
                for value, format_, oid in zip(values, formats, types, strict=True)
            ),
        )

    def _shown(self, value: bytes, format_: int, oid: int) -> str:
        if format_ and oid in _INTEGERS:
            return str(int.from_bytes(value, "big", signed=True))
        if format_ and oid == _BOOL:
            return "t" if value != b"\x00" else "f"
        if format_ and oid not in _TEXTS:
            return "\\x" + value.hex()
        try:
            return value.decode(self._encoding)
        except UnicodeDecodeError:
            return "\\x" + value.hex()

    def _text(self, value: bytes) -> str:
        return value.decode(self._encoding, "backslashreplace")
