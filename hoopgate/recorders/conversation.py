"""What happened in a session, as a stream: its events, and what crossed, decoded by its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from hoopgate.recorders import postgresql, ssh
from hoopgate.recorders.format import Kind
from hoopgate.recorders.items import Happened, Item
from hoopgate.recorders.reader import Record


class Decoder(Protocol):
    """Makes items of a session's bytes, in bounded memory."""

    def login(self, fields: dict[str, Any]) -> None:
        """What the client said as it logged in."""

    def from_client(self, at: float, data: bytes) -> Iterator[Item]:
        """Bytes that went to the target."""

    def from_target(self, at: float, data: bytes) -> Iterator[Item]:
        """Bytes that went to the client."""


def conversation(records: Iterable[Record]) -> Iterator[Item]:
    """Decode. Raises Malformed for an event that no recorder writes (verify first)."""
    decoder: Decoder = postgresql.Decoder()
    for record in records:
        at = record.elapsed / 1e6
        if record.kind in (Kind.EVENT, Kind.END):
            fields = record.event()
            kind = fields.pop("event")
            if kind == "open" and fields.get("protocol") == "ssh":
                decoder = ssh.Decoder()
            if kind == "login":
                decoder.login(fields)
            if "channel" in fields and isinstance(decoder, ssh.Decoder):
                decoder.count(fields)
            yield Happened(at, kind, fields)
        elif record.kind is Kind.FROM_TARGET:
            yield from decoder.from_target(at, record.payload)
        elif record.kind is Kind.FROM_CLIENT:
            yield from decoder.from_client(at, record.payload)
