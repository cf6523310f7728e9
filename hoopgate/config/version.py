"""The policy's version: the same for files that decide the same, whatever their lines and comments."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs

from hoopgate.config.model import Config, SecretRef


def policy_version(config: Config) -> str:
    """SHA-256 (hex) over rules, masks, risk, labels of targets, functions_safe, and the issuers that rules name.

    Order counts, for the first rule that matches may decide. Examples and line numbers do not decide.
    """
    deciding = {
        "rules": [_plain(rule, without=("examples", "line")) for rule in config.rules],
        "masks": [_plain(mask) for mask in config.masks],
        "detectors": [_plain(detector) for detector in config.detectors],
        "canaries": [_plain(canary) for canary in config.canaries],
        "risk": _plain(config.risk),
        "labels": {target.name: [target.labels, _plain(target.object_labels)] for target in config.targets},
        "functions_safe": list(config.functions_safe),
        "issuers": {issuer.name: issuer.url for issuer in config.issuers},
    }
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: Any, without: tuple[str, ...] = ()) -> Any:
    if isinstance(value, SecretRef | Path):
        return str(value)
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))
                if field.name not in without}  # fmt: skip
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
