"""What a guard may say of a frame: allow it, rewrite it, mask what follows, block it, or hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from hoopgate.frames import Frame


class Allow:
    """Let the frame pass unchanged. Use the singleton ``ALLOW``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ALLOW"


ALLOW: Final = Allow()


@frozen
class Rewrite:
    """Forward ``frame`` in place of the inspected one."""

    frame: Frame


@frozen
class Mask:
    """Answer to a ``Columns`` frame: apply ``plan`` to every later row of this result.

    ``plan`` is the codec's own type (PostgreSQL: ``hoopgate.codecs.postgresql.splice.Plan``).
    """

    plan: Any


@frozen
class Block:
    """Refuse the frame in the protocol's own error language.

    ``reason`` is one sentence for the client, ``rule`` the rule's name, ``hint`` what to do next, ``sqlstate``
    PostgreSQL's code for it (other codecs map it to their own). ``foretold``: the server itself would have said so, in
    these words, and no policy decided: the client is told of no rule.
    """

    reason: str
    rule: str
    hint: str = ""
    sqlstate: str = "42501"
    foretold: bool = False


def told(reason: str, rule: str, hint: str = "") -> str:
    """A refusal on one line, for clients whose protocol has no fields for these: ``reason [rule]. hint``."""
    return f"{reason.removesuffix('.')} [{rule}].{hint and ' '}{hint}"


@frozen
class Approvers:
    """Who may release a hold: ``count`` distinct people, each in at least one of ``groups`` (empty: nobody)."""

    groups: tuple[str, ...]
    count: int = 1


@frozen
class Hold:
    """Keep the frame until enough approvers agree, at most ``timeout`` seconds; then refuse it.

    ``frame``: what they are to agree to, where another guard rewrote it (the chain fills it in). Once they have
    agreed the frame is judged again, with ``released`` set, since what its names mean may have changed. ``otherwise``:
    where only a part of the frame was held, what the refusal of that part makes of it.
    """

    reason: str
    rule: str
    approvers: Approvers
    timeout: float
    operation: str = ""
    risk: int = 0
    reasons: tuple[str, ...] = ()
    frame: Frame | None = None
    otherwise: Callable[[Block], Any] | None = None


Verdict = Allow | Rewrite | Mask | Block | Hold
