"""Which targets an identity may open, and at which ports clients find the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from hoopgate.config.model import Config, Listener, Target
from hoopgate.interfaces import Identity


@frozen(eq=False)
class Reach:
    """``may_open(identity, target, role)`` asks the policy in force; ``port(listener)`` is where it listens, and
    ``host_keys(listener)`` what it shows to clients of SSH."""

    may_open: Callable[[Identity, Target, str], bool]
    port: Callable[[Listener], int]
    host_keys: Callable[[Listener], tuple[str, ...]]

    def targets(self, config: Config, identity: Identity) -> Iterator[tuple[Target, list[str]]]:
        """Each target of which a rule could let the identity use a role, with these roles."""
        for target in config.targets:
            if identity.targets and target.name not in identity.targets:
                continue
            roles = [role.name for role in target.roles if self.may_open(identity, target, role.name)]
            if roles:
                yield target, roles
