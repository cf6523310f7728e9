"""``hoopgate login``: the device flow, and a cache that only its owner can read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from hoopgate.cli.claims import unverified_claims
from hoopgate.cli.credentials import Credentials, CredentialsFile
from hoopgate.cli.problems import EXIT_CODES, RefusedError, UnreachableError, printable
from hoopgate.cli.provider import credentials_of, discover
from hoopgate.cli.settings import Settings, SettingsError, check_url, config_directory, settings
from hoopgate.cli.web import Web
from hoopgate.identity.device import DeviceCode, DeviceFlow, DeviceFlowError


@click.command(epilog=EXIT_CODES)
@click.option("--issuer", metavar="URL", help="The identity provider, exactly as it calls itself.")
@click.option("--client-id", metavar="ID", help="As which client to log in; it needs no secret.")
@click.option("--scopes", metavar="LIST", help="What to ask for, separated by spaces.")
@click.option("--ssh", is_flag=True, help="Get a certificate for SSH too, as hoopgate ssh certificate does.")
def login(issuer: str | None, client_id: str | None, scopes: str | None, ssh: bool) -> None:
    """Log in through a browser, here or on another machine, and keep the token for later commands."""
    known = settings()
    wanted = known._replace(
        issuer=issuer or known.issuer, client_id=client_id or known.client_id, scopes=scopes or known.scopes
    )
    if not wanted.issuer or not wanted.client_id:
        raise SettingsError(
            "which identity provider? Give --issuer and --client-id, set HOOPGATE_ISSUER and HOOPGATE_CLIENT_ID, "
            f"or write issuer and client_id into {config_directory() / 'cli.toml'}"
        )
    check_url(wanted.issuer, "issuer")
    credentials = log_in_and_keep(wanted, Console(stderr=True))
    if ssh:
        from hoopgate.cli.ssh import certify  # only now: it brings cryptography

        certify(wanted, credentials.token)


def log_in_and_keep(wanted: Settings, console: Console) -> Credentials:
    """Log in, and keep the login for later commands."""
    file = CredentialsFile(config_directory())
    with file.locked():  # what cannot be kept safely is not asked for
        file.find()
    credentials = log_in(wanted, console)
    with file.locked():
        file.save(credentials)
    _greet(credentials, console)
    return credentials


def _post_of(web: Web) -> Any:
    def post(url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        try:
            return web.post(url, form)
        except UnreachableError as error:
            raise ConnectionError(error.message) from error

    return post


def log_in(wanted: Settings, console: Console) -> Credentials:
    """One device flow, from discovery to tokens."""
    web = Web(wanted.ca)
    endpoints = discover(web, wanted.issuer)
    if not endpoints.device:
        raise RefusedError(f"{wanted.issuer} has no device flow. Ask its operator to allow it for {wanted.client_id}.")
    flow = DeviceFlow(wanted.client_id, _post_of(web), time.sleep, time.monotonic)
    try:
        code = flow.start(endpoints.device, wanted.scopes)
        _show(code, console)
        with console.status("Waiting for you in the browser (Ctrl-C gives up)"):
            answer = flow.wait(endpoints.token, code)
    except DeviceFlowError as error:
        raise RefusedError(f"{error}. Run hoopgate login again if that was not meant.", error.code) from error
    except ConnectionError as error:
        raise UnreachableError(str(error)) from error
    return credentials_of(answer, wanted.issuer, wanted.client_id, wanted.token)


def _show(code: DeviceCode, console: Console) -> None:
    text = Text()
    text.append("Open   ")
    text.append(code.whole_uri or code.uri, style=f"bold link {code.whole_uri or code.uri}")
    text.append("\nCheck the code " if code.whole_uri else "\nEnter the code ")
    text.append(code.user_code, style="bold reverse")
    if console.is_terminal:
        console.print(Panel(text, title="hoopgate login", expand=False))
    else:  # one line each, unwrapped: something reads this
        click.echo(text.plain, err=True)


def _greet(credentials: Credentials, console: Console) -> None:
    claims = unverified_claims(credentials.token)
    name = printable(str(claims.get("email") or claims.get("sub") or "?")[:200])
    if claims.get("development") is True:
        console.print("DEVELOPMENT identity provider: this login proves nothing", style="bold white on red")
    until = ""
    if credentials.expires:
        until = f", until {time.strftime('%Y-%m-%d %H:%M', time.localtime(credentials.expires))}"
        until += " and renewed by itself" if credentials.refresh_token else ""
    click.echo(f"Logged in as {name} at {credentials.issuer}{until}", err=True)
