"""The packets of the start-up phase, which have a length and no type byte (manual, "Message Flow / Start-up").

One function reads a packet's contents; it raises RemoteProtocolError, with PostgreSQL's own SQLSTATE, for anything
that PostgreSQL 18 (backend_startup.c) would refuse, and for what is ambiguous: a repeated name, text that is no UTF-8.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from hoopgate.codecs.postgresql.frontend import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST
from hoopgate.errors import RemoteProtocolError

NEWEST: Final = (3, 2)  # the newest protocol version that we speak; 3.1 was never used and is 3.0 by another name
PROTOCOL_OPTION: Final = "_pq_."
TLS_HANDSHAKE: Final = 0x16  # first byte of a TLS record of the handshake


@frozen
class SslRequest:
    """The client asks for TLS."""


@frozen
class GssRequest:
    """The client asks for GSSAPI encryption, which we always refuse."""


@frozen
class Cancel:
    """The client asks to cancel what the session with this process id and key runs."""

    pid: int
    secret: bytes = field(repr=False)


@frozen
class Startup:
    """A StartupMessage.

    ``version`` is (major, minor) as asked; ``parameters`` holds ``user`` always, and no protocol options, whose names
    are in ``unrecognized`` since we know none. ``options`` are the settings read from the parameter ``options``
    (``-c name=value``), which stays in ``parameters`` too.
    """

    version: tuple[int, int]
    parameters: dict[str, str]
    unrecognized: tuple[str, ...] = ()
    options: dict[str, str] = field(factory=dict)

    @property
    def agreed(self) -> tuple[int, int]:
        """The version that both sides speak from here."""
        return min(self.version, NEWEST)


Packet = SslRequest | GssRequest | Cancel | Startup


def is_tls_client_hello(data: bytes) -> bool:
    """Whether a connection that begins so starts TLS without an SSLRequest (PostgreSQL 17: sslnegotiation=direct).

    Such a client must negotiate ALPN ``postgresql``; the shell, which owns TLS, checks that.
    """
    return bool(data) and data[0] == TLS_HANDSHAKE


def read_packet(body: bytes) -> Packet:
    """``body`` is the packet without its length."""
    if len(body) < 4:
        raise RemoteProtocolError("invalid length of startup packet")
    code = int.from_bytes(body[:4], "big")
    if code == CANCEL_REQUEST:
        return _cancel(body)
    if code in (SSL_REQUEST, GSSENC_REQUEST):
        if len(body) != 4:
            raise RemoteProtocolError("invalid length of encryption request")
        return SslRequest() if code == SSL_REQUEST else GssRequest()
    return _startup(code, body)


def _cancel(body: bytes) -> Cancel:
    secret = body[8:]
    if not 4 <= len(secret) <= 256:
        raise RemoteProtocolError("invalid length of cancel request packet")
    return Cancel(int.from_bytes(body[4:8], "big"), secret)


def _startup(code: int, body: bytes) -> Startup:
    version = (code >> 16, code & 0xFFFF)
    if version[0] != 3:
        raise RemoteProtocolError(
            f"unsupported frontend protocol {version[0]}.{version[1]}: server supports 3.0 to {NEWEST[0]}.{NEWEST[1]}",
            "0A000",
        )
    pairs = _pairs(body)
    unrecognized = tuple(name for name in pairs if name.startswith(PROTOCOL_OPTION))
    parameters = {name: value for name, value in pairs.items() if not name.startswith(PROTOCOL_OPTION)}
    if not parameters.get("user"):
        raise RemoteProtocolError("no PostgreSQL user name specified in startup packet", "28000")
    return Startup(version, parameters, unrecognized, parse_options(parameters.get("options", "")))


def _pairs(body: bytes) -> dict[str, str]:
    if body[-1] != 0 or len(body) < 5:
        raise RemoteProtocolError("invalid startup packet layout: expected terminator as last byte")
    try:
        strings = body[4:-1].decode("utf-8").split("\0")
    except UnicodeDecodeError:
        raise RemoteProtocolError("startup packet is not valid UTF-8", "22021") from None
    if strings.pop():  # the last pair's value ends in NUL too
        raise RemoteProtocolError("invalid startup packet layout: expected terminator as last byte")
    names, values = strings[::2], strings[1::2]
    if len(names) != len(values) or "" in names:
        raise RemoteProtocolError("invalid startup packet layout: expected terminator as last byte")
    if len(set(names)) != len(names):
        raise RemoteProtocolError("startup packet repeats a parameter")
    return dict(zip(names, values, strict=True))


def parse_options(text: str) -> dict[str, str]:
    """The settings in the start-up parameter ``options``: ``-c name=value``, ``-cname=value``, ``--name=value``.

    Words are split as pg_split_opts does: at white space, a backslash takes the next character as it is. Any other
    server switch and an empty name are refused; a later setting of a name wins, and ``-`` in a name means ``_``.
    """
    words = _words(text)
    settings: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "-c":
            setting = words[position] if position < len(words) else ""
            position += 1
        elif word.startswith(("-c", "--")):
            setting = word[2:]
        else:
            raise RemoteProtocolError("startup parameter options: only settings (-c name=value) are allowed", "42601")
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise RemoteProtocolError("startup parameter options: a setting needs a name and a value", "42601")
        settings[name.replace("-", "_")] = value
    return settings


def _words(text: str) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    characters = iter(text)
    for character in characters:
        if character in " \t\n\r\v\f":
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        if word is None:
            word = []
        word.append(next(characters, "") if character == "\\" else character)
    if word is not None:
        words.append("".join(word))
    return words
