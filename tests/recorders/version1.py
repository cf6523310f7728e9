"""Writes a recording as version 1 did: a record for each event and each piece of data, no marks."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

from hoopgate.recorders.keys import key_id
from tests.recorders.fakes import KEY, SESSION_ID, STARTED

EVENT, CHECKPOINT, END = 2, 3, 4


class Version1:
    """``record`` adds to ``content``; times are made up, a millisecond a record."""

    def __init__(self) -> None:
        head = struct.pack(
            ">8sHBx40sQ16s",
            b"\x89HGR\r\n\x1a\n", 1, len(SESSION_ID), SESSION_ID.encode(), int(STARTED * 1e6),
            key_id(KEY.public_key()),
        )  # fmt: skip
        self.content = head
        self.records = 0
        self.hash = hashlib.sha256(head)

    def head(self, kind: int, length: int) -> bytes:
        elapsed = 1000 * self.records
        packed = struct.pack(">IBHIhI", length, kind, elapsed >> 32, elapsed & 0xFFFFFFFF, -1, (1 << 32) - 1)
        return packed + zlib.crc32(packed).to_bytes(4, "big")

    def record(self, kind: int, payload: bytes) -> None:
        packed = self.head(kind, len(payload))
        self.hash.update(packed + payload)
        self.content += packed + payload + self.hash.digest()[:8]
        self.records += 1

    def event(self, kind: str, **fields: object) -> None:
        self.record(EVENT, json.dumps({"event": kind, **fields}).encode())

    def checkpoint(self) -> None:
        self.seal(CHECKPOINT, struct.pack(">QQ", self.records, len(self.content)), b"")

    def end(self, **fields: object) -> None:
        body = json.dumps({"event": "end", "records": self.records, **fields}).encode()
        self.seal(END, body, (len(body) + 100).to_bytes(4, "big"))

    def seal(self, kind: int, body: bytes, tail: bytes) -> None:
        signed = self.hash.copy()
        signed.update(self.head(kind, len(body) + 96 + len(tail)) + body)
        context = b"hoopgate recording v1 " + (b"end" if kind == END else b"checkpoint") + b"\x00"
        self.record(kind, body + signed.digest() + KEY.sign(context + signed.digest()) + tail)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content)
        return path
