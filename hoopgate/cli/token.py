"""``hoopgate token``: print one token, to be used as a password or a bearer."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from hoopgate.cli.bearer import Bearer, bearer
from hoopgate.cli.problems import EXIT_CODES, RefusedError, UnreachableError, printable
from hoopgate.cli.settings import Settings, settings
from hoopgate.cli.web import Web
from hoopgate.identity.exchange import ACCESS_TOKEN, GRANT_TYPE, JWT


@click.command(epilog=EXIT_CODES)
@click.option("--json", "as_json", is_flag=True, help="Print token, expires (epoch seconds) and source as JSON.")
@click.option("--gateway", is_flag=True, help="Exchange it at the gateway for a short, opaque, revocable one.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="With --gateway: good for this target only.")
@click.option("--lifetime", type=click.IntRange(1), metavar="SECONDS", help="With --gateway: at most so long.")
def token(as_json: bool, gateway: bool, targets: tuple[str, ...], lifetime: int | None) -> None:
    """Print a token: the environment's, your login's (renewed if need be), or this workload's.

    PGPASSWORD=$(hoopgate token --gateway) psql ...
    """
    if (targets or lifetime) and not gateway:
        raise click.UsageError("--target and --lifetime bind a gateway token: add --gateway")
    known = settings()
    found = bearer(known, os.environ)
    answer: dict[str, Any] = {"token": found.token, "expires": found.expires or None, "source": found.source}
    if gateway:
        answer = exchanged(known, found, targets, lifetime)
    click.echo(json.dumps(answer) if as_json else answer["token"])


def exchanged(known: Settings, found: Bearer, targets: tuple[str, ...], lifetime: int | None) -> dict[str, Any]:
    """A gateway token for ``found``, from the gateway's API (RFC 8693). Raises RefusedError or UnreachableError."""
    form = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", found.token),
        ("subject_token_type", JWT),
        ("requested_token_type", ACCESS_TOKEN),
        *(("audience", target) for target in targets),
        *([("lifetime", str(lifetime))] if lifetime else []),
    ]
    status, answer = Web(known.ca).post(known.api.rstrip("/") + "/v1/token", form)
    if status != 200:
        error = printable(str(answer.get("error_description") or answer.get("error") or status)[:300])
        if status >= 500:
            raise UnreachableError(f"the gateway cannot serve: {error}. Try again.")
        raise RefusedError(f"the gateway refuses: {error}. Run hoopgate login, or look at your options.")
    value, lasts = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value.isprintable() or not isinstance(lasts, int):
        raise UnreachableError(f"{known.api} gives no token in its answer. Check the api setting.")
    return {
        "token": value,
        "expires_in": lasts,
        "token_id": answer.get("token_id"),
        "source": f"{known.api}, {found.source}",
    }
