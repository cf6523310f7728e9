"""A session whose answers a test sets by hand, under a real policy."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.config.model import Config, Limits
from hoopgate.errors import QuestionError
from hoopgate.frames import Phase, Statement
from hoopgate.guards.statements import StatementsGuard
from hoopgate.metrics import Metrics
from hoopgate.policy.engine import Engine
from hoopgate.policy.sql.parser import Parser
from tests.policy.samples import SHOP, person


class CountingParser(Parser):
    def __init__(self) -> None:
        super().__init__(None, Limits())
        self.asked: list[str] = []

    def parse(self, text: str) -> Any:
        self.asked.append(text)
        return super().parse(text)


class Session:
    """``path`` is what the session answers about its schemas; ``transaction``, ``running`` and ``tentative`` are what
    a live one would say."""

    def __init__(self, found: Config, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.parser = CountingParser()
        self.gateway = SimpleNamespace(metrics=Metrics(), grants_of=lambda identity: self.grants)
        self.grants: frozenset[str] = frozenset()
        self.identity, self.target, self.role = person(), SHOP, "app_rw"
        self.replication = False
        self.printed: Any = None
        self.decision: Any = None
        self.transaction, self.running, self.tentative = "I", False, False
        self.path: tuple[str, ...] = ("public",)
        self.aborted = False
        self.asked: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.forgotten: list[tuple[str, str | None]] = []
        self.protocols: dict[str, str] = {}
        self.reload(found)
        self.guard = StatementsGuard(self)  # type: ignore[arg-type]

    @property
    def config(self) -> Config:
        found: Config = self.gateway.config
        return found

    def reload(self, found: Config) -> None:
        self.gateway.config = found
        self.gateway.engine = Engine(found, self.parser, self.clock)

    def ask(self, sql: str) -> Deferred[list[tuple[str | None, ...]]]:
        self.asked.append(sql)
        if self.aborted:
            return fail(QuestionError("no", aborted=True))
        return succeed([(name,) for name in self.path])

    def prepared(self, name: str) -> str | None:
        return self.protocols.get(name)

    def forget_statement(self, name: str | None) -> None:
        self.forgotten.append(("statement", name))

    def forget_portal(self, name: str | None) -> None:
        self.forgotten.append(("portal", name))

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append({"event": kind, **fields})

    def later(self, payload: bytes) -> None:
        self.events.append(json.loads(payload))

    def judge(self, text: str, phase: Phase = Phase.SIMPLE, **more: Any) -> Any:
        """The guard's verdict on one statement."""
        return self.verdict(Statement(b"", text, phase, **more))

    def verdict(self, frame: Statement) -> Any:
        answer = self.guard.inspect(frame)
        if not isinstance(answer, Deferred):
            return answer
        values: list[Any] = []
        answer.addBoth(values.append)
        assert values, "the Deferred has not fired"
        if isinstance(values[0], Failure):
            values[0].raiseException()
        return values[0]

    def counted(self) -> dict[tuple[str, str], float]:
        """Statements by effect and verdict, those that are not zero."""
        (family,) = self.gateway.metrics.statements.collect()
        found = {(one.labels["effect"], one.labels["verdict"]): one.value for one in family.samples}
        return {labels: value for labels, value in found.items() if value}
