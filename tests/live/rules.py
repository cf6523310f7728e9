"""The policy that the shared gateway has."""

from __future__ import annotations

from tests.live.gate import World

RULES = """
[[rule]]
name = "no-drops"
what = { target = ["ruled"], command = ["DROP *"] }
then = "deny"
reason = "Tables stay."
hint = "Ask the owner of the table."

[[rule]]
name = "brief-holds"
who = { groups = ["analysts", "agents", "approvers"] }
what = { target = ["ruled"], object = ["public.brief"], effect = ["write", "delete"], bounded = false }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1s"
reason = "Changes to brief wait a second."

[[rule]]
name = "two-must-agree"
who = { groups = ["analysts", "agents", "approvers"] }
what = { target = ["ruled"], object = ["public.two"], effect = ["write", "delete"] }
then = "hold"
approvers = { groups = ["approvers"], count = 2 }
timeout = "1m"
reason = "Two people must agree."

[[rule]]
name = "unbounded"
who = { groups = ["analysts", "agents", "approvers"] }
what = { target = ["ruled"], object = ["public.held"], effect = ["write", "delete"], bounded = false }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1m"
reason = "A change without WHERE waits."

[[rule]]
name = "notes-wait"
who = { groups = ["analysts", "agents", "approvers"] }
what = { target = ["ruled"], object = ["public.ledger"], effect = ["write"] }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1m"
reason = "Entries wait."

[[rule]]
name = "ruled"
who = { groups = ["analysts", "agents", "approvers"] }
what = { target = ["ruled"] }
then = "allow"

[[rule]]
name = "masked-targets"
what = { target = ["watched"] }
then = "mask"
masks = ["secrets"]

[[mask]]
name = "secrets"
columns = ["*.vault.secret*", "*.vault.password"]
kind = "replace"
inference = 1000000

[limits]
hold_in_transaction = "3s"
"""


def SHARED(world: World) -> str:
    """Targets ``open`` (no masks), ``watched`` (masks on table vault), ``ruled`` (denials and holds)."""
    return world.target("open") + world.target("watched") + world.target("ruled", allow=False) + RULES
