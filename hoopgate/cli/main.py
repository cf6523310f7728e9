"""The ``hoopgate`` command: one lazily loaded module a command group, so that ``--help`` stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from hoopgate._version import __version__
from hoopgate.cli.problems import CommandError

# command -> module that holds a click command of the same name (dashes become underscores)
COMMANDS = {
    "approvals": "hoopgate.cli.approvals",
    "check": "hoopgate.cli.check",
    "connect": "hoopgate.cli.connect",
    "demo": "hoopgate.cli.demo",
    "grants": "hoopgate.cli.grants",
    "login": "hoopgate.cli.login",
    "policy": "hoopgate.cli.policy",
    "reload": "hoopgate.cli.reload",
    "sessions": "hoopgate.cli.sessions",
    "ssh": "hoopgate.cli.ssh",
    "status": "hoopgate.cli.status",
    "token": "hoopgate.cli.token",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            click.ClickException(error.message).show()
            ctx.exit(error.exit_code)


def say_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print version and build, and leave; what --version does."""
    if asked and not context.resilient_parsing:
        from hoopgate.compiled import core

        click.echo(f"hoopgate, version {__version__}\ncore: {core()}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=say_version,
    help="Show the version and exit.",
)
def main() -> None:
    """The access gateway: log in, get tokens, approve, replay and verify."""
