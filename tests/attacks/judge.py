"""What is wrong with an attack that was sent directly and through a gateway, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from hoopgate.codecs.postgresql import messages as m
from tests.attacks.conftest import Stage
from tests.attacks.script import Attack
from tests.attacks.secret import A, B, found
from tests.attacks.send import Came

FIRST_NEW = 17_000  # the schema has about 200 objects behind PostgreSQL's own 16384


def unproved(stage: Stage, attack: Attack) -> str | None:
    """Why ``attack`` is none: directly it shows no secret, nor does its answer depend on one."""
    one, other = (stage.send(attack, "direct", world) for world in (A, B))
    if found(one.values, A) or _bytes(one) != _bytes(other):
        return None
    return f"shows nothing: {attack.text} {[error['M'] for error in one.errors]}"


def leaks(stage: Stage, attack: Attack, mode: str) -> Iterator[str]:
    """Secrets that came, in any encoding, and answers that depend on secrets where nothing but probes may."""
    one, other = (stage.send(attack, mode, world) for world in (A, B))
    for came, world in ((one, A), (other, B)):
        if seen := found(came.values, world):
            yield f"{mode} shows {seen[:4]}: {attack.text}"
    if _bytes(one) != _bytes(other) and not (mode == "output" and "probe" in attack.flags):
        yield f"{mode} depends on secrets ({_first(one, other)}): {attack.text}"


def forms(attack: Attack, mode: str) -> Iterator[Attack]:
    """As written, and by the extended protocol in both formats."""
    yield attack
    for binary in (False, True):
        if mode != "strict" and (other := attack.extended(binary=binary)) is not None:
            yield other


def _bytes(came: Came) -> list[bytes]:
    return [_without_new_oids(raw) for raw in (*came.messages, b"", *came.other)]


def _without_new_oids(raw: bytes) -> bytes:
    """Object identifiers of what the attack made itself come of a counter that all databases share."""
    if raw[:1] != b"T":
        return raw
    columns = [
        (one.name, known(one.table_oid), one.attnum, known(one.type_oid), one.type_size, one.type_modifier, one.format)
        for one in m.parse_row_description(raw)
    ]
    return repr(columns).encode()


def known(oid: int) -> int:
    return oid if oid < FIRST_NEW else 0


def _first(one: Came, other: Came) -> str:
    pairs = zip(_bytes(one), _bytes(other), strict=False)
    return next((f"{a[:90]!r} {b[:90]!r}" for a, b in pairs if a != b), "a number of messages")
