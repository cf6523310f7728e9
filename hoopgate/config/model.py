"""The configuration as typed values: one class a TOML table, immutable, defaults here and nowhere else.

Durations are seconds, sizes are bytes. A ``SecretRef`` names where a secret lies and never holds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from hoopgate.verdicts import Approvers

Login = Literal["password", "oauthbearer"]
TlsMode = Literal["disable", "require", "verify-ca", "verify-full"]
Then = Literal["allow", "deny", "hold", "mask"]
MaskKind = Literal["replace", "keep-last", "hash", "null", "fixed"]
Effect = Literal["read", "write", "delete", "schema", "admin", "execute", "transfer", "session", "unknown"]


@frozen
class SecretRef:
    """``scheme:rest`` (``env:NAME``, ``file:/path``, ``systemd:name``); the scheme picks the secret-source plugin."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


@frozen
class ServerTls:
    """What a listener shows: a certificate chain and its key (references to PEM)."""

    certificate: SecretRef
    key: SecretRef
    client_ca: SecretRef | None = None


@frozen
class Gateway:
    name: str = "hoopgate"
    state: Path = Path("/var/lib/hoopgate")
    token_key: SecretRef | None = None  # HMACs the gateway's own tokens and cancel keys; None: kept in `state`


@frozen
class Issuer:
    """An OpenID provider. Identity is always (issuer url, subject)."""

    name: str
    url: str
    audience: tuple[str, ...]
    client_id: str = ""
    authorized_parties: tuple[str, ...] = ()  # allowed `azp`; empty: not checked
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    groups_claim: str = "groups"
    scopes_claim: str = "scope"
    person_claim: str = "email"  # who counts as one human across issuers
    delegation_claims: tuple[str, ...] = ("actor",)  # besides `act` (RFC 8693)
    login_scopes: tuple[str, ...] = ("openid",)
    skew: float = 60.0
    keys_ttl: float = 3600.0  # JWKS cache
    keys_outage: float = 86400.0  # how long cached keys serve while the issuer is away
    unknown_key_cooldown: float = 60.0
    ca: SecretRef | None = None
    development: bool = False  # http on loopback is allowed, and every screen says so


@frozen
class Listener:
    name: str
    protocol: str  # "postgresql"
    port: int
    address: str = "127.0.0.1"
    login: Login = "password"
    tls: ServerTls | None = None
    plaintext: bool = False  # allowed only where `address` is loopback
    issuer: str = ""  # which issuer OAUTHBEARER's discovery names; "": the only one


@frozen
class Host:
    """``name:port`` or a Unix socket directory."""

    name: str
    port: int = 5432

    @property
    def is_socket(self) -> bool:
        return self.name.startswith("/")


@frozen
class ClientCertificate:
    certificate: SecretRef
    key: SecretRef


@frozen
class Role:
    """A login role of the target: the key is what clients name as user, ``user`` what the target sees."""

    name: str
    user: str
    password: SecretRef | None = None
    certificate: ClientCertificate | None = None


@frozen
class Target:
    name: str
    protocol: str
    hosts: tuple[Host, ...]
    database: str = ""
    roles: tuple[Role, ...] = ()
    catalogue_role: str = ""  # which role reads pg_catalog; "": the first
    tls: TlsMode = "verify-full"
    ca: SecretRef | None = None
    labels: dict[str, str] = field(factory=dict)
    object_labels: dict[str, tuple[str, ...]] = field(factory=dict)  # glob over schema.table -> labels
    connect_timeout: float = 10.0
    startup_parameters: tuple[str, ...] = (
        "application_name", "client_encoding", "DateStyle", "TimeZone", "IntervalStyle", "extra_float_digits",
    )  # fmt: skip


@frozen
class Who:
    """Each list is globs, any may match; lists not given match anyone; given ones must all match."""

    issuer: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, tuple[str, ...]] = field(factory=dict)
    delegated: bool | None = None  # True: only through a chain of delegation


@frozen
class What:
    target: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = field(factory=dict)
    role: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()
    object: tuple[str, ...] = ()  # globs over schema.table
    object_labels: tuple[str, ...] = ()
    command: tuple[str, ...] = ()  # globs over the command word(s), e.g. "DROP *"
    bounded: bool | None = None
    risk_at_least: int | None = None


@frozen
class Example:
    """``hoopgate check`` runs it: as whom, on which target, which statement, and what must come out."""

    statement: str
    expect: Then
    who: dict[str, Any] = field(factory=dict)  # issuer, subject, groups, scopes, claims
    target: str = ""
    role: str = ""


