"""Users' certificates of SSH, over the API: a public key and an issuer's token in, a certificate out."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any, Final

from hoopgate.codecs.ssh.username import parse_user
from hoopgate.conch.fields import MalformedError
from hoopgate.conch.signatures import is_certificate, kind, load_key
from hoopgate.config.model import Config
from hoopgate.console.call import Answer, Call, number_of, text_of
from hoopgate.console.problems import Problem, bad_request
from hoopgate.console.reach import Reach
from hoopgate.identity.ssh_certificates import ANYWHERE, UserCertificates
from hoopgate.identity.ssh_restrictions import EXTENSIONS, Restrictions

_LONGEST_KEY: Final = 16 * 1024
_LONGEST_COMMAND: Final = 4096
_MOST_NETWORKS: Final = 32
_OPTIONAL: Final = ("targets", "lifetime", "force_command", "source_addresses", "extensions")


async def issue_certificate(call: Call, certificates: UserCertificates, config: Config, reach: Reach) -> Answer:
    """``public_key`` in OpenSSH's form; ``targets``: names, or ``role%target``; left out: any that policy opens."""
    body = call.json(required=("public_key",), optional=_OPTIONAL)
    key = _public_key(text_of(body, "public_key"))
    lifetime = number_of(body, "lifetime") if "lifetime" in body else config.ssh.certificate_lifetime
    if not lifetime > 0:
        raise bad_request("lifetime is a number of seconds above 0")
    if call.identity.token_id:
        detail = "a certificate needs your identity provider's own token, not one that the gateway issued"
        raise Problem(403, "gateway-token", "A gateway token begets no certificate", detail)
    principals = _principals(_texts(body, "targets"), call, config, reach)
    try:
        issued = await certificates.issue(call.identity, key, principals, lifetime=lifetime, limits=_restrictions(body))
    except ValueError as error:
        raise bad_request(str(error)) from None
    return Answer(
        {
            "id": issued.record.id,
            "certificate": issued.text,
            "serial": str(issued.serial),
            "principals": list(issued.principals),
            "expires": issued.record.expires,
            "authority": certificates.authority,
        },
        201,
    )


def _public_key(text: str) -> bytes:
    """The key in wire form, or Problem."""
    words = text.split()
    try:
        if len(text) > _LONGEST_KEY or len(words) < 2 or "\n" in text.strip():
            raise ValueError
        blob = b64decode(words[1], validate=True)
        load_key(blob)
        if is_certificate(blob) or kind(blob) != words[0].encode("ascii"):
            raise ValueError
    except (ValueError, MalformedError):
        what = "public_key is one line of a .pub file: ssh-ed25519, ecdsa-sha2-nistp256/384/521 or ssh-rsa of 2048 bits"
        raise bad_request(what) from None
    return blob


def _principals(wanted: Sequence[str] | None, call: Call, config: Config, reach: Reach) -> list[str]:
    """Those of the targets that are asked for; each must be one that the caller may open now."""
    if wanted is None:
        return [ANYWHERE]
    if not wanted:
        raise bad_request("targets is empty: leave it out for any")
    offered = {known.name: roles for known, roles in reach.targets(config, call.identity) if known.protocol == "ssh"}
    found = []
    for name in wanted:
        asked = parse_user(name.encode("utf-8", "replace"))
        roles = offered.get(asked.target) if asked is not None else None
        if asked is None or roles is None or (asked.role and asked.role not in roles):
            raise Problem(422, "target", "This target cannot be opened", f"{name[:130]!r} is none that you may open")
        found.append(f"{asked.role}%{asked.target}")
    return list(dict.fromkeys(found))


def _restrictions(body: dict[str, Any]) -> Restrictions:
    command = text_of(body, "force_command")
    if len(command) > _LONGEST_COMMAND or "\0" in command or ("force_command" in body and not command):
        raise bad_request(f"force_command is 1 to {_LONGEST_COMMAND} characters")
    networks = []
    for text in _texts(body, "source_addresses") or ():
        try:
            networks.append(str(ip_network(text)))
        except ValueError:
            raise bad_request(f"source_addresses: {text[:60]!r} is no network, such as 10.0.0.0/8") from None
    if len(networks) > _MOST_NETWORKS:
        raise bad_request(f"source_addresses are at most {_MOST_NETWORKS}")
    extensions = _texts(body, "extensions")
    unknown = sorted(set(extensions or ()) - set(EXTENSIONS))
    if unknown:
        raise bad_request(f"unknown extension {unknown[0][:60]!r}; known: {', '.join(EXTENSIONS)}")
    return Restrictions(command, tuple(networks), frozenset(EXTENSIONS if extensions is None else extensions))


def _texts(body: dict[str, Any], name: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise bad_request(f"{name} must be an array of strings")
    return value
