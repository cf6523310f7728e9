"""The configuration as typed values: one class a TOML table, immutable, defaults here and nowhere else.

Durations are seconds, sizes are bytes. A ``SecretRef`` names where a secret lies and never holds one. The help
texts are the reference: ``python -m hoopgate.config.reference`` prints them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from hoopgate.config.kinds import (
    Address,
    ColumnGlob,
    Count,
    EffectName,
    Glob,
    ListenPort,
    Name,
    Points,
    Seconds,
    Served,
    Text,
    Url,
    about,
)
from hoopgate.config.limits import Limits as Limits
from hoopgate.config.references import Host as Host
from hoopgate.config.references import SecretRef as SecretRef
from hoopgate.config.rules import DAY
from hoopgate.config.rules import Example as Example
from hoopgate.config.rules import Rule as Rule
from hoopgate.config.rules import Then as Then
from hoopgate.config.rules import What as What
from hoopgate.config.rules import Who as Who
from hoopgate.config.ssh import Ssh as Ssh
from hoopgate.config.ssh import SshKey as SshKey
from hoopgate.config.ssh import SshLogin as SshLogin
from hoopgate.config.targets import ClientCertificate as ClientCertificate
from hoopgate.config.targets import Role as Role
from hoopgate.config.targets import Target as Target
from hoopgate.config.targets import TlsMode as TlsMode

Login = Literal["password", "oauthbearer"]
MaskKind = Literal["replace", "keep-last", "hash", "null", "fixed"]
Effect = Literal["read", "write", "delete", "schema", "admin", "execute", "transfer", "session", "unknown"]


@frozen
class ServerTls:
    """What a listener shows: a certificate chain and its key (references to PEM)."""

    certificate: SecretRef = field(metadata=about("The certificate and its chain, PEM."))
    key: SecretRef = field(metadata=about("Its private key, PEM."))
    client_ca: SecretRef | None = field(default=None, metadata=about("Clients must show a certificate of this CA."))


@frozen
class Gateway:
    """The gateway itself."""

    name: Name = field(
        default="hoopgate", metadata=about("Its name in the store: what a process left behind is found by it.")
    )
    state: Path = field(
        default=Path("/var/lib/hoopgate"), metadata=about("Directory of what the gateway keeps; mode 0700.")
    )
    token_key: SecretRef | None = field(
        default=None, metadata=about("HMACs the gateway's own tokens and cancel keys.", shows="kept in `state`")
    )
    workers: Count = field(
        default=1,
        metadata=about("Processes that share the listeners; 0: one for each core.", least=0, most=127),
    )


@frozen
class Issuer:
    """An OpenID provider. Identity is always (issuer url, subject)."""

    name: Name = field(metadata=about("The name by which listeners and rules know it."))
    url: Url = field(metadata=about("The issuer exactly as tokens say it in `iss`."))
    audience: tuple[Text, ...] = field(metadata=about("Accepted `aud` values; one must be in the token."))
    client_id: str = field(
        default="", metadata=about("Public client of `hoopgate login`; hints of failed logins name it.")
    )
    authorized_parties: tuple[Text, ...] = field(default=(), metadata=about("Accepted `azp`; empty: not checked."))
    algorithms: tuple[Text, ...] = field(
        default=("RS256", "PS256", "ES256", "EdDSA"), metadata=about("Accepted signature algorithms.")
    )
    groups_claim: Text = field(default="groups", metadata=about("The claim that lists groups."))
    scopes_claim: Text = field(default="scope", metadata=about("The claim that lists scopes."))
    person_claim: Text = field(default="email", metadata=about("Who counts as one human across issuers."))
    delegation_claims: tuple[Text, ...] = field(
        default=("actor",), metadata=about("Claims that name an actor, besides `act` (RFC 8693).")
    )
    approves: bool = field(
        default=True, metadata=about("Whether its people may approve holds, give grants and be operators.")
    )
    login_scopes: tuple[Text, ...] = field(
        default=("openid",), metadata=about("Scopes that OAUTHBEARER's discovery names.")
    )
    skew: Seconds = field(default=60.0, metadata=about("Tolerated difference of clocks.", least=0, most=600))
    keys_ttl: Seconds = field(default=3600.0, metadata=about("How long the issuer's keys (JWKS) are cached."))
    keys_outage: Seconds = field(
        default=DAY, metadata=about("How long cached keys serve while the issuer is away.", least=0)
    )
    unknown_key_cooldown: Seconds = field(
        default=60.0, metadata=about("Between two fetches that keys not known (`kid`) cause.", least=1)
    )
    ca: SecretRef | None = field(default=None, metadata=about("CA of the issuer's HTTPS.", shows="the system's"))
    development: bool = field(
        default=False, metadata=about("Allow http on loopback; every screen says that it is a development issuer.")
    )


@frozen
class Listener:
    """Where clients connect."""

    name: Name = field(metadata=about("The listener's name in logs."))
    protocol: Served = field(
        metadata=about("What clients speak; `connect` is HTTP CONNECT over TLS, and inside it what the target speaks.")
    )
    port: ListenPort = field(metadata=about("The port."))
    address: Address = field(default="127.0.0.1", metadata=about("The address to listen on."))
    login: Login = field(
        default="password", metadata=about("How clients of PostgreSQL present their token; never guessed.")
    )
    logins: tuple[SshLogin, ...] = field(
        default=("password", "keyboard-interactive", "certificate"),
        metadata=about(
            "How clients of SSH may log in: a token as `password`; the issuer's device flow, or a token, by "
            "`keyboard-interactive`; a `certificate` of the gateway; a `publickey` that a `[[ssh_key]]` registers."
        ),
    )
    host_key: SecretRef | None = field(
        default=None, metadata=about("With SSH and CONNECT: its private key, OpenSSH or PEM.", shows="made in `state`")
    )
    host_certificate: SecretRef | None = field(
        default=None, metadata=about("With SSH and CONNECT: an OpenSSH host certificate of that key.", shows="none")
    )
    tls: ServerTls | None = field(
        default=None, metadata=about("Its certificate; required unless `plaintext`. SSH has none.")
    )
    plaintext: bool = field(
        default=False, metadata=about("Allow connections without TLS; only where `address` is loopback.")
    )
    issuer: str = field(
        default="",
        metadata=about(
            "The issuer that OAUTHBEARER's discovery, SSH's device flow and hints name.", shows="the only one"
        ),
    )


@frozen
class Mask:
    """Which columns (globs over schema.table.column) and what becomes of their values."""

    name: Name = field(metadata=about("The name by which rules use it."))
    columns: tuple[ColumnGlob, ...] = field(metadata=about('The columns, such as `"*.*.*password*"`.'))
    kind: MaskKind = field(default="replace", metadata=about("What becomes of a value."))
    target: tuple[Glob, ...] = field(default=("*",), metadata=about("Names of targets."))
    value: str = field(default="****", metadata=about("With `replace`: the text shown."))
    keep: Count = field(default=4, metadata=about("With `keep-last`: characters left.", least=0, most=64))
    key: SecretRef | None = field(default=None, metadata=about("With `hash`: the HMAC's key."))
    unless: Who | None = field(default=None, metadata=about("Who sees clear values.", shows="nobody"))
    reading: Literal["output", "source"] = field(
        default="output",
        metadata=about(
            "Where values are masked: in answers (`output`), so that conditions still see them, or already where the "
            "statement reads the relation (`source`), so that nothing in it sees more than masks."
        ),
    )
    aggregates: tuple[Text, ...] = field(
        default=("count",), metadata=about("With `output`: aggregates over the column whose results stay clear.")
    )
    inference: Count = field(
        default=100,
        metadata=about(
            "With `output`: what an identity may spend in `limits.inference_window` on conditions over the values; "
            "0 refuses them.",
            least=0,
        ),
    )


@frozen
class Detector:
    """Values that are hidden wherever they stand in answers, by what they look like."""

    name: Name = field(metadata=about("The name that recordings and logs show."))
    find: tuple[Text, ...] = field(
        default=(), metadata=about('Kinds or families of them, such as `"card"`, `"secrets"` (see Detectors).')
    )
    patterns: tuple[Text, ...] = field(default=(), metadata=about("Your own, as regular expressions of RE2."))
    target: tuple[Glob, ...] = field(default=("*",), metadata=about("Names of targets."))
    value: str = field(default="****", metadata=about("What takes the place of a value in text."))
    unless: Who | None = field(default=None, metadata=about("Who sees clear values.", shows="nobody"))
    plugin: str = field(default="", metadata=about("A detector plug-in that finds them, such as `presidio`."))
    options: dict[str, Any] = field(factory=dict, metadata=about("The plug-in's options."))


@frozen
class Canary:
    """A planted value: an answer that holds it ends the session and raises an alert."""

    name: Name = field(metadata=about("The name that the alert shows."))
    value: SecretRef = field(metadata=about("The value, 8 bytes or more."))
    target: tuple[Glob, ...] = field(default=("*",), metadata=about("Names of targets."))


@frozen
class Recorder:
    """Where recordings go."""

    kind: str = field(default="file", metadata=about("The recorder plugin."))
    directory: Path | None = field(default=None, metadata=about("Its directory.", shows="`state`/recordings"))
    key: SecretRef | None = field(
        default=None, metadata=about("Ed25519 private key that signs, PEM.", shows="made in `state`")
    )
    append: Literal["mapped", "written"] = field(
        default="mapped",
        metadata=about(
            "How the file grows: by copies into a mapping of it, or by a system call each. Where the filesystem is not "
            "ext4, XFS or tmpfs it is always written."
        ),
    )
    literals: Literal["kept", "masked"] = field(
        default="kept",
        metadata=about(
            "Whether recordings hold literals and parameters of statements that name masked columns, but for those "
            "beside clear columns: as they were sent, or as `****`."
        ),
    )
    input: Literal["kept", "none"] = field(
        default="kept",
        metadata=about("With SSH: whether recordings hold what was typed, passwords without echo among it."),
    )
    options: dict[str, Any] = field(factory=dict, metadata=about("Options of a third-party recorder."))


@frozen
class Store:
    """Where sessions, approvals, grants and tokens are kept."""

    kind: str = field(default="sqlite", metadata=about("The store plugin."))
    path: Path | None = field(default=None, metadata=about("Its file.", shows="`state`/hoopgate.sqlite3"))
    options: dict[str, Any] = field(factory=dict, metadata=about("Options of a third-party store."))


@frozen
class Api:
    """The HTTPS listener for token exchange, approvals and grants."""

    address: Address = field(default="127.0.0.1", metadata=about("The address to listen on."))
    port: ListenPort = field(default=8443, metadata=about("The port."))
    tls: ServerTls | None = field(default=None, metadata=about("Its certificate; required unless `plaintext`."))
    plaintext: bool = field(default=False, metadata=about("Plain HTTP; only where `address` is loopback."))
    url: str = field(default="", metadata=about("Where people reach it, for hints.", shows="hints name none", url=True))
    token_lifetime: Seconds = field(default=900.0, metadata=about("Of tokens that the gateway issues, at most."))
    operators: tuple[Text, ...] = field(
        default=(),
        metadata=about("Groups that see every live session (not its statements), end sessions and revoke grants."),
    )


@frozen
class Admin:
    """Health and metrics; never leaves loopback unless told."""

    address: Address = field(default="127.0.0.1", metadata=about("The address to listen on."))
    port: ListenPort = field(default=9090, metadata=about("The port of /healthz and /metrics."))
    enabled: bool = field(default=True, metadata=about("Whether it listens."))


@frozen
class Risk:
    """Points a statement earns; the sum, cut at 100, is its risk."""

    effect: dict[EffectName, Points] = field(
        factory=lambda: {
            "read": 5, "session": 0, "write": 20, "delete": 35, "schema": 50, "admin": 70,
            "execute": 40, "transfer": 40, "unknown": 90,
        },
        metadata=about("For the worst effect; effects left out keep their default.", merged=True),
    )  # fmt: skip
    unbounded: Points = field(default=30, metadata=about("For a statement without bounds."))
    object_labels: dict[str, Points] = field(factory=dict, metadata=about("For labels of the objects."))
    target_labels: dict[str, Points] = field(
        factory=dict, metadata=about('For labels of the target: `"env=prod" = 20`.')
    )
    outside_hours: Points = field(default=0, metadata=about("Outside `hours`."))
    hours: tuple[int, int] = field(default=(8, 18), metadata=about("Working hours, UTC: from, to."))
    first_time: Points = field(
        default=0, metadata=about("For a shape of statement that this identity never ran on this target.")
    )


@frozen
class Config:
    path: Path
    version: str  # SHA-256 of what decides: rules, masks, risk, labels; the policy's version
    gateway: Gateway = Gateway()
    issuers: tuple[Issuer, ...] = ()
    listeners: tuple[Listener, ...] = ()
    targets: tuple[Target, ...] = ()
    ssh: Ssh = Ssh()  # noqa: RUF009 - frozen
    ssh_keys: tuple[SshKey, ...] = ()
    rules: tuple[Rule, ...] = ()
    masks: tuple[Mask, ...] = ()
    detectors: tuple[Detector, ...] = ()
    canaries: tuple[Canary, ...] = ()
    risk: Risk = Risk()
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    recorder: Recorder = Recorder()
    store: Store = Store()
    api: Api = Api()
    admin: Admin = Admin()
    guards: tuple[str, ...] = ()  # third-party guards, by entry-point name, in order
    guard_options: dict[str, dict[str, Any]] = field(factory=dict)
    functions_safe: tuple[str, ...] = ()  # user functions known not to read masked columns (globs schema.name)

    def target(self, name: str) -> Target | None:
        return next((target for target in self.targets if target.name == name), None)
