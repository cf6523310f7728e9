"""``hoopgate demo``: the whole gateway on this machine, with a real database and a sample shop in it."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from hoopgate.development.stage import Stage

BASE = Path(".hoopgate")
TRY = (
    ("SELECT full_name, email, card_number FROM customers LIMIT 3;", "masked"),
    ("DROP TABLE carts;", "blocked"),
    ("DELETE FROM carts;", "held until somebody approves (app_rw)"),
)


@click.command()
@click.option("--tour", is_flag=True, help="Play the story with real clients, check each step, and end.")
def demo(tour: bool) -> None:
    """Start PostgreSQL with a sample shop, an SSH server, a development identity provider and the gateway.

    Everything listens on loopback alone and ends with this command (Ctrl-C). What it keeps is under .hoopgate/ in
    the current directory: configuration, tokens, recordings. FOR DEVELOPMENT: its identity provider lets anybody on
    this machine be anybody.
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        # Heavy, and not installed with the gateway itself.
        from hoopgate.development import stage
        from hoopgate.development.accounts import AccountError
        from hoopgate.development.tour import play
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the demo needs {error.name}: pip install 'hoopgate[demo]'") from error
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the first too: a background job ignores it
        signal.signal(number, _leave)
    try:
        running = stage.start(BASE.absolute(), lambda text: console.print(f"[dim]· {escape(text)}[/dim]"))
    except (stage.StartError, AccountError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        if tour:
            sys.exit(0 if play(running, console) else 1)
        show(running, console)
        wait(running)
    except KeyboardInterrupt:
        console.print("\n[dim]· stopping[/dim]")
    finally:
        running.stop()


def _leave(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, in order."""
    raise KeyboardInterrupt


def wait(running: Stage) -> None:
    """Return never; raises ClickException when a part of the demo ended by itself."""
    while True:
        time.sleep(0.5)
        reason = running.failed()
        if reason:
            raise click.ClickException(reason)


def _shown(path: Path) -> str:
    """The path as one would paste it from here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def show(running: Stage, console: Console) -> None:
    """Print lines that are ready to paste into another terminal."""
    hoopgate = _shown(Path(sys.executable).parent / "hoopgate")

    def line(title: str, person: str, *commands: str) -> None:
        console.print(f"\n# {title}", style="bold", markup=False)
        for command in commands:
            text = f"( . {_shown(running.directory / f'as-{person}')}; {command} )"
            console.print(text, markup=False)

    console.print("\nThe gateway is up. Paste these into another terminal, in this directory.", style="bold")
    console.print("Development only: the identity provider lets anybody on this machine be anybody.", style="yellow")
    psql = f'{_shown(running.psql)} "{running.plain_dsn("app_rw")}"'
    line("the embedded psql (no TLS, over loopback), as scout, an agent of ada's", "scout", psql)
    if shutil.which("psql"):
        dsn = running.tls_dsn("app_ro").replace(str(running.ca), _shown(running.ca))
        line("the system's psql, over TLS, as ada", "ada", f'psql "{dsn}"')
    for sql, what in TRY:
        console.print(f"#   {sql:<62} {what}", style="dim", markup=False)
    if shutil.which("ssh"):
        ssh = f"-F {_shown(running.ssh_config)} box"
        line(
            "a host that only the gateway has a key of, as scout", "scout", f"ssh {ssh} 'uname -a; rm x'", f"sftp {ssh}"
        )
    approve = f'{hoopgate} approvals approve ID --reason "old carts"'
    line("who may approve does so, as grace", "grace", f"{hoopgate} approvals list", approve)
    line("what was recorded", "grace", f"{hoopgate} sessions list", f"{hoopgate} sessions replay ID")
    console.print(f"\nconfiguration: {_shown(running.config)}   people: ada, grace, edsger, scout", style="dim")
    console.print("Ctrl-C stops everything.", style="dim")
