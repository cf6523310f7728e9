"""Honest work, captured from clients and written like reports: it passes, and what touches nothing masked is the
server's own answer, byte for byte."""

from __future__ import annotations

import re

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.attacks.conftest import Stage
from tests.attacks.judge import normal
from tests.attacks.script import HONEST, Attack, statements
from tests.attacks.secret import A, found
from tests.attacks.send import Came

NEEDLESSLY_REFUSED: dict[str, frozenset[str]] = {"output": frozenset(), "source": frozenset()}
"""By mode: honest statements that are refused, by their first 60 characters. Strict."""

MASKED = re.compile(r"\b(email|card|ssn|phone|salary|pin|ratio|born|vip|grade|doc|contact)\b|\*|people\.\*")
MOVING = re.compile(
    r"\b(now\(\)|random|pg_stat|pg_settings|pg_size|_size\(|xmin|nextval|INSERT INTO .*notes)", re.DOTALL
)


def answer(stage: Stage, came: Came) -> list[bytes]:
    return [normal(stage.newest, raw) for raw in came.messages]


def refused(came: Came) -> bool:
    return any("Refused by" in error.get("D", "") for error in came.errors)


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", ["output", "source"])
@pytest.mark.parametrize("file", sorted(path.stem for path in HONEST.glob("*.sql")))
@pytest.mark.timeout(300)
def test_honest_work_passes(stage: Stage, file: str, mode: str, step: int) -> None:
    """Every ``step``-th statement."""
    needless, changed, shown = set(), [], []
    for one in statements(HONEST / f"{file}.sql")[::step]:
        direct, came = stage.send(one, "direct", A), stage.send(one, mode, A)
        if refused(came) and not direct.errors:  # what another version understands is not this one's work
            needless.add(one.text[:60])
        elif seen := found(came.values, A):
            shown.append((one.text, seen[:3]))
        elif not (refused(came) or touches(direct, one)) and answer(stage, came) != answer(stage, direct):
            changed.append(one.text)
    assert shown == []
    assert changed == []
    assert needless == {text for text in NEEDLESSLY_REFUSED[mode] if text in needless}


def touches(direct: Came, one: Attack) -> bool:
    """Whether its answer may differ: it names something masked, or something that changes by itself."""
    return bool(found(direct.values, A)) or bool(MASKED.search(one.text)) or bool(MOVING.search(one.text))


@pytest.mark.parametrize("mode", ["direct", "output", "source"])
@pytest.mark.parametrize("bound", [False, True])
def test_a_query_behind_a_batch_without_sync_is_committed(stage: Stage, mode: str, bound: bool) -> None:
    """What is asked of the session meanwhile must not make it a part of the batch, which only a Sync would commit."""
    with stage.connect(mode, A) as wire:
        wire.query("CREATE TEMP TABLE own AS SELECT 1 AS n")  # so that the session has to be asked
        begun = m.parse_message(b"p", "SELECT name FROM queue, people", ())
        if bound:
            begun += m.bind(b"k", b"p", (), (), ())
        wire.send(begun + m.query(b"INSERT INTO seen SELECT 100, 'x' FROM own, queue LIMIT 1"))
        kinds: list[bytes] = []
        while not kinds or kinds[-1] != b"Z":
            raw = wire.message(10)
            kinds.append(raw[:1])
        assert raw[5:] == b"I"
        assert kinds[-2:] == [b"C", b"Z"]
        assert stage.execute("DELETE FROM seen WHERE id = 100 RETURNING mark", A).split()[0] == "x"
        wire.send(m.query(b"SELECT 2"))
        assert [wire.message(10)[:1] for _ in range(4)] == [b"T", b"D", b"C", b"Z"]
