"""SSH's side of a recording: channels, what was asked of them and what flowed in them, after masking.

The bytes are ``uint32 length | message`` (RFC 4254), with the client's numbers of channels. A number that is used again
is another channel: here they are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from attrs import define

from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.file_commands import recognised
from hoopgate.errors import RemoteProtocolError
from hoopgate.recorders.items import Asked, Began, Closed, Flowed, Item, Omitted

LIMIT: Final = 1024 * 1024
_REMEMBERED: Final = 1024
_LENGTH: Final = 4
_ENDS: Final = {"exit-status": "status", "exit-signal": "signal"}
Side = Literal["client", "target"]


@define
class _Open:
    """A channel that is open. ``closing``: how many sides have closed it. ``files``: it carries a protocol of files
    (sftp, scp, rsync, git), which says nothing to a reader: what moved there is told by the session's events."""

    number: int
    status: int | str | None = None
    closing: int = 0
    files: bool = False


class Decoder:
    """Both directions of one session. Memory is bounded by one message of at most a MiB each."""

    def __init__(self) -> None:
        self._runs = {"client": _Runs(), "target": _Runs()}
        self._channels: dict[int, _Open] = {}
        self._offered: dict[int, str] = {}  # the target's, by its number, until the client has taken them
        self._counted: dict[int, int] = {}  # the last ones' counts by the client's numbers, closed ones too
        self._count = 0

    def count(self, fields: dict[str, Any]) -> None:
        """Give an event's channel the number that all items have; one that never opened has none."""
        number = fields.pop("channel")
        if isinstance(number, int) and number in self._counted:
            fields["channel"] = self._counted[number]

    def login(self, fields: dict[str, Any]) -> None:
        """Nothing said there changes what follows."""

    def from_client(self, at: float, data: bytes) -> Iterator[Item]:
        return self._decode(at, "client", data)

    def from_target(self, at: float, data: bytes) -> Iterator[Item]:
        return self._decode(at, "target", data)

    def _decode(self, at: float, side: Side, data: bytes) -> Iterator[Item]:
        runs = self._runs[side]
        try:
            for message in runs.feed(data):
                if isinstance(message, int):
                    yield Omitted(at, f"a message of {message} bytes")
                else:
                    yield from self._message(at, side, message)
        except RemoteProtocolError as error:
            runs.broken = True
            yield Omitted(at, f"the {side}'s bytes from here on: {error}")

    def _message(self, at: float, side: Side, message: bytes) -> Iterator[Item]:
        number = message[0]
        if number == messages.OPEN:
            yield from self._opens(at, side, messages.OpenMessage(message))
        elif number == messages.OPEN_CONFIRMATION and side == "client":
            reader = messages.Reader(message, 1)
            kind = self._offered.pop(reader.uint32(), "")
            yield self._began(at, reader.uint32(), kind)
        elif number == messages.OPEN_FAILURE:
            refused = messages.recipient(message)
            if side == "client":
                self._offered.pop(refused, None)
            elif refused in self._channels:
                yield Closed(at, self._channels.pop(refused).number, None)
        elif number >= messages.WINDOW_ADJUST:
            channel = self._channels.get(messages.recipient(message))
            if channel is not None:
                yield from self._within(at, side, channel, message)

    def _opens(self, at: float, side: Side, message: messages.OpenMessage) -> Iterator[Item]:
        if side == "target":
            self._offered[message.sender] = message.kind
        else:
            yield self._began(at, message.sender, message.kind)

    def _began(self, at: float, number: int, kind: str) -> Began:
        self._count += 1
        self._channels[number] = _Open(self._count)
        self._counted.pop(number, None)
        self._counted[number] = self._count
        if len(self._counted) > _REMEMBERED:
            del self._counted[next(iter(self._counted))]
        return Began(at, self._count, kind)

    def _within(self, at: float, side: Side, channel: _Open, message: bytes) -> Iterator[Item]:
        number = message[0]
        if number in (messages.DATA, messages.EXTENDED_DATA):
            reader = messages.Reader(message, 5 if number == messages.DATA else 9)
            stream: Literal["input", "output", "error"] = "input" if side == "client" else "output"
            if channel.files and number == messages.DATA:
                return
            yield Flowed(at, channel.number, "error" if number == messages.EXTENDED_DATA else stream, reader.string())
        elif number == messages.REQUEST:
            yield from self._asked(at, channel, messages.RequestMessage(message))
        elif number == messages.CLOSE:
            channel.closing += 1
            if channel.closing == 2:
                del self._channels[messages.recipient(message)]
                yield Closed(at, channel.number, channel.status)

    def _asked(self, at: float, channel: _Open, message: messages.RequestMessage) -> Iterator[Item]:
        fields = message.fields()
        if message.name in _ENDS:
            channel.status = fields[_ENDS[message.name]]
        elif message.name == "exec":
            channel.files = recognised(fields["command"]) is not None
        elif message.name == "subsystem":
            channel.files = fields["name"] == "sftp"
        yield Asked(at, channel.number, message.name, fields)


class _Runs:
    """Cuts one direction's bytes into messages; those above ``LIMIT`` are passed over, and only their size is told."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self.broken = False

    def feed(self, data: bytes) -> Iterator[bytes | int]:
        """The messages that end in ``data``. Raises RemoteProtocolError."""
        if self.broken:
            return
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= _LENGTH:
            size = int.from_bytes(self._buffer[at : at + _LENGTH], "big")
            if not size:
                raise RemoteProtocolError("a message of no bytes")
            begin = at + _LENGTH
            if size > LIMIT:
                yield size
                there = min(size, len(self._buffer) - begin)
                self._skip = size - there
                at = begin + there
            elif len(self._buffer) - begin < size:
                break
            else:
                yield bytes(self._buffer[begin : begin + size])
                at = begin + size
        del self._buffer[:at]
