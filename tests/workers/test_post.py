"""How many workers there are, and what share of a limit each has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from hoopgate.config.load import ConfigErrors, loads
from hoopgate.config.model import Config, Gateway, Mask
from hoopgate.workers.post import share, worker_count
from tests.config.files import MINIMAL

CONFIG = Config(path=Path("x"), version="v")


@pytest.mark.parametrize(("of", "each"), [(1, 1000), (2, 500), (3, 334), (127, 8)])
def test_limits_for_all_together_are_divided_and_rounded_up(of: int, each: int) -> None:
    shared = share(CONFIG, of).limits
    assert shared.half_open == each
    assert shared.sessions == -(-10_000 // of)
    assert shared.half_open_per_address == -(-100 // of)
    assert shared.ssh_device_logins == -(-100 // of)
    assert shared.ssh_key_exchanges == -(-200 // of)
    names = ("half_open", "sessions", "half_open_per_address", "ssh_device_logins", "ssh_key_exchanges")
    assert evolve(shared, **{name: getattr(CONFIG.limits, name) for name in names}) == CONFIG.limits


def test_budgets_of_masks_are_divided_and_rounded_up() -> None:
    masks = tuple(Mask(name=str(each), columns=("*",), inference=each) for each in (0, 1, 1000))
    shared = share(evolve(CONFIG, masks=masks), 3)
    assert [mask.inference for mask in shared.masks] == [0, 1, 334]


def test_no_share_is_nothing() -> None:
    few = evolve(CONFIG, limits=evolve(CONFIG.limits, sessions=2))
    assert share(few, 8).limits.sessions == 1


def test_none_written_is_one_and_zero_is_one_for_each_core() -> None:
    assert worker_count(CONFIG) == 1
    cores = len(os.sched_getaffinity(0))
    assert worker_count(evolve(CONFIG, gateway=Gateway(workers=0))) == min(cores, 127)
    assert worker_count(evolve(CONFIG, gateway=Gateway(workers=5))) == 5


@pytest.mark.parametrize("number", ["-1", "128", '"auto"'])
def test_what_is_no_number_of_workers(number: str) -> None:
    with pytest.raises(ConfigErrors, match=r"gateway\.workers"):
        loads(f"[gateway]\nworkers = {number}\n{MINIMAL}")
