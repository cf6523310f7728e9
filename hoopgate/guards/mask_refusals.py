"""What clients are told where a mask refuses a statement."""

from __future__ import annotations

from hoopgate.guards.mask_judged import NARROW, WIDE, Judged
from hoopgate.inference import Exhausted
from hoopgate.policy.lineage.relations import UNSEEN
from hoopgate.policy.lineage.results import Refused
from hoopgate.verdicts import Block


def refused(said: Refused, transaction: str) -> Block:
    """What lineage refuses."""
    if said.mask == UNSEEN.name and transaction == "E":
        # Nobody can be asked which relation is meant; PostgreSQL would not say more either.
        reason = "current transaction is aborted, commands ignored until end of transaction block"
        return Block(reason, rule=said.mask, sqlstate="25P02")
    return Block(said.reason, rule=said.mask, hint=said.hint, sqlstate=said.sqlstate)


def exhausted(short: Exhausted, window: float) -> Block:
    """A condition over masked values that the budget does not allow."""
    of = short.of
    if of.limit == 0:
        return Block(
            f"a condition, join or order over {of.column} would tell of values that are masked",
            rule=of.mask,
            hint="Select masked columns as they are, and compare others.",
        )
    if short.frees is None:
        said = f"this statement takes {of.cost} of a budget of {of.limit}"
        hint = "It asks too much at once."
    else:
        said = f"{short.spent} of {of.limit} are spent in {span(window)}, and this statement takes {of.cost}"
        hint = f"Room for it comes in {span(short.frees)}."
    return Block(
        f"conditions over {of.column} tell of values that mask {of.mask} hides: {said}",
        rule=of.mask,
        hint=f"{hint} Comparing with = or IN takes {NARROW}, anything else {WIDE}. The budget is its `inference`.",
        sqlstate="53400",  # configuration_limit_exceeded
    )


def full(judged: Judged) -> Block:
    """More of the session's own tables than can be kept in mind."""
    return Block(
        "masked values stand in too many temporary tables of this session",
        rule=next((mask.name for move in judged.moved for mask in move.columns.values()), "masks"),
        hint="Use fewer tables, or another session.",
        sqlstate="54000",
    )


def span(seconds: float) -> str:
    """A time in words: ``40 seconds``, ``12 minutes``, ``1 hour``."""
    count, unit = max(1, round(seconds)), "second"
    if seconds >= 5400:
        count, unit = round(seconds / 3600), "hour"
    elif seconds >= 90:
        count, unit = round(seconds / 60), "minute"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
