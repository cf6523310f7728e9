"""``hoopgate check``: every mistake of a configuration file at once, before the service meets any of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from hoopgate import plugins
from hoopgate.config.load import ConfigErrors, Mistake, load
from hoopgate.config.model import Config
from hoopgate.errors import ConfigError

DEFAULT = "/etc/hoopgate/hoopgate.toml"

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    envvar="HOOPGATE_CONFIG",
    help="The configuration file.",
)


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def check(path: Path, as_json: bool) -> None:
    """Check the configuration file, and name every mistake with its line and its remedy.

    Exit status: 0 without mistakes, 1 with some, 2 where the file cannot be read.
    """
    config, errors = examine(path)
    if as_json:
        click.echo(json.dumps(report(path, config, errors), indent=2))
    else:
        tell(path, config, errors)
    sys.exit(1 if errors else 0)


def examine(path: Path) -> tuple[Config | None, tuple[ConfigError, ...]]:
    """The configuration, or what is wrong with it; exits with 2 where the file cannot be read."""
    try:
        config = load(path)
    except ConfigErrors as error:
        return None, error.errors
    except OSError as error:
        click.echo(f"{path} cannot be read: {error.strerror or error}", err=True)
        sys.exit(2)
    errors = plugin_errors(config)
    return (None, errors) if errors else (config, ())


def plugin_errors(config: Config) -> tuple[ConfigError, ...]:
    """Whether what the file names would load: the same that would stop the start."""
    wanted = {
        "hoopgate.guards": config.guards,
        "hoopgate.recorders": (config.recorder.kind,),
        "hoopgate.stores": (config.store.kind,),
        "hoopgate.secrets": None,
    }
    errors = []
    for group, names in wanted.items():
        try:
            plugins.load_plugins(group, names)
        except plugins.PluginError as error:
            errors.append(
                Mistake(str(error), file=config.path, line=0, key="", remedy="Repair, install or uninstall the plugin.")
            )
    return tuple(errors)


def report(path: Path, config: Config | None, errors: tuple[ConfigError, ...]) -> dict[str, Any]:
    """What ``--json`` prints: ``ok``, ``file``, ``version`` (null with mistakes) and ``errors``."""
    return {
        "ok": not errors,
        "file": str(path),
        "version": config.version if config else None,
        "errors": [entry(error) for error in errors],
    }


def entry(error: ConfigError) -> dict[str, Any]:
    """One mistake: ``where``, ``line`` and ``key`` (null where unknown), ``message``, ``remedy``."""
    line: int | None = None
    key: str | None = None
    message = error.message
    if isinstance(error, Mistake):
        line, key, message = error.line or None, error.key or None, error.plain
    elif error.where.rpartition(":")[2].isdigit():
        line = int(error.where.rpartition(":")[2])
    return {"where": error.where, "line": line, "key": key, "message": message, "remedy": error.remedy}


def tell(path: Path, config: Config | None, errors: tuple[ConfigError, ...]) -> None:
    for error in errors:
        where = click.style(error.where, bold=True)
        click.echo(f"{where}: {click.style(error.message, fg='red')}\n    {click.style(error.remedy, fg='cyan')}")
    if config is not None:
        fine = click.style("no mistakes", fg="green")
        examples = sum(len(rule.examples) for rule in config.rules)
        click.echo(
            f"{path}: {fine}; {count(len(config.targets), 'target')}, {count(len(config.rules), 'rule')}, "
            f"{count(examples, 'example')}, {count(len(config.masks), 'mask')}; policy version {config.version[:12]}"
        )
    else:
        click.echo(f"{path}: {click.style(count(len(errors), 'mistake'), fg='red', bold=True)}")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
