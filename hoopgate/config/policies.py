"""Checks between tables: rules, masks, risk, and what they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hoopgate import plugins
from hoopgate.config.draft import Draft
from hoopgate.config.mistakes import Place, meant
from hoopgate.config.model import Detector, Example, Mask, Rule, What, Who
from hoopgate.detectors.finder import own_kind
from hoopgate.detectors.kinds import FAMILIES, KINDS
from hoopgate.policy.globs import matches

RESERVED_RULES = frozenset(("default-deny",))  # the engine's own name for what no rule allows


def check_policies(draft: Draft) -> None:
    for place, rule in draft.rule.items:
        check_rule(place, rule, draft)
    for place, mask in draft.mask.items:
        check_mask(place, mask, draft)
    for place, detector in draft.detector.items:
        check_detector(place, detector, draft)
    for place, canary in draft.canary.items:
        check_targets(place, canary.target, draft)
    if draft.risk is not None:
        check_risk(draft)


def check_rule(place: Place, rule: Rule, draft: Draft) -> None:
    if rule.name in RESERVED_RULES:
        place.at("name").complain(f"{rule.name!r} is the gateway's own", "Choose another name.")
    if rule.then == "hold" or rule.grant:
        check_approvers(place, rule)
    elif rule.approvers.groups:
        remedy = 'Remove it, or write then = "hold" or grant = true.'
        place.at("approvers").complain(f'has no effect with then = "{rule.then}"', remedy)
    if rule.then == "mask" and not rule.masks:
        place.at("masks").complain("names no mask", 'Add masks = ["NAME"].')
    if rule.then != "mask" and rule.masks:
        place.at("masks").complain(f'has no effect with then = "{rule.then}"', 'Remove it, or write then = "mask".')
    if rule.max_size is not None and rule.then not in ("allow", "hold"):
        what = f'has no effect with then = "{rule.then}"'
        place.at("max_size").complain(what, 'Remove it, or write then = "allow" or "hold".')
    if rule.grant and rule.then not in ("allow", "hold"):
        place.at("grant").complain("a grant can only open what is shut", 'Use it with then = "allow" or "hold".')
    for index, name in enumerate(rule.masks):
        refer(place.at("masks", index), name, draft.mask.names, "[[mask]]")
    check_who(place.at("who"), rule.who, draft)
    check_what(place.at("what"), rule.what, draft)
    for index, example in enumerate(rule.examples):
        check_example(place.at("examples", index), example, draft)


def check_approvers(place: Place, rule: Rule) -> None:
    at = place.at("approvers")
    if not rule.approvers.groups or "" in rule.approvers.groups:
        what = "a hold that nobody may release" if rule.then == "hold" else "a grant that nobody may give"
        at.complain(what, 'Add approvers = {groups = ["dba"], count = 1}.')
    if not 1 <= rule.approvers.count <= 100:
        at.at("count").complain(f"{rule.approvers.count} is out of range", "Write a whole number from 1 to 100.")


def check_who(place: Place, who: Who, draft: Draft) -> None:
    known = {name for _, issuer in draft.issuer.items for name in (issuer.name, issuer.url)} | draft.issuer.names
    match_any(place.at("issuer"), who.issuer, known if draft.issuer.complete else None, "[[issuer]]")


def check_what(place: Place, what: What, draft: Draft) -> None:
    targets = draft.target.names if draft.target.complete else None
    match_any(place.at("target"), what.target, targets, "[[target]]")
    match_any(place.at("role"), what.role, roles(draft), "role of a target")
    match_any(place.at("object_labels"), what.object_labels, object_labels(draft), "object_labels of a target")
    for key, globs in what.labels.items():
        match_any(place.at("labels", key), globs, labels(draft, key), f"label {key!r} of a target")


def check_mask(place: Place, mask: Mask, draft: Draft) -> None:
    if not mask.columns:
        place.at("columns").complain("is empty", 'Name some, such as ["*.*.*password*"].')
    if mask.kind == "hash" and mask.key is None:
        place.at("key").complain(
            "a hash needs a key, or short values could be guessed", 'Add key = "file:..." or another.'
        )
    if mask.kind != "hash" and mask.key is not None:
        place.at("key").complain(f'has no effect with kind = "{mask.kind}"', 'Remove it, or write kind = "hash".')
    for key, kind in (("value", "replace"), ("keep", "keep-last")):
        if mask.kind != kind and place.at(key).written:
            place.at(key).complain(f'has no effect with kind = "{mask.kind}"', f'Remove it, or write kind = "{kind}".')
    if mask.reading == "source":
        check_source_mask(place, mask)
    check_targets(place, mask.target, draft)
    if mask.unless is not None:
        check_who(place.at("unless"), mask.unless, draft)


def check_source_mask(place: Place, mask: Mask) -> None:
    """Of a mask that statements compute with."""
    if mask.kind == "hash":
        what = 'cannot be "source" with kind = "hash": the target would have to be told the key'
        place.at("reading").complain(what, 'Use another kind, or reading = "output".')
    for key in ("aggregates", "inference"):
        if place.at(key).written:
            place.at(key).complain('has no effect with reading = "source"', 'Remove it, or write reading = "output".')


def check_detector(place: Place, detector: Detector, draft: Draft) -> None:
    if detector.plugin:
        installed = plugins.names("hoopgate.detectors")
        if detector.plugin not in installed:
            what = f"no detector {detector.plugin!r} is installed"
            place.at("plugin").complain(what, meant(detector.plugin, installed))
    elif detector.options:
        place.at("options").complain("has no effect without a plugin", "Remove it, or name the plugin.")
    if not detector.find and not detector.patterns and not detector.plugin:
        place.at("find").complain("finds nothing", 'Name kinds, such as ["card", "secrets"], or write patterns.')
    known = {**KINDS, **FAMILIES}
    for index, name in enumerate(detector.find):
        if name not in known:
            place.at("find", index).complain(f"no kind has the name {name[:63]!r}", meant(name, known))
    for index, pattern in enumerate(detector.patterns):
        try:
            own_kind(detector.name, pattern)
        except ValueError as error:
            place.at("patterns", index).complain(f"is no pattern: {error}", "Write a regular expression of RE2.")
    check_targets(place, detector.target, draft)
    if detector.unless is not None:
        check_who(place.at("unless"), detector.unless, draft)


def check_targets(place: Place, globs: tuple[str, ...], draft: Draft) -> None:
    if not globs:
        place.at("target").complain("is empty", 'Leave the key out for every target, or write ["*"].')
    targets = draft.target.names if draft.target.complete else None
    match_any(place.at("target"), tuple(glob for glob in globs if glob != "*"), targets, "[[target]]")


def check_risk(draft: Draft) -> None:
    risk, place = draft.risk, draft.top.at("risk")
    assert risk is not None
    start, end = risk.hours
    if not 0 <= start < end <= 24:
        place.at("hours").complain("is no span of hours", "Write two hours of a day, such as [8, 18].")
    for label in risk.object_labels:
        match_any(place.at("object_labels", label), (label,), object_labels(draft), "object_labels of a target")
    for label in risk.target_labels:
        key, equals, value = label.partition("=")
        at = place.at("target_labels", label)
        if not equals:
            at.complain("is not a label with its value", 'Write "env=prod" = 20.')
        else:
            match_any(at, (value,), labels(draft, key), f"label {key!r} of a target")


def check_example(place: Place, example: Example, draft: Draft) -> None:
    if example.target:
        refer(place.at("target"), example.target, draft.target.names, "[[target]]")
    if example.role and draft.target.complete:
        held = [target for target in draft.target.values if example.target in ("", target.name)]
        known = {role.name for target in held for role in target.roles}
        if held:
            refer(place.at("role"), example.role, known, "role of the target")
    shapes: dict[str, tuple[Callable[[Any], bool], str]] = {
        "issuer": (_is_text, "text"),
        "subject": (_is_text, "text"),
        "groups": (_is_texts, "an array of text"),
        "scopes": (_is_texts, "an array of text"),
        "claims": (lambda value: isinstance(value, dict), "a table"),
        "delegated": (lambda value: isinstance(value, bool), "true or false"),
    }
    for key, value in example.who.items():
        at = place.at("who", key)
        if key not in shapes:
            at.complain("unknown key", meant(key, shapes))
        elif not shapes[key][0](value):
            at.complain(f"expected {shapes[key][1]}", f"Write {shapes[key][1]}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def refer(place: Place, name: str, known: Iterable[str], what: str) -> None:
    """Complain of a name that nothing has."""
    names = sorted(known)
    if name not in names:
        place.complain(f"no {what} has the name {name[:63]!r}", meant(name, names))


def match_any(place: Place, globs: tuple[str, ...], known: Iterable[str] | None, what: str) -> None:
    """Complain of each glob that matches nothing there is; ``known`` is None where that cannot be told."""
    if known is None:
        return
    names = sorted(known)
    for index, glob in enumerate(globs):
        if not any(matches(glob, name) for name in names):
            place.at(index).complain(f"no {what} matches {glob[:63]!r}", meant(glob, names))


def roles(draft: Draft) -> set[str] | None:
    if not draft.target.complete:
        return None
    return {role.name for target in draft.target.values for role in target.roles}


def labels(draft: Draft, key: str) -> set[str] | None:
    if not draft.target.complete:
        return None
    return {target.labels[key] for target in draft.target.values if key in target.labels}


def object_labels(draft: Draft) -> set[str] | None:
    if not draft.target.complete:
        return None
    found: set[str] = set()
    for target in draft.target.values:
        for given in target.object_labels.values():
            found.update(given)
    return found