@frozen
class Rule:
    name: str
    then: Then
    who: Who = Who()
    what: What = What()
    reason: str = ""
    hint: str = ""
    approvers: Approvers = Approvers(())
    timeout: float = 900.0
    masks: tuple[str, ...] = ()  # with then = "mask"
    grant: bool = False  # the rule applies only while a just-in-time grant names it or the target
    examples: tuple[Example, ...] = ()
    line: int = 0  # where the file has it


@frozen
class Mask:
    """Which columns (globs over schema.table.column) and what becomes of their values."""

    name: str
    columns: tuple[str, ...]
    kind: MaskKind = "replace"
    target: tuple[str, ...] = ("*",)
    value: str = "****"  # replace
    keep: int = 4  # keep-last
    key: SecretRef | None = None  # hash
    unless: Who | None = None  # who sees clear values


@frozen
class Limits:
    """Every limit, its default, and what is counted."""

    session: float = 8 * 3600.0
    idle: float = 3600.0
    handshake: float = 15.0  # from accept to a verified login
    half_open: int = 1000  # connections not yet logged in, per process
    half_open_per_address: int = 100
    sessions: int = 10_000
    startup_packet: int = 10_000
    token: int = 16 * 1024
    statement: int = 16 * 1024 * 1024
    statement_inline: int = 64 * 1024  # above: parsed in a worker process
    parse_time: float = 5.0
    parse_memory: int = 1024 * 1024 * 1024
    row: int = 64 * 1024 * 1024  # a row with a mask in force is buffered whole
    message: int = 1024 * 1024 * 1024  # PostgreSQL's own bound
    buffer: int = 1024 * 1024  # bytes queued for one peer before the other is paused
    prepared_statements: int = 4096
    prepared_bytes: int = 32 * 1024 * 1024
    holds_per_session: int = 1
    holds_per_identity: int = 20
    hold_in_transaction: float = 60.0
    decisions: int = 20_000  # cached
    request_rows: int = 1000  # rows of one API answer
    api_body: int = 64 * 1024
    recorder_write: float = 2.0  # one append that takes longer ends the session
    secret_ttl: float = 60.0
    drain: float = 30.0


@frozen
class Recorder:
    kind: str = "file"
    directory: Path | None = None  # None: `state`/recordings
    key: SecretRef | None = None  # Ed25519 private key (PEM); None: made in `state`
    options: dict[str, Any] = field(factory=dict)


@frozen
class Store:
    kind: str = "sqlite"
    path: Path | None = None  # None: `state`/hoopgate.sqlite3
    options: dict[str, Any] = field(factory=dict)


@frozen
class Api:
    """The HTTPS listener for token exchange, approvals and grants."""

    address: str = "127.0.0.1"
    port: int = 8443
    tls: ServerTls | None = None
    plaintext: bool = False  # loopback only
    url: str = ""  # what hints and notices show; "": made of address and port
    token_lifetime: float = 900.0  # of tokens that we issue, at most


@frozen
class Admin:
    """Health and metrics; never leaves loopback unless told."""

    address: str = "127.0.0.1"
    port: int = 9090
    enabled: bool = True


@frozen
class Risk:
    """Points a statement earns; the sum, cut at 100, is its risk."""

    effect: dict[str, int] = field(
        factory=lambda: {
            "read": 5, "session": 0, "write": 20, "delete": 35, "schema": 50, "admin": 70,
            "execute": 40, "transfer": 40, "unknown": 90,
        }
    )  # fmt: skip
    unbounded: int = 30
    object_labels: dict[str, int] = field(factory=dict)
    target_labels: dict[str, int] = field(factory=dict)  # "env=prod" -> points
    outside_hours: int = 0
    hours: tuple[int, int] = (8, 18)  # UTC, working hours
    first_time: int = 0  # this identity has not run this shape of statement on this target before


@frozen
class Config:
    path: Path
    version: str  # SHA-256 of what decides: rules, masks, risk, labels; the policy's version
    gateway: Gateway = Gateway()
    issuers: tuple[Issuer, ...] = ()
    listeners: tuple[Listener, ...] = ()
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    masks: tuple[Mask, ...] = ()
    risk: Risk = Risk()
    limits: Limits = Limits()
    recorder: Recorder = Recorder()
    store: Store = Store()
    api: Api = Api()
    admin: Admin = Admin()
    guards: tuple[str, ...] = ()  # third-party guards, by entry-point name, in order
    guard_options: dict[str, dict[str, Any]] = field(factory=dict)
    functions_safe: tuple[str, ...] = ()  # user functions known not to read masked columns (globs schema.name)

    def target(self, name: str) -> Target | None:
        return next((target for target in self.targets if target.name == name), None)
