"""What is wrong with an attack that was sent directly and through a gateway, in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

from hoopgate.codecs.postgresql import messages as m
from tests.attacks.conftest import Stage
from tests.attacks.script import Attack
from tests.attacks.secret import A, B, found
from tests.attacks.send import Came

TEMPORARY = re.compile(rb"pg_temp_\d+")


def unproved(stage: Stage, attack: Attack) -> str | None:
    """Why ``attack`` is none: directly it shows no secret, nor does its answer depend on one."""
    one, other = (stage.send(attack, "direct", world) for world in (A, B))
    if found(one.values, A) or _bytes(stage, one) != _bytes(stage, other):
        return None
    return f"shows nothing: {attack.text} {[error['M'] for error in one.errors]}"


def leaks(stage: Stage, attack: Attack, mode: str) -> Iterator[str]:
    """Secrets that came, in any encoding, and answers that depend on secrets where nothing but probes may."""
    excused = mode == "output" and "probe" in attack.flags
    charged = stage.probes if excused else 0
    one, other = (stage.send(attack, mode, world) for world in (A, B))
    for came, world in ((one, A), (other, B)):
        if seen := found(came.values, world):
            yield f"{mode} shows {seen[:4]}: {attack.text}"
    if _bytes(stage, one) == _bytes(stage, other):
        return
    if not excused:
        # Rows that nobody ordered come by what is guessed of a table's size, which dead rows of other attacks change.
        stage.sweep()
        one, other = (stage.send(attack, mode, world) for world in (A, B))
        if _bytes(stage, one) == _bytes(stage, other):
            return
    if not excused:
        yield f"{mode} depends on secrets ({first(_bytes(stage, one), _bytes(stage, other))}): {attack.text}"
    elif stage.probes == charged:
        yield f"{mode} tells and charges no probe: {attack.text}"


def forms(attack: Attack, mode: str) -> Iterator[Attack]:
    """As written, and by the extended protocol in both formats."""
    yield attack
    for binary in (False, True):
        if mode != "strict" and (other := attack.extended(binary=binary)) is not None:
            yield other


def form(attack: Attack, mode: str) -> Attack:
    """One of its forms, always the same one."""
    found = list(forms(attack, mode))
    return found[crc32(f"{attack.text} {mode}".encode()) % len(found)]


def _bytes(stage: Stage, came: Came) -> list[bytes]:
    return [normal(stage.newest, raw) for raw in (*came.messages, b"", *came.other)]


def normal(newest: int, raw: bytes) -> bytes:
    """Without the numbers of what was made meanwhile, which come of a counter that all databases share."""
    if raw[:1] == b"T":
        columns = m.parse_row_description(raw)
        numbers = [(one.table_oid, one.attnum, one.type_oid, one.type_modifier, one.format) for one in columns]
        known = [[number if number <= newest else 0 for number in column] for column in numbers]
        return repr([[one.name for one in columns], known]).encode()
    return TEMPORARY.sub(b"pg_temp", raw[5:]) if raw[:1] in b"EN" else raw


def first(one: list[bytes], other: list[bytes]) -> str:
    """The first message in which two answers differ."""
    pairs = zip(one, other, strict=False)
    return next((f"{a[:120]!r} {b[:120]!r}" for a, b in pairs if a != b), "a number of messages")
