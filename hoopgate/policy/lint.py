"""Static checks of rules and masks, and their examples run: what ``hoopgate check`` tells beyond types and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock

from hoopgate.config.mistakes import Mistake
from hoopgate.config.model import Config, Example, Limits, Mask, Risk, Rule, Target, What, Who
from hoopgate.errors import ConfigError, LimitError
from hoopgate.interfaces import Identity
from hoopgate.policy.engine import Engine, Subject
from hoopgate.policy.globs import any_matches, covers
from hoopgate.policy.operations import BY_NAME, EFFECTS, PARTS, whole
from hoopgate.policy.risk import CEILING
from hoopgate.policy.rules import place_mismatch
from hoopgate.policy.sql.parser import Parser
from hoopgate.policy.verdict import DEFAULT_DENY

# effects whose operations ever say bounded = false
_UNBOUNDED = frozenset({"write", "delete", "schema", "admin"})
_BOUNDED = frozenset({"write", "delete", "admin"})


def mistakes(config: Config) -> list[ConfigError]:
    """All mistakes, in the file's order of rules."""
    found: list[ConfigError] = []
    engine = Engine(config, Parser(None, Limits()), _working_hours(config.risk))
    for index, rule in enumerate(config.rules):
        faults = [*_impossible(rule, config), *_shadowed(rule, config.rules[:index])]
        if not faults:
            faults = list(_examples(rule, config, engine))
        found += [_mistake(config.path, rule.line, f"rule {rule.name!r}", *fault) for fault in faults]
    for mask in config.masks:
        found += [_mistake(config.path, 0, f"mask {mask.name!r}", *fault) for fault in _mask(mask, config)]
    for kind, names in (("rule", config.rules), ("mask", config.masks)):
        counts = Counter(one.name for one in names)
        for name in (name for name, count in counts.items() if count > 1):
            found.append(_mistake(config.path, 0, f"{kind} {name!r}", "is defined twice", "Choose another name."))
    return found


Fault = tuple[str, str]  # message and remedy


def _mistake(path: Path, line: int, key: str, message: str, remedy: str) -> ConfigError:
    return Mistake(message, file=path, line=line, key=key, remedy=remedy)


def _working_hours(risk: Risk) -> Clock:
    """Examples are judged at the first working hour of a day."""
    clock = Clock()
    clock.advance(risk.hours[0] * 3600)
    return clock


# -- rules that can never match


def _impossible(rule: Rule, config: Config) -> Iterator[Fault]:
    what = rule.what
    if rule.name == DEFAULT_DENY:
        yield f"takes the gateway's own name {DEFAULT_DENY!r}", "Choose another name."
    for effect in what.effect:
        if effect not in EFFECTS and effect not in PARTS:
            yield f"can never match: there is no effect {effect!r}", f"Write one of {', '.join(EFFECTS)}."
    yield from _impossible_place(what, config.targets)
    yield from _impossible_who(rule.who, config)
    if what.risk_at_least is not None and what.risk_at_least > CEILING:
        yield f"can never match: no risk is above {CEILING}", f"Write at most {CEILING}."
    possible = _UNBOUNDED if what.bounded is False else _BOUNDED
    if what.bounded is not None and what.effect and not possible & set(map(whole, what.effect)):
        word = str(what.bounded).lower()
        yield f"can never match: bounded = {word} never goes with {_list(what.effect)}", "Remove one of the two."
    if rule.then == "hold" and not rule.approvers.groups:
        yield "holds what nobody may release", 'Add approvers = {groups = ["dba"], count = 1}.'
    if rule.then == "mask":
        yield from _mask_rule(rule, config)


def _impossible_place(what: What, targets: tuple[Target, ...]) -> Iterator[Fault]:
    """Each condition on the place by itself, then all of them on one target."""
    named = [target for target in targets if not what.target or any_matches(what.target, target.name)]
    if what.target and not named:
        yield f"can never match: no target is named {_list(what.target)}", f"Targets: {_names(targets)}."
        return
    labelled = [target for target in named if not place_mismatch(What(labels=what.labels), target, "")]
    if what.labels and not labelled:
        wanted = ", ".join(f"{key} = {_list(globs)}" for key, globs in what.labels.items())
        yield f"can never match: no such target has the labels {wanted}", "Give a target those labels, or change them."
        return
    roles = {role.name for target in labelled for role in target.roles}
    if what.role and not any(any_matches(what.role, role) for role in roles):
        yield f"can never match: no such target has a role {_list(what.role)}", f"Roles: {', '.join(sorted(roles))}."
    labels = {label for target in labelled for given in target.object_labels.values() for label in given}
    if what.object_labels and not any(any_matches(what.object_labels, label) for label in labels):
        remedy = f"Labels: {', '.join(sorted(labels)) or 'none'}."
        yield f"can never match: no such target labels objects {_list(what.object_labels)}", remedy


def _impossible_who(who: Who, config: Config) -> Iterator[Fault]:
    issuers = {name for issuer in config.issuers for name in (issuer.name, issuer.url)}
    if who.issuer and not any(any_matches(who.issuer, name) for name in issuers):
        names = ", ".join(issuer.name for issuer in config.issuers) or "none"
        yield f"can never match: no issuer is {_list(who.issuer)}", f"Issuers: {names}."


def _mask_rule(rule: Rule, config: Config) -> Iterator[Fault]:
    known = {mask.name for mask in config.masks}
    if not rule.masks:
        yield "names no mask", 'Add masks = ["NAME"].'
    for name in rule.masks:
        if name not in known:
            yield f"names a mask {name!r} that is not defined", f"Masks: {', '.join(sorted(known)) or 'none'}."
    what = rule.what
    if evolve(what, target=(), labels={}) != What():
        message = "asks of the statement or the role, but a mask is in force for whole targets"
        yield message, 'Keep only "target" and "labels" in its what.'


