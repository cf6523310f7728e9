"""The messages of SSH's connection protocol (RFC 4254, and PROTOCOL of OpenSSH): read strictly, and made.

A message is its bytes, of which the first is its number. What cannot be read raises RemoteProtocolError.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from hoopgate.errors import RemoteProtocolError

GLOBAL_REQUEST: Final = 80
REQUEST_SUCCESS: Final = 81
REQUEST_FAILURE: Final = 82
OPEN: Final = 90
OPEN_CONFIRMATION: Final = 91
OPEN_FAILURE: Final = 92
WINDOW_ADJUST: Final = 93
DATA: Final = 94
EXTENDED_DATA: Final = 95
EOF: Final = 96
CLOSE: Final = 97
REQUEST: Final = 98
SUCCESS: Final = 99
FAILURE: Final = 100

PROHIBITED: Final = 1  # reasons of OPEN_FAILURE (RFC 4254, section 5.1)
CONNECT_FAILED: Final = 2
SHORTAGE: Final = 4
STDERR: Final = 1  # the only type of extended data (section 5.2)

PROGRAMS: Final = ("exec", "shell", "subsystem")  # requests that start what a channel is for (section 6.5)
NAME: Final = 256  # bytes of a name: of a channel's type, of a request (RFC 4251, section 6, says 64)
_UINT32: Final = struct.Struct(">I")
_THREE: Final = struct.Struct(">III")
_NUMBERED: Final = struct.Struct(">BI")
_NUMBERED_TWO: Final = struct.Struct(">BII")
_NUMBERED_THREE: Final = struct.Struct(">BIII")
_FOUR: Final = struct.Struct(">BIIII")

Fields = dict[str, Any]


DATA_HEAD: Final = 9  # bytes of DATA before the data itself
EXTENDED_HEAD: Final = 13  # the same of EXTENDED_DATA


class Reader:
    """Walks over a message, or a part of one, from ``at`` on."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def uint32(self) -> int:
        at = self._at
        if at + 4 > len(self._data):
            raise RemoteProtocolError("a message is too short")
        self._at = at + 4
        return int.from_bytes(self._data[at : at + 4], "big")

    def boolean(self) -> bool:
        """Any value but 0 is true (RFC 4251, section 5)."""
        at = self._at
        if at >= len(self._data):
            raise RemoteProtocolError("a message is too short")
        self._at = at + 1
        return self._data[at] != 0

    def string(self) -> bytes:
        length = self.uint32()
        at = self._at
        if length > len(self._data) - at:
            raise RemoteProtocolError("a string is longer than its message")
        self._at = at + length
        return self._data[at : at + length]

    def text(self) -> str:
        """A string as text; bytes that are no UTF-8 become surrogates. It holds no NUL, behind which servers in C, and
        what they run, would not read on."""
        text = self.string()
        if b"\0" in text:
            raise RemoteProtocolError("a text with a NUL")
        return text.decode("utf-8", "surrogateescape")

    def name(self) -> str:
        """A name: printable ASCII, of bounded length."""
        name = self.string()
        if not 0 < len(name) <= NAME or not all(0x20 < byte < 0x7F for byte in name):
            raise RemoteProtocolError("a name that is none")
        return name.decode("ascii")

    def rest(self) -> bytes:
        at, self._at = self._at, len(self._data)
        return self._data[at:]

    def end(self) -> None:
        if self._at != len(self._data):
            raise RemoteProtocolError("a message is longer than its fields")


class OpenMessage:
    """CHANNEL_OPEN. ``rest`` is what its type adds."""

    __slots__ = ("kind", "packet", "rest", "sender", "window")

    def __init__(self, message: bytes) -> None:
        reader = Reader(message, 1)
        self.kind = reader.name()
        self.sender = reader.uint32()
        self.window = reader.uint32()
        self.packet = reader.uint32()
        self.rest = reader.rest()

    def fields(self) -> tuple[str, int, tuple[str, int]]:
        """(host or path, port, origin); empty where the type says none, or is not known."""
        reader = Reader(self.rest)
        host, port, origin = "", 0, ("", 0)
        if self.kind in ("direct-tcpip", "forwarded-tcpip"):
            host, port = reader.text(), reader.uint32()
            origin = (reader.text(), reader.uint32())
        elif self.kind == "x11":
            origin = (reader.text(), reader.uint32())
        elif self.kind == "direct-streamlocal@openssh.com":
            host = reader.text()
            origin = (reader.text(), reader.uint32())  # reserved
        elif self.kind == "forwarded-streamlocal@openssh.com":
            host = reader.text()
            reader.string()  # reserved
        elif self.kind not in ("session", "auth-agent@openssh.com"):
            reader.rest()
        reader.end()
        if port > 65_535:
            raise RemoteProtocolError("a port beyond 65535")
        return host, port, origin


