"""Every check that needs more than one value: duplicates, what must not be missing, references, limits, plugins."""

from __future__ import annotations

from typing import Any

from hoopgate import plugins
from hoopgate.config.draft import Draft, Section
from hoopgate.config.endpoints import check_endpoints
from hoopgate.config.mistakes import meant
from hoopgate.config.model import Limits
from hoopgate.config.policies import check_policies
from hoopgate.config.protocols import check_protocols


def check(draft: Draft) -> None:
    """Complain of whatever is wrong between the tables of ``draft``."""
    check_presence(draft)
    for section in (
        draft.issuer, draft.listener, draft.target, draft.ssh_key, draft.rule, draft.mask, draft.detector, draft.canary,
    ):  # fmt: skip
        check_duplicates(section)
    check_endpoints(draft)
    check_protocols(draft)
    check_policies(draft)
    if draft.limits is not None:
        check_limits(draft, draft.limits)
    check_plugins(draft)


def check_presence(draft: Draft) -> None:
    for key, section, remedy in (
        ("issuer", draft.issuer, "Add [[issuer]]: without one nobody can log in."),
        ("listener", draft.listener, "Add [[listener]]: where clients connect."),
        ("target", draft.target, "Add [[target]]: what clients reach."),
    ):
        if section.complete and not section.items:
            draft.top.at(key).complain("there is none", remedy)


def check_duplicates(section: Section[Any]) -> None:
    lines: dict[str, int] = {}
    for place, item in section.items:
        name = str(getattr(item, "name", ""))
        if name in lines:
            place.at("name").complain(f"the name {name!r} is taken by line {lines[name]}", "Choose another name.")
        lines.setdefault(name, place.line)


def check_limits(draft: Draft, limits: Limits) -> None:
    place = draft.top.at("limits")
    for small, large in (
        ("statement_inline", "statement"),
        ("statement", "message"),
        ("row", "message"),
        ("half_open_per_address", "half_open"),
        ("holds_per_session", "holds_per_identity"),
        ("idle", "session"),
        ("ssh_login", "ssh_device_login"),
    ):
        if place.at(small).written and getattr(limits, small) > getattr(limits, large):
            place.at(small).complain(f"is more than limits.{large}", f"Lower it, or raise limits.{large}.")


def check_plugins(draft: Draft) -> None:
    """Names alone; whether a plugin loads is found at the start."""
    if draft.guards is not None:
        known = plugins.names("hoopgate.guards")
        at = draft.top.at("guards")
        for index, name in enumerate(draft.guards.enabled):
            if name not in known:
                at.at("enabled", index).complain(f"no guard {name!r} is installed", meant(name, known))
            if name in draft.guards.enabled[:index]:
                at.at("enabled", index).complain(f"{name!r} is listed twice", "Remove one.")
        for name in draft.guards.options:
            if name not in draft.guards.enabled:
                at.at("options", name).complain("this guard is not enabled", f'Add "{name}" to guards.enabled.')
    for key, part in (("recorder", draft.recorder), ("store", draft.store)):
        known = plugins.names(f"hoopgate.{key}s")
        if part is not None and part.kind not in known:
            draft.top.at(key, "kind").complain(f"no {key} {part.kind[:63]!r} is installed", meant(part.kind, known))
