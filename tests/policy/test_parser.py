"""The parser: bounds on what it takes, and the worker process for what is long."""

from __future__ import annotations

import resource
import sys
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.config.model import Limits
from hoopgate.policy.sql import worker
from hoopgate.policy.sql.effects import operations
from hoopgate.policy.sql.parser import Parsed, Parser, Unparsable, parse
from hoopgate.policy.sql.tree import DEPTH, inline_limit


def test_statements_and_their_places() -> None:
    parsed = parse(" SELECT 'é';\n drop table x ; ")
    assert [next(iter(statement)) for statement in parsed.statements] == ["SelectStmt", "DropStmt"]
    assert [parsed.statement_text(index) for index in range(2)] == ["SELECT 'é'", "drop table x"]
    assert parse("").statements == parse(" ;; -- x").statements == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("selec 1", "syntax error"),
        ("select 1\0; drop table x", "NUL"),
        ("select '\udc80'", "not valid text"),
        ("select E'\\xff'", "encoding"),
        ("select 'a'" + "||'a'" * 20_000, "deeply"),
        ("select " + "(" * 30_000, ""),
        ("select a" + "::b" * 15_000, "deeply"),
        ("select " + "not " * 5000 + "true", "deeply"),
    ],
    ids=lambda value: value[:20].encode("ascii", "replace").decode(),
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unparsable) as caught:
        parse(text)
    assert reason in caught.value.reason


