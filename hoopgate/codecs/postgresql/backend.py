"""Messages that a server sends: builders for our side towards clients.

PostgreSQL manual, "Message Formats" and "Error and Notice Message Fields". :mod:`backend_parsers` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.codecs.postgresql.fields import (
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
from hoopgate.errors import LocalProtocolError
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
