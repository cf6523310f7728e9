"""Who asks, where and when, as far as decisions depend on it."""

from __future__ import annotations

from attrs import frozen

from hoopgate.config.model import Rule, Target
from hoopgate.interfaces import Identity
from hoopgate.policy.ruling import Ruling
from hoopgate.policy.verdict import Decision


@frozen
class Subject:
    """Who asks, where. ``search_path``: the schemas in which this session looks for names without one.

    ``first_seen``: is this the first time that this identity runs this shape of statement on this target; None: the
    engine remembers for itself.
    """

    identity: Identity
    target: Target
    role: str
    grants: frozenset[str] = frozenset()
    first_seen: bool | None = None
    search_path: tuple[str, ...] = ("public",)


class Scope:
    """The rules that apply to an identity on a target in a role, in order. Compared by being the same.

    ``dormant`` ones would apply under a just-in-time grant. ``shut``: the answer to everything, where no session may
    be open at all.
    """

    def __init__(self, target: Target, rules: tuple[Rule, ...], dormant: tuple[Rule, ...], access: Decision) -> None:
        self.target = target
        self.rules = rules
        self.dormant = dormant
        self.access = access
        self.shut: Ruling | None = Ruling(access) if access.then == "deny" else None


class Around:
    """All that a decision depends on beside the text. There is one object for equal facts, so being the same counts."""

    def __init__(self, scope: Scope, outside: bool, first: bool, search_path: tuple[str, ...]) -> None:
        self.scope = scope
        self.outside = outside
        self.first = first
        self.search_path = search_path


class Standing:
    """A subject under one configuration, worked out once for the many statements of a session.

    Nothing in it is bound to a time: ``arounds`` are those found so far for each hour and each first time.
    ``commands``: what is judged are command lines of a shell, and no statements of SQL.
    """

    def __init__(self, subject: Subject, scope: Scope) -> None:
        self.subject = subject
        self.scope = scope
        self.shut = scope.shut
        self.person = subject.identity.key
        self.commands = subject.target.protocol == "ssh"
        self.arounds: list[Around | None] = [None, None, None, None]
