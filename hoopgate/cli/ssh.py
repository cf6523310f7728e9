"""``hoopgate ssh``: what OpenSSH's client needs to know of the gateway, and a certificate to log in with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from hoopgate.cli import ssh_config
from hoopgate.cli.bearer import bearer
from hoopgate.cli.client import Client
from hoopgate.cli.problems import EXIT_CODES, RefusedError, UnreachableError
from hoopgate.cli.reach import Reach, read_reach
from hoopgate.cli.settings import Settings, config_directory, settings
from hoopgate.cli.ssh_keys import key_pair, key_path, write_file

_CERTIFICATE = re.compile(r"ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/]+={0,2}")
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

    \b
    hoopgate ssh config
    hoopgate ssh config --write --suffix .gate
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


@ssh.command(epilog=EXIT_CODES)
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Good for this target only, or ROLE%NAME.")
@click.option("--lifetime", type=click.IntRange(1), metavar="SECONDS", help="At most so long.")
@click.option("--agent", is_flag=True, help="Add it to the running ssh-agent, for as long as it is valid.")
def certificate(targets: tuple[str, ...], lifetime: int | None, agent: bool) -> None:
    """Get a short-lived certificate for a key of your own, with which ssh logs in at the gateway's SSH port.

    The key is made once; both lie in ~/.config/hoopgate/ssh, readable for you alone. Behind hoopgate connect no
    certificate is needed.

    \b
    hoopgate ssh certificate
    hoopgate ssh certificate --agent --target deploy%web --lifetime 600
    """
    known = settings()
    certify(known, bearer(known, os.environ).token, targets, lifetime, agent=agent)


def certify(
    known: Settings, token: str, targets: tuple[str, ...] = (), lifetime: int | None = None, *, agent: bool = False
) -> None:
    """Get a certificate and write it beside its key. Raises CommandError."""
    client, files = Client(known, token), _files()
    wanted: dict[str, Any] = {"public_key": key_pair(files.key)}
    if targets:
        wanted["targets"] = list(targets)
    if lifetime:
        wanted["lifetime"] = lifetime
    answer = client.write("/v1/ssh/certificate", wanted)
    text, expires = answer.get("certificate"), answer.get("expires")
    if not isinstance(text, str) or not _CERTIFICATE.fullmatch(text) or not isinstance(expires, int | float):
        raise UnreachableError(f"{known.api} gives no certificate in its answer. Check the api setting.")
    write_file(files.certificate, f"{text}\n")
    if agent:
        _add_to_agent(files.key, max(1, int(expires - time.time())))
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(expires))
    click.echo(f"{files.certificate} is valid until {until}.", err=True)


def _add_to_agent(key: Path, seconds: int) -> None:
    """ssh-add(1) takes the certificate that lies beside a key along with it."""
    try:
        done = subprocess.run(["ssh-add", "-q", "-t", str(seconds), str(key)], stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise RefusedError("there is no ssh-add on this machine. Leave --agent out.") from None
    if done.returncode != 0:
        raise RefusedError("ssh-agent took neither key nor certificate. Is one running (SSH_AUTH_SOCK)?")


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
