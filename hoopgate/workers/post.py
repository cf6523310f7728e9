"""Which worker a process is, and what it does not do itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from hoopgate.config.model import Config, Limits

# What is counted in each process although it is meant for all of them together.
SHARED: Final = ("half_open", "half_open_per_address", "sessions", "ssh_device_logins", "ssh_key_exchanges")


MOST: Final = 127  # workers: their number is a byte of a process id that must not be negative


def worker_count(config: Config) -> int:
    """How many processes the configuration asks for."""
    return config.gateway.workers or min(MOST, len(os.sched_getaffinity(0)))


@frozen
class Post:
    """Worker ``number`` of ``of``. ``ports`` says where worker 0 listens, by listener.

    ``forward_cancel(worker, pid, key)`` passes a cancel request on to the worker whose session it names.
    ``tell_defined(target, database)`` tells the other workers that definitions change there.
    """

    number: int
    of: int
    ports: dict[str, int]
    forward_cancel: Callable[[int, int, bytes], None]
    tell_defined: Callable[[str, str], None]


def share(config: Config, of: int) -> Config:
    """The configuration with this process's share of the limits, and of masks' budgets, that hold for all workers
    together. Shares are rounded up: a budget of which a worker had nothing would refuse what the configuration allows.
    """
    if of == 1:
        return config
    limits: Limits = config.limits
    masks = tuple([evolve(mask, inference=-(-mask.inference // of)) for mask in config.masks])
    shared = {name: -(-getattr(limits, name) // of) for name in SHARED}
    return evolve(config, limits=evolve(limits, **shared), masks=masks)
