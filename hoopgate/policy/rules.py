"""Rules as they are matched.

Rules are tried in file order for each object of each operation, the first whose who and what match decides, nothing
matching denies, and the whole message gets the severest of these answers: deny, then hold, then allow.

As in pg_hba.conf and in firewalls, what stands first wins, so exceptions stand above what they except. Four things
follow from failing closed. A name without a schema is taken where the session's search_path puts it; an "allow" has to
match it in every such schema, the others in any. An operation without objects (``SELECT 1``) is matched by an "allow"
over objects only if it reads. Rules with ``then = "mask"`` decide nothing: they put masks in force. Parts that open
ways past the gateway (``BY_NAME``) are allowed and held by rules that name them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from hoopgate.config.model import Config, Rule, Target, What, Who
from hoopgate.errors import ConfigError
from hoopgate.interfaces import Identity
from hoopgate.policy.globs import any_matches, object_matches
from hoopgate.policy.operations import BY_NAME, Object, Operation
from hoopgate.policy.sql.names import in_catalogue


@frozen
class Case:
    """One object of one operation (None: it has none), with all that a rule may ask of it.

    ``schemas``: where an unqualified name may stand. ``every_label`` are the labels it has in any of them,
    ``sure_labels`` those it has in each.
    """

    operation: Operation
    thing: Object | None
    schemas: tuple[str, ...]
    every_label: frozenset[str]
    sure_labels: frozenset[str]


def case_of(operation: Operation, thing: Object | None, target: Target, search_path: tuple[str, ...]) -> Case:
    if thing is None:
        return Case(operation, None, (), frozenset(), frozenset())
    schemas = (thing.schema,) if thing.schema else search_path
    if not thing.schema and in_catalogue(thing):
        schemas = ("pg_catalog", *search_path)
    found = [_labels(target, thing, (schema,)) for schema in schemas] or [_labels(target, thing, ())]
    return Case(operation, thing, schemas, frozenset().union(*found), frozenset.intersection(*found))


def _labels(target: Target, thing: Object, schemas: tuple[str, ...]) -> frozenset[str]:
    labels = (names for glob, names in target.object_labels.items() if object_matches(glob, thing, schemas, False))
    return frozenset(name for names in labels for name in names)


def who_mismatch(who: Who, identity: Identity, issuers: Mapping[str, str]) -> str:
    """Why ``who`` does not cover the identity, or ``""``. ``issuers`` maps an issuer's URL to its name."""
    names = {identity.issuer, issuers.get(identity.issuer, identity.issuer)}
    if who.issuer and not any(any_matches(who.issuer, name) for name in names):
        return f"the issuer is not {_or(who.issuer)}"
    if who.subject and not any_matches(who.subject, identity.subject):
        return f"the subject is not {_or(who.subject)}"
    if who.groups and not any(any_matches(who.groups, group) for group in identity.groups):
        return f"not in the group {_or(who.groups)}"
    if who.scopes and not any(any_matches(who.scopes, scope) for scope in identity.scopes):
        return f"without the scope {_or(who.scopes)}"
    for claim, globs in who.claims.items():
        if not any(any_matches(globs, value) for value in claim_values(identity.claims, claim)):
            return f"the claim {claim} is not {_or(globs)}"
    if who.delegated is not None and who.delegated != bool(identity.chain):
        return "acts through a delegation" if identity.chain else "acts for nobody else"
    return ""


def claim_values(claims: Mapping[str, Any], name: str) -> list[str]:
    """A claim's values as text: each of an array's, ``true`` and ``false`` as JSON has them. ``a.b`` goes inside."""
    value: Any = claims.get(name)
    if value is None and "." in name:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return [_text(one) for one in values if isinstance(one, str | int | float)]


def _text(value: str | int | float) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def place_mismatch(what: What, target: Target, role: str) -> str:
    """Why the rule does not cover this target and role, or ``""``."""
    if what.target and not any_matches(what.target, target.name):
        return f"the target is not {_or(what.target)}"
    for label, globs in what.labels.items():
        if label not in target.labels or not any_matches(globs, target.labels[label]):
            return f"the target's label {label} is not {_or(globs)}"
    if what.role and not any_matches(what.role, role):
        return f"the role is not {_or(what.role)}"
    return ""


def grant_mismatch(rule: Rule, target: Target, grants: frozenset[str]) -> str:
    if rule.grant and rule.name not in grants and f"target:{target.name}" not in grants:
        return "needs a just-in-time grant"
    return ""


def case_mismatch(rule: Rule, case: Case, risk: int) -> str:
    """Why the rule's what does not cover the case, or ``""``."""
    what, operation = rule.what, case.operation
    if what.effect and operation.effect not in what.effect and operation.name not in what.effect:
        return f"the effect {operation.name} is not {_or(what.effect)}"
    if rule.then != "deny" and operation.name in BY_NAME and operation.name not in what.effect:
        return f"it does not name {operation.name}"
    if what.command and not any_matches((glob.upper() for glob in what.command), operation.command.upper()):
        return f"the command {operation.command} is not {_or(what.command)}"
    if what.bounded is not None and operation.bounded is not what.bounded:
        return "it is not unbounded" if what.bounded is False else "it is not known to be bounded"
    if what.risk_at_least is not None and risk < what.risk_at_least:
        return f"the risk {risk} is below {what.risk_at_least}"
    return _object_mismatch(rule, case)


def _object_mismatch(rule: Rule, case: Case) -> str:
    what, surely = rule.what, rule.then == "allow"
    if case.thing is None:
        harmless = surely and case.operation.effect in ("read", "session")
        anything = not what.object_labels and (not what.object or "*" in what.object or "*.*" in what.object)
        return "" if harmless or anything else "it names no object"
    if what.object and not any(object_matches(glob, case.thing, case.schemas, surely) for glob in what.object):
        return f"{case.thing} is not {_or(what.object)}"
    labels = case.sure_labels if surely else case.every_label
    if what.object_labels and not any(any_matches(what.object_labels, label) for label in labels):
        return f"{case.thing} is not labelled {_or(what.object_labels)}"
    return ""


def unconditional(what: What) -> bool:
    """True if the rule asks nothing of the statement itself: it opens or shuts whole targets."""
    return (
        not (what.effect or what.object or what.object_labels or what.command)
        and what.bounded is None
        and not what.risk_at_least
    )


def issuer_names(config: Config) -> dict[str, str]:
    return {issuer.url: issuer.name for issuer in config.issuers}


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


def lint(config: Config) -> list[ConfigError]:
    """Every rule that can never do what it says, and every example that does not come out (see :mod:`.lint`)."""
    from hoopgate.policy.lint import mistakes  # late: it runs the engine, which is made of this module

    return mistakes(config)
