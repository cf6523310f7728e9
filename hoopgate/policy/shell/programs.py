"""All programs whose effects are known, by name; every other one is ``execute.program``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from hoopgate.policy.shell import administration, builtins, filing, interpreters, network, reading, wrappers
from hoopgate.policy.shell.call import Call, Judge

JUDGES: Final[Mapping[str, Judge]] = {
    **administration.JUDGES,
    **filing.JUDGES,
    **interpreters.JUDGES,
    **network.JUDGES,
    **reading.JUDGES,
    **wrappers.JUDGES,
    **builtins.JUDGES,
}


def known(name: str) -> bool:
    return name in JUDGES or interpreters.interpreter(name) is not None


def judge(call: Call) -> None:
    """Say what the program does."""
    if not call.name:
        call.dynamic("which program runs is known only then")
        return
    found = _judge_of(call.name)
    if found is not None:
        found(call)
        return
    call.program()
    # a program elsewhere that has a known one's name: it may be that one, by another way
    base = call.name.rpartition("/")[2]
    found = _judge_of(base) if base != call.name else None
    if found is not None:
        found(evolve(call, name=base))


def _judge_of(name: str) -> Judge | None:
    return JUDGES.get(name) or interpreters.interpreter(name)
