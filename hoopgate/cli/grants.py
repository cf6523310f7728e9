"""``hoopgate grants``: ask for access for a while, decide what others ask for, take it back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from hoopgate.cli import shown
from hoopgate.cli.approvals import json_option, limit_option
from hoopgate.cli.client import connect, segment
from hoopgate.cli.problems import EXIT_CODES
from hoopgate.stores.records import STATES


@click.group(invoke_without_command=True, epilog=EXIT_CODES)
@click.pass_context
def grants(context: click.Context) -> None:
    """Just-in-time grants: list, request, approve, deny, revoke. Without a command: list.

    \b
    hoopgate grants request target:shop --for 1h --reason "ticket 7"
    hoopgate grants request fix-data --for 15m --reason "ticket 8"
    hoopgate grants approve k7m2q9xd4c
    hoopgate grants revoke k7m2q9xd4c --reason "done"
    """
    if context.invoked_subcommand is None:
        context.invoke(listing)


@grants.command(name="list", epilog=EXIT_CODES)
@click.option("--state", type=click.Choice([*STATES, "all"]), default="all", show_default=True, help="Which ones.")
@limit_option
@json_option
def listing(state: str = "all", limit: int = 100, as_json: bool = False) -> None:
    """List your own grants and those that you may decide, newest first."""
    query: dict[str, str | int] = {"limit": limit, **({} if state == "all" else {"state": state})}
    answer = connect().read("/v1/grants", query)
    if as_json:
        shown.lines(answer["grants"])
        return
    if not answer["grants"]:
        click.echo("There is none.")
        return
    now = time.time()
    shown.table(
        ("ID", "STATE", "WHO", "SCOPE", "FOR", "LEFT", "REASON"), [_row(each, now) for each in answer["grants"]]
    )
    if answer["more"]:
        click.echo("There are more: raise --limit.", err=True)


@grants.command(epilog=EXIT_CODES)
@click.argument("scope")
@click.option("--for", "seconds", callback=shown.span, required=True, metavar="TIME", help="How long: 15m, 1h.")
@click.option("--reason", required=True, help="Why; the approvers read it.")
@json_option
def request(scope: str, seconds: float, reason: str, as_json: bool) -> None:
    """Ask for a grant of SCOPE: target:NAME, or the name of a rule with grant = true."""
    asked = connect().write("/v1/grants", {"scope": scope, "seconds": seconds, "reason": reason})
    if as_json:
        shown.lines([asked])
        return
    click.echo(f"Asked for as {asked['id']}. Needs {shown.wanted(asked)}: hoopgate grants approve {asked['id']}")


@grants.command(epilog=EXIT_CODES)
@click.argument("grant_id", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@json_option
def approve(grant_id: str, reason: str, as_json: bool) -> None:
    """Approve a grant that somebody else asked for."""
    _decided(connect().write(f"/v1/grants/{segment(grant_id)}/approve", {"reason": reason}), as_json)


@grants.command(epilog=EXIT_CODES)
@click.argument("grant_id", metavar="ID")
@click.option("--reason", required=True, help="Why not; the requester reads it.")
@json_option
def deny(grant_id: str, reason: str, as_json: bool) -> None:
    """Deny a grant that somebody else asked for."""
    _decided(connect().write(f"/v1/grants/{segment(grant_id)}/deny", {"reason": reason}), as_json)


@grants.command(epilog=EXIT_CODES)
@click.argument("grant_id", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@json_option
def revoke(grant_id: str, reason: str, as_json: bool) -> None:
    """End a grant, or withdraw a request for one; live sessions lose it within two seconds."""
    _decided(connect().write(f"/v1/grants/{segment(grant_id)}/revoke", {"reason": reason}), as_json)


def _row(each: Mapping[str, Any], now: float) -> tuple[str, ...]:
    until = {"pending": each["expires"], "approved": each["ends"]}.get(each["state"])
    lasts = shown.left(each["seconds"], 0.0)
    return (each["id"], each["state"], shown.who(each), each["scope"], lasts, shown.left(until, now), each["reason"])


def _decided(each: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        shown.lines([each])
    elif each["state"] == "pending":
        click.echo(f"Your vote counts. Still needed: {shown.wanted(each)}.")
    else:
        until = f" until {shown.moment(each['ends'])}" if each["state"] == "approved" else ""
        click.echo(f"{each['id']} is {each['state']}{until}.")
