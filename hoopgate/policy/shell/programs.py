"""All programs whose effects are known, by name; every other one is ``execute.program``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
    found = JUDGES.get(call.name) or interpreters.interpreter(call.name)
    if found is None:
        call.program()
    else:
        found(call)
