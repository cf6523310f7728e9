"""The corpus: each attack works directly, and comes to nothing through a gateway whose rules allow everything."""

from __future__ import annotations

from zlib import crc32

import pytest

from tests.attacks.conftest import MODES, Stage
from tests.attacks.judge import form, forms, leaks, unproved
from tests.attacks.known import KNOWN
from tests.attacks.script import Attack, corpus

CORPUS = corpus()


def tries(stage: Stage, attack: Attack) -> list[Attack]:
    if not attack.needs <= stage.has:
        pytest.skip(f"the server lacks {attack.needs - stage.has}")
    found = [one for one in attack.tries() if stage.can(one)]
    if not found:
        pytest.skip(f"for PostgreSQL {attack.least} and newer")
    return found


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.id)
def test_an_attack(stage: Stage, attack: Attack) -> None:
    """One line of each, in one form for each mode: the same in every run."""
    found = [one for one in tries(stage, attack) if one.text not in KNOWN]
    if found:
        one = found[crc32(attack.id.encode()) % len(found)]
        assert unproved(stage, one) is None
        assert [said for mode in MODES for said in leaks(stage, form(one, mode), mode)] == []


@pytest.mark.long
@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.id)
def test_an_attack_in_every_form(stage: Stage, attack: Attack) -> None:
    """``KNOWN`` is strict: what is named there and comes to nothing fails too."""
    assert [why for one in tries(stage, attack) if (why := unproved(stage, one))] == []
    wrong = {
        one.text: sentences
        for one in tries(stage, attack)
        if (sentences := [said for mode in MODES for each in forms(one, mode) for said in leaks(stage, each, mode)])
    }
    known = {one.text for one in attack.tries() if one.text in KNOWN}
    assert {text: said for text, said in wrong.items() if text not in known} == {}
    assert known <= set(wrong), "mended: take it out of known.py"


def test_the_corpus_is_large() -> None:
    assert sum(len(attack.tries()) for attack in CORPUS) > 400
    assert len({attack.id for attack in CORPUS}) == len(CORPUS)
