"""Random scripts through both wires against a model of PostgreSQL, cut and interleaved at random.

With no guard the client cannot tell the gateway from the server. With one, what it refused never ran, and the client
sees what it would see of a server that fails there.
"""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
from attrs import define, field
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.question import Question
from hoopgate.codecs.postgresql.requests import Requests
from hoopgate.codecs.postgresql.rows import RowEditor
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.config.model import Limits
from hoopgate.errors import LimitError, RemoteProtocolError
from hoopgate.frames import Columns, Phase, Statement
from tests.codecs.postgresql.model import Fatal, Server

REFUSAL = m.error_response(sqlstate="42501", message="no")
QUESTION = "rows 1"
PHASES = {Phase.SIMPLE: "Q", Phase.PREPARE: "P", Phase.BIND: "B", Phase.EXECUTE: "E"}
LONG = "n" * 63

names = st.sampled_from(["", "", "a", "b", LONG + "x", LONG + "y"])
words = st.sampled_from(
    ["rows 0", "rows 3", "do 1", "do 2", "begin", "commit", "rollback", "fail", "nonsense", "", "do é", "do evilP",
     "do evilB", "rows 2 evilE", "do evilQ"]
)  # fmt: skip
COPIED = m.copy_data(b"1\n") + m.copy_data(b"2\n")


def copying(data: bytes, *, early_sync: bool) -> bytes:
    """A COPY IN by the extended protocol, as libpq sends it (Sync behind Execute) or others (Sync behind the data)."""
    start = m.parse_message("", "copyin") + m.bind("", "") + m.execute()
    return start + (m.sync() if early_sync else b"") + data + m.copy_done() + m.sync()


requests = st.one_of(
    st.builds(m.query, st.lists(words, min_size=1, max_size=2).map("; ".join)),
    st.builds(m.parse_message, names, words),
    st.builds(m.parse_message, names, words),
    st.builds(m.bind, names, names),
    st.builds(m.bind, names, names),
    st.builds(m.describe, st.sampled_from([b"S", b"P"]), names),
    st.builds(m.execute, names, st.sampled_from([0, 0, 1, 2])),
    st.builds(m.execute, names),
    st.builds(lambda name, most: m.describe(b"P", name) + m.execute(name, most), names, st.sampled_from([0, 1])),
    st.builds(m.close, st.sampled_from([b"S", b"P"]), names),
    st.just(m.sync()),
    st.just(m.sync()),
    st.just(m.flush()),
    st.sampled_from(
        [
            m.query("copyin") + COPIED + m.copy_done(),
            m.query("copyin; do 3; copyin") + COPIED + m.copy_done() + m.copy_fail("no"),
            m.query("copyin") + m.copy_data(b"bad") + COPIED + m.copy_done(),
            m.query("copyout"),
            m.sync() + copying(COPIED, early_sync=True),
            copying(m.copy_data(b"bad") + COPIED, early_sync=True),
            m.sync() + copying(COPIED, early_sync=False),
            copying(m.copy_data(b"bad") + COPIED, early_sync=False),
        ]
    ),
)
chances = st.integers(0, 1 << 32).map(Random)  # of its own: thousands of Hypothesis's draws take long
scripts = st.lists(requests, min_size=1, max_size=14).map(
    lambda script: [*script, m.sync(), m.copy_done(), m.sync()]  # a COPY that nobody fed ends too
)


@define(slots=False)
class Through:
    """The gateway's wires between a script and a server, moved by chance."""

    chance: Random
    refuse: bool = False
    watching: bool = False
    asking: bool = False
    server: Server = field(factory=Server)
    got: bytes = b""
    answered: int = 0
    asked: int = 0

    def __attrs_post_init__(self) -> None:
        self.conversation = Conversation({"client_encoding": "UTF8"}, b"I", watching=self.watching)
        self.requests = Requests(self.conversation, Limits())
        self.answers = Answers(self.conversation, Limits())
        self.to_server: deque[bytes] = deque()
        self.to_gateway: deque[bytes] = deque()

    def play(self, script: bytes) -> bytes:
        left = deque(self.cut(script))
        while True:
            moves = []
            if left:
                moves.append(lambda: self.requests.receive(left.popleft()))
            if self.to_server:
                moves.append(lambda: self.server.receive(self.to_server.popleft()))
            if self.to_gateway:
                moves.append(lambda: self.answers.receive(self.to_gateway.popleft()))
            if not moves:
                return self.got
            self.chance.choice(moves)()
            self.to_gateway.extend(self.cut(self.server.take()))
            self.pump_answers()
            self.pump_requests()

    def cut(self, data: bytes) -> list[bytes]:
        largest = self.chance.choice([1, 7, 60, 100_000])
        pieces = []
        while data:
            size = self.chance.randint(1, largest)
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def pump_requests(self) -> None:
        while (frame := self.requests.next_frame()) is not None:
            if isinstance(frame, Statement):
                self.settle(frame)
            if isinstance(frame, Statement) and (frame.fault is not None or self.refused(frame)):
                error = m.error_response(sqlstate=frame.fault.sqlstate, message="no") if frame.fault else REFUSAL
                self.send(self.requests.refuse(frame, error, "rule"))
            else:
                self.send(self.requests.forward(frame))

    def settle(self, frame: Statement) -> None:
        """What a relay does before a statement is judged: questions, whose answers are awaited."""
        doubtful = self.requests.unsure(frame)
        conversation = self.conversation
        # Guards ask of what names something: of no statement that may run in a failed transaction.
        names = frame.fault is None and frame.text.partition(" ")[0] in ("rows", "do")
        if not doubtful and not (self.asking and names and self.chance.random() < 0.4):
            return
        if conversation.skipping or conversation.aborted or conversation.copy_in:
            answer: list[tuple[str | None, ...]] = []
        else:
            answer = self.ask()
        if doubtful:
            self.requests.read_again(frame, ("UTF8", "on") if answer else ())

    def ask(self) -> list[tuple[str | None, ...]]:
        ended: list[list[tuple[str | None, ...]]] = []
        question = Question(QUESTION, ended.append, lambda text, sqlstate: ended.append([]))
        self.asked += 1
        self.send(question.send(self.conversation, sync=not self.conversation.unsynced))
        while not ended:
            assert self.to_server or self.to_gateway, "a question is never answered"
            while self.to_server:
                self.server.receive(self.to_server.popleft())
            self.to_gateway.extend(self.cut(self.server.take()))
            while self.to_gateway:
                self.answers.receive(self.to_gateway.popleft())
            self.pump_answers()
        return ended[0]

    def refused(self, frame: Statement) -> bool:
        return self.refuse and f"evil{PHASES[frame.phase]}" in frame.text

    def send(self, data: bytes) -> None:
        self.to_server.extend(self.cut(data))

    def pump_answers(self) -> None:
        while (frame := self.answers.next_frame()) is not None:
            if isinstance(frame, Columns):
                plan = None if frame.copy else Plan((lambda value: b"****",))
                self.answers.judged(RowEditor(Splicer(plan, 1 << 20)) if plan is not None else None)
            self.got += frame.raw