def test_depth_is_the_same_however_deep_the_caller_stands() -> None:
    """Python's own recursion limit would count the caller's frames."""
    text = "select 'a'" + "||'a'" * ((DEPTH - 12) // 2)

    def deeper(frames: int) -> Parsed:
        return deeper(frames - 1) if frames else parse(text)

    assert deeper(0).statements == deeper(150).statements
    with pytest.raises(Unparsable, match="deeply"):
        parse(text + "||'a'" * 12)


def test_the_deepest_text_that_is_parsed_here_fits_the_stack() -> None:
    """libpg_query writes its JSON recursively: beyond the limit it is a segmentation fault of the whole gateway."""
    limit = inline_limit()
    assert limit <= 64 * 1024
    for chain in ("+a", "->0", "::b"):
        with pytest.raises(Unparsable):
            parse("select a" + chain * ((limit - 8) // len(chain)))


def test_a_small_stack_takes_shorter_texts() -> None:
    before = resource.getrlimit(resource.RLIMIT_STACK)
    try:
        resource.setrlimit(resource.RLIMIT_STACK, (1024 * 1024, before[1]))
        assert inline_limit() == 8192
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, before)


def test_short_texts_are_remembered() -> None:
    parser = Parser(None, Limits(), cache_size=2)
    first = parser.parse("select 1")
    assert parser.parse("select 1") is first
    parser.parse("select 2")
    parser.parse("select 3")
    assert parser.parse("select 1") is not first


def test_too_long_and_nowhere_to_parse() -> None:
    limits = Limits(statement=100_000)
    with pytest.raises(Unparsable, match=r"limits\.statement"):
        Parser(None, limits).parse("select '" + "é" * 60_000 + "'")
    with pytest.raises(Unparsable, match="too long"):
        Parser(None, limits).parse("select '" + "x" * 70_000 + "'")


# -- the worker, a real process


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


async def parsed(parser: Parser, text: str) -> Parsed:
    answer = parser.parse(text)
    assert isinstance(answer, Deferred)
    return await answer


LONG_INSERT = "INSERT INTO a VALUES " + ", ".join(f"({number}, 'row {number}')" for number in range(20_000))


@pytest_twisted.ensureDeferred
async def test_long_statements_are_parsed_elsewhere(reactor: Any) -> None:
    parser = Parser(reactor, Limits())
    try:
        answer = await parsed(parser, LONG_INSERT)
        assert answer.text is LONG_INSERT
        assert answer.pruned
        assert [str(operation.objects[0]) for operation in operations(answer)] == ["a"]
        mixed = await parsed(parser, LONG_INSERT + "; DROP TABLE a")
        assert [operation.effect for operation in operations(mixed)] == ["write", "schema"]
        plain = await parsed(parser, "SELECT 1, E'" + "\\n" * 40_000 + "'")
        assert not plain.pruned
    finally:
        parser.close()


@pytest_twisted.ensureDeferred
async def test_answers_come_to_whom_they_belong(reactor: Any) -> None:
    parser = Parser(reactor, Limits())
    try:
        pad = "x" * 70_000
        asked = [parser.parse(f"SELECT '{pad}' FROM t{number}") for number in range(5)]
        bad = parser.parse(f"SELEC '{pad}'")
        for number, deferred in enumerate(asked):
            assert isinstance(deferred, Deferred)
            found = operations(await deferred)
            assert str(found[0].objects[0]) == f"t{number}"
        with pytest.raises(Unparsable, match="syntax"):
            await bad
    finally:
        parser.close()


@pytest_twisted.ensureDeferred
async def test_a_worker_that_runs_out_of_stack_is_replaced(reactor: Any) -> None:
    parser = Parser(reactor, Limits())
    try:
        with pytest.raises(Unparsable, match="complex"):
            await parsed(parser, "select a" + "+a" * 1_000_000)
        assert (await parsed(parser, LONG_INSERT)).statements
    finally:
        parser.close()


@pytest_twisted.ensureDeferred
async def test_a_worker_out_of_memory_refuses(reactor: Any) -> None:
    parser = Parser(reactor, Limits(parse_memory=160 * 1024 * 1024))
    try:
        rows = ", ".join(f"(now(), {number})" for number in range(400_000))
        with pytest.raises(Unparsable):
            await parsed(parser, f"INSERT INTO a VALUES {rows}")
        assert (await parsed(parser, LONG_INSERT)).statements
    finally:
        parser.close()


@pytest_twisted.ensureDeferred
async def test_a_late_worker_is_killed_and_replaced(reactor: Any) -> None:
    parser = Parser(reactor, Limits(parse_time=0.02))
    try:
        rows = ", ".join(f"(now(), {number})" for number in range(200_000))
        with pytest.raises(Unparsable, match=r"limits\.parse_time"):
            await parsed(parser, f"INSERT INTO a VALUES {rows}")
        parser._worker._seconds = 10.0  # type: ignore[union-attr]
        assert (await parsed(parser, LONG_INSERT)).statements
    finally:
        parser.close()


@pytest_twisted.ensureDeferred
async def test_what_is_too_complex_to_send_back_is_refused(reactor: Any) -> None:
    parser = Parser(reactor, Limits())
    try:
        rows = ", ".join(f"(now(), {number})" for number in range(30_000))
        with pytest.raises(Unparsable, match="smaller parts"):
            await parsed(parser, f"INSERT INTO a VALUES {rows}")
    finally:
        parser.close()


class SilentProcess:
    """Takes everything, answers nothing."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    def writeToChild(self, fd: int, data: bytes) -> None:
        assert fd == 0

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)


class Spawning(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[Any] = []

    def spawnProcess(self, protocol: Any, executable: str, args: list[str], env: Any) -> None:
        assert args[:3] == [sys.executable, "-m", "hoopgate.policy.sql.worker"]
        protocol.transport = SilentProcess()
        self.spawned.append(protocol)


def test_the_line_before_the_worker_is_bounded_and_ends_with_it() -> None:
    clock = Spawning()
    parser = Parser(clock, Limits(parse_time=1))
    waiting = [parser.parse(f"SELECT {number}" + " " * 70_000) for number in range(65)]
    with pytest.raises(Unparsable, match="too many"):
        parser.parse("SELECT 1" + " " * 70_000)
    failures: list[Any] = []
    for deferred in waiting:
        assert isinstance(deferred, Deferred)
        deferred.addErrback(failures.append)
    clock.advance(1.1)
    assert [str(failure.value) for failure in failures] == [
        "the statement takes longer than limits.parse_time (1 s) to judge"
    ]
    assert clock.spawned[0].transport.signals == ["KILL"]
    assert len(clock.spawned) == 2
    parser.close()
    assert len(failures) == 65
    assert not clock.getDelayedCalls()


def test_a_lying_worker_is_killed() -> None:
    clock = Spawning()
    parser = Parser(clock, Limits())
    failures: list[Any] = []
    deferred = parser.parse("SELECT 1" + " " * 70_000)
    assert isinstance(deferred, Deferred)
    deferred.addErrback(failures.append)
    process = clock.spawned[0]
    process.outReceived(b"\xff\xff\xff\xff")
    assert process.transport.signals == ["KILL"]
    process.processEnded(None)
    assert "complex" in str(failures[0].value)
    assert not clock.getDelayedCalls()


def test_the_worker_answers_bytes_with_bytes() -> None:
    assert worker.answer(b"sSELECT 1").startswith(b'+{"version"')
    assert worker.answer(b"sSELEC 1").startswith(b"-syntax error")


def test_nothing_is_left_out_of_what_is_wanted_whole() -> None:
    text = f"SELECT 1 WHERE 1 IN ({', '.join(map(str, range(1000)))})".encode()
    short, whole = worker.answer(b"s" + text), worker.answer(b"w" + text)
    assert (short[:1], whole[:1]) == (b"*", b"+")
    assert len(whole) > len(short)