class RequestMessage:
    """CHANNEL_REQUEST or GLOBAL_REQUEST (``of_channel`` False). ``rest`` is what its name adds."""

    __slots__ = ("channel", "name", "of_channel", "rest", "wants_reply")

    def __init__(self, message: bytes) -> None:
        reader = Reader(message, 1)
        self.of_channel = message[0] == REQUEST
        self.channel = reader.uint32() if self.of_channel else 0
        self.name = reader.name()
        self.wants_reply = reader.boolean()
        self.rest = reader.rest()

    def fields(self) -> Fields:
        """What it asks, by the names of :class:`hoopgate.frames.Request`; of an exec: ``command``."""
        reader = Reader(self.rest)
        shape = (CHANNEL_SHAPES if self.of_channel else GLOBAL_SHAPES).get(self.name)
        if shape is None:
            return {"data": self.rest}
        fields: Fields = {}
        for name, kind in shape:
            if kind == "text":
                fields[name] = reader.text()
            elif kind == "number":
                fields[name] = reader.uint32()
            elif kind == "truth":
                fields[name] = reader.boolean()
            else:
                fields[name] = reader.string()
        reader.end()
        return fields


Shape = tuple[tuple[str, str], ...]
_SIZE: Final[Shape] = (("columns", "number"), ("rows", "number"), ("width", "number"), ("height", "number"))
CHANNEL_SHAPES: Final[dict[str, Shape]] = {
    "pty-req": (("term", "text"), *_SIZE, ("modes", "bytes")),
    "x11-req": (("single", "truth"), ("protocol", "text"), ("cookie", "text"), ("screen", "number")),
    "env": (("name", "text"), ("value", "text")),
    "shell": (),
    "exec": (("command", "text"),),
    "subsystem": (("name", "text"),),
    "window-change": _SIZE,
    "xon-xoff": (("client_can_do", "truth"),),
    "signal": (("signal", "text"),),
    "exit-status": (("status", "number"),),
    "exit-signal": (("signal", "text"), ("core", "truth"), ("message", "text"), ("language", "text")),
    "break": (("length", "number"),),
    "auth-agent-req@openssh.com": (),
    "eow@openssh.com": (),
}
GLOBAL_SHAPES: Final[dict[str, Shape]] = {
    "tcpip-forward": (("host", "text"), ("port", "number")),
    "cancel-tcpip-forward": (("host", "text"), ("port", "number")),
    "streamlocal-forward@openssh.com": (("path", "text"),),
    "cancel-streamlocal-forward@openssh.com": (("path", "text"),),
    "no-more-sessions@openssh.com": (),
    "keepalive@openssh.com": (),
}


def string(data: bytes) -> bytes:
    return _UINT32.pack(len(data)) + data


def recipient(message: bytes) -> int:
    """The channel that a message is about: the four bytes behind its number."""
    if len(message) < 5:
        raise RemoteProtocolError("a message is too short")
    return int.from_bytes(message[1:5], "big")


def to(number: int, message: bytes) -> bytes:
    """The same message, about the channel that its recipient knows by ``number``; the same object if it is already."""
    field = _UINT32.pack(number)
    if message.startswith(field, 1):
        return message
    return b"".join((message[:1], field, memoryview(message)[5:]))


def open_message(kind: str, sender: int, window: int, packet: int, rest: bytes) -> bytes:
    return b"\x5a" + string(kind.encode("ascii")) + _THREE.pack(sender, window, packet) + rest


def open_confirmation(channel: int, sender: int, window: int, packet: int, rest: bytes) -> bytes:
    return _FOUR.pack(OPEN_CONFIRMATION, channel, sender, window, packet) + rest


def open_failure(channel: int, reason: int, text: str) -> bytes:
    said = string(text.encode("utf-8", "surrogateescape")) + string(b"")
    return _NUMBERED_TWO.pack(OPEN_FAILURE, channel, reason) + said


def window_adjust(channel: int, more: int) -> bytes:
    return _NUMBERED_TWO.pack(WINDOW_ADJUST, channel, more)


def data(channel: int, piece: bytes) -> bytes:
    return _NUMBERED_TWO.pack(DATA, channel, len(piece)) + piece


def extended_data(channel: int, piece: bytes, kind: int = STDERR) -> bytes:
    return _NUMBERED_THREE.pack(EXTENDED_DATA, channel, kind, len(piece)) + piece


def request(channel: int, name: str, rest: bytes, *, wants_reply: bool = False) -> bytes:
    return bare(REQUEST, channel) + asked(name, rest, wants_reply=wants_reply)


def global_request(name: str, rest: bytes, *, wants_reply: bool = False) -> bytes:
    return b"\x50" + asked(name, rest, wants_reply=wants_reply)


def asked(name: str, rest: bytes, *, wants_reply: bool) -> bytes:
    """What a request says behind its number and channel."""
    return string(name.encode("ascii")) + (b"\1" if wants_reply else b"\0") + rest


def exec_request(channel: int, command: str, *, wants_reply: bool) -> bytes:
    return request(channel, "exec", string(command.encode("utf-8", "surrogateescape")), wants_reply=wants_reply)


def exit_status(status: int) -> bytes:
    """What such a request says behind its channel."""
    return asked("exit-status", uint32(status), wants_reply=False)


def uint32(number: int) -> bytes:
    return _UINT32.pack(number)


def bare(number: int, channel: int) -> bytes:
    """A message that says no more than which channel it is about, as EOF, CLOSE, SUCCESS and FAILURE do."""
    return _NUMBERED.pack(number, channel)
