"""The model that the codec is tested against answers as PostgreSQL does: type by type, SQLSTATE by SQLSTATE."""

from __future__ import annotations

import re

from hypothesis import Phase, example, given, settings

from hoopgate.codecs.postgresql import messages as m
from tests.codecs.postgresql.model import Server
from tests.codecs.postgresql.test_against_model import direct, scripts
from tests.live.gate import World

SQL = {
    b"rows 0": b"select note from two limit 0",
    b"rows 2 evilE": b"select 'secret' from generate_series(1, 2)",
    b"rows 3": b"select 'secret' from generate_series(1, 3)",
    b"fail": b"drop table model_nowhere",
    b"copyin": b"copy two (id) from stdin",
    b"copyout": b"copy (select 1) to stdout",
}


def real(raw: bytes) -> bytes:
    """The same request in PostgreSQL's own words."""

    def texts(text: bytes) -> bytes:
        parts = []
        for part in text.split(b";"):
            part = part.strip()
            parts.append(SQL.get(part, b"set model.word = '" + part[3:] + b"'" if part[:3] == b"do " else part))
        return b"; ".join(parts)

    if raw[:1] == b"Q":
        return m.query(texts(m.parse_query(raw)))
    if raw[:1] == b"P":
        parsed = m.parse_parse(raw)
        return m.parse_message(parsed.name, texts(parsed.text))
    return raw


def split(data: bytes) -> list[bytes]:
    result = []
    while data:
        size = int.from_bytes(data[1:5], "big") + 1
        result.append(data[:size])
        data = data[size:]
    return result


def story(messages: list[bytes]) -> list[str]:
    """Types with transaction status and SQLSTATE; runs of rows as one; not what is only said beside."""
    told = []
    for raw in messages:
        kind = chr(raw[0])
        if kind in "NSA":
            continue
        detail = ""
        if kind == "Z":
            detail = raw[5:].decode()
        elif kind == "E":
            detail = (m.parse_fields(raw)["C"] if len(raw) > 6 else raw[1:]).decode()
        told.append(kind + detail)
    return told


def play(world: World, sent: bytes) -> list[bytes]:
    """All answers of a fresh session."""
    got: list[bytes] = []
    with world.direct() as wire:
        wire.send(b"".join(real(raw) for raw in split(sent)) + m.query("select 'the end'"))
        while not (got and got[-1][:1] == b"D" and b"the end" in got[-1]):
            got.append(wire.message(5))
    return got[:-2]


@settings(max_examples=120, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink], database=None)
@given(scripts)
@example([m.query(b"begin"), m.query(b"copyin"), m.copy_fail("no"), m.execute(b""), m.sync()])
@example([m.query(b"begin"), m.query(b"fail"), m.describe(b"P", b""), m.execute(b""), m.sync()])
@example(
    [
        m.query(b"begin"),
        *(m.parse_message(b"", b"rollback"), m.bind(b"p", b""), m.sync()),
        *(m.query(b"fail"), m.execute(b"p"), m.sync()),
    ]
)
def test_the_model_is_postgresql_in_little(world: World, script: list[bytes]) -> None:
    sent = b"".join([*script, m.query("rollback")])
    expected = story(direct(sent, Server(leaves=True)))
    assert fold(story(play(world, sent))) == fold(expected)


def fold(told: list[str]) -> list[str]:
    """What the model does not tell apart: which of two errors comes first where both are due."""
    return [re.sub("E(42P05|25P02|42601)", "E~", each) for each in told]
