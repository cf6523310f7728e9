"""A configuration of OpenSSH's client (ssh_config(5)) for the targets that somebody may open."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from hoopgate.cli.reach import Listener, Reach, Target
from hoopgate.cli.settings import SettingsError

_UNSAFE = set('"\\\n\r\0')


@frozen
class Files:
    """Where things lie: what ``hoopgate ssh`` writes, and how ``hoopgate`` is called."""

    command: tuple[str, ...]
    known_hosts: Path
    key: Path

    @property
    def certificate(self) -> Path:
        return self.key.with_name(self.key.name + "-cert.pub")


def render(reach: Reach, gate: str, files: Files, *, ca: str = "", suffix: str = "") -> str:
    """The whole file. ``gate`` is the CONNECT listener, ``suffix`` what follows a target's name in a host's name."""
    lines = ["# Made by: hoopgate ssh config. It is written anew each time."]
    for target in ssh_targets(reach):
        lines += ["", *_target(target, reach, gate, files, ca, suffix)]
    if reach.ssh is not None:
        lines += ["", *_direct(reach.ssh, reach, files)]
    return "\n".join(lines) + "\n"


def known_hosts(reach: Reach) -> str:
    """The gateway's host keys, under the name that the configuration looks for."""
    keys = dict.fromkeys((*reach.tunnel_keys, *(reach.ssh.host_keys if reach.ssh is not None else ())))
    return "".join(f"{alias(reach)} {key}\n" for key in keys)


def ssh_targets(reach: Reach) -> list[Target]:
    return [target for target in reach.targets if target.protocol == "ssh"]


def alias(reach: Reach) -> str:
    """Under what name the gateway's keys are known, whatever host ssh was asked for."""
    return f"hoopgate.{reach.host}"


def _target(target: Target, reach: Reach, gate: str, files: Files, ca: str, suffix: str) -> Iterator[str]:
    yield f"Host {target.name}{suffix}"
    if suffix:
        yield f"    HostName {target.name}"
    yield f"    User {target.roles[0]}"
    if len(target.roles) > 1:
        yield f"    # also: {', '.join(target.roles[1:])}"
    options = ["--gate", gate, *(["--ca", ca] if ca else [])]
    words = [*files.command, "connect", *options]
    yield f"    ProxyCommand {_shell(words)} %h %p"
    yield from _known(reach, files)
    yield "    PubkeyAuthentication no"  # the tunnel has said who it is: no key need be shown
    yield from _CAREFUL


def _direct(listener: Listener, reach: Reach, files: Files) -> Iterator[str]:
    yield "# Without CONNECT, with a certificate (hoopgate ssh certificate): ssh TARGET@gate, ssh ROLE%TARGET@gate"
    yield f"Host {reach.host}"
    yield f"    Port {listener.port}"
    yield from _known(reach, files)
    yield f"    IdentityFile {_quoted(files.key)}"
    yield f"    CertificateFile {_quoted(files.certificate)}"
    yield "    IdentitiesOnly yes"
    yield from _CAREFUL


def _known(reach: Reach, files: Files) -> Iterator[str]:
    yield f"    HostKeyAlias {alias(reach)}"
    yield f"    UserKnownHostsFile {_quoted(files.known_hosts)}"
    yield "    GlobalKnownHostsFile /dev/null"
    yield "    StrictHostKeyChecking yes"


_CAREFUL: Sequence[str] = ("    ForwardAgent no", "    ForwardX11 no")


def _shell(words: Sequence[str]) -> str:
    """Words as ssh gives them to a shell, where % stands for itself twice."""
    if any("\n" in word or "\0" in word for word in words):
        raise SettingsError("a path holds a line's end, which ssh's configuration cannot. Choose another.")
    return shlex.join(words).replace("%", "%%")


def _quoted(path: Path) -> str:
    """A path as one argument of ssh_config(5). Raises SettingsError for what cannot be one."""
    text = str(path)
    if _UNSAFE & set(text) or "${" in text:
        raise SettingsError(f"{text!r} cannot stand in ssh's configuration. Choose another directory.")
    return '"' + text.replace("%", "%%") + '"'
