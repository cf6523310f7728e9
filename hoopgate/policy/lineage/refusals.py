"""How a walk through a statement ends early."""

from __future__ import annotations

from hoopgate.policy.lineage.results import Refused


class Refusal(Exception):  # noqa: N818 - it is one
    """Ends a walk."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


def refuse(reason: str, mask: str, hint: str = "", sqlstate: str = "42501") -> Refusal:
    return Refusal(Refused(reason, hint, mask, sqlstate))
