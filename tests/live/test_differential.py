"""The same workload directly and through the gateway: every message of the server's is the same, byte for byte."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import ClosedError, Wire, brief, error, types
from tests.live.workloads import RESET, UNMASKED_ONLY, WORKLOADS, Step, Workload


def play(wire: Wire, workload: Workload, *, pieces: random.Random | None = None) -> list[list[bytes]]:
    """What came after each step."""
    answers = []
    for data, until in workload:
        try:
            answers.append(wire.ask(data, until) if pieces is None else in_pieces(wire, data, until, pieces))
        except ClosedError as closed:
            answers.append(closed.so_far)
            break
    return answers


def in_pieces(wire: Wire, data: bytes, until: str, chance: random.Random) -> list[bytes]:
    """The same bytes in small packets."""
    while data:
        size = chance.randrange(1, 40) if len(data) < 2000 else chance.randrange(1, 4000)
        wire.send(data[:size])
        data = data[size:]
    return wire.until(until)


def comparable(raw: bytes, masks: bool) -> object:
    """What must be the same.

    Process ids differ from run to run. Names that the target would not know are refused by the gateway itself, with
    PostgreSQL's code and words. Where masks are in force, so may be what does not parse, and errors lose their details.
    """
    if raw[:1] == b"A":
        return raw[:5] + b"PID_" + raw[9:]
    if raw[:1] not in (b"E", b"N"):
        return raw
    fields = m.parse_fields(raw)
    if masks:
        return {code: fields.get(code) for code in "SVC"}
    if fields["C"] in (b"26000", b"34000", b"42P05"):
        return {code: fields.get(code) for code in "SVCM"}
    return raw


def compare(workload: list[Step], direct: list[list[bytes]], through: list[list[bytes]], masks: bool) -> None:
    for step, wanted, got in itertools.zip_longest(workload, direct, through, fillvalue=()):
        assert [comparable(raw, masks) for raw in got] == [comparable(raw, masks) for raw in wanted], (
            f"after {step[0][:300]!r}\n  directly: {types(wanted)} {[brief(raw) for raw in wanted[:12]]}"
            f"\n  through:  {types(got)} {[brief(raw) for raw in got[:12]]}"
        )


PAIRS = [(name, target) for name in WORKLOADS for target in ("open", "watched")
         if target == "open" or name not in UNMASKED_ONLY]  # fmt: skip


@pytest.fixture
def fresh(world: World) -> Callable[[], None]:
    """The tables as each run must find them."""

    def reset() -> None:
        world.behind(RESET)

    return reset


@pytest.mark.parametrize("version", [(3, 0), (3, 2)], ids=["3.0", "3.2"])
@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_the_same_bytes(
    gate: Gate, world: World, fresh: Callable[[], None], name: str, target: str, version: tuple[int, int]
) -> None:
    workload = WORKLOADS[name]()
    fresh()
    with world.direct(version=version) as direct:
        wanted = play(direct, workload)
    fresh()
    with gate.wire(target, version=version) as through:
        compare(workload, wanted, play(through, workload), target == "watched")


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_the_same_bytes_from_small_packets(
    gate: Gate, world: World, fresh: Callable[[], None], name: str, target: str
) -> None:
    workload = WORKLOADS[name]()
    fresh()
    with world.direct() as direct:
        wanted = play(direct, workload)
    fresh()
    with gate.wire(target) as through:
        compare(workload, wanted, play(through, workload, pieces=random.Random(4)), target == "watched")


@pytest.mark.parametrize("version", [(3, 0), (3, 2)], ids=["3.0", "3.2"])
def test_the_greeting_is_the_targets(gate: Gate, world: World, version: tuple[int, int]) -> None:
    settings = {"application_name": "mine", "TimeZone": "Asia/Tokyo", "client_encoding": "LATIN1"}
    with (
        world.direct(version=version, settings=settings) as direct,
        gate.wire("open", version=version, settings=settings) as through,
    ):
        assert through.parameters == direct.parameters
        assert sorted(types(through.greeting)) == sorted(types(direct.greeting))
        assert len(through.key) == len(direct.key) == (32 if version == (3, 2) else 4)


def test_several_sessions_at_once_do_not_mix(gate: Gate, world: World) -> None:
    wires = [gate.wire("open") for _ in range(12)]
    for number, wire in enumerate(wires):
        wire.send(m.query(f"SELECT {number}, pg_sleep(0.1)".encode()) * 2)
    for number, wire in enumerate(wires):
        for _ in range(2):
            assert m.parse_data_row(wire.until("DZ")[1])[0] == str(number).encode()
        wire.close()


@pytest.mark.parametrize("target", ["open", "watched"])
def test_names_that_sql_made_are_refused_to_the_protocol(gate: Gate, target: str) -> None:
    """A limit, said in the docs: what SQL's PREPARE and DECLARE named, SQL's EXECUTE and FETCH use."""
    with gate.wire(target) as wire:
        wire.query("PREPARE ps AS SELECT 1")
        got = wire.ask(m.bind(b"", b"ps") + m.execute(b"", 0) + m.sync())
        assert types(got) == "EZ"
        assert error(got)["C"] == "26000"
        wire.query("BEGIN; DECLARE cur CURSOR FOR SELECT 1")
        got = wire.ask(m.execute(b"cur", 0) + m.sync())
        assert types(got) == "EZ"
        assert error(got)["C"] == "34000"
        assert got[-1] == m.ready_for_query(b"E")
        assert types(wire.query("ROLLBACK")) == "CZ"
