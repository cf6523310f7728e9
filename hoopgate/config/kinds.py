"""What a plain value of the configuration means beyond its Python type: a duration, a port, a glob.

The model wears these as ``Annotated`` types, so that the reader, the checks and the generated reference all learn
of them from one place.
"""

from __future__ import annotations

from typing import Annotated, Any

from attrs import frozen


@frozen
class Kind:
    """``name`` picks the reader (``hoopgate.config.scalars``); ``says`` is what the reference and errors print."""

    name: str
    says: str


Seconds = Annotated[float, Kind("seconds", 'a duration: seconds, or text such as "90s", "15m", "8h", "7d"')]
Bytes = Annotated[int, Kind("bytes", 'a size: bytes, or text such as "64KiB", "16MiB", "1GiB"')]
Count = Annotated[int, Kind("count", "a whole number")]
Points = Annotated[int, Kind("points", "points from 0 to 100")]
Port = Annotated[int, Kind("port", "a port, 1 to 65535")]
ListenPort = Annotated[int, Kind("listen-port", "a port, 1 to 65535, or 0 for any free one")]
Address = Annotated[str, Kind("address", "an IP address")]
Name = Annotated[str, Kind("name", "a name: letters, digits, '.', '_', '-'; at most 63")]
Text = Annotated[str, Kind("text", "text, not empty")]
Url = Annotated[str, Kind("url", "an https URL")]
Glob = Annotated[str, Kind("glob", "a glob: `*`, `?`, `[...]`")]
ObjectGlob = Annotated[str, Kind("object-glob", "a glob over schema.table")]
ColumnGlob = Annotated[str, Kind("column-glob", "a glob over schema.table.column")]
Protocol = Annotated[str, Kind("protocol", 'a protocol: "postgresql", "ssh"')]
Served = Annotated[str, Kind("served", 'what a listener speaks: "postgresql", "ssh", or "connect" for any of them')]
PublicKey = Annotated[str, Kind("public-key", 'a public key of OpenSSH: "ssh-ed25519 AAAA..."')]
HostKey = Annotated[str, Kind("host-key", 'a public key of OpenSSH, or its fingerprint "SHA256:..."')]
Network = Annotated[str, Kind("network", 'a network: "10.0.0.0/8", "2001:db8::/32", or one address')]
Moment = Annotated[float, Kind("moment", "a date, or a date and time with its offset (TOML's, without quotes)")]
EffectName = Annotated[str, Kind("effect", "an effect")]


def about(text: str, **more: Any) -> dict[str, Any]:
    """Metadata of a field: ``help`` for the reference, and what narrows or places it.

    ``least`` and ``most`` bound a number. ``toml`` is the key in the file where it differs from the field's name.
    ``keyed=True``: in the file a table whose keys are the items' names. ``hidden=True``: no key of the file.
    ``claims=True``: a free-form table that describes an identity, where nothing is a secret. ``merged=True``: keys
    that the file leaves out keep their defaults. ``shows`` replaces the default in the reference.
    """
    return {"help": text, **more}
