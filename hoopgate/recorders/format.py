"""The recording's bytes: file head, events, checkpoints and the end. Pure functions, no I/O.

``docs/reference/recording.md`` has the same layout as a table; records' own heads are in ``heads``. All integers are
big-endian. The chain is one SHA-256 over the file head and every record's head (without its mark) and payload; tags
(its first 8 bytes after each record) are stored but not hashed, so that damage is named where it lies. Signatures are
Ed25519 (RFC 8032) over a context string and the chain's digest.
"""

from __future__ import annotations

import enum
import json
import re
import struct
from typing import Any, Final

from attrs import frozen

MAGIC: Final = b"\x89HGR\r\n\x1a\n"  # as PNG's: shows text-mode and 7-bit damage in the first bytes
VERSION: Final = 2
VERSIONS: Final = frozenset({1, VERSION})  # what can be read
SUFFIX: Final = ".hgr"

FILE_HEAD: Final = struct.Struct(">8sHBx40sQ16s")
FILE_HEAD_SIZE: Final = FILE_HEAD.size  # 76
KEY_ID_OFFSET: Final = 60
KEY_ID_SIZE: Final = 16
TAG_SIZE: Final = 8

MAX_PAYLOAD: Final = 1024 * 1024  # of one record, events included
DATA_SLICE: Final = 32 * 1024  # longer data is split: the finer the records, the nearer damage is named

DIGEST_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
CHECKPOINT_HEAD: Final = struct.Struct(">QQ")  # records before it, file offset of its record
CHECKPOINT_SIZE: Final = CHECKPOINT_HEAD.size + DIGEST_SIZE + SIGNATURE_SIZE
END_TAIL_SIZE: Final = DIGEST_SIZE + SIGNATURE_SIZE + 4  # the last four bytes repeat the payload's length

_U32: Final = struct.Struct(">I")
_SESSION_ID: Final = re.compile(r"[0-9a-z-]{26,40}")


class Malformed(ValueError):  # noqa: N818 - says what the bytes are
    """Bytes that no recorder writes. ``at`` is the offset of the first wrong byte inside the piece looked at."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


class Kind(enum.IntEnum):
    """What a record holds; the direction of wire bytes is a part of the kind. Events may stand before wire bytes."""

    FROM_CLIENT = 0
    FROM_TARGET = 1
    EVENT = 2
    CHECKPOINT = 3
    END = 4


@frozen
class FileHead:
    """``started`` is microseconds since the epoch, ``key_id`` the first 16 bytes of SHA-256 of the public key."""

    session: str
    started: int
    key_id: bytes
    version: int = VERSION


def valid_session_id(session: str) -> bool:
    """Only such ids become file names: 26 to 40 digits, lower-case letters and dashes."""
    return _SESSION_ID.fullmatch(session) is not None


def pack_file_head(head: FileHead) -> bytes:
    name = head.session.encode("ascii")
    return FILE_HEAD.pack(MAGIC, head.version, len(name), name, head.started, head.key_id)


def unpack_file_head(data: bytes) -> FileHead:
    """Read the first 76 bytes. Raises :class:`Malformed`."""
    magic, version, length, name, started, key_id = FILE_HEAD.unpack(data)
    if magic != MAGIC:
        at = next(i for i in range(len(MAGIC)) if data[i] != MAGIC[i])
        raise Malformed("this is no hoopgate recording: wrong magic", at)
    if version not in VERSIONS:
        raise Malformed(f"format version {version} is not known to this reader", 8)
    session = name[:length].decode("ascii", "replace")
    if data[11] or not valid_session_id(session) or name[length:].strip(b"\x00"):
        raise Malformed("the session id is malformed", 10)
    return FileHead(session, started, key_id, version)


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
    if len(payload) < END_TAIL_SIZE or _U32.unpack(payload[-4:])[0] != len(payload):
        raise Malformed("the end record's length does not fit", max(0, len(payload) - 4))
    body = payload[:-END_TAIL_SIZE]
    return body, payload[len(body) : len(body) + DIGEST_SIZE], payload[-SIGNATURE_SIZE - 4 : -4]


def end_length(body: bytes) -> int:
    """The payload length of an end record with this JSON."""
    return len(body) + END_TAIL_SIZE


def pack_length(length: int) -> bytes:
    return _U32.pack(length)
