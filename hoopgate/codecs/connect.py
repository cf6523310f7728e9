"""The head of an HTTP/1.1 CONNECT request, and the answers to it (RFC 9110, section 9.3.6; RFC 9112).

Sans I/O and strict: one request, by a grammar that leaves nothing to read in two ways. What CONNECT has no use for
(content, folded lines, a Host that names another) is refused. HTTP/1.0 is served too, since ``nc``, ``ncat`` and
``socat`` speak it. Who asks says so by a bearer token, or by Basic with the token as password.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from attrs import field, frozen

from hoopgate.errors import LocalProtocolError, RemoteProtocolError

END: Final = b"\r\n\r\n"
REALM: Final = "hoopgate"
AUTHORIZATION: Final = "authorization"
PROXY_AUTHORIZATION: Final = "proxy-authorization"
ONCE: Final = ("host", AUTHORIZATION, PROXY_AUTHORIZATION, "content-length")

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, section 5.6.2
_REQUEST = re.compile(rb"(?P<method>" + _TOKEN + rb") (?P<target>[!-~]+) HTTP/(?P<version>[0-9]\.[0-9])")
_FIELD = re.compile(rb"(?P<name>" + _TOKEN + rb"):[ \t]*(?P<value>(?:[!-~](?:[ \t!-~]*[!-~])?)?)[ \t]*")
_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9._~!$&'()*+,;=%-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>[0-9]{1,5})")
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z0-9-]+) +(?P<value>[A-Za-z0-9._~+/-]+=*)")
_BEGINNING = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")


class HeadError(RemoteProtocolError):
    """The head is none that can be served; ``status`` is the answer's, ``hint`` what to send instead."""

    def __init__(self, message: str, status: int = 400, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


@frozen
class Connect:
    """What was asked for. ``credentials`` is the field that held the token, "" where there was none."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    credentials: str = ""


class RequestHead:
    """One head, fed in any pieces. ``limit`` is in bytes, ``fields`` a number; both are of the whole head."""

    def __init__(self, limit: int, fields: int) -> None:
        self._limit = limit
        self._fields = fields
        self._buffer = bytearray()
        self._begun = False  # the request line was looked at
        self._done = False

    def feed(self, data: bytes) -> Connect | None:
        """The request, once its head is whole. Raises HeadError, after which this object is of no more use."""
        if self._done:
            raise LocalProtocolError("the head is whole already")
        begin = max(0, len(self._buffer) - len(END) + 1)
        self._buffer += data
        if self._buffer and not _BEGINNING.match(self._buffer):
            raise HeadError("this is no HTTP request")
        end = self._buffer.find(END, begin)
        if end < 0:
            self._unfinished(begin)
            return None
        if end + len(END) > self._limit:
            raise self._too_long()
        head = bytes(self._buffer[:end])
        del self._buffer[: end + len(END)]
        self._done = True
        return read_head(head, self._fields)

    @property
    def trailing(self) -> bytes:
        """What came behind the head: the first bytes of the protocol inside."""
        if not self._done:
            raise LocalProtocolError("the head is not whole yet")
        return bytes(self._buffer)

    def _unfinished(self, begin: int) -> None:
        """Refuse what can become no head any more, as early as that is known."""
        if len(self._buffer) >= self._limit:
            raise self._too_long()
        if not self._begun and (end := self._buffer.find(b"\r\n", begin)) >= 0:
            self._begun = True
            _request_line(bytes(self._buffer[:end]))

    def _too_long(self) -> HeadError:
        return HeadError(f"the head is longer than {self._limit} bytes (limits.connect_head)", 431)


def read_head(head: bytes, most: int) -> Connect:
    """``head`` without the empty line at its end; ``most`` is the number of fields that it may have."""
    line, *rest = head.split(b"\r\n")
    authority, version = _request_line(line)
    if len(rest) > most:
        raise HeadError(f"the head has more than {most} fields (limits.connect_fields)", 431)
    fields = _fields(rest)
    host, port = _authority(authority)
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise HeadError("a CONNECT request has no content")
    if version == "1.1" and "host" not in fields:
        raise HeadError("there is no Host field")
    if fields.get("host", "").lower() not in ("", host.lower(), authority.lower()):
        raise HeadError("the Host field names another than the request line")
    token, credentials = _token(fields)
    return Connect(host, port, token, credentials)


def _request_line(line: bytes) -> tuple[str, str]:
    found = _REQUEST.fullmatch(line)
    if found is None:
        raise HeadError("the request line is malformed", hint="Send CONNECT TARGET:PORT HTTP/1.1.")
    version = found["version"].decode()
    if version not in ("1.0", "1.1"):
        raise HeadError(f"HTTP/{version} is not spoken here", 505, "Send CONNECT TARGET:PORT HTTP/1.1.")
    if found["method"] != b"CONNECT":
        raise HeadError("only CONNECT is served here", 405, "The API listens on another port (api.port).")
    return found["target"].decode(), version


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise HeadError("a field of the head is malformed")
        name, value = found["name"].decode().lower(), found["value"].decode()
        if name in fields and name in ONCE:
            raise HeadError(f"{name} occurs twice")
        fields[name] = value
    return fields


def _authority(text: str) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise HeadError("the target is no HOST:PORT", hint="Send CONNECT TARGET:PORT HTTP/1.1.")
    return found["host"], int(found["port"])


def _token(fields: Mapping[str, str]) -> tuple[str, str]:
    """The token and the field that held it, both "" where there is none."""
    given = [name for name in (AUTHORIZATION, PROXY_AUTHORIZATION) if name in fields]
    if len(given) > 1:
        raise HeadError("there are Authorization and Proxy-Authorization", hint="Send one of them.")
    if not given:
        return "", ""
    hint = "Send Bearer and a token, or Basic with the token as password."
    found = _CREDENTIALS.fullmatch(fields[given[0]])
    if found is None:
        raise HeadError(f"{given[0]} is malformed", hint=hint)
    scheme = found["scheme"].lower()
    if scheme == "bearer":
        return found["value"], given[0]
    if scheme == "basic":
        return _password(found["value"], given[0]), given[0]
    raise HeadError(f"{given[0]} has a scheme that is not known here", hint=hint)


def _password(value: str, name: str) -> str:
    """The password of Basic's ``user:password`` (RFC 7617); a token is ASCII. The user says nothing here."""
    try:
        _, colon, password = b64decode(value, validate=True).decode("ascii").partition(":")
    except ValueError:
        raise HeadError(f"{name} is malformed") from None
    if not colon or not password.isprintable() or " " in password:
        raise HeadError(f"{name} holds no token", hint="Basic takes the token as its password.")
    return password


# --- answers


def established() -> bytes:
    """From the next byte on, the connection is the tunnel's."""
    return b"HTTP/1.1 200 Connection established\r\n\r\n"


def refusal(status: int, reason: str, rule: str, hint: str = "") -> bytes:
    """An answer that ends the connection, with a problem document (RFC 9457) that names the rule or the limit."""
    phrase = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": phrase, "status": status, "detail": reason, "rule": rule}
    body = json.dumps({**problem, **({"hint": hint} if hint else {})}).encode("ascii") + b"\n"
    fields = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **_EXTRA.get(status, {}),
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("ascii") + END + body


_CHALLENGE: Final = f'Bearer realm="{REALM}", Basic realm="{REALM}", charset="UTF-8"'
_EXTRA: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": _CHALLENGE},
    405: {"Allow": "CONNECT"},
    407: {"Proxy-Authenticate": _CHALLENGE},
    503: {"Retry-After": "5"},
}
