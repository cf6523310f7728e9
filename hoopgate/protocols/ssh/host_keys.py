"""Whether a target is who it should be: by pinned keys, by an authority's certificate, by known_hosts.

Nothing is believed because it was seen first, unless the target's configuration says so: then the first key is kept in
the gateway's state, and only that key is good from then on.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import field, frozen
from twisted.conch.client.knownhosts import HashedEntry
from twisted.conch.error import InvalidEntry
from twisted.conch.ssh.keys import BadKeyError
from twisted.logger import Logger

from hoopgate.conch.algorithms import KEY_ALGORITHMS
from hoopgate.conch.certificates import CertificateError, fingerprint, parse, text_of, verify
from hoopgate.conch.fields import MalformedError
from hoopgate.conch.signatures import is_certificate, kind, load_key
from hoopgate.config.model import Host, Target
from hoopgate.errors import UpstreamError
from hoopgate.kept_keys import kept_key

log = Logger()
DEFAULT_PORT: Final = 22


@frozen
class Known:
    """What is known of one host of a target: blobs of its keys, their fingerprints, and who may certify others.

    ``revoked``: keys that are not believed whatever else says so. ``first``: keeps the first key ever shown and answers
    which one that was, or None where that is not allowed.
    """

    name: str
    keys: frozenset[bytes] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    authorities: frozenset[bytes] = frozenset()
    revoked: frozenset[bytes] = frozenset()
    first: Callable[[bytes], bytes] | None = field(default=None, eq=False)

    @property
    def algorithms(self) -> tuple[bytes, ...]:
        """The algorithms of host keys worth asking for: a server has several keys, and shows one."""
        certified = [name for name in KEY_ALGORITHMS if name.endswith(b"-cert-v01@openssh.com")]
        plain = [name for name in KEY_ALGORITHMS if name not in certified]
        wanted = certified if self.authorities else []
        if self.fingerprints or self.first is not None:
            return tuple(wanted + plain)
        kinds = {kind(blob) for blob in self.keys}
        return tuple(wanted + [name for name in plain if KEY_ALGORITHMS[name].blob in kinds])

    def check(self, blob: bytes, now: float) -> None:
        """Raises UpstreamError where ``blob``, a key or certificate that the host has, does not tell who it is."""
        try:
            certificate = parse(blob) if is_certificate(blob) else None
        except (CertificateError, MalformedError) as error:
            raise UpstreamError(f"the target's host certificate cannot be read: {error}") from error
        key = blob if certificate is None else certificate.key
        if key in self.revoked or (certificate is not None and certificate.authority in self.revoked):
            raise UpstreamError(f"the target's host key {fingerprint(key)} is revoked")
        if key in self.keys or fingerprint(key) in self.fingerprints:
            return
        if certificate is not None and self.authorities:
            try:
                verify(
                    certificate, as_kind="host", authorities=self.authorities, now=now, principal=self.name, options=()
                )
            except CertificateError as error:
                raise UpstreamError(f"the target's host certificate does not hold: {error}") from error
            return
        if self.first is not None and not (self.keys or self.fingerprints):
            kept = self.first(key)
            if kept == key:
                return
            raise UpstreamError(f"the target's host key {fingerprint(key)} is not the first one, {fingerprint(kept)}")
        raise UpstreamError(f"the target's host key {fingerprint(key)} is not known")


def known(target: Target, host: Host, known_hosts: bytes | None, state: Path) -> Known:
    """All that the configuration says of this host. Raises UpstreamError where ``known_hosts`` cannot be read."""
    keys = [_blob(text) for text in target.host_keys if not text.startswith("SHA256:")]
    authorities = [_blob(text) for text in target.host_ca]
    revoked: list[bytes] = []
    for marker, blob in _entries(known_hosts or b"", host):
        {b"": keys, b"@cert-authority": authorities, b"@revoked": revoked}[marker].append(blob)
    return Known(
        host.name,
        frozenset(keys),
        frozenset(text for text in target.host_keys if text.startswith("SHA256:")),
        frozenset(authorities),
        frozenset(revoked),
        _first(target, host, state) if target.trust_first_use else None,
    )


def _blob(text: str) -> bytes:
    return b64decode(text.split()[1])


def _first(target: Target, host: Host, state: Path) -> Callable[[bytes], bytes]:
    # no two places have one name: what joins the parts is in none of them
    path = state / ",".join(["host-key", *(quote(str(part), safe="") for part in (target.name, host.name, host.port))])

    def keep(blob: bytes) -> bytes:
        new = not path.exists()
        kept = b64decode(kept_key(path, lambda: text_of(blob) + b"\n").split()[1])
        if new and kept == blob:
            log.warn(
                "target {target}: the host key {key} of {host} is believed because it was shown first",
                target=target.name, key=fingerprint(blob), host=host.name,
            )  # fmt: skip
        return kept

    return keep


def _entries(text: bytes, host: Host) -> Iterable[tuple[bytes, bytes]]:
    """(marker, key) of each line of known_hosts(5) that is about this host."""
    named = host.name.lower().encode()
    wanted = named if host.port == DEFAULT_PORT else b"[%s]:%d" % (named, host.port)
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        marker = words.pop(0) if words[0].startswith(b"@") else b""
        if len(words) < 3 or marker not in (b"", b"@cert-authority", b"@revoked"):
            raise UpstreamError(f"line {number} of the target's known_hosts cannot be read")
        try:
            blob = b64decode(words[2], validate=True)
            if _about(words, wanted):
                load_key(blob)
                yield marker, blob
        except (ValueError, MalformedError, InvalidEntry, BadKeyError) as error:
            raise UpstreamError(f"line {number} of the target's known_hosts cannot be read") from error


def _about(words: list[bytes], wanted: bytes) -> bool:
    """The line's hosts name this one: as a hash, or by patterns of which none is negated."""
    if words[0].startswith(b"|1|"):
        return HashedEntry.fromString(b" ".join(words[:3])).matchesHost(wanted)
    found = False
    for pattern in words[0].lower().split(b","):
        if _matches(wanted, pattern.removeprefix(b"!")):
            if pattern.startswith(b"!"):
                return False
            found = True
    return found


def _matches(name: bytes, pattern: bytes) -> bool:
    """``*`` and ``?`` stand for what they do in ssh_config(5), brackets for themselves."""
    if pattern.count(b"*") > 4:
        return False
    parts = [b".*" if part == b"*" else b"." if part == b"?" else re.escape(part)
             for part in re.split(rb"([*?])", pattern)]  # fmt: skip
    return re.fullmatch(b"".join(parts), name) is not None
