"""Messages that a server sends: parsers for what the target sends.

They take the whole message, header included, and raise RemoteProtocolError on any malformation. PostgreSQL manual,
"Message Formats"; :mod:`backend` builds them.
"""

from __future__ import annotations

from hoopgate.codecs.postgresql.backend import SECRET_MAXIMUM, SECRET_MINIMUM
from hoopgate.codecs.postgresql.fields import Reader
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Column


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
