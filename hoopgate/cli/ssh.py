"""``hoopgate ssh``: what OpenSSH's client needs to know of the gateway, and a certificate to log in with."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import click

from hoopgate.cli import ssh_config
from hoopgate.cli.bearer import bearer
from hoopgate.cli.client import Client
from hoopgate.cli.problems import EXIT_CODES, RefusedError
from hoopgate.cli.reach import Reach, read_reach
from hoopgate.cli.settings import config_directory, settings
from hoopgate.cli.ssh_keys import key_path, write_file

_INCLUDE = re.compile(r"^\s*include\s+.*config\.d/", re.IGNORECASE | re.MULTILINE)


@click.group()
def ssh() -> None:
    """Let OpenSSH's client and whatever uses it (scp, sftp, rsync, git, Ansible) go through the gateway."""


@ssh.command(epilog=EXIT_CODES)
@click.option("--gate", metavar="HOST:PORT", default="", help="The gateway's CONNECT listener, if the API's is not it.")
@click.option("--suffix", metavar="TEXT", default="", help="Hosts are called TARGET and this, such as .gate")
@click.option("--write", is_flag=True, help="Write ~/.ssh/config.d/hoopgate.conf and what it needs.")
def config(gate: str, suffix: str, write: bool) -> None:
    """Print ssh's configuration for the targets that you may open, or write it.

    Each target becomes a Host whose ProxyCommand is hoopgate connect, with the gateway's host key, and without
    forwarding of agent and display.
    """
    known = settings()
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,63}", suffix):
        raise click.BadParameter("letters, digits, '.', '_' and '-'", param_hint="--suffix")
    reach = read_reach(known, Client(known, bearer(known, os.environ).token).read("/v1/targets"))
    if not ssh_config.ssh_targets(reach):
        raise RefusedError("there is no SSH target that you may open. Ask for a grant: hoopgate grants request")
    files = _files()
    text = ssh_config.render(reach, gate or known.gate or reach.gate, files, ca=_absolute(known.ca), suffix=suffix)
    if write:
        _write(text, reach, files)
        return
    click.echo(text, nl=False)
    click.echo(f"\n# These lines belong into {files.known_hosts} (--write puts them there):")
    for line in ssh_config.known_hosts(reach).splitlines():
        click.echo(f"# {line}")


def _files() -> ssh_config.Files:
    directory = config_directory()
    return ssh_config.Files(_command(), directory / "known_hosts", key_path(directory))


def _command() -> tuple[str, ...]:
    """How ssh shall call us: by a whole path, for it may have another PATH."""
    own = shutil.which("hoopgate", path=str(Path(sys.executable).parent)) or shutil.which("hoopgate")
    return (own,) if own else (sys.executable, "-m", "hoopgate.cli")


def _absolute(ca: str) -> str:
    return str(Path(ca).absolute()) if ca else ""


def _write(text: str, reach: Reach, files: ssh_config.Files) -> None:
    directory = Path.home() / ".ssh"
    path = directory / "config.d" / "hoopgate.conf"
    directory.mkdir(mode=0o700, exist_ok=True)
    write_file(files.known_hosts, ssh_config.known_hosts(reach))
    write_file(path, text)
    names = ", ".join(target.name for target in ssh_config.ssh_targets(reach))
    click.echo(f"Wrote {path} for {names}.", err=True)
    main = directory / "config"
    if not main.exists() or not _INCLUDE.search(main.read_text(errors="replace")):
        click.echo(f"Put this line at the beginning of {main}:\nInclude config.d/*.conf", err=True)
