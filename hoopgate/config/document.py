"""The file's top: which tables it has, and what each becomes. The generated reference begins here."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from hoopgate.config.kinds import Glob, Name, about
from hoopgate.config.model import (
    Admin,
    Api,
    Canary,
    Detector,
    Gateway,
    Issuer,
    Limits,
    Listener,
    Mask,
    Recorder,
    Risk,
    Rule,
    Ssh,
    SshKey,
    Store,
    Target,
)


@frozen
class Guards:
    """Third-party guards, beside our own, which are always in force."""

    enabled: tuple[Name, ...] = field(default=(), metadata=about("Guards by entry-point name, in order."))
    options: dict[str, dict[str, Any]] = field(factory=dict, metadata=about("A table of options for each guard."))


@frozen
class Masking:
    """What concerns all masks."""

    functions_safe: tuple[Glob, ...] = field(
        default=(), metadata=about("Your functions that read no masked column: globs over schema.name.")
    )


@frozen
class Document:
    """One field a top-level table of the file; a tuple is an array of tables (``[[issuer]]``)."""

    gateway: Gateway = field(default=Gateway(), metadata=about("The gateway itself."))
    issuer: tuple[Issuer, ...] = field(default=(), metadata=about("Identity providers."))
    listener: tuple[Listener, ...] = field(default=(), metadata=about("Where clients connect."))
    target: tuple[Target, ...] = field(default=(), metadata=about("What they reach."))
    ssh: Ssh = field(default=Ssh(), metadata=about("What concerns all SSH connections."))
    ssh_key: tuple[SshKey, ...] = field(default=(), metadata=about("Public keys that stand for identities."))
    rule: tuple[Rule, ...] = field(default=(), metadata=about("Who may do what."))
    mask: tuple[Mask, ...] = field(default=(), metadata=about("Columns whose values are hidden."))
    detector: tuple[Detector, ...] = field(default=(), metadata=about("Values hidden by what they look like."))
    canary: tuple[Canary, ...] = field(default=(), metadata=about("Planted values that nobody should read."))
    masking: Masking = field(default=Masking(), metadata=about("What concerns all masks."))
    risk: Risk = field(default=Risk(), metadata=about("What a statement's risk is made of."))
    limits: Limits = field(default=Limits(), metadata=about("Every limit."))
    recorder: Recorder = field(default=Recorder(), metadata=about("Where recordings go."))
    store: Store = field(default=Store(), metadata=about("Where state is kept."))
    api: Api = field(default=Api(), metadata=about("The HTTPS API."))
    admin: Admin = field(default=Admin(), metadata=about("Health and metrics."))
    guards: Guards = field(default=Guards(), metadata=about("Third-party guards."))
