"""Hosts that a command or a forward names, each in one spelling, whoever reads it: rules are about hosts, not texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from posixpath import normpath
from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.shell.values import ANY, Value

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_END: Final = re.compile(r"[/?#\\]")
_NAME: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|(?!-)[\w.-]+)(?::[0-9]*)?", re.ASCII)
_NUMBERS: Final = re.compile(r"(?:(?:0[xX][0-9a-fA-F]*|[0-9]+)\.?){1,4}", re.ASCII)
_SURE: Final = re.compile(r"(?i)\s*(?:https?|ftps?)://")
_FILE: Final = re.compile(r"(?i)file:(?://(?:localhost|127\.0\.0\.1)?)?/(?!/)([^%?#{}\[\]\\]*)")
_MAYBE_FILE: Final = re.compile(r"(?i)\s*file:")
UNKNOWN: Final = "*"


def host(name: str) -> str:
    """A host's one spelling: lower case, without a dot at its end, addresses as they are usually written, and an IPv4
    one in IPv6 as itself. Whatever is no host stays as it is."""
    found = name.lower().rstrip(".") or name
    if _NUMBERS.fullmatch(found):
        return _ipv4(found) or found
    bare = found[1:-1] if found.startswith("[") and found.endswith("]") else found
    if ":" not in bare:
        return found
    try:
        address = IPv6Address(bare)
    except ValueError:
        return found
    return str(address.ipv4_mapped or (f"[{address}]" if bare != found else address))


def _ipv4(text: str) -> str:
    """The usual spelling of what inet_aton(3) takes: one to four numbers, decimal, octal or hexadecimal, of which the
    last one fills what is left; "" where it takes it for no address."""
    numbers: list[int] = []
    for part in text.split("."):
        base = 16 if part.startswith("0x") else 8 if part.startswith("0") else 10
        try:
            numbers.append(int(part, base))
        except ValueError:  # 08, say
            return ""
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return ""
    return str(IPv4Address(last + sum(number << 24 - 8 * at for at, number in enumerate(first))))


def place(name: str, port: int) -> str:
    """Where a connection goes: host and port, or a socket's path (``port`` 0)."""
    if port:
        return f"{host(name)}:{port}"
    return f"/{normpath(name).lstrip('/')}" if name.startswith("/") else host(name)


def hosts(values: Sequence[Value]) -> list[Object]:
    """The hosts of URLs, or of words such as ``user@host:path``. ``*`` where programs might read it in other ways."""
    return [Object("", _named(value), "host") for value in values]


def _named(value: Value) -> str:
    text = value.text
    url = _URL.match(text)
    rest = text[url.end() :] if url else text
    end = _END.search(rest)
    head = rest[: end.start()] if end else rest
    if end is not None and end[0] != "/" and (end[0] == "\\" or not url):
        return UNKNOWN  # some end the host there, others do not
    if not url:
        head = _far(head)
    if ANY in head or (not value.exact and ("*" in head or "?" in head or text[:1] in (ANY, "*", "?"))):
        return UNKNOWN
    known = _NAME.fullmatch(head.rpartition("@")[2])
    return host(known[1]) if known else UNKNOWN


def _far(head: str) -> str:
    """``user@host`` of ``user@host:path``; nothing where an ``@`` comes behind a colon, which a URL would have so."""
    if head.startswith("["):
        return head.partition("]")[0] + "]"
    before, colon, behind = head.partition(":")
    if "@" in behind:
        return ""
    return before.removeprefix("@") if not before.endswith("[") else f"{before}{colon}{behind.partition(']')[0]}]"


def shell_host(name: str) -> Object:
    """The host of bash's ``/dev/tcp/host/port``, or of what may be one."""
    parts = name.split("/")
    known = _NAME.fullmatch(parts[3]) if len(parts) > 3 else None
    return Object("", host(known[1]) if known else UNKNOWN, "host")


def local_files(values: Sequence[Value]) -> list[Value]:
    """What of these URLs are files of this machine, or may be: what nobody knows may begin with ``file:``."""
    found = []
    for value in values:
        plain = _FILE.fullmatch(value.text) if value.exact else None
        if plain is not None:
            found.append(Value(f"/{plain[1]}"))
        elif _MAYBE_FILE.match(value.text) or not (value.exact or _SURE.match(value.text)) or "{" in value.text[:8]:
            found.append(Value(ANY, exact=False))
    return found
