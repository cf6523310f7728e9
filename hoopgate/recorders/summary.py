"""A session in a few lines: who, where, when, how it ended, how much; and its statements with their outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from hoopgate.recorders import reader
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.fields import text_name
from hoopgate.recorders.format import Kind, Malformed
from hoopgate.recorders.items import Happened

_REFUSALS = frozenset({"refused"})


@frozen
class Summary:
    """``reason`` is None while there is no end (live, or cut off). Times are seconds, ``started`` since the epoch."""

    session: str
    path: Path
    issuer: str
    subject: str
    person: str
    chain: tuple[str, ...]
    target: str
    role: str
    client: str
    started: float
    seconds: float
    reason: str | None
    statements: int
    refused: int
    held: int
    sent: int
    received: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}

    @property
    def who(self) -> str:
        return self.person or f"{self.issuer}|{self.subject}"


@define
class _Counts:
    """What the end record says, or a reading of the whole file does."""

    events: dict[str, int] = field(factory=dict)
    bytes: list[int] = field(factory=lambda: [0, 0])
    seconds: float = 0.0
    reason: str | None = None


def summarize(path: Path) -> Summary | None:
    """The summary of one recording; None if its opening is not there. Raises Malformed or OSError.

    Nothing is verified here. A recording with an end is read at its two ends only.
    """
    opened = reader.opening(path)
    if opened is None:
        return None
    head, fields = opened
    counts = _from_end(path) or _from_everything(path)
    return Summary(
        session=head.session,
        path=path,
        issuer=str(fields.get("issuer", "")),
        subject=str(fields.get("subject", "")),
        person=str(fields.get("person", "")),
        chain=tuple(str(actor) for actor in fields.get("chain", ())),
        target=str(fields.get("target", "")),
        role=str(fields.get("role", "")),
        client=str(fields.get("client", "")),
        started=head.started / 1e6,
        seconds=counts.seconds,
        reason=counts.reason,
        statements=counts.events.get("statement", 0),
        refused=sum(counts.events.get(kind, 0) for kind in _REFUSALS),
        held=counts.events.get("held", 0),
        sent=counts.bytes[0],
        received=counts.bytes[1],
    )


def _from_end(path: Path) -> _Counts | None:
    record = reader.ending(path)
    if record is None:
        return None
    end = record.event()
    events, sizes = end.get("events"), end.get("bytes")
    if not isinstance(events, dict) or not isinstance(sizes, list) or len(sizes) != 2:
        raise Malformed("the end record lacks its counts", record.offset)
    return _Counts(
        events={str(kind): int(number) for kind, number in events.items()},
        bytes=[int(size) for size in sizes],
        seconds=record.elapsed / 1e6,
        reason=str(end.get("reason", "")),
    )


def _from_everything(path: Path) -> _Counts:
    counts = _Counts()
    for record in reader.read(path):
        counts.seconds = record.elapsed / 1e6
        if record.kind is Kind.EVENT:
            kind = str(record.event()["event"])
            counts.events[kind] = counts.events.get(kind, 0) + 1
        elif record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET):
            counts.bytes[record.kind] += len(record.payload)
    return counts


@define
class Told:
    """One statement with what became of it. ``rows`` is None where no result said a number."""

    at: float
    text: str
    number: int = 0
    phase: str = ""
    verdict: str = ""
    rule: str = ""
    reason: str = ""
    parameters: list[Any] = field(factory=list)
    tags: list[str] = field(factory=list)
    rows: int | None = None
    sqlstate: str = ""
    approval: dict[str, Any] = field(factory=dict)
    ended: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


_WAITING = 1000  # statements kept open for their results


def statements(path: Path) -> Iterator[Told]:
    """Each statement with its verdict, approval and results, in order; at most a thousand are kept at a time."""
    waiting: list[Told] = []
    for item in conversation(record for record in reader.read(path) if record.kind is Kind.EVENT):
        assert isinstance(item, Happened)
        _tell(item, waiting)
        while waiting and (waiting[0].ended is not None or len(waiting) > _WAITING) and len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def _tell(item: Happened, waiting: list[Told]) -> None:
    fields = item.fields
    if item.kind == "statement":
        waiting.append(
            Told(
                at=item.at,
                text=str(fields.get("text", "")),
                number=_number(fields.get("number")),
                phase=str(fields.get("phase", "")),
                verdict=str(fields.get("verdict", "")),
                rule=str(fields.get("rule", "")),
                parameters=list(fields.get("parameters", ())),
            )
        )
    elif item.kind == "refused":
        _refused(item, waiting)
    elif item.kind in ("held", "decided") and waiting:
        waiting[-1].approval |= {key: value for key, value in fields.items() if value not in ("", [], None)}
    elif item.kind == "result":
        _ended(item, waiting)


def _refused(item: Happened, waiting: list[Told]) -> None:
    """A refusal follows its statement; what the codec refused, or a ``Parse``, was never told as one."""
    fields = item.fields
    last = waiting[-1] if waiting else None
    other_text = last is not None and fields.get("text", last.text) != last.text
    if last is None or last.ended is not None or other_text or fields.get("phase") != last.phase:
        last = Told(at=item.at, text=str(fields.get("text", "")), phase=str(fields.get("phase", "")))
        waiting.append(last)
    last.verdict = "refused"
    last.rule = str(fields.get("rule", last.rule))
    last.reason = str(fields.get("reason", ""))
    last.ended = item.at


def _ended(item: Happened, waiting: list[Told]) -> None:
    told = _meant(item.fields.get("of"), waiting)
    if told is None:
        return
    told.ended = item.at
    if tag := item.fields.get("tag"):
        told.tags.append(str(tag))
    if isinstance(rows := item.fields.get("rows"), int):
        told.rows = (told.rows or 0) + rows
    told.sqlstate = str(item.fields.get("sqlstate", told.sqlstate))


def _meant(name: Any, waiting: list[Told]) -> Told | None:
    """The statement that a result names: by its number or, in recordings of version 1, by a digest of its text."""

    def named(told: Told) -> bool:
        return told.number == name if isinstance(name, int) else text_name(told.text) == name

    told = next((told for told in waiting if told.ended is None and named(told)), None)
    if told is None:  # the second result of a message with several statements
        told = next((told for told in reversed(waiting) if named(told)), None)
    if told is None:  # a text that was cut, or none that is known
        told = next((told for told in waiting if told.ended is None), None)
    return told
