"""What the core makes of random input, a line a case: run by both builds, it must print the same.

``python -m tests.compiled.outcomes ROOM SEED COUNT``. Nothing but the seed decides what the input is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.copy import CopyOptions, CopySplicer
from hoopgate.codecs.postgresql.framer import HEAD_BYTES, NOTHING, Framer, table
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.codecs.seek import AnyOf, find, is_ascii
from hoopgate.compiled import core
from hoopgate.errors import HoopgateError
from hoopgate.frames import Column, Parameter, Phase
from hoopgate.policy.sql.condense import condense
from hoopgate.recorders import events, redact
from hoopgate.transforms import Constant, KeepLast
from tests.codecs.postgresql.test_against_model import COPIED, Through, copying
from tests.codecs.postgresql.test_copy import BINARY, CSV, TEXT, pieces_of, write

NASTY = b"aN0\0\1\xff\\\"\n\r\t,|'Z\xc3\xa9"
PIECES = [
    "SELECT ", "1", "'a'", "'it''s'", "$1", "E'\\'", "$$x$$", "$a$;$a$", "--c\n", "/*", "*/", "/* x */", "U&'\\0041'",
    '"q"', "(", ")", ", ", ";", "VALUES ", "IN (", "(1, 'b')", "PASSWORD ", "'secret'", "ALTER ROLE a ", "\\", "é",
    "\x00", "1.5e3", "host=h password=p", "NULL", "\n", "ARRAY[", "]", "B'01'", "0x1F", ":: text", "CREATE USER ", "'",
]  # fmt: skip


def outcome(call: Callable[..., Any], *arguments: Any) -> str:
    """What a call returns, or how it fails, as text that says the same of either build."""
    try:
        return told(call(*arguments))
    except (HoopgateError, ValueError) as error:
        return f"{type(error).__name__}: {error} {getattr(error, 'sqlstate', '')}"


def told(value: Any) -> str:
    """Objects of the codec by what they hold: compiled ones have no ``__dict__``."""
    if isinstance(value, tuple | list):
        return f"({', '.join(map(told, value))})"
    if type(value).__module__.startswith("hoopgate."):
        names = [name for name in dir(value) if not name.startswith("_") and not callable(getattr(value, name))]
        return f"{type(value).__name__}({', '.join(f'{name}={told(getattr(value, name))}' for name in names)})"
    return repr(value)


def raw(chance: Random, most: int = 12) -> bytes:
    kind = chance.random()
    if kind < 0.2:
        return chance.randbytes(chance.randint(0, most))
    return bytes(chance.choices(NASTY, k=chance.randint(0, most)))


def cells(chance: Random, width: int) -> list[bytes | None]:
    return [None if chance.random() < 0.15 else raw(chance) for _ in range(width)]


def spoilt(chance: Random, data: bytes) -> bytes:
    """The same with one byte changed, left out or added, now and then."""
    if not data or chance.random() < 0.5:
        return data
    at = chance.randrange(len(data))
    return data[:at] + chance.choice([b"", bytes([chance.choice(NASTY)]), b"xy"]) + data[at + chance.randint(0, 1) :]


def cut(chance: Random, data: bytes) -> list[bytes]:
    """Forty pieces, at most."""
    return pieces_of(data, [chance.randint(1, chance.choice([2, 20, 300])) + len(data) // 40]) if data else []


def framer(chance: Random) -> Iterator[str]:
    letters = "DCTZQ"
    kinds = {letter: chance.choice(["passing", "whole", "rows", "head"]) for letter in letters}
    chosen = {kind: "".join(letter for letter in letters if kinds[letter] == kind) for kind in set(kinds.values())}
    made = Framer(table(**chosen), whole=200, large=100, largest=1 << 20, limit="limits.row")
    sizes = [0, 3, 50, 150, 250, HEAD_BYTES + 9]
    weights = [9, 9, 9, 3, 1, 1]
    stream = b"".join(
        m.message(chance.choice(letters).encode(), chance.choices(sizes, weights)[0] * b"x") for _ in range(8)
    )
    for piece in cut(chance, spoilt(chance, stream)):
        made.receive(piece)
        while True:
            found = made.advance()
            yield f"{found} {made.start} {made.end} {made.partial} {made.buffered} {made.boundary}"
            if found == NOTHING:
                break
            yield made.cut(made.start, made.end).hex()
            if made.partial and chance.random() < 0.3:
                made.drop_rest()


def transforms(chance: Random) -> list[Any]:
    turned: Callable[[bytes], bytes | None] = lambda value: None if value[:1] == b"N" else value[::-1] + b'"\\,'  # noqa: E731
    same: Callable[[bytes], bytes | None] = lambda value: value  # noqa: E731
    keeps = [KeepLast(b"****", 2, "utf-8"), KeepLast(b"a,", 1, "utf-8"), KeepLast(b"", 3, "latin-1")]
    choices = [None, None, turned, same, Constant(b"****"), Constant(None), Constant(b""), *keeps]
    return chance.choices(choices, k=chance.randint(1, 5))


def splice(chance: Random) -> Iterator[str]:
    plan = transforms(chance)
    rows = [m.data_row(cells(chance, len(plan))) for _ in range(chance.randint(0, 4))]
    data = spoilt(chance, b"".join(rows))
    made = Splicer(Plan(tuple(plan)), chance.choice([30, 1 << 20]))
    yield outcome(made.splice, data, 0, len(data))
    yield outcome(made.splice, b"ab" + data + b"c", 2, len(data) + 2)


def copy(chance: Random) -> Iterator[str]:
    plan = transforms(chance)
    options = chance.choice([*TEXT, *CSV, *BINARY, CopyOptions(header=True), CopyOptions("csv", header=True)])
    rows = [cells(chance, len(plan)) for _ in range(chance.randint(0, 4))]
    stream = spoilt(chance, write([[b"x", *row[1:]] for row in rows], options))
    pieces = [stream] if chance.random() < 0.3 else cut(chance, stream)
    splicer = CopySplicer(Plan(tuple(plan)), options, chance.choice([40, 1 << 20]))
    sent = b"".join(m.copy_data(piece) for piece in pieces)
    yield outcome(splicer.splice, sent, 0, len(sent))
    yield outcome(splicer.finish)


def parsers(chance: Random) -> Iterator[str]:
    name, text = (raw(chance).replace(b"\0", b"") for _ in range(2))
    codes = tuple(chance.choices([0, 1, 23, 25, -1], k=chance.randint(0, 3)))
    values = cells(chance, chance.randint(0, 3))
    columns = [Column(text.decode("latin-1"), 16400, 3, 23, 4, -1, 0) for _ in codes]
    built = [
        m.query(text), m.parse_message(name, text, [abs(code) for code in codes]),
        m.bind(name, name, codes[:1], values, codes), m.describe(b"P", name), m.close(b"S", name), m.execute(name, 7),
        m.function_call(7, codes[:1], values), m.copy_fail(text), m.row_description(columns), m.data_row(values),
        m.error_response(sqlstate="42501", message=text), m.command_complete(name), m.parameter_status(name, text),
        m.backend_key_data(1, b"1234"), m.ready_for_query(b"T"), m.parameter_description([abs(code) for code in codes]),
        m.copy_out_response(True, codes), m.negotiate_protocol_version(2, [name]), m.authentication_md5(b"abcd"),
    ]  # fmt: skip
    data = spoilt(chance, chance.choice(built))
    yield data.hex()
    for each in sorted(name for name in m.__all__ if name.startswith("parse_") and name != "parse_complete"):
        if each != "parse_message":
            yield f"{each} {outcome(getattr(m, each), data)}"
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    yield f"{find(data, 0, start, end)} {AnyOf(bytes([0, 1, 34])).find(data, start, end)}"
    some = chance.randbytes(3)
    long = b"".join(chance.choices([bytes([byte, byte ^ 0x80, byte + 1 & 0xFF]) for byte in some] + [b"xyz"], k=30))
    yield f"{find(long, some[0], start, 80)} {AnyOf(some).find(long, start, 85)} {is_ascii(long, start, start + 9)}"


def wires(chance: Random) -> Iterator[str]:
    """Requests and answers of a whole session, through a model of the server."""
    names = ["", "", "a", "b"]
    words = ["rows 0", "rows 3", "do 1", "begin", "commit", "rollback", "fail", "nonsense", "do é", "rows 2 evilE"]
    script: list[bytes] = []
    for _ in range(chance.randint(1, 12)):
        name, word = chance.choice(names), chance.choice(words)
        script.append(
            chance.choice([
                m.query(word), m.query("copyin") + COPIED + m.copy_done(), m.query("copyout"),
                m.parse_message(name, word), m.parse_message(name, word), m.bind(name, name), m.bind(name, name),
                m.execute(name, chance.choice([0, 1])), m.describe(b"P", name), m.describe(b"S", name),
                m.close(b"S", name), m.sync(), m.sync(), m.flush(), m.sync() + copying(COPIED, early_sync=True),
            ])
        )  # fmt: skip
    sent = b"".join([*script, m.sync(), m.copy_done(), m.sync()])
    through = Through(chance, refuse=chance.random() < 0.5, watching=chance.random() < 0.5)
    yield outcome(through.play, spoilt(chance, sent))
    yield through.got.hex()
    yield f"{through.server.ran} {through.conversation.idle} {through.requests.buffered} {through.answers.buffered}"


def texts(chance: Random) -> Iterator[str]:
    text = "".join(chance.choices(PIECES, k=chance.randint(0, 12)))
    if chance.random() < 0.2:
        text += " VALUES " + ", ".join(["(1, 'a')"] * 40) + " IN (" + ", ".join("1" * 50) + ")"
    yield outcome(condense, text)
    yield outcome(redact.redact_statement, text)
    yield outcome(redact.strip_literals, text)
    data = spoilt(chance, m.query(text.replace("\0", "")) + m.parse_message("s", text.replace("\0", "")))
    yield outcome(redact.recordable, data)
    phase = chance.choice([Phase.SIMPLE, Phase.PREPARE, Phase.BIND, Phase.EXECUTE])
    values = [Parameter(value, chance.choice([0, 1])) for value in cells(chance, chance.randint(0, 2))]
    prefix = events.statement_prefix("allow", "a rule", ["read"], 3)
    yield outcome(events.statement_event, prefix, text, 7, phase, values)
    yield outcome(events.result_event, 7, chance.choice(["SELECT 5", "é 1", "", text]), chance.choice(["", "42501"]))


ROOMS = {each.__name__: each for each in (framer, splice, copy, parsers, wires, texts)}


def main(room: str, seed: str, count: str) -> None:
    sys.stderr.write(core())
    for case in range(int(count)):
        chance = Random(f"{seed} {case}")
        try:
            for line in ROOMS[room](chance):
                sys.stdout.write(f"{case} {line}\n")
        except (HoopgateError, ValueError) as error:
            sys.stdout.write(f"{case} {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
