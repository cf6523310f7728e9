"""The tables that concern SSH alone."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from hoopgate.config.kinds import Bytes, Moment, Name, Network, PublicKey, Seconds, Text, about
from hoopgate.config.references import SecretRef

SshLogin = Literal["password", "keyboard-interactive", "certificate", "publickey"]
KeyExchange = Literal["modern", "pq"]


@frozen
class Ssh:
    """What concerns all SSH connections."""

    kex: KeyExchange = field(
        default="modern",
        metadata=about(
            "Key exchanges that listeners offer: `modern` has mlkem768x25519 first and curve25519 for older clients, "
            "`pq` post-quantum ones alone."
        ),
    )
    rekey_bytes: Bytes = field(
        default=1024 * 1024 * 1024,
        metadata=about("New keys after so much, both ways together.", least=64 * 1024, most=64 * 1024**3),
    )
    rekey_time: Seconds = field(default=3600.0, metadata=about("New keys after so long.", least=10))
    banner: str = field(default="", metadata=about("What clients are shown before they log in.", shows="nothing"))
    user_ca: SecretRef | None = field(
        default=None,
        metadata=about("Ed25519 private key (OpenSSH or PEM) that signs users' certificates.", shows="made in `state`"),
    )
    target_ca: SecretRef | None = field(
        default=None,
        metadata=about(
            "Another, which signs the certificates that targets are shown (`issue`): their `TrustedUserCAKeys`.",
            shows="made in `state`",
        ),
    )
    certificate_lifetime: Seconds = field(
        default=3600.0, metadata=about("Of users' certificates that the gateway issues, at most.", least=60)
    )


@frozen
class SshKey:
    """A public key that stands for an identity, on listeners whose `logins` have `publickey`."""

    name: Name = field(metadata=about("The name that recordings and logs show."))
    key: PublicKey = field(metadata=about("The key as `authorized_keys` has it, without options."))
    issuer: Text = field(metadata=about("The issuer of the identity, by its name."))
    subject: Text = field(metadata=about("Its subject (`sub`)."))
    expires: Moment = field(metadata=about("From when on the key is worth nothing; sessions end then too."))
    groups: tuple[Text, ...] = field(default=(), metadata=about("The identity's groups."))
    person: str = field(default="", metadata=about("Who counts as one human across issuers, as `person_claim`."))
    targets: tuple[Name, ...] = field(default=(), metadata=about("Targets that it is good for.", shows="any"))
    source: tuple[Network, ...] = field(
        default=(), metadata=about('Networks to come from, such as `"10.0.0.0/8"`.', shows="anywhere")
    )
