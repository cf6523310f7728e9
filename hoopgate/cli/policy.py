"""``hoopgate policy``: what a statement does, and what the rules say of it, without sending it anywhere."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from twisted.internet.task import Clock

from hoopgate.config.load import ConfigErrors, load
from hoopgate.config.model import Config, Limits, Target
from hoopgate.errors import LimitError
from hoopgate.interfaces import Identity
from hoopgate.policy.engine import Engine, Subject
from hoopgate.policy.explain import Explanation, Trial, explain
from hoopgate.policy.operations import Operation
from hoopgate.policy.shell.effects import LoginShell
from hoopgate.policy.shell.effects import operations as commands
from hoopgate.policy.sql.effects import operations, unparsable
from hoopgate.policy.sql.parser import Parser, Unparsable, parse

DEFAULT = "/etc/hoopgate/hoopgate.toml"
ANSWERS = {"allow": "allowed", "deny": "denied", "hold": "held until approved"}


@click.group()
def policy() -> None:
    """Ask what the rules say of a statement."""


@policy.command("explain")
@click.argument("statement")
@click.option("--as", "subject", required=True, metavar="SUBJECT", help="Whose statement it is (the token's `sub`).")
@click.option("--issuer", default="", help="The issuer's name or URL; left out: the only one, or the first.")
@click.option("--group", "groups", multiple=True, help="A group of theirs; may be given again.")
@click.option("--scope", "scopes", multiple=True, help="A scope of theirs; may be given again.")
@click.option("--claim", "claims", multiple=True, metavar="KEY=VALUE", help="A claim of theirs; may be given again.")
@click.option("--through", "chain", multiple=True, metavar="ISSUER|SUBJECT", help="An actor of the delegation chain.")
@click.option("--grant", "grants", multiple=True, help="A just-in-time grant: a rule's name, or target:NAME.")
@click.option("--target", "target_name", required=True, help="The target's name.")
@click.option("--role", default="", help="The role on it; left out: its first.")
@click.option("--search-path", default="public", show_default=True, help="Schemas of names without one, by comma.")
@click.option("--at", "hour", type=click.IntRange(0, 23), default=None, help="The hour of day (UTC); left out: now.")
@click.option("--first-time", is_flag=True, help="As if this statement's shape had not been seen before.")
@click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    envvar="HOOPGATE_CONFIG",
    help="The configuration file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def explain_command(
    statement: str,
    subject: str,
    issuer: str,
    groups: tuple[str, ...],
    scopes: tuple[str, ...],
    claims: tuple[str, ...],
    chain: tuple[str, ...],
    grants: tuple[str, ...],
    target_name: str,
    role: str,
    search_path: str,
    hour: int | None,
    first_time: bool,
    path: Path,
    as_json: bool,
) -> None:
    """Say which rule decides on STATEMENT, and why each rule before it does not.

    Exit status: 0 allowed, 1 denied, 3 held until approved, 2 where the question itself is wrong.

    \b
    hoopgate policy explain --as scout --group agents --target shop --role app_rw "DELETE FROM orders"
    hoopgate policy explain --as ann --group developers --target web "cd /srv/app && git pull"
    """
    config = _config(path)
    target = _target(config, target_name)
    who = Identity(
        issuer=_issuer(config, issuer),
        subject=subject,
        groups=frozenset(groups),
        scopes=frozenset(scopes),
        claims=_claims(claims),
        chain=chain,
    )
    schemas = tuple(part.strip() for part in search_path.split(",") if part.strip())
    asked = Subject(who, target, _role(target, role), frozenset(grants), first_time, schemas)
    engine = Engine(config, Parser(None, Limits()), _clock(hour))
    try:
        told = explain(engine, asked, statement)
    except LimitError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(told.as_json(), indent=2) if as_json else _text(told))
    sys.exit({"allow": 0, "deny": 1, "hold": 3}[told.decision.then])


@policy.command("effects")
@click.argument("statement")
@click.option(
    "--protocol",
    type=click.Choice(["postgresql", "ssh"]),
    default="postgresql",
    show_default=True,
    help="What STATEMENT is: SQL, or a command line for the target's shell.",
)
@click.option(
    "--shell",
    type=click.Choice(["posix", "bash", "other"]),
    default="posix",
    show_default=True,
    help="With ssh: the target's login shell, as `target.shell`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of text.")
def effects_command(statement: str, protocol: str, shell: LoginShell, as_json: bool) -> None:
    """List the operations of STATEMENT, as the rules see them. Needs no configuration.

    \b
    hoopgate policy effects "DELETE FROM orders"
    hoopgate policy effects --protocol ssh "cd /srv/app && git pull && make"
    """
    found = commands(statement, shell) if protocol == "ssh" else _of_sql(statement)
    if as_json:
        click.echo(json.dumps([_plain(operation) for operation in found], indent=2))
        return
    for operation in found:
        click.echo(_operation(operation))


def _of_sql(statement: str) -> tuple[Operation, ...]:
    try:
        return operations(parse(statement))
    except Unparsable as error:
        return (unparsable(error.reason),)


def _plain(operation: Operation) -> dict[str, Any]:
    return {
        "effect": operation.name,
        "command": operation.command,
        "objects": [{"schema": thing.schema, "name": thing.name, "kind": thing.kind} for thing in operation.objects],
        "bounded": operation.bounded,
        "why": operation.why,
    }


def _operation(operation: Operation) -> str:
    objects = ", ".join(map(str, operation.objects))
    bounds = {False: "  unbounded", True: "", None: ""}[operation.bounded]
    why = f"  ({operation.why})" if operation.why else ""
    return f"{operation.name:<17} {operation.command}{' ' + objects if objects else ''}{bounds}{why}"


def _config(path: Path) -> Config:
    try:
        return load(path)
    except ConfigErrors as error:
        raise click.UsageError(f"the configuration has mistakes:\n{error}") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _target(config: Config, name: str) -> Target:
    target = config.target(name)
    if target is None:
        known = ", ".join(one.name for one in config.targets) or "none"
        raise click.UsageError(f"no target is named {name!r}; there are: {known}")
    return target


def _role(target: Target, role: str) -> str:
    known = [one.name for one in target.roles]
    if role and role not in known:
        raise click.UsageError(f"{target.name} has no role {role!r}; there are: {', '.join(known) or 'none'}")
    return role or next(iter(known), "")


def _issuer(config: Config, name: str) -> str:
    """An issuer's URL by its name; an unknown one is taken as it is."""
    for issuer in config.issuers:
        if name in ("", issuer.name, issuer.url):
            return issuer.url
    return name


