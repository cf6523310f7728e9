"""Readers of plain values: durations, sizes, names, globs, addresses, hosts and references to secrets.

Every reader takes the value as TOML gave it, its place, and the field's metadata; it returns the typed value or
complains and raises :class:`Invalid`. None repeats a value that might be a secret.
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import re2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from hoopgate.config.mistakes import Place, meant
from hoopgate.config.model import Host, SecretRef
from hoopgate.policy.globs import matches
from hoopgate.policy.operations import EFFECTS, PARTS

Read = Callable[[Any, Place, Mapping[str, Any]], Any]

PROTOCOLS = ("postgresql", "ssh")
SERVED = (*PROTOCOLS, "connect")
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
LEAST_RSA = 2048  # bits
LONGEST = 10 * 366 * 86400.0  # seconds; timers beyond that are mistakes of a unit

_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([\d.]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d{1,15})\s?(B|KiB|MiB|GiB|TiB)")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_REFERENCE = re.compile(r"([a-z][a-z0-9-]{0,31}):(.{1,1024})")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%a-z]+)\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>\d{1,5}))?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)
_SOCKET = re.compile(r"(?P<name>/[^\x00-\x1f]*?)(?::(?P<port>\d{1,5}))?")

TOML_NAMES = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "an array",
    dict: "a table",
}


def kind_of(value: object) -> str:
    """TOML's word for a value's type."""
    return TOML_NAMES.get(type(value), "a date or time")


def wrong_type(value: object, place: Place, wanted: str) -> Exception:
    return place.refuse(f"expected {wanted}, found {kind_of(value)}", f"Write {wanted}.")


def text(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, place, "text in quotes")
    if any((ord(char) < 32 and char not in "\n\t") or char == "\x7f" for char in value):
        raise place.refuse("holds control characters", "Remove them.")
    return url(value, place, field) if field.get("url") and value else value


def full_text(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    if text(value, place, field) == "":
        raise place.refuse("is empty", "Give it a value, or leave the key out.")
    return str(value)


def boolean(value: Any, place: Place, field: Mapping[str, Any]) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(value, place, "true or false")
    return value


def whole(value: Any, place: Place, field: Mapping[str, Any], least: int = 1, most: int = 2**53) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(value, place, "a whole number")
    least, most = field.get("least", least), field.get("most", most)
    if not least <= value <= most:
        raise place.refuse(f"{value:.3g} is out of range" if value > 10**15 else f"{value} is out of range",
                           f"Write a whole number from {least} to {most}.")  # fmt: skip
    return value


def points(value: Any, place: Place, field: Mapping[str, Any]) -> int:
    return whole(value, place, {}, 0, 100)


def port(value: Any, place: Place, field: Mapping[str, Any]) -> int:
    return whole(value, place, {}, 1, 65535)


def listen_port(value: Any, place: Place, field: Mapping[str, Any]) -> int:
    return whole(value, place, {}, 0, 65535)


def seconds(value: Any, place: Place, field: Mapping[str, Any]) -> float:
    """``90``, ``1.5``, ``"90s"``, ``"1h30m"``."""
    if isinstance(value, str):
        if not _DURATION.fullmatch(value):
            raise place.refuse("is not a duration", 'Write seconds, or text such as "90s", "15m", "8h", "7d".')
        amount = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        amount = float(value) if abs(value) < 2**53 else math.inf
    else:
        raise wrong_type(value, place, 'a duration: seconds, or text such as "90s", "15m", "8h"')
    least, most = field.get("least", 0.001), field.get("most", LONGEST)
    if not least <= amount <= most:  # also refuses nan
        raise place.refuse("this duration is out of range", f"Write {least:g} to {most:.15g} seconds.")
    return amount


def size(value: Any, place: Place, field: Mapping[str, Any]) -> int:
    """``65536``, ``"64KiB"``."""
    if not isinstance(value, str):
        return whole(value, place, field)
    found = _SIZE.fullmatch(value)
    if not found:
        raise place.refuse("is not a size", 'Write bytes, or text such as "64KiB", "16MiB", "1GiB".')
    return whole(int(found[1]) * _BYTES[found[2]], place, field)


def name(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    if not _NAME.fullmatch(text(value, place, {})):
        raise place.refuse("is not a name", "Use letters, digits, '.', '_' and '-'; at most 63 characters.")
    return str(value)


def protocol(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    return one_of(value, place, PROTOCOLS)


def served(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    return one_of(value, place, SERVED)


def effect(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    return one_of(value, place, (*EFFECTS, *PARTS))


def one_of(value: Any, place: Place, choices: tuple[str, ...]) -> str:
    word = text(value, place, {})
    if word not in choices:
        raise place.refuse(f"{word[:40]!r} is not one of {', '.join(choices)}", meant(word, choices))
    return word


def address(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    try:
        return str(ipaddress.ip_address(text(value, place, {})))
    except ValueError:
        raise place.refuse("is not an IP address", 'Write one, such as "127.0.0.1", "::1" or "0.0.0.0".') from None


def url(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    """An http or https URL with a host, and nothing that would not be compared or sent."""
    word = full_text(value, place, {})
    try:
        parts = urlsplit(word)
        sound = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not word.isascii() or re.search(r"\s", word):
        raise place.refuse("is not a URL", 'Write one, such as "https://id.example.com".')
    if parts.username is not None or parts.password is not None:
        raise place.refuse("the URL holds a user name or password", "Remove what stands before the '@'.")
    if parts.query or parts.fragment:
        raise place.refuse("the URL holds a query or fragment", "Remove it.")
    return word


def glob(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    word = full_text(value, place, {})
    fault = glob_fault(word)
    if fault:
        raise place.refuse(
            f"the glob {word[:80]!r} {fault}", "`*` is any text, `?` any character, `[abc]` one of them."
        )
    return word


def object_glob(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    return _dotted(value, place, 2, "schema.table", "*.customers")


def column_glob(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    return _dotted(value, place, 3, "schema.table.column", "*.*.password")


def _dotted(value: Any, place: Place, parts: int, shape: str, sample: str) -> str:
    word = glob(value, place, {})
    if len(word.split(".")) != parts or "" in word.split("."):
        raise place.refuse(f"the glob {word[:80]!r} is not over {shape}", f'Write {parts} parts, such as "{sample}".')
    return word


def glob_fault(word: str) -> str:
    """What is wrong with a glob, or ``""``: white space at its ends, an unclosed bracket, a range backwards."""
    if word != word.strip():
        return "has white space at an end"
    if len(word) > 512:
        return "is too long"
    position = word.find("[")
    while position >= 0:
        start = position + (2 if word[position + 1 : position + 2] in ("!", "^") else 1)
        end = word.find("]", start + 1)
        if end < 0:
            return "has a '[' without its ']'"
        if any(first > last for first, last in _RANGE.findall(word[start:end])):
            return "has a range backwards"
        position = word.find("[", end)
    try:
        matches(word, "")
    except re2.error:
        return "cannot be compiled"
    return ""


def path(value: Any, place: Place, field: Mapping[str, Any]) -> Path:
    word = full_text(value, place, {})
    if not word.startswith("/") or "\n" in word:
        raise place.refuse(
            "is not an absolute path", "Write the path from / on; relative ones depend on who starts us."
        )
    if ".." in Path(word).parts:
        raise place.refuse("the path climbs with '..'", "Write it straight.")
    return Path(word)


def host(value: Any, place: Place, field: Mapping[str, Any]) -> Host:
    """``"db1:5432"``, ``"db1"``, ``"[::1]:5432"``, ``"/run/postgresql"``, ``"/run/postgresql:5433"``."""
    word = full_text(value, place, {})
    found = (_SOCKET if word.startswith("/") else _HOST).fullmatch(word)
    remedy = 'Write "name:port", "[IPv6]:port", or a socket directory such as "/run/postgresql".'
    if not found:
        raise place.refuse("is not a host", remedy)
    groups = found.groupdict()
    number = int(groups["port"] or 5432)
    if not 1 <= number <= 65535:
        raise place.refuse(f"port {number} is out of range", "Write a port from 1 to 65535.")
    name = address(groups["six"], place, {}) if groups.get("six") else groups["name"]
    return Host(name, number, given=groups["port"] is not None)


def secret(value: Any, place: Place, field: Mapping[str, Any], schemes: tuple[str, ...]) -> SecretRef:
    """A reference. Whatever else stands here may be the secret itself and is never repeated."""
    known = ", ".join(schemes)
    remedy = f"Put the secret elsewhere and write where: env:NAME, file:/path or systemd:NAME (schemes: {known})."
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] not in schemes:
        raise place.refuse("is not a reference to a secret, and a secret must not stand in this file", remedy)
    scheme, rest = found[1], found[2]
    if scheme == "env" and not _ENVIRONMENT.fullmatch(rest):
        raise place.refuse("env: needs the name of an environment variable", "Write env:NAME.")
    if scheme == "file" and (not rest.startswith("/") or not rest.isprintable()):
        raise place.refuse("file: needs an absolute path", "Write file:/path.")
    if scheme == "systemd" and not _NAME.fullmatch(rest):
        raise place.refuse("systemd: needs the name of a credential", "Write systemd:NAME, as LoadCredential= has it.")
    return SecretRef(scheme, rest)


def network(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    try:
        return str(ipaddress.ip_network(text(value, place, {})))
    except ValueError:
        raise place.refuse("is not a network", 'Write one, such as "10.0.0.0/8", "2001:db8::/32".') from None


def moment(value: Any, place: Place, field: Mapping[str, Any]) -> float:
    """A TOML date (its beginning, UTC), or a date and time that says its offset: seconds since the epoch."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise place.refuse("does not say which time zone it means", "Add its offset, such as 2027-01-31T18:00:00Z.")
        return value.timestamp()
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC).timestamp()
    raise wrong_type(value, place, "a date without quotes, such as 2027-01-31")


