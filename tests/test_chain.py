"""Guards in their order: the first block decides, a hold yields to a block, a broken guard blocks."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from hoopgate.chain import Chain
from hoopgate.frames import Opaque, Phase, Statement
from hoopgate.verdicts import ALLOW, Approvers, Block, Hold, Mask, Rewrite

BLOCK = Block("no", rule="r")
HOLD = Hold("ask", rule="h", approvers=Approvers(("dba",)), timeout=1.0)


class Says:
    wants = frozenset({Statement})

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict
        self.seen: list[object] = []

    def inspect(self, frame: object) -> Any:
        self.seen.append(frame)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def closed(self, reason: str) -> None:
        raise RuntimeError("even this")


def statement() -> Statement:
    return Statement(b"Q", "select 1", Phase.SIMPLE)


def told(verdict: Any) -> Any:
    if isinstance(verdict, Deferred):
        results: list[Any] = []
        verdict.addCallback(results.append)
        return results[0]
    return verdict


LATE = [lambda verdict: verdict, succeed]


@pytest.mark.parametrize("timing", LATE)
def test_the_first_block_decides_and_later_guards_are_not_asked(timing: Any) -> None:
    later = Says(ALLOW)
    assert told(Chain([Says(ALLOW), Says(timing(BLOCK)), later]).inspect(statement())) == BLOCK
    assert later.seen == []


@pytest.mark.parametrize("timing", LATE)
def test_nobody_is_asked_to_approve_what_a_later_guard_blocks(timing: Any) -> None:
    assert told(Chain([Says(timing(HOLD)), Says(BLOCK)]).inspect(statement())) == BLOCK
    assert told(Chain([Says(timing(HOLD)), Says(ALLOW)]).inspect(statement())) == HOLD
    other = Hold("second", rule="h2", approvers=Approvers(("dba",)), timeout=1.0)
    twice = told(Chain([Says(HOLD), Says(timing(other))]).inspect(statement()))
    assert isinstance(twice, Block)  # an approval is of one alone
    assert twice.rule == "guards"
    assert told(Chain([Says(HOLD), Says(timing(HOLD))]).inspect(statement())) == HOLD


@pytest.mark.parametrize("broken", [RuntimeError("x"), "not a verdict", None])
def test_a_guard_that_breaks_blocks(broken: Any) -> None:
    verdict = told(Chain([Says(broken), Says(ALLOW)]).inspect(statement()))
    assert isinstance(verdict, Block)
    assert verdict.rule == "guard.Says"


def test_a_guard_that_breaks_late_blocks() -> None:
    verdict = told(Chain([Says(fail(RuntimeError("x")))]).inspect(statement()))
    assert isinstance(verdict, Block)


def test_a_rewritten_frame_is_what_later_guards_see() -> None:
    changed = statement()
    later = Says(ALLOW)
    verdict = told(Chain([Says(Rewrite(changed)), later]).inspect(statement()))
    assert verdict == Rewrite(changed)
    assert later.seen == [changed]


def test_frames_that_nobody_wants_pass_unseen() -> None:
    guard = Says(BLOCK)
    assert Chain([guard]).inspect(Opaque(b"x")) is ALLOW
    assert guard.seen == []


def test_what_the_codec_refused_no_guard_can_allow() -> None:
    frame = statement()
    frame.fault = BLOCK
    guard = Says(ALLOW)
    assert Chain([guard]).inspect(frame) == BLOCK
    assert guard.seen == []


def test_a_mask_is_passed_on() -> None:
    assert told(Chain([Says(Mask("plan"))]).inspect(statement())) == Mask("plan")


class Plan:
    def __init__(self, text: str) -> None:
        self.text = text

    def joined(self, other: Plan) -> Plan:
        return Plan(f"{self.text} then {other.text}")


@pytest.mark.parametrize("timing", LATE)
def test_masks_of_several_guards_add_up_in_their_order(timing: Any) -> None:
    verdict = told(
        Chain([Says(timing(Mask(Plan("origin")))), Says(ALLOW), Says(Mask(Plan("looks")))]).inspect(statement())
    )
    assert verdict.plan.text == "origin then looks"


@pytest.mark.parametrize("later", [Rewrite(statement()), HOLD])
def test_what_is_masked_can_only_be_blocked(later: Any) -> None:
    """Nothing that a later guard says may lose the mask."""
    assert told(Chain([Says(Mask(Plan("origin"))), Says(BLOCK)]).inspect(statement())) == BLOCK
    assert isinstance(told(Chain([Says(Mask(Plan("origin"))), Says(later)]).inspect(statement())), Block)


def test_every_guard_hears_of_the_end_though_one_breaks() -> None:
    Chain([Says(ALLOW), Says(ALLOW)]).closed("over")
