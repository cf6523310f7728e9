"""Tells twistd of ``twistd hoopgate``. Nothing of hoopgate is imported until it is asked for."""

from __future__ import annotations

from twisted.application.service import ServiceMaker

hoopgate = ServiceMaker(
    "hoopgate",
    "hoopgate.service",
    "A Layer 7 access gateway: blocks, masks, holds for approval and records.",
    "hoopgate",
)