def _claims(given: tuple[str, ...]) -> dict[str, Any]:
    """``key=value``; a key given twice becomes an array. true, false and numbers compare as their text."""
    claims: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--claim {one!r} is not KEY=VALUE")
        claims.setdefault(key, []).append(value)
    return claims


def _clock(hour: int | None) -> Clock:
    """A clock that stands: at ``hour`` of a day, or now."""
    clock = Clock()
    clock.advance(time.time() if hour is None else hour * 3600)
    return clock


def _text(told: Explanation) -> str:
    decision = told.decision
    lines = [f"{ANSWERS[decision.then]} by {decision.rule}" + (f": {decision.reason}" if decision.reason else "")]
    if decision.hint:
        lines.append(f"  hint: {decision.hint}")
    if decision.then == "hold":
        approvers = decision.approvers
        lines.append(f"  approvers: {approvers.count} of {', '.join(approvers.groups)}, within {decision.timeout:g} s")
    lines.append(f"  risk: {decision.risk}" + (f" ({', '.join(decision.risk_reasons)})" if decision.risk else ""))
    if told.masks:
        lines.append(f"  masks in force: {', '.join(told.masks)}")
    for trial in told.trials:
        lines += _trial(trial)
    return "\n".join(lines)


def _trial(trial: Trial) -> list[str]:
    bounds = ", unbounded" if trial.operation.bounded is False else ""
    why = f" ({trial.operation.why})" if trial.operation.why else ""
    on = f" on {trial.object}" if trial.object else ""
    lines = ["", f"{trial.operation.name}{bounds}: {trial.operation.command}{on}{why}"]
    for step in trial.steps:
        where = f" (line {step.line})" if step.line else ""
        lines.append(f"  {step.rule}{where}: {step.mismatch or step.then}")
    if not trial.steps or trial.steps[-1].mismatch:
        lines.append(f"  {trial.rule}: {trial.then}")
    return lines
