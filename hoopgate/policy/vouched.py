"""Functions that the configuration vouches for by name, and what would put other code behind such a name.

A rule that lets people call ``public.order_total``, or ``functions_safe``, means the function that stands there.
Whoever makes, replaces, renames or alters a function of that name decides what the rule means: that is ``admin.code``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import evolve

from hoopgate.config.model import Config
from hoopgate.policy.globs import object_matches
from hoopgate.policy.operations import Object, Operation, whole

_KINDS: Final = frozenset({"aggregate", "function", "operator", "procedure", "routine"})


class Vouched:
    """The names that one configuration vouches for."""

    def __init__(self, config: Config) -> None:
        self._globs = (*_named_by_rules(config), *config.functions_safe)

    def raised(self, operations: tuple[Operation, ...], schemas: tuple[str, ...]) -> tuple[Operation, ...]:
        """The operations, with those that change what a vouched name means as ``admin.code``. Drops stay as they are.

        ``schemas`` are those in which a name without one may stand.
        """
        if not self._globs:
            return operations
        return tuple([self._raised(operation, schemas) for operation in operations])

    def _raised(self, operation: Operation, schemas: tuple[str, ...]) -> Operation:
        if operation.effect != "schema" or operation.part == "drop":
            return operation
        for thing in operation.objects:
            if thing.kind in _KINDS and self._matches(thing, schemas):
                why = f"the configuration vouches for {thing} by its name"
                return evolve(operation, effect="admin", part="code", why=why)
        return operation

    def _matches(self, thing: Object, schemas: tuple[str, ...]) -> bool:
        return any(object_matches(glob, thing, schemas, False) for glob in self._globs)


def _named_by_rules(config: Config) -> Iterable[str]:
    """A glob whose name has no wildcards names a function; ``public.*`` means whatever is there."""
    for rule in config.rules:
        if rule.then in ("allow", "hold") and "execute" in map(whole, rule.what.effect):
            for glob in rule.what.object:
                if not set("*?[") & set(glob.rpartition(".")[2]):
                    yield glob
