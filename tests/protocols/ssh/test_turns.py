"""Key exchanges come in turns: so many a second, one address after the other."""

from __future__ import annotations

from twisted.internet.task import Clock

from hoopgate.protocols.ssh.turns import Turns
from tests.protocols.ssh.door import SUCCESS, Door


class Queue:
    def __init__(self, rate: int) -> None:
        self.clock = Clock()
        self.rate = rate
        self.turns = Turns(self.clock, lambda: self.rate)
        self.begun: list[str] = []

    def ask(self, address: str, name: str) -> object:
        go = lambda: self.begun.append(name)  # noqa: E731
        self.turns.ask(address, go)
        return go


def test_only_so_many_begin_in_a_second() -> None:
    queue = Queue(40)
    for at in range(200):
        queue.ask(f"192.0.2.{at}", str(at))
    assert len(queue.begun) == 10  # a quarter of a second's
    for _ in range(20):
        queue.clock.advance(0.05)
    assert len(queue.begun) == 50
    assert len(set(queue.begun)) == 50


def test_who_comes_last_is_not_behind_all_who_came_before_nor_they_behind_all_who_come() -> None:
    queue = Queue(40)
    for at in range(1000):
        queue.ask(f"192.0.{at // 250}.{at % 250}", str(at))
    first = len(queue.begun)
    queue.ask("198.51.100.9", "guest")
    queue.clock.advance(0.05)
    assert "guest" in queue.begun[first:]
    queue.clock.advance(0.05)
    assert "10" in queue.begun[first:]


def test_who_asks_for_many_does_not_delay_another_address() -> None:
    queue = Queue(40)
    for at in range(1000):
        queue.ask("192.0.2.1", f"flood{at}")
    queue.ask("198.51.100.9", "guest")
    queue.clock.advance(0.05)
    queue.clock.advance(0.05)
    assert "guest" in queue.begun
    assert len(queue.begun) == 14
    for _ in range(50):
        queue.clock.advance(0.5)
    assert len(queue.begun) > 400  # and who asks for many gets what is left


def test_who_leaves_takes_nobodys_turn() -> None:
    queue = Queue(4)
    queue.ask("a", "first")
    going = queue.ask("b", "gone")
    queue.ask("b", "next")
    queue.turns.leave("b", going)
    queue.turns.leave("b", going)
    queue.turns.leave("nobody", going)
    for _ in range(10):
        queue.clock.advance(0.05)
    assert queue.begun == ["first", "next"]
    for _ in range(100):
        queue.clock.advance(1)
    assert queue.clock.getDelayedCalls() == []


def test_what_fails_in_its_turn_fails_alone() -> None:
    queue = Queue(100)
    queue.rate = 1
    queue.turns.ask("a", lambda: 1 / 0)
    queue.ask("b", "second")
    for _ in range(60):
        queue.clock.advance(0.05)
    assert queue.begun == ["second"]


def test_a_connection_waits_for_its_turn_unread_and_then_logs_in() -> None:
    door = Door()
    door.limits(ssh_key_exchanges=1)
    first = door.knock()
    waiting = door.knock(host="198.51.100.9", login=False)
    assert waiting.ends[0][1].paused
    assert waiting.client.secure is False
    gone = door.knock(host="198.51.100.10", login=False)
    gone.hang_up()
    first.password(b"good")
    assert SUCCESS in first.numbers
    for _ in range(40):
        waiting.wait(0.05)
    assert waiting.client.secure is True
    assert not waiting.ends[0][1].paused
    assert gone.client.secure is False
    assert door.house.doors.open == 1


def test_who_is_inside_a_tunnel_waits_for_nobody() -> None:
    from hoopgate.tunnel import Tunnel
    from tests.protocols.ssh.door import ADA

    door = Door()
    door.limits(ssh_key_exchanges=1)
    door.knock()
    visit = door.knock(tunnel=Tunnel(ADA, "web"))
    visit.ask(b"none", user=b"root")
    assert SUCCESS in visit.numbers
