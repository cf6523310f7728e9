"""Checks between tables: issuers, listeners, targets, the API, and where they listen."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from hoopgate.config.draft import Draft
from hoopgate.config.mistakes import Place, meant
from hoopgate.config.model import Api, Host, Issuer, Listener, Target

# RFC 7518 section 3.1, RFC 8037 section 3.1; HMAC and "none" are left out on purpose
ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"),
)


def check_endpoints(draft: Draft) -> None:
    check_issuers(draft)
    for place, listener in draft.listener.items:
        check_listener(place, listener, draft)
    for place, target in draft.target.items:
        check_target(place, target)
    if draft.api is not None:
        check_api(draft.top.at("api"), draft.api)
    check_ports(draft)


def check_issuers(draft: Draft) -> None:
    seen: dict[str, str] = {}
    for place, issuer in draft.issuer.items:
        url = issuer.url.rstrip("/")
        if url in seen:
            place.at("url").complain(f"issuer {seen[url]!r} has the same url", "Keep one [[issuer]] for each url.")
        seen.setdefault(url, issuer.name)
        check_issuer(place, issuer)


def check_issuer(place: Place, issuer: Issuer) -> None:
    parts = urlsplit(issuer.url)
    if parts.scheme != "https" and not (issuer.development and is_loopback(parts.hostname or "")):
        place.at("url").complain(
            "the issuer is not https",
            "Write an https url; http is for loopback alone, with development = true.",
        )
    if not issuer.audience:
        place.at("audience").complain("is empty", 'Name the audience of tokens for this gateway: ["hoopgate"].')
    if not issuer.algorithms:
        place.at("algorithms").complain("is empty", "Leave the key out for the default.")
    for index, algorithm in enumerate(issuer.algorithms):
        if algorithm not in ALGORITHMS:
            place.at("algorithms", index).complain(
                f"{algorithm[:20]!r} is no accepted signature algorithm", meant(algorithm, sorted(ALGORITHMS))
            )


def check_listener(place: Place, listener: Listener, draft: Draft) -> None:
    if listener.protocol != "ssh":
        check_tls(place, listener)
    issuers = draft.issuer.names
    if listener.issuer and listener.issuer not in issuers:
        place.at("issuer").complain(
            f"no [[issuer]] has the name {listener.issuer[:63]!r}", meant(listener.issuer, sorted(issuers))
        )
    if listener.login == "oauthbearer" and not listener.issuer and len(issuers) > 1:
        place.at("login").complain(
            "which issuer OAUTHBEARER names is open, for there are several", 'Add issuer = "NAME" to this listener.'
        )


def check_api(place: Place, api: Api) -> None:
    check_tls(place, api)
    parts = urlsplit(api.url)
    if parts.scheme == "http" and not (api.plaintext and is_loopback(parts.hostname or "")):
        place.at("url").complain("tokens may not travel over http", "Write an https url.")


def check_tls(place: Place, listener: Listener | Api) -> None:
    """Clear text on loopback alone, and nowhere by accident."""
    if listener.plaintext and not is_loopback(listener.address):
        place.at("plaintext").complain(
            f"clear text is allowed on loopback alone, not on {listener.address}",
            'Give tls = {certificate = "file:...", key = "file:..."}, or listen on 127.0.0.1.',
        )
    if listener.tls is None and not listener.plaintext:
        place.at("tls").complain(
            "there is neither TLS nor leave to go without",
            'Add tls = {certificate = "file:...", key = "file:..."}, or plaintext = true on loopback.',
        )


def check_target(place: Place, target: Target) -> None:
    if not target.hosts:
        place.at("hosts").complain("is empty", 'Name at least one, such as ["db1:5432"].')
    if not target.roles:
        place.at("role").complain(
            "there is no role to log in with", f"Add a table [target.role.NAME] below {target.name!r}."
        )
    names = [role.name for role in target.roles]
    if target.catalogue_role and target.catalogue_role not in names:
        place.at("catalogue_role").complain(
            f"the target has no role {target.catalogue_role[:63]!r}", meant(target.catalogue_role, names)
        )
    if "://" in target.database or "@" in target.database:
        place.at("database").complain("is a connection string", "Write the database's name alone.")
    for role in target.roles:
        if role.certificate is not None and (target.tls == "disable" or all(map(_is_socket, target.hosts))):
            place.at("role", role.name, "certificate").complain(
                "a client certificate needs TLS to the target", 'Set tls = "verify-full", or use a password.'
            )


def _is_socket(host: Host) -> bool:
    return host.is_socket


def check_ports(draft: Draft) -> None:
    """No two listeners on one address and port; port 0 is any free one."""
    listening: list[tuple[Place, str, int, str]] = [
        (place.at("port"), item.address, item.port, f"listener {item.name!r}") for place, item in draft.listener.items
    ]
    if draft.api is not None:
        listening.append((draft.top.at("api", "port"), draft.api.address, draft.api.port, "[api]"))
    if draft.admin is not None and draft.admin.enabled:
        listening.append((draft.top.at("admin", "port"), draft.admin.address, draft.admin.port, "[admin]"))
    for index, (place, address, port, _) in enumerate(listening):
        for _, other, taken, whose in listening[:index]:
            if port and port == taken and _overlap(address, other):
                place.complain(f"{whose} listens on {other} port {port} already", "Choose another port.")
                break


def _overlap(one: str, other: str) -> bool:
    """Whether two sockets cannot both have a port: the same address, or one is every address of its family."""
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first == second or (first.version == second.version and (first.is_unspecified or second.is_unspecified))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
