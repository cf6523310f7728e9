"""Rules as the configuration has them: who, what, then."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from hoopgate.config.kinds import Bytes, EffectName, Glob, Name, Points, Seconds, Text, about
from hoopgate.verdicts import Approvers

Then = Literal["allow", "deny", "hold", "mask"]

DAY = 86400.0  # seconds


@frozen
class Who:
    """Each list is globs, any may match; lists not given match anyone; given ones must all match."""

    issuer: tuple[Glob, ...] = field(default=(), metadata=about("Issuer names or URLs."))
    subject: tuple[Glob, ...] = field(default=(), metadata=about("Subjects (`sub`)."))
    groups: tuple[Glob, ...] = field(default=(), metadata=about("Groups."))
    scopes: tuple[Glob, ...] = field(default=(), metadata=about("Scopes."))
    claims: dict[str, tuple[Glob, ...]] = field(
        factory=dict, hash=False, metadata=about("Any claim, by globs over its value.")
    )  # what is known is found by masks, and they hold one of these
    delegated: bool | None = field(
        default=None, metadata=about("true: only through a chain of delegation; false: only without.", shows="either")
    )


@frozen
class What:
    """What a rule covers; lists not given match anything, given ones must all match."""

    target: tuple[Glob, ...] = field(default=(), metadata=about("Names of targets."))
    labels: dict[str, tuple[Glob, ...]] = field(factory=dict, metadata=about("Labels of the target."))
    role: tuple[Glob, ...] = field(default=(), metadata=about("Roles, as clients name them."))
    effect: tuple[EffectName, ...] = field(default=(), metadata=about("What the statement does, not its verb."))
    object: tuple[Glob, ...] = field(default=(), metadata=about("Objects: globs over schema.table."))
    object_labels: tuple[Glob, ...] = field(default=(), metadata=about("Labels of the objects."))
    command: tuple[Glob, ...] = field(default=(), metadata=about('The command\'s words, such as `"DROP *"`.'))
    bounded: bool | None = field(
        default=None, metadata=about("false: UPDATE or DELETE without WHERE, TRUNCATE, DROP.", shows="either")
    )
    risk_at_least: Points | None = field(default=None, metadata=about("From this risk on.", shows="any"))


@frozen
class Example:
    """``hoopgate check`` runs it: as whom, on which target, which statement, and what must come out."""

    statement: Text = field(metadata=about("The statement."))
    expect: Then = field(metadata=about("What must come out."))
    who: dict[str, Any] = field(
        factory=dict,
        metadata=about("`issuer`, `subject`, `groups`, `scopes`, `claims`, `delegated` of the person.", claims=True),
    )
    target: str = field(default="", metadata=about("The target's name.", shows="the first that the rule covers"))
    role: str = field(default="", metadata=about("The role's name.", shows="the first that the rule covers"))


@frozen
class Rule:
    """Who may do what.

    Rules are tried in file order for each object of each operation, the first whose who and what match decides,
    nothing matching denies, and the whole message gets the severest of these answers: deny, then hold, then allow.
    """

    name: Name = field(metadata=about("The name that refusals and recordings show."))
    then: Then = field(metadata=about("What happens."))
    who: Who = field(default=Who(), metadata=about("Whom it covers.", shows="anyone"))
    what: What = field(default=What(), metadata=about("What it covers.", shows="anything"))
    reason: str = field(default="", metadata=about("One sentence that the client sees."))
    hint: str = field(default="", metadata=about("What the person can do next."))
    approvers: Approvers = field(
        default=Approvers(()),
        metadata=about('`{groups = ["dba"], count = 1}`: who releases a hold or gives a grant.', shows="nobody"),
    )
    timeout: Seconds = field(default=900.0, metadata=about("How long a hold waits.", most=7 * DAY))
    masks: tuple[str, ...] = field(default=(), metadata=about('The masks in force, with `then = "mask"`.'))
    grant: bool = field(
        default=False, metadata=about("Applies only while a just-in-time grant names the rule or the target.")
    )
    max_size: Bytes | None = field(
        default=None,
        metadata=about("Files that it lets pass over SSH (sftp, scp) may have so many bytes.", shows="any size"),
    )
    examples: tuple[Example, ...] = field(default=(), metadata=about("Statements that `hoopgate check` tries."))
    line: int = field(default=0, metadata=about("Where the file has it.", hidden=True))
