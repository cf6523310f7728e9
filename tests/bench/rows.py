"""What the codec costs for each row or message: framing, masking and reading, without transport, guards or recorder.

``python -m tests.bench.rows [WORD...]``: CPU nanoseconds, the best of the rounds; words choose among the names. Which
build runs depends on what ``hoopgate`` Python finds: put a compiled copy before it in PYTHONPATH to measure that one.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Iterator

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.copy import CopyOptions, CopySplicer
from hoopgate.codecs.postgresql.framer import NOTHING, Framer, table
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.compiled import core
from hoopgate.frames import Column
from hoopgate.transforms import Constant, Hashed, KeepLast, Transform

ROUNDS = 5
COUNT = 1000  # rows or messages in one piece
TIMES = 100  # pieces in a round
LIMIT = 1 << 20
PERSON = (b"123456", b"Abcdefg Hijklmnop", b"0123456789ab@example.org", b"DE00000000000012345678", b"Freiburg",
          b"1980-02-03", b"1234.56")  # fmt: skip
MASKED = (2, 3)
ANSWER = (
    m.row_description([Column("abalance", 16400, 3, 23, 4, -1, 0)])
    + m.data_row([b"0"]) + m.command_complete("SELECT 1") + m.ready_for_query(b"I")
)  # fmt: skip
TEXT = m.copy_data(b"\t".join(PERSON) + b"\n")
CSV = m.copy_data(b",".join(PERSON) + b"\n")
BINARY = m.copy_data(struct.pack(">h", len(PERSON)) + b"".join(struct.pack(">i", len(cell)) + cell for cell in PERSON))
BINARY_HEAD = m.copy_data(b"PGCOPY\n\xff\r\n\0" + bytes(8))
MASKS: dict[str, Transform] = {
    "constant": Constant(b"****"),
    "keep-last": KeepLast(b"****", 4, "utf-8"),
    "hash": Hashed(b"a key", "utf-8"),
    "a function": lambda value: b"****",
}


def framing(kinds: bytes, data: bytes) -> Callable[[], None]:
    framer = Framer(kinds, whole=LIMIT, large=LIMIT, largest=LIMIT, limit="limits.row")

    def piece() -> None:
        framer.receive(data)
        while framer.advance() != NOTHING:
            pass

    return piece


def masking(mask: Transform, data: bytes, options: CopyOptions | None = None) -> Callable[[], None]:
    plan = Plan(tuple([mask if index in MASKED else None for index in range(len(PERSON))]))
    splicer = Splicer(plan, LIMIT) if options is None else CopySplicer(plan, options, LIMIT)
    if options is not None and options.format == "binary":
        splicer.splice(BINARY_HEAD, 0, len(BINARY_HEAD))
    return lambda: (splicer.splice(data, 0, len(data)), None)[1]


def reading(parse: Callable[[bytes], object], raw: bytes) -> Callable[[], None]:
    def piece() -> None:
        for _ in range(COUNT):
            parse(raw)

    return piece


def pieces() -> Iterator[tuple[str, Callable[[], None]]]:
    """What to measure; each call works on COUNT rows or messages."""
    rows = m.data_row(PERSON) * COUNT
    yield "framing: rows that pass", framing(table(passing="D"), rows)
    yield "framing: rows in one run", framing(table(rows="D"), rows)
    yield "framing: messages that are read", framing(table(passing="D", whole="TCZ"), ANSWER * (COUNT // 4))
    for name, mask in MASKS.items():
        yield f"masking two columns of a row: {name}", masking(mask, rows)
        yield f"masking two columns of COPY text: {name}", masking(mask, TEXT * COUNT, CopyOptions())
        yield f"masking two columns of COPY csv: {name}", masking(mask, CSV * COUNT, CopyOptions("csv"))
        yield f"masking two columns of COPY binary: {name}", masking(mask, BINARY * COUNT, CopyOptions("binary"))
    yield "reading Query", reading(m.parse_query, m.query("SELECT abalance FROM pgbench_accounts WHERE aid = 76543;"))
    yield "reading Parse", reading(m.parse_parse, m.parse_message("P0_1", "SELECT $1", (23,)))
    yield "reading Bind", reading(m.parse_bind, m.bind("", "P0_1", (0,), (b"76543",), (0,)))
    yield "reading Describe", reading(m.parse_describe, m.describe(b"P"))
    yield "reading Execute", reading(m.parse_execute, m.execute())
    yield "reading RowDescription", reading(m.parse_row_description, ANSWER[: 1 + int.from_bytes(ANSWER[1:5], "big")])
    yield "reading CommandComplete", reading(m.parse_command_complete, m.command_complete("SELECT 1"))


def nanoseconds(piece: Callable[[], None]) -> float:
    """For one row or message."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(TIMES):
            piece()
        best = min(best, (time.process_time_ns() - began) / TIMES / COUNT)
    return best


def main(words: list[str]) -> None:
    print(f"core: {core()}")
    for name, piece in pieces():
        if not words or any(word in name for word in words):
            print(f"{name:48} {nanoseconds(piece):9.1f} ns")


if __name__ == "__main__":
    main(sys.argv[1:])
