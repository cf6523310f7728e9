"""Differential fuzz: ``python -m tests.attacks.fuzz --seed N --count N`` or ``--hours H``; what it finds is printed.

For each random statement: no secret in any encoding in what comes; with ``reading = "source"`` the same answer in both
worlds; with ``output`` the same too where the statement neither chooses by a masked value nor fails; and what touches
nothing masked is the server's own answer, byte for byte, and never refused.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from hoopgate.codecs.postgresql import messages as m
from hoopgate.development.postgres import EmbeddedPostgres
from tests.attacks.author import Author, Text
from tests.attacks.conftest import Stage, open_stage
from tests.attacks.judge import first, normal
from tests.attacks.secret import A, B, World, found
from tests.attacks.send import Came
from tests.live.people import People
from tests.live.wire import ClosedError, Wire, extended

HONEST_EVERY = 3  # each third statement touches nothing masked
SESSION = 200  # statements


@define
class Tally:
    counts: Counter[str] = field(factory=Counter)
    wrong: list[str] = field(factory=list)


@define
class Fuzz:
    """Sessions are kept, and begun anew now and then, so that what guards remember is walked through too."""

    stage: Stage
    tally: Tally = field(factory=Tally)
    _wires: dict[tuple[str, str], Wire] = field(factory=dict)

    def run(self, seeds: Iterator[int]) -> Tally:
        for number, seed in enumerate(seeds):
            if number % SESSION == 0:
                self.close()
            self.one(seed)
        self.close()
        return self.tally

    def one(self, seed: int) -> None:
        honest = seed % HONEST_EVERY == 0
        text = Author(seed, 0.0 if honest else 0.35).text()
        binary = seed % 5 == 0
        wrong = list(self._wrong(text, self._everywhere(text, binary=binary)))
        if any("depends on secrets" in sentence for sentence in wrong):
            self.close()
            self.stage.sweep()
            wrong = list(self._wrong(text, self._everywhere(text, binary=binary)))
        for sentence in wrong:
            self.tally.wrong.append(f"seed {seed}: {sentence}: {'; '.join(text.sql)}")

    def _everywhere(self, text: Text, *, binary: bool) -> dict[tuple[str, str], Came]:
        return {
            (where, world.name): self._send(where, world, text, binary=binary)
            for where in ("direct", "output", "source")
            for world in (A, B)
        }

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()

    def _wrong(self, text: Text, came: dict[tuple[str, str], Came]) -> Iterator[str]:
        direct = came["direct", "a"]
        self.tally.counts["failed directly" if direct.errors else "ran directly"] += 1
        if text.touches:
            self.tally.counts["told directly"] += bool(found(direct.values, A)) or self._differ("direct", came)
        for mode in ("output", "source"):
            refused = _refused(came[mode, "a"])
            kind = "touching" if text.touches else "honest"
            self.tally.counts[f"{mode}, {kind}: {'refused' if refused else 'passed'}"] += 1
            for world in (A, B):
                if text.touches and (seen := found(came[mode, world.name].values, world)):
                    yield f"{mode} shows {seen[:3]}"
            if not text.touches:
                if direct.errors and _states(direct) == _states(came[mode, "a"]):
                    pass  # what an error quotes may be left out
                elif refused:
                    yield f"{mode} refuses {refused}"
                elif (answer := self._normal(came[mode, "a"])) != self._normal(direct):
                    yield f"{mode} is not the server's answer ({first(self._normal(direct), answer)})"
            elif self._differ(mode, came) and (mode == "source" or not (text.asks or _failed(came, mode))):
                yield f"{mode} depends on secrets"

    def _differ(self, mode: str, came: dict[tuple[str, str], Came]) -> bool:
        return self._normal(came[mode, "a"]) != self._normal(came[mode, "b"])

    def _normal(self, came: Came) -> list[bytes]:
        return [normal(self.stage.newest, raw) for raw in came.messages]

    def _send(self, where: str, world: World, text: Text, *, binary: bool) -> Came:
        came = Came()
        try:
            wire = self._wire(where, world)
            wire.query("BEGIN")
            for sql in text.sql:
                simple = not binary or sql.startswith(("COPY", "PREPARE", "DECLARE"))
                data = m.query(sql.encode()) if simple else extended(sql, result=(1,))
                came.messages += wire.ask(data)
            wire.query("ROLLBACK")
            wire.query("DEALLOCATE ALL")
        except (ClosedError, TimeoutError, ConnectionError) as error:
            came.messages += getattr(error, "so_far", [])
            came.ended = True
            lost = self._wires.pop((where, world.name), None)  # none where there was no connecting
            if lost is not None:
                lost.close()
        return came

    def _wire(self, where: str, world: World) -> Wire:
        key = where, world.name
        if key not in self._wires:
            self._wires[key] = self.stage.connect(where, world)
            self._wires[key].query("SET statement_timeout = 3000")
        return self._wires[key]


def _refused(came: Came) -> str:
    """The gateway's own refusal, by its DETAIL."""
    return next((error["M"] for error in came.errors if "Refused by" in error.get("D", "")), "")


def _states(came: Came) -> list[str]:
    return [error["C"] for error in came.errors]


def _failed(came: dict[tuple[str, str], Came], mode: str) -> bool:
    return any(came[mode, world].errors or came[mode, world].ended for world in "ab")


def _seeds(first: int, count: int, hours: float) -> Iterator[int]:
    end = time.monotonic() + hours * 3600
    seed = first
    while (hours and time.monotonic() < end) or (not hours and seed < first + count):
        yield seed
        seed += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=0.0)
    given = parser.parse_args()
    server, people = EmbeddedPostgres().start(), People()
    with tempfile.TemporaryDirectory(prefix="hoopgate-fuzz-") as home:
        stage = open_stage(server, Path(home) / "gate", people, ("output", "source"))
        try:
            tally = Fuzz(stage).run(_seeds(given.seed, given.count, given.hours))
            faults = stage.gate.faults()
        finally:
            stage.gate.remove()
            people.stop()
            server.stop()
    for name, count in sorted(tally.counts.items()):
        print(f"{count:8} {name}")
    print("\n".join([*tally.wrong, *faults]))
    raise SystemExit(f"{len(tally.wrong)} wrong" if tally.wrong or faults else 0)


if __name__ == "__main__":
    main()
