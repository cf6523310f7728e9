"""Which guards every session is asked for, and in what order they look."""

from __future__ import annotations

from typing import Any

from hoopgate import plugins
from hoopgate.config.model import Config
from hoopgate.guards.certificate import CertificateLimits
from hoopgate.guards.commands import Commands
from hoopgate.guards.detect import Detect
from hoopgate.guards.files import Files
from hoopgate.guards.mask import Masks
from hoopgate.guards.record import Record
from hoopgate.guards.statements import Statements
from hoopgate.inference import Inference
from hoopgate.secrets import Secrets


def guards(config: Config, secrets: Secrets, inference: Inference, in_thread: Any) -> tuple[Any, ...]:
    """In order: the policy, masks, detectors, third parties' in the configuration's order, and the witness last.

    Raises PluginError.
    """
    third = []
    for name, factory in plugins.load_plugins("hoopgate.guards", config.guards).items():
        third.append(plugins.make("hoopgate.guards", name, factory, config.guard_options.get(name, {})))
    return (
        CertificateLimits(),
        Statements(),
        Commands(),
        Files(),
        Masks(secrets.get, inference),
        Detect(secrets.get, in_thread, _plugged(config)),
        *third,
        Record(),
    )


def _plugged(config: Config) -> dict[str, Any]:
    """Third parties' detectors by the name of the detector that uses them."""
    made = {}
    for detector in config.detectors:
        if detector.plugin:
            factory = plugins.load_plugins("hoopgate.detectors", [detector.plugin])[detector.plugin]
            made[detector.name] = plugins.make("hoopgate.detectors", detector.plugin, factory, detector.options)
    return made
