"""Checks of what belongs to one protocol alone: a key that would do nothing is a mistake, not ignored."""

from __future__ import annotations

from hoopgate.config.draft import Draft
from hoopgate.config.mistakes import Place, meant
from hoopgate.config.model import Issuer, Listener, Role, SshKey, Target

# What a key is called where it does nothing, and what stands for it there.
_LISTENERS = {
    "postgresql": {
        "logins": 'Write login = "password" or "oauthbearer".',
        "host_key": "Remove it: PostgreSQL's clients look at tls.certificate.",
        "host_certificate": "Remove it: PostgreSQL's clients look at tls.certificate.",
    },
    "ssh": {
        "login": 'Write logins = ["password", ...].',
        "tls": "Remove it: SSH encrypts by itself, and clients look at host_key.",
        "plaintext": "Remove it: SSH always encrypts.",
    },
    "connect": {
        "login": "Remove it: the token comes with the CONNECT request.",
        "logins": "Remove it: the token comes with the CONNECT request.",
    },
}
_TARGETS = {
    "postgresql": {
        "host_keys": "Remove it: what PostgreSQL shows is checked by tls and ca.",
        "host_ca": "Write ca, and tls = \"verify-full\".",
        "known_hosts": "Remove it: what PostgreSQL shows is checked by tls and ca.",
        "trust_first_use": "Remove it: what PostgreSQL shows is checked by tls and ca.",
        "shell": "Remove it: PostgreSQL reads SQL.",
    },
    "ssh": {
        "database": "Remove it: an SSH target has no databases.",
        "databases": "Remove it: an SSH target has no databases.",
        "catalogue_role": "Remove it: an SSH target has no catalogue.",
        "tls": "Remove it: write host_keys, host_ca or known_hosts.",
        "ca": "Write host_ca, with the authority's public key.",
        "object_labels": "Remove it: an SSH target has no tables.",
        "startup_parameters": "Remove it: rules say which environment clients may give.",
    },
}  # fmt: skip
_ROLES = {
    "postgresql": dict.fromkeys(
        ("key", "key_passphrase", "key_certificate", "issue"), "Write password, or certificate = {certificate, key}."
    ),
    "ssh": {"certificate": "Write key and key_certificate."},
}


def check_protocols(draft: Draft) -> None:
    for place, listener in draft.listener.items:
        _only_its_own(place, listener.protocol, _LISTENERS)
        if listener.protocol == "ssh":
            check_ssh_listener(place, listener, draft)
    for place, target in draft.target.items:
        _only_its_own(place, target.protocol, _TARGETS)
        for role in target.roles:
            _only_its_own(place.at("role", role.name), target.protocol, _ROLES)
        if target.protocol == "ssh":
            check_ssh_target(place, target)
    for place, key in draft.ssh_key.items:
        check_ssh_key(place, key, draft)


def _only_its_own(place: Place, protocol: str, foreign: dict[str, dict[str, str]]) -> None:
    for key, remedy in foreign.get(protocol, {}).items():
        if place.at(key).written:
            place.at(key).complain(f'has no effect with protocol = "{protocol}"', remedy)


def check_ssh_listener(place: Place, listener: Listener, draft: Draft) -> None:
    if not listener.logins:
        place.at("logins").complain("is empty: nobody could log in", "Leave the key out for the default.")
    offering: list[Issuer] = [issuer for issuer in draft.issuer.values if issuer.client_id]
    if "keyboard-interactive" in listener.logins and not listener.issuer and len(offering) > 1:
        place.at("logins").complain(
            "which issuer keyboard-interactive signs people in at is open, for there are several with a client_id",
            'Add issuer = "NAME" to this listener.',
        )


def check_ssh_target(place: Place, target: Target) -> None:
    for index, host in enumerate(target.hosts):
        if host.is_socket:
            place.at("hosts", index).complain("is a socket, which SSH does not use", 'Write "name" or "name:port".')
    if not (target.host_keys or target.host_ca or target.known_hosts or target.trust_first_use):
        place.at("host_keys").complain(
            "nothing says by which key the target is known",
            'Add host_keys = ["ssh-ed25519 AAAA..."] (ssh-keyscan prints it: compare it), host_ca or known_hosts.',
        )
    for role in target.roles:
        check_ssh_role(place.at("role", role.name), role)


def check_ssh_role(place: Place, role: Role) -> None:
    if not (role.password or role.key or role.issue):
        place.complain(
            "there is nothing to log in with", 'Add password = "file:...", key = "file:..." or issue = true.'
        )
    if role.issue and role.key:
        place.at("issue").complain("there is a key too, and one must be meant", "Remove one of them.")
    for key in ("key_passphrase", "key_certificate"):
        if getattr(role, key) is not None and role.key is None:
            place.at(key).complain("has no effect without a key", 'Add key = "file:...".')


def check_ssh_key(place: Place, key: SshKey, draft: Draft) -> None:
    issuers, targets = draft.issuer.names, draft.target.names
    if draft.issuer.complete and key.issuer not in issuers:
        what = f"no [[issuer]] has the name {key.issuer[:63]!r}"
        place.at("issuer").complain(what, meant(key.issuer, sorted(issuers)))
    for index, name in enumerate(key.targets):
        if draft.target.complete and name not in targets:
            place.at("targets", index).complain(f"no [[target]] has the name {name!r}", meant(name, sorted(targets)))
    for other_place, other in draft.ssh_key.items:
        if other_place.trail < place.trail and other.key == key.key:
            place.at("key").complain(f"is the key of {other.name!r} too", "One key stands for one identity.")
    listeners = [listener for _, listener in draft.listener.items if listener.protocol == "ssh"]
    if draft.listener.complete and not any("publickey" in listener.logins for listener in listeners):
        place.at("key").complain(
            "no listener takes registered keys", 'Add "publickey" to the logins of an SSH listener, or remove the key.'
        )
