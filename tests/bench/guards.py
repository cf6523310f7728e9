"""What the guards cost for each statement and for each result: everything around them does nothing.

``python -m tests.bench.guards [--rounds N] [--count N]``: CPU microseconds a statement (a Bind with its Execute counts
as one), the best of the rounds; and nanoseconds a masked cell. Which build runs depends on what ``hoopgate`` Python
finds: put a compiled copy before it in PYTHONPATH to measure that one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed

from hoopgate.catalogue import Catalogue
from hoopgate.catalogue.snapshot import ColumnInfo, Function, Relation, Snapshot
from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages
from hoopgate.config.model import Config, Host, Issuer, Limits, Mask, Role, Rule, Target, What, Who
from hoopgate.frames import Column, Columns, Frame, Parameter, Phase, Statement
from hoopgate.guards.mask import Masks
from hoopgate.guards.statements import Statements
from hoopgate.inference import Inference
from hoopgate.interfaces import Identity
from hoopgate.masks import transform
from hoopgate.metrics import Metrics
from hoopgate.policy import engine as engine_module
from hoopgate.policy.engine import Engine
from hoopgate.policy.sql.parser import Parser
from hoopgate.session import Session
from hoopgate.transforms import Constant
from hoopgate.verdicts import Block

POINT = "SELECT abalance FROM pgbench_accounts WHERE aid = {};"
PREPARED = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;"
MASKED = "SELECT id, email FROM customers WHERE id = {};"
BALANCE = (Column("abalance", 16400, 3, 23, 4, -1, 0),)
PROBING = "SELECT id, email FROM customers WHERE card = '{}';"
WRITING = "UPDATE customers SET email = $1, name = $2 WHERE id = $3;"
CUSTOMER = (Column("id", 16500, 1, 23, 4, -1, 0), Column("email", 16500, 2, 25, -1, -1, 0))
RESPELLED = (CUSTOMER[0], Column("email", 0, 0, 25, -1, -1, 0))

ALLOW_ALL = (Rule("everything", "allow", Who(), What()),)
TWENTY = (
    *(Rule(f"no-{schema}", "deny", Who(), What(object=(f"{schema}.*",))) for schema in ("hr", "pay", "audit", "board")),
    *(Rule(f"only-{group}", "deny", Who(groups=(group,)), What(effect=("schema",))) for group in ("a", "b", "c", "d")),
    *(Rule(f"calm-{name}", "deny", Who(), What(object=(f"*.{name}",), bounded=False)) for name in "klmnop"),
    Rule("danger", "deny", Who(), What(risk_at_least=95)),
    Rule("no-admin", "deny", Who(), What(effect=("admin", "unknown"))),
    Rule("no-code", "deny", Who(), What(effect=("execute",), labels={"env": ("prod",)})),
    Rule("no-ddl", "deny", Who(), What(effect=("schema",))),
    Rule("writers", "allow", Who(groups=("dev",)), What(effect=("write", "delete"))),
    Rule("readers", "allow", Who(groups=("dev",)), What(effect=("read", "session"))),
)
FIVE = (
    Mask("emails", ("*.*.email",), inference=10**9),
    Mask("phones", ("*.*.phone",), kind="keep-last", keep=2),
    Mask("cards", ("*.*.card",), kind="fixed", inference=10**9),
    Mask("passwords", ("*.*.password",), kind="null"),
    Mask("names", ("public.customers.name",)),
)
SOURCE = tuple(evolve(mask, reading="source") for mask in FIVE)


class Wall:
    """A clock, and a reactor that never comes to anything."""

    def seconds(self) -> float:
        return time.time()

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> None:
        """Nothing is ever late here."""


class Recording:
    def __init__(self) -> None:
        self.bytes = 0

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        self.bytes += len(fields)

    def later(self, payload: bytes) -> None:
        self.bytes += len(payload)


class Live:
    """A connection that answers questions about names at once."""

    transaction = "I"
    client_encoding = "utf-8"
    tentative = False
    running = False
    at_rest = True

    def ask(self, sql: str) -> Deferred[list[tuple[str | None, ...]]]:
        return succeed([("public",)])

    def prepared(self, name: str) -> str | None:
        return None


class Grants:
    def active(self, identity: Identity) -> frozenset[str]:
        return frozenset()


class Gateway:
    """As much of a gateway as guards look at."""

    def __init__(self, config: Config) -> None:
        self.clock = Wall()
        self.config = config
        self.parser = Parser(None, config.limits)
        self.engine = Engine(config, self.parser, self.clock)  # type: ignore[arg-type]
        self.metrics = Metrics(["bench"])
        self.grants = Grants()
        self._catalogue = Catalogue(lambda sql: succeed([]), self.clock)  # type: ignore[arg-type]
        self._catalogue.snapshot = snapshot()
        self._catalogue.checked = time.time() + 1e6

    def grants_of(self, identity: Identity) -> frozenset[str]:
        return self.grants.active(identity)

    def catalogue(self, target: Target, database: str) -> Catalogue:
        return self._catalogue

    def observe(self, session: Session, kind: str, fields: dict[str, Any]) -> None:
        self.metrics.event(kind, fields)


def snapshot() -> Snapshot:
    plain = columns("aid", "bid", "abalance", "filler")
    customer = (*columns("id"), *columns("email", "phone", "card", "name", start=2, type_oid=25, type_name="text"))
    found = {
        16400: Relation(16400, "public", "pgbench_accounts", "r", columns=plain),
        16500: Relation(16500, "public", "customers", "r", columns=customer),
    }
    builtins = {
        "count": (Function(2147, "pg_catalog", "count", "internal", kind="a", volatility="i"),),
        "now": (Function(1299, "pg_catalog", "now", "internal", volatility="s"),),
    }
    return Snapshot(1, "x", found, builtins=builtins)


def columns(*names: str, start: int = 1, type_oid: int = 23, type_name: str = "integer") -> tuple[ColumnInfo, ...]:
    return tuple(ColumnInfo(number, name, type_oid, type_name=type_name) for number, name in enumerate(names, start))


def config(rules: tuple[Rule, ...], masks: tuple[Mask, ...]) -> Config:
    target = Target("bench", "postgresql", (Host("db"),), roles=(Role("bench", "bench"),), labels={"env": "dev"})
    return Config(
        path=Path("hoopgate.toml"),
        version="v",
        limits=Limits(),
        issuers=(Issuer("staff", "https://id.example.com", ("hoopgate",)),),
        targets=(target,),
        rules=rules,
        masks=masks,
    )


def session(rules: tuple[Rule, ...], masks: tuple[Mask, ...]) -> Session:
    found = config(rules, masks)
    gateway: Any = Gateway(found)
    who = Identity("https://id.example.com", "ann", frozenset({"dev"}))
    made = Session(gateway, listener=None, identity=who, target=found.targets[0], role="bench", client="x")  # type: ignore[arg-type]
    made.recording = Recording()  # type: ignore[assignment]
    made.attach(Live())  # type: ignore[arg-type]
    return made


def chain(rules: tuple[Rule, ...], masks: tuple[Mask, ...]) -> Chain:
    made = session(rules, masks)
    return Chain(
        (Statements().open(made), Masks(lambda reference: succeed(b"k" * 32), Inference(made.gateway.clock)).open(made))
    )


def simple(number: int, text: str) -> list[Frame]:
    frame = Statement(messages.query(text.encode()), text, Phase.SIMPLE)
    frame.number = number
    return [frame]


def prepared(number: int, text: str, values: int = 1) -> list[Frame]:
    value = (Parameter(str(number).encode()),) * values
    frames = [Statement(b"", text, phase, name="P0_1", parameters=value) for phase in (Phase.BIND, Phase.EXECUTE)]
    for frame in frames:
        frame.number = number
    return list(frames)


def described(shape: tuple[Column, ...], statement: Frame) -> Columns:
    """Made of new bytes each time, as from the wire."""
    assert isinstance(statement, Statement)
    raw = messages.row_description(list(shape))
    return Columns(raw, None, statement, None, raw, messages.parse_row_description)


def cpu(call: Callable[[Frame], object], frames: list[Frame]) -> float:
    began = time.process_time()
    for frame in frames:
        call(frame)
    return time.process_time() - began


def case(
    made: Chain, make: Callable[[int], list[Frame]], rounds: int, count: int, setup: Callable[[], object] = list
) -> float:
    """Microseconds a unit; ``make`` makes the frames of one."""
    for number in range(20):
        for frame in make(number):
            if isinstance(made.inspect(frame), Block):
                raise AssertionError(f"refused, so that nothing is measured: {frame}")
    best = 1e9
    for turn in range(rounds):
        setup()
        frames = [frame for number in range(count) for frame in make(turn * count + number)]
        best = min(best, cpu(made.inspect, frames) / count * 1e6)
    return best


def results(number: int, text: str, shape: tuple[Column, ...]) -> list[Frame]:
    frames = simple(number, text)
    return [*frames, described(shape, frames[0])]


TRANSACTION = (
    "BEGIN;",
    "UPDATE pgbench_accounts SET abalance = abalance + {0} WHERE aid = {0};",
    "SELECT abalance FROM pgbench_accounts WHERE aid = {0};",
    "UPDATE pgbench_accounts SET filler = {0} WHERE aid = {0};",
    "INSERT INTO pgbench_accounts (aid, bid, abalance) VALUES ({0}, 1, {0});",
    "END;",
)


def statements(rounds: int, count: int) -> None:
    def point(number: int) -> list[Frame]:
        return simple(number, POINT.format(number))

    def bound(number: int) -> list[Frame]:
        return prepared(number, PREPARED)

    def untouched(number: int) -> list[Frame]:
        return results(number, POINT.format(number), BALANCE)

    def masked(number: int) -> list[Frame]:
        return results(number, MASKED.format(number), CUSTOMER)

    def probing(number: int) -> list[Frame]:
        return results(number, PROBING.format(number), CUSTOMER)

    def writing(number: int) -> list[Frame]:
        return prepared(number, WRITING, 3)

    def respelled(number: int) -> list[Frame]:
        return results(number, MASKED.format(number), RESPELLED)

    def transaction(number: int) -> list[Frame]:
        return [frame for text in TRANSACTION for frame in simple(number, text.format(number))]

    def new(number: int) -> list[Frame]:
        return simple(number, f"SELECT abalance AS c{number}_{time.monotonic_ns()} FROM pgbench_accounts")

    def derived(number: int) -> list[Frame]:
        return simple(
            number, f"SELECT email || card AS c{number}_{time.monotonic_ns()} FROM customers WHERE card > '4'"
        )

    for name, rules, masks, make, few in (
        ("allow all, simple", ALLOW_ALL, (), point, 1),
        ("allow all, Bind + Execute", ALLOW_ALL, (), bound, 1),
        ("allow all, 6 statements of a transaction", ALLOW_ALL, (), transaction, 4),
        ("20 rules and 5 masks, simple, nothing masked", TWENTY, FIVE, point, 1),
        ("the same with RowDescription", TWENTY, FIVE, untouched, 1),
        ("20 rules and 5 masks, Bind + Execute", TWENTY, FIVE, bound, 1),
        ("20 rules and 5 masks, masked result", TWENTY, FIVE, masked, 1),
        ("20 rules and 5 masks, a text never seen", TWENTY, FIVE, new, 20),
        ("the same, which computes with masked columns", TWENTY, FIVE, derived, 20),
        ("20 rules and 5 masks, a probe", TWENTY, FIVE, probing, 1),
        ("20 rules and 5 masks, parameters written back", TWENTY, FIVE, writing, 1),
        ("5 masks read in place of the table, known", TWENTY, SOURCE, respelled, 1),
        ("the same, a text never seen", TWENTY, SOURCE, derived, 20),
    ):
        took = case(chain(rules, masks), make, rounds, max(20, count // few))
        print(f"{name:<46} {took:8.2f} us")


def cells(rounds: int, count: int) -> None:
    values = [b"somebody%d@example.com" % number for number in range(count)]
    key = b"k" * 32
    for name, mask, type_oid, fmt in (
        ("replace text", Mask("m", ("*",)), 25, 0),
        ("keep-last text", Mask("m", ("*",), kind="keep-last", keep=4), 25, 0),
        ("hash text", Mask("m", ("*",), kind="hash"), 25, 0),
        ("hash bytea, binary", Mask("m", ("*",), kind="hash"), 17, 1),
        ("fixed int4, binary", Mask("m", ("*",), kind="fixed"), 23, 1),
        ("null", Mask("m", ("*",), kind="null"), 25, 0),
    ):
        call = transform(mask, type_oid, fmt, key=key)
        best = 1e9
        for _ in range(rounds):
            began = time.process_time()
            for value in values:
                call(value)
            best = min(best, (time.process_time() - began) / count * 1e9)
        constant = "  (constant: the splicer calls nothing)" if isinstance(call, Constant) else ""
        print(f"{name:<46} {best:8.0f} ns{constant}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=4000)
    options = parser.parse_args()
    build = "interpreted" if str(engine_module.__file__).endswith(".py") else "compiled"
    print(f"{build}, {engine_module.__file__}")
    statements(options.rounds, options.count)
    cells(options.rounds, options.count)


if __name__ == "__main__":
    main()
