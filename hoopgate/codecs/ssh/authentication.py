"""The messages by which a user logs in (RFC 4252; RFC 4256 for keyboard-interactive), seen by the server.

A message is its number and its payload, which begins behind the number. What cannot be read raises
RemoteProtocolError.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from hoopgate.codecs.ssh.messages import Reader
from hoopgate.errors import RemoteProtocolError

USERAUTH_REQUEST: Final = 50
USERAUTH_FAILURE: Final = 51
USERAUTH_SUCCESS: Final = 52
USERAUTH_BANNER: Final = 53
USERAUTH_PK_OK: Final = 60
USERAUTH_INFO_REQUEST: Final = 60
USERAUTH_INFO_RESPONSE: Final = 61

LONGEST_USER: Final = 256  # bytes
_LONGEST_NAME: Final = 64  # of a service or a method (RFC 4251, section 6)
_LONGEST_KEY: Final = 16 * 1024


@frozen
class Request:
    """USERAUTH_REQUEST. ``rest`` is what its method adds."""

    user: bytes
    service: bytes
    method: str
    rest: bytes = field(repr=False)

    @classmethod
    def parse(cls, payload: bytes) -> Request:
        reader = Reader(payload)
        user, service, method = reader.string(), reader.string(), reader.string()
        if len(user) > LONGEST_USER or len(service) > _LONGEST_NAME or len(method) > _LONGEST_NAME:
            raise RemoteProtocolError("a name in the login is too long")
        return cls(user, service, method.decode("ascii", "replace"), reader.rest())


@frozen
class OfferedKey:
    """What ``publickey`` adds: a key that is only asked about (``signature`` None), or one that has signed."""

    algorithm: bytes
    blob: bytes
    signature: bytes | None = field(repr=False)

    @classmethod
    def parse(cls, rest: bytes) -> OfferedKey:
        reader = Reader(rest)
        signs, algorithm, blob = reader.boolean(), reader.string(), reader.string()
        signature = reader.string() if signs else None
        reader.end()
        if len(algorithm) > _LONGEST_NAME or len(blob) > _LONGEST_KEY:
            raise RemoteProtocolError("a public key is too long")
        return cls(algorithm, blob, signature)


def password(rest: bytes, longest: int) -> str:
    """What ``password`` adds; a wish to change it (section 8) is none of ours."""
    reader = Reader(rest)
    changes, given = reader.boolean(), reader.string()
    if changes:
        raise RemoteProtocolError("a password cannot be changed here")
    reader.end()
    return _secret(given, longest)


def responses(payload: bytes, prompts: int, longest: int) -> list[str]:
    """USERAUTH_INFO_RESPONSE to so many prompts (RFC 4256, section 3.4)."""
    reader = Reader(payload)
    if reader.uint32() != prompts:
        raise RemoteProtocolError("not as many answers as were asked for")
    found = [_secret(reader.string(), longest) for _ in range(prompts)]
    reader.end()
    return found


def _secret(given: bytes, longest: int) -> str:
    if len(given) > longest:
        raise RemoteProtocolError("a token is too long (limits.token)")
    return given.decode("utf-8", "replace")


def signed_data(session_id: bytes, request: Request, offered: OfferedKey) -> bytes:
    """What a public key's signature is over (section 7): this connection, this request, this very key."""
    parts = (request.user, request.service, b"publickey")
    head = _string(session_id) + bytes((USERAUTH_REQUEST,)) + b"".join(map(_string, parts))
    return head + b"\1" + _string(offered.algorithm) + _string(offered.blob)


def failure(methods: Iterable[str]) -> bytes:
    """USERAUTH_FAILURE's payload: these methods can continue; nothing ever succeeds in part."""
    return _string(",".join(methods).encode("ascii")) + b"\0"


def banner(text: str) -> bytes:
    """USERAUTH_BANNER's payload (section 5.4): lines end with CR LF, and nothing drives a terminal."""
    return _string(_shown(text).encode("utf-8")) + _string(b"")


def key_accepted(offered: OfferedKey) -> bytes:
    """USERAUTH_PK_OK's payload: the key may sign."""
    return _string(offered.algorithm) + _string(offered.blob)


def info_request(instruction: str, prompts: Iterable[tuple[str, bool]]) -> bytes:
    """USERAUTH_INFO_REQUEST's payload; each prompt with whether what is typed may be seen."""
    asked = tuple(prompts)
    head = _string(b"") + _string(_shown(instruction).encode("utf-8")) + _string(b"")
    lines = [_string(_shown(text).encode("utf-8")) + (b"\1" if echo else b"\0") for text, echo in asked]
    return head + len(asked).to_bytes(4, "big") + b"".join(lines)


def _shown(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    return "\r\n".join("".join(each if each.isprintable() else "?" for each in line) for line in lines)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
