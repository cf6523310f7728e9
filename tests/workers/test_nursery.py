"""The nursery forks on demand, says who ended, keeps nothing open, holds the lock, and ends with its parent."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hoopgate.workers import nursery
from hoopgate.workers.nursery import PACKET, ask_for, entrust, plant

Line = socket.socket


def obey(number: int, channel: socket.socket) -> None:
    """A worker: answers what it is asked until its channel is closed."""
    answers: dict[bytes, Callable[[], Any]] = {
        b"who": lambda: [number, os.getpid(), os.getppid(), Path("/proc/self/comm").read_text().strip()],
        b"open": lambda: sorted(os.readlink(each) for each in _descriptors()),
        b"ignored": lambda: [number for number in range(1, 32) if signal.getsignal(number) == signal.SIG_IGN],
        b"chance": random.random,
    }
    while word := channel.recv(100):
        if word == b"hang":
            time.sleep(60)
        if word == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == b"raise":
            sys.stderr = None  # what the interpreter would say of it is expected
            raise RuntimeError("as told")
        channel.sendall(json.dumps(answers[word]()).encode())


def _descriptors() -> list[Path]:
    return [
        each for each in Path("/proc/self/fd").iterdir() if int(each.name) > 2 and each.is_symlink() and _real(each)
    ]


def _real(path: Path) -> bool:
    try:
        return "/proc/" not in str(path.readlink())  # of the listing itself
    except FileNotFoundError:
        return False


def hear(line: Line, seconds: float = 10.0) -> dict[str, int] | None:
    """The nursery's next word; None when it is gone."""
    assert select.select([line], [], [], seconds)[0], "the nursery says nothing"
    word = line.recv(PACKET)
    return json.loads(word) if word else None


def told(channel: socket.socket, word: bytes) -> Any:
    channel.sendall(word)
    channel.settimeout(10)
    return json.loads(channel.recv(100_000))


@pytest.fixture
def line() -> Iterator[Line]:
    leftover = Path(__file__).open("rb")  # noqa: SIM115 - open while it forks, as twistd's things are
    ours = plant(obey, lambda: None)
    leftover.close()
    yield ours
    ours.close()
    os.waitpid(-1, os.WNOHANG)


def test_it_forks_workers_when_asked(line: Line) -> None:
    pids = []
    for number in (1, 2, 1):
        with ask_for(line, number) as channel:
            word = hear(line)
            assert word is not None
            who = told(channel, b"who")
            assert who[:2] == [number, word["pid"]]
            assert who[2] not in (os.getpid(), 1)
            assert who[3] == f"hoopgate-{number}"
            pids.append(who[1])
        assert hear(line) == {"pid": pids[-1], "status": 0}
    assert len(set(pids)) == 3


def test_a_fork_that_fails_ends_one_try_and_not_the_nursery() -> None:
    fork, left = os.fork, [errno.EAGAIN, errno.ENOMEM]

    def failing() -> int:
        if left:
            raise OSError(left.pop(0), "as told")
        return fork()

    line = plant(obey, lambda: setattr(os, "fork", failing))  # in the nursery alone
    with line:
        for code in (errno.EAGAIN, errno.ENOMEM):
            with ask_for(line, 1) as channel:
                assert hear(line) == {"number": 1, "errno": code}
                channel.settimeout(10)
                assert channel.recv(1) == b""  # the supervisor sees it at the channel, as any death
        with ask_for(line, 1) as channel:
            assert told(channel, b"who")[0] == 1
    os.waitpid(-1, os.WNOHANG)


def test_it_says_how_one_ended(line: Line) -> None:
    for word, code in ((b"die", -signal.SIGKILL), (b"raise", 1)):
        with ask_for(line, 1) as channel:
            hear(line)
            channel.sendall(word)
            ended = hear(line)
            assert ended is not None
            assert os.waitstatus_to_exitcode(ended["status"]) == code
            assert channel.recv(1) == b""  # and the supervisor sees it at the channel


def test_a_worker_has_nothing_open_but_its_channel(line: Line) -> None:
    with ask_for(line, 1) as first, ask_for(line, 2) as second:
        for channel in (first, second):
            [only] = told(channel, b"open")
            assert only.startswith("socket:")
        assert told(first, b"chance") != told(second, b"chance")


def test_signals_of_a_whole_group_are_the_supervisors(line: Line) -> None:
    with ask_for(line, 1) as channel:
        hear(line)
        nursery_pid = told(channel, b"who")[2]
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(nursery_pid, number)
        assert set(told(channel, b"ignored")) & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} == {signal.SIGHUP}
        with ask_for(line, 2) as another:  # the nursery lives
            assert told(another, b"who")[0] == 2


def test_what_does_not_end_with_its_parent_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "GRACE", 0.3)
    line = plant(obey, lambda: None)
    with ask_for(line, 1) as channel:
        hear(line)
        channel.sendall(b"hang")
        time.sleep(0.1)
        began = time.monotonic()
        line.close()
        channel.settimeout(5)
        assert channel.recv(1) == b""
        assert 0.2 < time.monotonic() - began < 3


def test_it_holds_the_lock_while_a_worker_lives(tmp_path: Path) -> None:
    """A gateway that is started again right away must not take over what a worker of the old one still uses."""
    line = plant(obey, lambda: None)
    path = tmp_path / "lock"
    mine = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(mine, fcntl.LOCK_EX)
    os.write(mine, b"4711\n")
    entrust(line, mine)
    with ask_for(line, 1) as channel:
        hear(line)
        assert len(told(channel, b"open")) == 1  # the nursery's alone
        os.close(mine)
        other = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        line.close()
        time.sleep(0.2)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert path.read_bytes() == b""  # and nobody's number is in it
    end = time.monotonic() + 5
    while True:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            assert time.monotonic() < end
            time.sleep(0.02)
    os.close(other)