def seen(data: bytes) -> list[bytes]:
    """Messages as they are compared: of an error its SQLSTATE."""
    result = []
    while data:
        size = int.from_bytes(data[1:5], "big") + 1
        raw, data = data[:size], data[size:]
        result.append(b"E" + m.parse_fields(raw)["C"] if raw[:1] == b"E" else raw)
    return result


def direct(script: bytes, server: Server) -> list[bytes]:
    try:
        server.receive(script)
    except Fatal:
        reject()  # a COPY that the script did not expect: PostgreSQL ends the connection
    return seen(server.take())


@settings(max_examples=200, deadline=None)
@given(scripts, chances, st.booleans())
@example([m.parse_message("", "nonsense"), m.flush(), m.bind("", ""), m.query("do 1"), m.sync()], Random(1), False)
@example([copying(m.copy_data(b"bad"), early_sync=False), m.query("do 1"), m.sync()], Random(2), False)
def test_the_client_cannot_tell_the_gateway_from_the_server(
    script: list[bytes], chance: Random, watching: bool
) -> None:
    sent = b"".join(script)
    alone = Server()
    wanted = direct(sent, alone)
    through = Through(chance, watching=watching)
    got = seen(through.play(sent))
    assert [masked(each) for each in wanted] == got if watching else wanted == got
    assert without_questions(through.server.ran) == without_questions(alone.ran)
    assert through.conversation.idle
    assert not through.requests.waiting
    assert through.requests.buffered == through.answers.buffered == 0
    assert not through.conversation.skipping


@settings(max_examples=200, deadline=None)
@given(scripts, chances)
def test_what_is_refused_never_runs_and_fails_as_a_server_would(script: list[bytes], chance: Random) -> None:
    sent = b"".join(script)
    failing = Server({f"evil{letter}": letter for letter in "QPBE"})
    wanted = direct(sent, failing)
    through = Through(chance, refuse=True)
    got = seen(through.play(sent))
    assert got == wanted
    assert without_questions(through.server.ran) == without_questions(failing.ran)
    assert through.server.status == failing.status
    assert through.conversation.idle


@settings(max_examples=200, deadline=None)
@given(scripts, chances)
def test_questions_between_a_clients_messages_are_invisible(script: list[bytes], chance: Random) -> None:
    sent = b"".join(script)
    alone = Server()
    wanted = direct(sent, alone)
    through = Through(chance, asking=True)
    assert seen(through.play(sent)) == wanted
    assert without_questions(through.server.ran) == without_questions(alone.ran)
    assert through.conversation.idle


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(requests, max_size=4), chances)
def test_whatever_a_client_sends_only_its_own_session_ends(noise: bytes, script: list[bytes], chance: Random) -> None:
    through = Through(chance)
    conversation = through.conversation
    data = b"".join(script) + noise
    try:
        for piece in through.cut(data):
            through.requests.receive(piece)
            through.pump_requests()
    except (RemoteProtocolError, LimitError):
        return
    assert len(conversation.replies) <= len(data)


def without_questions(ran: list[str]) -> list[str]:
    return [text for text in ran if text != QUESTION]


def masked(raw: bytes) -> bytes:
    return m.data_row([b"****"]) if raw[:1] == b"D" else raw


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_client_that_pipelines_without_end_is_held_at_the_window(size: int) -> None:
    through = Through(Random(0))
    for _ in range(20):
        through.requests.receive(m.sync() * 500)
        through.pump_requests()
    assert len(through.conversation.replies) <= 1024
    assert through.requests.waiting
    through.play(b"")
    assert through.conversation.idle
    assert through.got == m.ready_for_query(b"I") * 10_000
