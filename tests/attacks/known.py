"""Attacks that still come to something: the text of each, and why. Strict: what is mended has to go."""

from __future__ import annotations

from typing import Final

KNOWN: Final[dict[str, str]] = {}
