"""Messages that a client sends: builders for our side towards the target, parsers for what our clients send.

PostgreSQL manual, "Message Formats". Parsers take the whole message, header included, and raise
RemoteProtocolError on any malformation. Text stays bytes: only callers that know client_encoding decode it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from librt.strings import read_i32_be

from hoopgate.codecs.postgresql.fields import (
    HEADER,
    Reader,
    Text,
    int16,
    int16s,
    int32,
    message,
    string,
    uint32,
    uint32s,
    values_of,
)
from hoopgate.codecs.seek import find
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

CANCEL_REQUEST = 80877102  # 1234 << 16 | 5678
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104


class ParseMessage:
    """``name`` is empty for the unnamed statement; ``type_oids`` holds 0 where the client leaves it open."""

    __slots__ = ("name", "text", "type_oids")

    def __init__(self, name: bytes, text: bytes, type_oids: tuple[int, ...]) -> None:
        self.name = name
        self.text = text
        self.type_oids = type_oids


class BindMessage:
    """``formats`` is empty (all text), one for all, or one a value; ``result_formats`` likewise for columns."""

    __slots__ = ("formats", "portal", "result_formats", "statement", "values")

    def __init__(
        self,
        portal: bytes,
        statement: bytes,
        formats: tuple[int, ...],
        values: tuple[bytes | None, ...],
        result_formats: tuple[int, ...],
    ) -> None:
        self.portal = portal
        self.statement = statement
        self.formats = formats
        self.values = values
        self.result_formats = result_formats


class FunctionCallMessage:
    __slots__ = ("formats", "oid", "result_format", "values")

    def __init__(
        self, oid: int, formats: tuple[int, ...], values: tuple[bytes | None, ...], result_format: int
    ) -> None:
        self.oid = oid
        self.formats = formats
        self.values = values
        self.result_format = result_format


def startup_packet(body: bytes) -> bytes:
    """A packet of the start-up phase: a length and no type byte."""
    return (len(body) + 4).to_bytes(4, "big") + body


def startup_message(parameters: Mapping[str, str], version: tuple[int, int] = (3, 0)) -> bytes:
    major, minor = version
    body = b"".join(string(name) + string(value) for name, value in parameters.items())
    return startup_packet(uint32(major << 16 | minor) + body + b"\0")


def ssl_request() -> bytes:
    return startup_packet(uint32(SSL_REQUEST))


def gssenc_request() -> bytes:
    return startup_packet(uint32(GSSENC_REQUEST))


def cancel_request(pid: int, secret: bytes) -> bytes:
    """``secret`` is what BackendKeyData gave: 4 bytes in protocol 3.0, up to 256 in 3.2."""
    return startup_packet(uint32(CANCEL_REQUEST) + uint32(pid) + secret)


def password_message(password: Text) -> bytes:
    return message(b"p", string(password))


def sasl_initial_response(mechanism: str, data: bytes | None) -> bytes:
    """``data`` None: no initial response (length -1)."""
    tail = int32(-1) if data is None else int32(len(data)) + data
    return message(b"p", string(mechanism) + tail)


def sasl_response(data: bytes) -> bytes:
    return message(b"p", data)


def query(text: Text) -> bytes:
    return message(b"Q", string(text))


def parse_message(name: Text, text: Text, type_oids: Sequence[int] = ()) -> bytes:
    return message(b"P", string(name) + string(text) + uint32s(type_oids))


def bind(
    portal: Text,
    statement: Text,
    formats: Sequence[int] = (),
    values: Sequence[bytes | None] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    return message(
        b"B", string(portal) + string(statement) + int16s(formats) + values_of(values) + int16s(result_formats)
    )


def describe(kind: bytes, name: Text = b"") -> bytes:
    """``kind`` is b"S" for a statement, b"P" for a portal."""
    return message(b"D", _kind(kind) + string(name))


def close(kind: bytes, name: Text = b"") -> bytes:
    """``kind`` is b"S" for a statement, b"P" for a portal."""
    return message(b"C", _kind(kind) + string(name))


def execute(portal: Text = b"", max_rows: int = 0) -> bytes:
    return message(b"E", string(portal) + int32(max_rows))


def function_call(oid: int, formats: Sequence[int], values: Sequence[bytes | None], result_format: int = 0) -> bytes:
    return message(b"F", uint32(oid) + int16s(formats) + values_of(values) + int16(result_format))


def sync() -> bytes:
    return message(b"S")


def flush() -> bytes:
    return message(b"H")


def terminate() -> bytes:
    return message(b"X")


def copy_fail(reason: Text) -> bytes:
    return message(b"f", string(reason))


def _kind(kind: bytes) -> bytes:
    if kind not in (b"S", b"P"):
        raise LocalProtocolError(f"{kind!r} names neither a statement nor a portal")
    return kind


def parse_query(raw: bytes) -> bytes:
    """The text of a Query."""
    reader = Reader(raw, b"Q")
    text = reader.string()
    reader.done()
    return text


def parse_parse(raw: bytes) -> ParseMessage:
    reader = Reader(raw, b"P")
    name = reader.string()
    text = reader.string()
    oids = tuple([reader.uint32() for _ in range(reader.count())])
    reader.done()
    return ParseMessage(name, text, oids)


def parse_bind(raw: bytes) -> BindMessage:
    reader = Reader(raw, b"B")
    portal = reader.string()
    statement = reader.string()
    formats, values = _parameters(reader)
    result_formats = tuple([reader.int16() for _ in range(reader.count())])
    reader.done()
    return BindMessage(portal, statement, formats, values, result_formats)


def parse_bind_head(raw: bytes) -> tuple[bytes, bytes]:
    """(portal, statement) of a Bind of which only the beginning need be here."""
    if len(raw) < HEADER or raw[0] != 0x42:
        raise RemoteProtocolError("expected a Bind message")
    size = len(raw)
    first = find(raw, 0, HEADER, size)
    second = find(raw, 0, first + 1, size) if first >= 0 else first
    announced: int = read_i32_be(raw, 1)
    if second < 0 or second > announced:
        raise RemoteProtocolError("invalid string in message")
    return raw[HEADER:first], raw[first + 1 : second]


def parse_describe(raw: bytes) -> tuple[bytes, bytes]:
    """(kind, name): kind is b"S" or b"P"."""
    return _kind_and_name(Reader(raw, b"D"))


def parse_close(raw: bytes) -> tuple[bytes, bytes]:
    """(kind, name): kind is b"S" or b"P"."""
    return _kind_and_name(Reader(raw, b"C"))


def parse_execute(raw: bytes) -> tuple[bytes, int]:
    """(portal, most rows); 0 or less means all."""
    reader = Reader(raw, b"E")
    portal = reader.string()
    rows = reader.int32()
    reader.done()
    return portal, rows


def parse_function_call(raw: bytes) -> FunctionCallMessage:
    reader = Reader(raw, b"F")
    oid = reader.uint32()
    formats, values = _parameters(reader)
    result_format = reader.int16()
    reader.done()
    return FunctionCallMessage(oid, formats, values, result_format)


def parse_copy_fail(raw: bytes) -> bytes:
    reader = Reader(raw, b"f")
    reason = reader.string()
    reader.done()
    return reason


def _kind_and_name(reader: Reader) -> tuple[bytes, bytes]:
    kind = reader.byte()
    if kind not in (b"S", b"P"):
        raise RemoteProtocolError(f"invalid message subtype {kind!r}")
    name = reader.string()
    reader.done()
    return kind, name


def _parameters(reader: Reader) -> tuple[tuple[int, ...], tuple[bytes | None, ...]]:
    formats = tuple([reader.int16() for _ in range(reader.count())])
    values = tuple([reader.value() for _ in range(reader.count())])
    if len(formats) > 1 and len(formats) != len(values):
        raise RemoteProtocolError(f"message has {len(formats)} parameter formats but {len(values)} parameters")
    return formats, values
