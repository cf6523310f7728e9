"""A recording as SQL, JSON lines, text or asciicast, streaming."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from attrs import asdict

from hoopgate.recorders import reader
from hoopgate.recorders.asciicast import asciicast
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.items import Copied, Flowed, Happened, Item
from hoopgate.recorders.replay import Player, moment
from hoopgate.recorders.shown import safe
from hoopgate.recorders.summary import Summary, Told, statements, summarize

Format = Literal["sql", "json", "text", "asciicast"]


def export(
    path: Path,
    format: Format,  # noqa: A002 - the option's own word
    *,
    channel: int | None = None,
    typed: bool = False,
) -> Iterator[str]:
    """Lines of the export. ``channel`` and ``typed`` are those of :func:`asciicast`. Raises Malformed, OSError or
    NoSuchChannelError."""
    if format == "asciicast":
        return asciicast(path, channel=channel, typed=typed)
    writers: dict[Format, Callable[[Path], Iterator[str]]] = {"sql": _sql, "json": _json, "text": _text}
    return writers[format](path)


def _sql(path: Path) -> Iterator[str]:
    """What was run, in order, each statement with its outcome as a comment; what was not run is commented out."""
    summary = summarize(path)
    if summary is None:
        return
    yield from _sql_head(summary)
    for told in statements(path):
        yield ""
        yield f"-- {moment(summary.started + told.at)} {_outcome(told)}"
        text = told.text.strip().rstrip(";")
        for number, value in enumerate(told.parameters, 1):
            yield f"-- ${number} = {'NULL' if value is None else safe(str(value))}"
        lines = text.splitlines() or [""]
        if not _ran(told) or not text:
            yield from (f"-- {safe(line)}" for line in lines)
        else:
            yield from lines[:-1]
            yield lines[-1] + ("\n;" if "--" in lines[-1] else ";")


def _sql_head(summary: Summary) -> Iterator[str]:
    yield f"-- session {summary.session}"
    yield f"-- {safe(summary.who)} on {safe(summary.target)} as {safe(summary.role)} from {safe(summary.client)}"
    ended = "no end recorded" if summary.reason is None else f"ended: {safe(summary.reason)}"
    yield f"-- {moment(summary.started)}, {summary.seconds:.3f} s, {ended}"


def _ran(told: Told) -> bool:
    return told.verdict == "allow" or told.approval.get("status") == "approved"


def _outcome(told: Told) -> str:
    parts = [safe(told.verdict or "?"), f"rule {safe(told.rule)}" if told.rule else ""]
    if status := told.approval.get("status"):
        parts.append(safe(f"{status} by {', '.join(map(str, told.approval.get('by', [])))}"))
    parts += [safe(tag) for tag in told.tags]
    if told.rows is not None:
        parts.append(f"{told.rows} rows")
    parts += [safe(told.reason), f"SQLSTATE {safe(told.sqlstate)}" if told.sqlstate else ""]
    return ", ".join(part for part in parts if part)


def _json(path: Path) -> Iterator[str]:
    """One JSON object a line: ``type`` is the item's class in lower case, ``at`` seconds since the beginning."""
    for item in conversation(reader.read(path)):
        yield json.dumps(_object(item), ensure_ascii=True, default=str)


def _object(item: Item) -> dict[str, Any]:
    if isinstance(item, Happened):
        return {**item.fields, "type": "event", "at": item.at, "event": item.kind}
    fields = asdict(item)
    if isinstance(item, Copied | Flowed):
        fields["data"] = item.data.decode("utf-8", "backslashreplace")
    return {"type": type(item).__name__.lower(), **fields}


def _text(path: Path) -> Iterator[str]:
    """What a replay shows, without waiting."""
    lines: list[str] = []
    player = Player(lines.append, lambda seconds: None, speed=None)
    for item in conversation(reader.read(path)):
        player.feed(item)
        yield from lines
        lines.clear()
    player.finish()
    yield from lines
