"""From a TOML file to a checked :class:`Config`, or every mistake in it at once.

The service, its reload and ``hoopgate check`` all come through here, so that none accepts what another refuses.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from attrs import evolve

from hoopgate import plugins
from hoopgate.config.check import check
from hoopgate.config.draft import Draft, draft
from hoopgate.config.mistakes import ConfigErrors, Mistake, Report, Trail
from hoopgate.config.model import Config, Target
from hoopgate.config.positions import locate
from hoopgate.config.reading import Reader
from hoopgate.config.version import policy_version

__all__ = ["LARGEST", "ConfigErrors", "Mistake", "load", "loads", "read"]

SSH_PORT = 22
LARGEST = 4 * 1024 * 1024  # bytes of a configuration file
_TOML_PLACE = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)


def load(path: Path) -> Config:
    """Read and check the file. Raises :class:`ConfigErrors`, and OSError where the file cannot be read."""
    return loads(read(path), path)


def read(path: Path) -> str:
    """The file's text. Raises :class:`ConfigErrors` where it is none, and OSError where it cannot be read."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise _fault(path, f"is larger than {LARGEST} bytes", "This is not a configuration file of hoopgate.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _fault(path, "is not UTF-8", "Save the file as UTF-8.", line) from None


def loads(text: str, path: Path = Path("hoopgate.toml"), *, tried: bool = False) -> Config:
    """The same from text; ``path`` is what mistakes name. Raises :class:`ConfigErrors`.

    ``tried``: another process has run this very text's examples, which can take long, and found nothing.
    """
    document, lines = _parse(text, path)
    report = Report(path, lines, document)
    parts = draft(document, report.top, Reader(plugins.names("hoopgate.secrets")))
    check(parts)
    report.raise_if_any()
    config = _assemble(parts, path)
    versioned = evolve(config, version=policy_version(config))
    return versioned if tried else _linted(versioned)


def _parse(text: str, path: Path) -> tuple[dict[str, Any], dict[Trail, int]]:
    try:
        document = tomllib.loads(text)
        return document, locate(text)
    except RecursionError:
        raise _fault(path, "is nested too deeply", "Nest less.") from None
    except ValueError as error:  # tomllib.TOMLDecodeError, and int()'s own for numbers of thousands of digits
        found = _TOML_PLACE.match(str(error))
        what = found["what"] if found else "Not valid"
        line = int(found["line"] or text.count("\n") + 1) if found else 0
        raise _fault(path, f"is not TOML: {what[:1].lower()}{what[1:]}", "See https://toml.io.", line) from None


def _fault(path: Path, message: str, remedy: str, line: int = 0) -> ConfigErrors:
    return ConfigErrors([Mistake(message, file=path, line=line, key="", remedy=remedy)])


def _assemble(parts: Draft, path: Path) -> Config:
    """Only called when nothing is missing: every mistake was raised before."""
    singles = {
        name: getattr(parts, name) for name in ("gateway", "ssh", "risk", "limits", "recorder", "store", "api", "admin")
    }
    assert parts.guards is not None
    assert parts.masking is not None
    return Config(
        path=path,
        version="",
        issuers=parts.issuer.values,
        listeners=parts.listener.values,
        targets=tuple(map(_with_ports, parts.target.values)),
        ssh_keys=parts.ssh_key.values,
        rules=parts.rule.values,
        masks=parts.mask.values,
        detectors=parts.detector.values,
        canaries=parts.canary.values,
        guards=parts.guards.enabled,
        guard_options=parts.guards.options,
        functions_safe=parts.masking.functions_safe,
        **singles,
    )


def _with_ports(target: Target) -> Target:
    """The target, its hosts at the port of what it speaks where the file names none."""
    if target.protocol != "ssh":
        return target
    return evolve(target, hosts=tuple(host if host.given else evolve(host, port=SSH_PORT) for host in target.hosts))


def _linted(config: Config) -> Config:
    """The policy's own checks: rules that can never match, and the examples."""
    from hoopgate.policy.rules import lint  # late: it brings PostgreSQL's parser, which plain reading does not need

    found = lint(config)
    if found:
        raise ConfigErrors(found)
    return config
