"""What clients reach: targets and their roles."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from hoopgate.config.kinds import Glob, HostKey, Name, ObjectGlob, Protocol, PublicKey, Seconds, Text, about
from hoopgate.config.references import Host, SecretRef

TlsMode = Literal["disable", "require", "verify-ca", "verify-full"]


@frozen
class ClientCertificate:
    """A client certificate that the target asks for (references to PEM)."""

    certificate: SecretRef = field(metadata=about("The certificate and its chain, PEM."))
    key: SecretRef = field(metadata=about("Its private key, PEM."))


@frozen
class Role:
    """A login role of the target: the key is what clients name as user, ``user`` what the target sees.

    Over SSH clients write ``role%target``; the target's name alone is its first role.
    """

    name: Name = field(metadata=about("What clients give as user.", hidden=True))
    user: Text = field(metadata=about("The role at the target.", shows="the table's key"))
    password: SecretRef | None = field(default=None, metadata=about("Its password; read again at each connect."))
    certificate: ClientCertificate | None = field(
        default=None, metadata=about("With PostgreSQL: its client certificate.")
    )
    key: SecretRef | None = field(default=None, metadata=about("With SSH: its private key, OpenSSH or PEM."))
    key_passphrase: SecretRef | None = field(default=None, metadata=about("With SSH: what opens that key."))
    key_certificate: SecretRef | None = field(
        default=None, metadata=about("With SSH: an OpenSSH user certificate of that key.")
    )
    issue: bool = field(
        default=False,
        metadata=about("With SSH: log in by a certificate that the gateway's `target_ca` issues for each session."),
    )


@frozen
class Target:
    """A named upstream. Clients name it as database, or with SSH as user; they never see its credential."""

    name: Name = field(metadata=about("What clients give as database name, or with SSH as user name."))
    protocol: Protocol = field(metadata=about("What the target speaks."))
    hosts: tuple[Host, ...] = field(
        metadata=about(
            '`"name:port"` or, with PostgreSQL, a socket directory such as `"/run/postgresql"`; tried in order. '
            "Without a port: 5432, 22 with SSH."
        )
    )
    database: str = field(default="", metadata=about("The database at the target.", shows="the target's name"))
    databases: tuple[Glob, ...] = field(
        default=(), metadata=about("Globs of further databases that clients may name as `target/database`.")
    )
    roles: tuple[Role, ...] = field(
        default=(), metadata=about("Login roles, by the name that clients give as user.", toml="role", keyed=True)
    )
    catalogue_role: str = field(
        default="", metadata=about("Which role reads the catalogue (pg_catalog).", shows="the first")
    )
    tls: TlsMode = field(default="verify-full", metadata=about("As libpq's `sslmode`; Unix sockets use none."))
    ca: SecretRef | None = field(default=None, metadata=about("CA of the target's certificate.", shows="the system's"))
    labels: dict[str, str] = field(factory=dict, metadata=about('What rules select by, such as `env = "prod"`.'))
    object_labels: dict[ObjectGlob, tuple[str, ...]] = field(
        factory=dict, metadata=about('Labels of tables: `"public.customers" = ["pii"]`.')
    )
    connect_timeout: Seconds = field(default=10.0, metadata=about("For one host.", most=300))
    startup_parameters: tuple[Text, ...] = field(
        default=(
            "application_name",
            "client_encoding",
            "DateStyle",
            "TimeZone",
            "IntervalStyle",
            "extra_float_digits",
        ),
        metadata=about("Start-up parameters that clients may set; others are refused."),
    )
    shell: Literal["posix", "bash", "other"] = field(
        default="posix",
        metadata=about(
            "With SSH: what reads commands there, the accounts' login shell. `posix`: sh, dash, BusyBox or bash, in "
            "all of whose ways each command is read; `bash`: bash alone; `other`: fish, csh, Windows: every command is "
            "unknown."
        ),
    )
    host_keys: tuple[HostKey, ...] = field(
        default=(), metadata=about('With SSH: its public keys, or their fingerprints such as `"SHA256:..."`.')
    )
    host_ca: tuple[PublicKey, ...] = field(
        default=(), metadata=about("With SSH: public keys of the authorities that sign its host certificate.")
    )
    known_hosts: SecretRef | None = field(
        default=None, metadata=about("With SSH: a file in the form of OpenSSH's `known_hosts`.")
    )
    trust_first_use: bool = field(
        default=False,
        metadata=about("With SSH: believe the first key that it ever shows, and keep it in `state`; never on its own."),
    )