# -- rules that an earlier one always forestalls


def _shadowed(rule: Rule, earlier: Iterable[Rule]) -> Iterator[Fault]:
    if rule.then == "mask":
        return
    for other in earlier:
        if other.then != "mask" and not other.grant and _who_covers(other.who, rule.who) and _covers(other, rule):
            where = f" (line {other.line})" if other.line else ""
            message = f"can never match: rule {other.name!r}{where} before it matches all that it would"
            yield message, f"Move it above {other.name!r}, narrow that one, or remove this one."
            return


def _who_covers(wide: Who, narrow: Who) -> bool:
    return (
        all(
            _globs_cover(getattr(wide, name), getattr(narrow, name))
            for name in ("issuer", "subject", "groups", "scopes")
        )
        and _tables_cover(wide.claims, narrow.claims)
        and wide.delegated in (None, narrow.delegated)
    )


def _covers(wider: Rule, narrower: Rule) -> bool:
    wide, narrow = wider.what, narrower.what
    if wider.then == "allow" and narrower.then != "allow" and (wide.object or wide.object_labels):
        return False  # an allow has to match in every schema, so it takes less than the same words elsewhere
    return (
        all(
            _globs_cover(getattr(wide, name), getattr(narrow, name))
            for name in ("target", "role", "object", "object_labels", "command")
        )
        and _effects_cover(wide.effect, narrow.effect)
        and (wider.then == "deny" or BY_NAME.intersection(narrow.effect).issubset(wide.effect))
        and _tables_cover(wide.labels, narrow.labels)
        and wide.bounded in (None, narrow.bounded)
        and (wide.risk_at_least or 0) <= (narrow.risk_at_least or 0)
    )


def _globs_cover(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(covers(one, glob) for one in wide) for glob in narrow)


def _effects_cover(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(name in wide or whole(name) in wide for name in narrow)


def _tables_cover(wide: dict[str, tuple[str, ...]], narrow: dict[str, tuple[str, ...]]) -> bool:
    return all(key in narrow and _globs_cover(globs, narrow[key]) for key, globs in wide.items())


# -- examples


def _examples(rule: Rule, config: Config, engine: Engine) -> Iterator[Fault]:
    for number, example in enumerate(rule.examples, 1):
        target, role = _place(rule, example, config)
        if target is None:
            yield f"example {number} has no target", "Add target = NAME."
            continue
        identity = _person(rule, example)
        grants = frozenset({rule.name}) if rule.grant else frozenset()
        try:
            decision = engine.decide_now(Subject(identity, target, role, grants, first_seen=False), example.statement)
        except LimitError as error:
            yield f"example {number} cannot be run: {error}", "Shorten it."
            continue
        outcome = decision.then
        if example.expect == "mask":
            masked = {mask.name for mask in engine.masks(identity, target)} & set(rule.masks)
            fine = outcome == "allow" and bool(masked)
        else:
            fine = outcome == example.expect
        if not fine:
            said = f"{outcome} by {decision.rule!r}"
            why = f": {decision.reason}" if decision.reason else ""
            message = f"example {number} ({example.statement[:60]!r}) expects {example.expect} and gets {said}{why}"
            yield message, "Correct the example, or the rules above it; `hoopgate policy explain` shows each step."


def _place(rule: Rule, example: Example, config: Config) -> tuple[Target | None, str]:
    """The example's target and role; what it leaves out is the first that the rule covers."""
    for target in config.targets:
        if example.target:
            fits = target.name == example.target
        else:
            fits = not place_mismatch(evolve(rule.what, role=()), target, "")
        if fits:
            named = [role.name for role in target.roles]
            covered = [name for name in named if not rule.what.role or any_matches(rule.what.role, name)]
            return target, example.role or next(iter(covered or named), "")
    return None, ""


def _person(rule: Rule, example: Example) -> Identity:
    """The example's person; what it leaves out is made so that the rule covers it."""
    given: dict[str, Any] = example.who
    who = rule.who
    claims = {name: _sample(globs) for name, globs in who.claims.items()} if "claims" not in given else given["claims"]
    delegated = given.get("delegated", bool(who.delegated))
    return Identity(
        issuer=str(given.get("issuer", _sample(who.issuer) or "https://example.com")),
        subject=str(given.get("subject", _sample(who.subject) or "example")),
        groups=frozenset(given.get("groups", [_sample(who.groups)] if who.groups else [])),
        scopes=frozenset(given.get("scopes", [_sample(who.scopes)] if who.scopes else [])),
        claims=dict(claims),
        chain=("https://example.com|actor",) if delegated else (),
    )


def _sample(globs: tuple[str, ...]) -> str:
    """Some text that the first glob matches, where it has no set of characters."""
    return globs[0].replace("*", "").replace("?", "x") if globs else ""


# -- masks


def _mask(mask: Mask, config: Config) -> Iterator[Fault]:
    for glob in mask.columns:
        parts = glob.split(".")
        if len(parts) != 3 or not all(parts):
            yield f"the glob {glob!r} is not schema.table.column", 'Write three parts, such as "*.*.password".'
    if config.targets and not any(any_matches(mask.target, target.name) for target in config.targets):
        yield f"can never apply: no target is named {_list(mask.target)}", f"Targets: {_names(config.targets)}."
    if mask.unless is not None:
        yield from _impossible_who(mask.unless, config)
        if mask.unless == Who():
            yield "is in force for nobody: its unless covers everyone", "Name somebody in unless, or remove the mask."


def _list(globs: Iterable[str]) -> str:
    return " or ".join(repr(glob) for glob in globs)


def _names(targets: Iterable[Target]) -> str:
    return ", ".join(target.name for target in targets) or "none"
