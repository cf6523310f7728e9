"""The recording's bytes: file header, record header, tags, checkpoints and the end. Pure functions, no I/O.

``docs/reference/recording.md`` has the same layout as a table. All integers are big-endian. The chain is one
SHA-256 over the file header and every record's header and payload; tags (its first 8 bytes after each record)
are stored but not hashed, so that damage is named where it lies. Signatures are Ed25519 (RFC 8032) over a
context string and the chain's digest.
"""

from __future__ import annotations

import enum
import json
import re
import struct
import zlib
from typing import Any, Final

from attrs import frozen

MAGIC: Final = b"\x89HGR\r\n\x1a\n"  # as PNG's: shows text-mode and 7-bit damage in the first bytes
VERSION: Final = 1
SUFFIX: Final = ".hgr"

FILE_HEAD: Final = struct.Struct(">8sHBx40sQ16s")
FILE_HEAD_SIZE: Final = FILE_HEAD.size  # 76
KEY_ID_OFFSET: Final = 60
KEY_ID_SIZE: Final = 16

_HEAD: Final = struct.Struct(">IBHIhI")
_CRC: Final = struct.Struct(">I")
_U48: Final = 1 << 48
_U32: Final = 0xFFFFFFFF
HEAD_SIZE: Final = _HEAD.size + _CRC.size  # 21
TAG_SIZE: Final = 8
OVERHEAD: Final = HEAD_SIZE + TAG_SIZE

MAX_PAYLOAD: Final = 1024 * 1024
DATA_SLICE: Final = 32 * 1024  # longer data is split: the finer the records, the nearer damage is named

DIGEST_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
CHECKPOINT_HEAD: Final = struct.Struct(">QQ")  # records before it, file offset of its record
CHECKPOINT_SIZE: Final = CHECKPOINT_HEAD.size + DIGEST_SIZE + SIGNATURE_SIZE
END_TAIL_SIZE: Final = DIGEST_SIZE + SIGNATURE_SIZE + 4  # the last four bytes repeat the payload's length

CHECKPOINT_CONTEXT: Final = b"hoopgate recording v1 checkpoint\x00"
END_CONTEXT: Final = b"hoopgate recording v1 end\x00"

_SESSION_ID: Final = re.compile(r"[0-9a-z-]{26,40}")


class Malformed(ValueError):  # noqa: N818 - says what the bytes are
    """Bytes that no recorder writes. ``at`` is the offset of the first wrong byte inside the piece looked at."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


class Kind(enum.IntEnum):
    """What a record holds; the direction of wire bytes is a part of the kind."""

    FROM_CLIENT = 0
    FROM_TARGET = 1
    EVENT = 2
    CHECKPOINT = 3
    END = 4


_KINDS: Final = frozenset(int(kind) for kind in Kind)


@frozen
class FileHead:
    """``started`` is microseconds since the epoch, ``key_id`` the first 16 bytes of SHA-256 of the public key."""

    session: str
    started: int
    key_id: bytes


@frozen
class RecordHead:
    """``length`` of the payload; ``elapsed`` microseconds on the monotonic clock since the recording was opened;
    ``wall`` microseconds on the wall clock since ``FileHead.started`` (negative if that clock was set back)."""

    length: int
    kind: int
    elapsed: int
    wall: int


def valid_session_id(session: str) -> bool:
    """Only such ids become file names: 26 to 40 digits, lower-case letters and dashes."""
    return _SESSION_ID.fullmatch(session) is not None


def pack_file_head(head: FileHead) -> bytes:
    name = head.session.encode("ascii")
    return FILE_HEAD.pack(MAGIC, VERSION, len(name), name, head.started, head.key_id)


def unpack_file_head(data: bytes) -> FileHead:
    """Read the first 76 bytes. Raises :class:`Malformed`."""
    magic, version, length, name, started, key_id = FILE_HEAD.unpack(data)
    if magic != MAGIC:
        at = next(i for i in range(len(MAGIC)) if data[i] != MAGIC[i])
        raise Malformed("this is no hoopgate recording: wrong magic", at)
    if version != VERSION:
        raise Malformed(f"format version {version} is not known to this reader", 8)
    session = name[:length].decode("ascii", "replace")
    if data[11] or not valid_session_id(session) or name[length:].strip(b"\x00"):
        raise Malformed("the session id is malformed", 10)
    return FileHead(session, started, key_id)


def pack_record_head(length: int, kind: int, elapsed: int, wall: int) -> bytes:
    """21 bytes: length, kind, two 48-bit times, CRC-32 of these (so that a broken length is not taken for an end)."""
    head = _HEAD.pack(length, kind, elapsed >> 32, elapsed & _U32, wall >> 32, wall & _U32)
    return head + zlib.crc32(head).to_bytes(4, "big")


def record_head_intact(data: bytes) -> bool:
    """Whether the CRC fits and the values are ones a recorder writes."""
    return zlib.crc32(data[:17]) == _CRC.unpack_from(data, 17)[0] and data[4] in _KINDS and data[:4] <= _LONGEST


_LONGEST: Final = MAX_PAYLOAD.to_bytes(4, "big")


def unpack_record_head(data: bytes) -> RecordHead:
    """Read one record header. Raises :class:`Malformed`."""
    if not record_head_intact(data):
        raise Malformed("a record header is damaged")
    length, kind, elapsed_high, elapsed_low, wall_high, wall_low = _HEAD.unpack_from(data)
    return RecordHead(length, kind, elapsed_high << 32 | elapsed_low, (wall_high << 32) | wall_low)


def pack_event(kind: str, fields: dict[str, Any]) -> bytes:
    """An event's payload: one JSON object in UTF-8; ``event`` is its kind."""
    return json.dumps({"event": kind, **fields}, ensure_ascii=False, separators=(",", ":"), default=str).encode(
        "utf-8", "backslashreplace"
    )


def unpack_event(payload: bytes) -> dict[str, Any]:
    """The reverse. Raises :class:`Malformed`."""
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed("an event is not JSON") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise Malformed("an event has no kind")
    return event


def split_end(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """An end's (JSON, digest, signature). Raises :class:`Malformed`."""
    if len(payload) < END_TAIL_SIZE or _CRC.unpack(payload[-4:])[0] != len(payload):
        raise Malformed("the end record's length does not fit", max(0, len(payload) - 4))
    body = payload[:-END_TAIL_SIZE]
    return body, payload[len(body) : len(body) + DIGEST_SIZE], payload[-SIGNATURE_SIZE - 4 : -4]


def end_length(body: bytes) -> int:
    """The payload length of an end record with this JSON."""
    return len(body) + END_TAIL_SIZE


def pack_length(length: int) -> bytes:
    return _CRC.pack(length)