def public_key(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    """``type base64 [comment]``, of a type that the gateway accepts; without the comment."""
    word = full_text(value, place, {})
    remedy = 'Write what stands in the .pub file, such as "ssh-ed25519 AAAA...".'
    if "PRIVATE KEY" in word:
        raise place.refuse("is a private key, and a secret must not stand in this file", remedy)
    parts = word.split()
    if "\n" in word.strip() or len(parts) < 2 or parts[0] not in KEY_TYPES:
        raise place.refuse(f"is not a public key of OpenSSH ({', '.join(KEY_TYPES)})", remedy)
    try:
        key = load_ssh_public_key(f"{parts[0]} {parts[1]}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise place.refuse("is not a whole public key", remedy) from None
    if isinstance(key, RSAPublicKey) and key.key_size < LEAST_RSA:
        raise place.refuse(f"is an RSA key of {key.key_size} bits", f"Use one of {LEAST_RSA} or more, or Ed25519.")
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def host_key(value: Any, place: Place, field: Mapping[str, Any]) -> str:
    if isinstance(value, str) and value.startswith("SHA256:"):
        if not _FINGERPRINT.fullmatch(value):
            raise place.refuse("is not a fingerprint", "Write what `ssh-keygen -lf` prints: SHA256: and 43 characters.")
        return value.rstrip("=")
    return public_key(value, place, field)


READERS: dict[str, Read] = {
    "seconds": seconds,
    "bytes": size,
    "count": whole,
    "points": points,
    "port": port,
    "listen-port": listen_port,
    "address": address,
    "name": name,
    "text": full_text,
    "url": url,
    "glob": glob,
    "object-glob": object_glob,
    "column-glob": column_glob,
    "protocol": protocol,
    "served": served,
    "effect": effect,
    "network": network,
    "moment": moment,
    "public-key": public_key,
    "host-key": host_key,
}
