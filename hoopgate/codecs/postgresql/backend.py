"""Messages that a server sends: builders for our side towards clients, parsers for what the target sends.

PostgreSQL manual, "Message Formats" and "Error and Notice Message Fields". Parsers take the whole message, header
included, and raise RemoteProtocolError on any malformation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.codecs.postgresql.fields import (
    Reader,
    Text,
    count,
    int16,
    int16s,
    int32,
    message,
    string,
    uint32,
    uint32s,
    values_of,
)
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.frames import Column

SECRET_MINIMUM = 4  # protocol 3.0 has exactly these
SECRET_MAXIMUM = 256  # protocol 3.2

FIELD_CODES: Final[dict[str, bytes]] = {
    "detail": b"D", "hint": b"H", "position": b"P", "internal_position": b"p", "internal_query": b"q",
    "where": b"W", "schema": b"s", "table": b"t", "column": b"c", "data_type": b"d", "constraint": b"n",
    "file": b"F", "line": b"L", "routine": b"R",
}  # fmt: skip


def authentication_ok() -> bytes:
    return message(b"R", uint32(0))


def authentication_cleartext() -> bytes:
    return message(b"R", uint32(3))


def authentication_md5(salt: bytes) -> bytes:
    return message(b"R", uint32(5) + salt)


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    return message(b"R", uint32(10) + b"".join(string(name) for name in mechanisms) + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    return message(b"R", uint32(11) + data)


def authentication_sasl_final(data: bytes) -> bytes:
    return message(b"R", uint32(12) + data)


def parameter_status(name: Text, value: Text) -> bytes:
    return message(b"S", string(name) + string(value))


def backend_key_data(pid: int, secret: bytes) -> bytes:
    """``secret`` is 4 bytes towards a 3.0 client, up to 256 towards a 3.2 one."""
    if not SECRET_MINIMUM <= len(secret) <= SECRET_MAXIMUM:
        raise LocalProtocolError(f"a cancel key of {len(secret)} bytes")
    return message(b"K", uint32(pid) + secret)


def ready_for_query(status: bytes) -> bytes:
    """``status``: b"I" idle, b"T" in a transaction, b"E" in a failed one."""
    if status not in (b"I", b"T", b"E"):
        raise LocalProtocolError(f"{status!r} is no transaction status")
    return message(b"Z", status)


def error_response(
    *,
    severity: str = "ERROR",
    sqlstate: str,
    message: Text,
    detail: Text = "",
    hint: Text = "",
    encoding: str = "utf-8",
    **fields: Text,
) -> bytes:
    """An ErrorResponse. ``severity``: ERROR, FATAL or PANIC; other ``fields`` by the names in FIELD_CODES.

    ``str`` is encoded in ``encoding`` (what it cannot hold becomes ``?``); NUL is dropped, so that a refusal that
    quotes hostile text still goes out.
    """
    return _report(b"E", severity, sqlstate, message, encoding, {"detail": detail, "hint": hint, **fields})


def notice_response(
    *,
    severity: str = "NOTICE",
    sqlstate: str = "00000",
    message: Text,
    detail: Text = "",
    hint: Text = "",
    encoding: str = "utf-8",
    **fields: Text,
) -> bytes:
    """A NoticeResponse; the same as :func:`error_response` else."""
    return _report(b"N", severity, sqlstate, message, encoding, {"detail": detail, "hint": hint, **fields})


def _report(kind: bytes, severity: str, sqlstate: str, text: Text, encoding: str, fields: dict[str, Text]) -> bytes:
    level = severity.encode("ascii")
    parts = [b"S", level, b"\0V", level, b"\0C", sqlstate.encode("ascii"), b"\0M", _encoded(text, encoding), b"\0"]
    for name, value in fields.items():
        code = FIELD_CODES.get(name)
        if code is None:
            raise LocalProtocolError(f"{name!r} is no field of an error")
        if value:
            parts += [code, _encoded(value, encoding), b"\0"]
    return message(kind, b"".join(parts) + b"\0")


def fields_response(kind: bytes, fields: dict[str, bytes]) -> bytes:
    """An ErrorResponse (``kind`` b"E") or NoticeResponse (b"N") of raw fields: what :func:`parse_fields` gave."""
    if kind not in (b"E", b"N"):
        raise LocalProtocolError(f"{kind!r} is neither error nor notice")
    return message(kind, b"".join(code.encode("latin-1") + string(text) for code, text in fields.items()) + b"\0")


def _encoded(text: Text, encoding: str) -> bytes:
    raw = text.encode(encoding, "replace") if isinstance(text, str) else text
    return raw.replace(b"\0", b"")


def negotiate_protocol_version(minor: int, unrecognized: Sequence[Text] = ()) -> bytes:
    """``minor``: the newest minor version that we speak of major version 3.

    On the wire stands the whole version number, as every server has sent it, though the manual says "minor".
    """
    names = b"".join(string(name) for name in unrecognized)
    return message(b"v", uint32(3 << 16 | minor) + int32(len(unrecognized)) + names)


def row_description(columns: Sequence[Column], encoding: str = "utf-8") -> bytes:
    parts = [count(len(columns))]
    for column in columns:
        parts.append(string(column.name.encode(encoding, "surrogateescape")))
        parts.append(uint32(column.table_oid) + int16(column.attnum) + uint32(column.type_oid))
        parts.append(int16(column.type_size) + int32(column.type_modifier) + int16(column.format))
    return message(b"T", b"".join(parts))


def data_row(values: Sequence[bytes | None]) -> bytes:
    return message(b"D", values_of(values))


def command_complete(tag: Text) -> bytes:
    return message(b"C", string(tag))


def empty_query_response() -> bytes:
    return message(b"I")


def no_data() -> bytes:
    return message(b"n")


def parse_complete() -> bytes:
    return message(b"1")


def bind_complete() -> bytes:
    return message(b"2")


def close_complete() -> bytes:
    return message(b"3")


def portal_suspended() -> bytes:
    return message(b"s")


def parameter_description(type_oids: Sequence[int]) -> bytes:
    return message(b"t", uint32s(type_oids))


def copy_out_response(binary: bool, formats: Sequence[int]) -> bytes:
    return message(b"H", bytes([binary]) + int16s(formats))


def copy_data(payload: bytes) -> bytes:
    return message(b"d", payload)


def copy_done() -> bytes:
    return message(b"c")


def parse_row_description(raw: bytes, encoding: str = "utf-8") -> tuple[Column, ...]:
    """The columns. A name that ``encoding`` cannot decode keeps its bytes as surrogates (PEP 383)."""
    reader = Reader(raw, b"T")
    columns = tuple([_column(reader, encoding) for _ in range(reader.count())])
    reader.done()
    return columns


def _column(reader: Reader, encoding: str) -> Column:
    return Column(
        name=reader.string().decode(encoding, "surrogateescape"),
        table_oid=reader.uint32(),
        attnum=reader.int16(),
        type_oid=reader.uint32(),
        type_size=reader.int16(),
        type_modifier=reader.int32(),
        format=reader.int16(),
    )


def parse_fields(raw: bytes) -> dict[str, bytes]:
    """The fields of an ErrorResponse or NoticeResponse by their one-letter codes; the first of a code wins."""
    reader = Reader(raw, b"EN")
    fields: dict[str, bytes] = {}
    while (code := reader.byte()) != b"\0":
        fields.setdefault(code.decode("latin-1"), reader.string())
    reader.done()
    return fields


def parse_command_complete(raw: bytes) -> bytes:
    """The command tag, such as ``INSERT 0 1``."""
    reader = Reader(raw, b"C")
    tag = reader.string()
    reader.done()
    return tag


def parse_parameter_status(raw: bytes) -> tuple[bytes, bytes]:
    """(name, value)."""
    reader = Reader(raw, b"S")
    name, value = reader.string(), reader.string()
    reader.done()
    return name, value


def parse_backend_key_data(raw: bytes) -> tuple[int, bytes]:
    """(process id, cancel key of 4 to 256 bytes)."""
    reader = Reader(raw, b"K")
    pid, secret = reader.uint32(), reader.rest()
    if not SECRET_MINIMUM <= len(secret) <= SECRET_MAXIMUM:
        raise RemoteProtocolError(f"cancel key of {len(secret)} bytes")
    return pid, secret


def parse_data_row(raw: bytes) -> list[bytes | None]:
    reader = Reader(raw, b"D")
    values = [reader.value() for _ in range(reader.count())]
    reader.done()
    return values


def parse_copy_response(raw: bytes) -> tuple[int, tuple[int, ...]]:
    """(overall format, format of each column) of a CopyIn-, CopyOut- or CopyBothResponse: 0 text, 1 binary."""
    reader = Reader(raw, b"GHW")
    overall = reader.byte()[0]
    formats = tuple([reader.int16() for _ in range(reader.count())])
    reader.done()
    if overall not in (0, 1):
        raise RemoteProtocolError(f"unknown COPY format {overall}")
    return overall, formats


def parse_copy_out_response(raw: bytes) -> tuple[int, tuple[int, ...]]:
    """(overall format, format of each column) of a CopyOutResponse."""
    if raw[:1] != b"H":
        raise RemoteProtocolError(f"expected CopyOutResponse, got {raw[:1]!r}")
    return parse_copy_response(raw)


def parse_ready_for_query(raw: bytes) -> bytes:
    """The transaction status: b"I", b"T" or b"E"."""
    reader = Reader(raw, b"Z")
    status = reader.byte()
    reader.done()
    if status not in (b"I", b"T", b"E"):
        raise RemoteProtocolError(f"unknown transaction status {status!r}")
    return status


def parse_parameter_description(raw: bytes) -> tuple[int, ...]:
    """The type of each parameter."""
    reader = Reader(raw, b"t")
    oids = tuple([reader.uint32() for _ in range(reader.count())])
    reader.done()
    return oids


def parse_notification(raw: bytes) -> tuple[int, bytes, bytes]:
    """(process id of the notifier, channel, payload)."""
    reader = Reader(raw, b"A")
    notice = reader.uint32(), reader.string(), reader.string()
    reader.done()
    return notice


def parse_authentication(raw: bytes) -> tuple[int, bytes]:
    """(code, the rest of the body) of any Authentication message."""
    reader = Reader(raw, b"R")
    return reader.uint32(), reader.rest()


def parse_negotiate_protocol_version(raw: bytes) -> tuple[int, tuple[bytes, ...]]:
    """(newest version the server speaks, as it stands on the wire; names of options it did not recognise)."""
    reader = Reader(raw, b"v")
    version, size = reader.uint32(), reader.int32()
    if not 0 <= size <= reader.end:
        raise RemoteProtocolError("invalid count in NegotiateProtocolVersion")
    names = tuple([reader.string() for _ in range(size)])
    reader.done()
    return version, names
