"""``hoopgate approvals``: see what is held, and decide it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from hoopgate.cli import shown
from hoopgate.cli.client import connect, segment
from hoopgate.cli.problems import EXIT_CODES
from hoopgate.stores.records import STATES

_POLL = 10  # seconds of one long poll: well under the client's own time limit

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
state_option = click.option(
    "--state", type=click.Choice([*STATES, "all"]), default="pending", show_default=True, help="Which ones."
)
limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many.")


@click.group(invoke_without_command=True, epilog=EXIT_CODES)
@click.pass_context
def approvals(context: click.Context) -> None:
    """Held statements: list, look, approve, deny, watch. Without a command: list.

    \b
    hoopgate approvals
    hoopgate approvals show k7m2q9xd4c
    hoopgate approvals approve k7m2q9xd4c --reason "ticket 7, backed up"
    hoopgate approvals deny k7m2q9xd4c --reason "wrong table"
    """
    if context.invoked_subcommand is None:
        context.invoke(listing)


@approvals.command(name="list", epilog=EXIT_CODES)
@state_option
@limit_option
@json_option
def listing(state: str = "pending", limit: int = 100, as_json: bool = False) -> None:
    """List your own requests and those that you may decide, newest first."""
    query: dict[str, str | int] = {"limit": limit, **({} if state == "all" else {"state": state})}
    answer = connect().read("/v1/approvals", query)
    if as_json:
        shown.lines(answer["approvals"])
        return
    if not answer["approvals"]:
        click.echo("Nothing is waiting." if state == "pending" else "There is none.")
        return
    now = time.time()
    shown.table(
        ("ID", "STATE", "WHO", "TARGET", "RISK", "LEFT", "STATEMENT"),
        [_row(each, now) for each in answer["approvals"]],
    )
    if answer["more"]:
        click.echo("There are more: raise --limit.", err=True)


@approvals.command(epilog=EXIT_CODES)
@click.argument("request_id", metavar="ID")
@json_option
def show(request_id: str, as_json: bool) -> None:
    """Show one request whole: exactly what would run, as whom, where, and who must agree."""
    _present(connect().read(f"/v1/approvals/{segment(request_id)}"), as_json)


@approvals.command(epilog=EXIT_CODES)
@click.argument("request_id", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--digest", default="", help="Approve only this digest, of a `show` that you read before.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@json_option
def approve(request_id: str, reason: str, digest: str, yes: bool, as_json: bool) -> None:
    """Approve a held statement, after showing it. The approval is good for exactly what was shown.

    \b
    hoopgate approvals approve k7m2q9xd4c
    hoopgate approvals approve k7m2q9xd4c --digest $(hoopgate approvals show k7m2q9xd4c --json | jq -r .digest)
    """
    client = connect()
    seen = client.read(f"/v1/approvals/{segment(request_id)}")
    if not as_json:
        _present(seen, False)
    if not (yes or as_json or digest) and sys.stdin.isatty():
        click.confirm("Approve exactly this?", abort=True)
    body = {"digest": digest or seen["digest"], "reason": reason}
    _decided(client.write(f"/v1/approvals/{segment(request_id)}/approve", body), as_json)


@approvals.command(epilog=EXIT_CODES)
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, help="Why not; the requester reads it.")
@json_option
def deny(request_id: str, reason: str, as_json: bool) -> None:
    """Deny a held statement. One denial ends the request."""
    _decided(connect().write(f"/v1/approvals/{segment(request_id)}/deny", {"reason": reason}), as_json)


@approvals.command(epilog=EXIT_CODES)
@json_option
@click.option("--once", is_flag=True, help="Stop after the first news.")
def watch(as_json: bool, once: bool) -> None:
    """Print requests that you may see as they come and change, until Ctrl-C."""
    client = connect()
    answer = client.read("/v1/approvals/watch")
    try:
        while True:
            for each in reversed(answer["approvals"]):
                _news(each, as_json)
            if once and answer["approvals"]:
                return
            answer = client.read("/v1/approvals/watch", {"since": answer["sequence"], "seconds": _POLL})
    except KeyboardInterrupt:
        sys.exit(130)


def _news(each: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        shown.lines([each])
    else:
        words = (each["id"], each["state"], shown.cut(shown.who(each)), each["target"], shown.cut(each["statement"]))
        click.echo("  ".join(shown.cut(str(word)) for word in words))
    sys.stdout.flush()


def _row(each: Mapping[str, Any], now: float) -> tuple[str, ...]:
    left = shown.left(each["expires"], now) if each["state"] == "pending" else ""
    return (each["id"], each["state"], shown.who(each), each["target"], str(each["risk"]), left, each["statement"])


def _present(each: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        shown.lines([each])
        return
    transaction = "open: it keeps its locks while this waits" if each["in_transaction"] else ""
    shown.facts(
        (
            ("request", each["id"]),
            ("state", each["state"]),
            ("who", shown.who(each)),
            ("target", f"{each['target']} as {each['role']}"),
            ("search_path", each["search_path"]),
            ("rule", f"{each['rule']}: {each['reason']}"),
            ("risk", f"{each['risk']} ({', '.join(each['risk_reasons'])})"),
            ("transaction", transaction),
            ("locks", ", ".join(each["locks"])),
            ("needs", shown.wanted(each)),
            ("votes", _votes(each)),
            ("asked", shown.moment(each["created"])),
            ("expires", shown.moment(each["expires"])),
            ("ended", shown.moment(each["decided"])),
            ("because", each["end_reason"]),
            ("digest", each["digest"]),
        )
    )
    click.echo("statement")
    shown.block(each["statement"])
    for number, value in enumerate(each["parameters"], 1):
        click.echo(f"parameter ${number}")
        shown.block(value)


def _votes(each: Mapping[str, Any]) -> str:
    words = {True: "approved", False: "denied"}
    return "; ".join(
        f"{words[vote['approve']]} by {vote['by']}" + (f" ({vote['reason']})" if vote["reason"] else "")
        for vote in each["votes"]
    )


def _decided(each: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        shown.lines([each])
    elif each["state"] == "pending":
        click.echo(f"Your vote counts. Still needed: {shown.wanted(each)}.")
    else:
        click.echo(f"{each['id']} is {each['state']}.")
