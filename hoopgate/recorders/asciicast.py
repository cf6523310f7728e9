"""One channel of an SSH session as asciicast v3 (docs.asciinema.org/manual/asciicast/v3): what its terminal got.

It is read twice: what the head says comes first in the file and later in the session.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define

from hoopgate.errors import HoopgateError
from hoopgate.recorders import reader
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.items import Asked, Closed, Flowed, Item
from hoopgate.recorders.summary import Summary, summarize

_CODES: Final = {"output": "o", "error": "o", "input": "i"}


class NoSuchChannelError(HoopgateError):
    """The recording has no channel of that number, or none that ran anything."""


@define
class Terminal:
    """Of one channel what a cast's head says of it. ``at``: seconds into the session."""

    number: int
    at: float
    pty: bool = False
    columns: int = 80
    rows: int = 24
    kind: str = ""
    command: str = ""


def terminal(path: Path, channel: int | None = None) -> Terminal:
    """That channel; with None the first that has a terminal, else the first that ran something.

    Raises NoSuchChannelError, Malformed or OSError.
    """
    found: dict[int, Terminal] = {}
    for item in conversation(reader.read(path)):
        if not isinstance(item, Asked) or channel not in (None, item.number):
            continue
        known = found.setdefault(item.number, Terminal(item.number, item.at))
        if item.name == "pty-req":
            known.pty, known.kind = True, str(item.fields["term"])
            known.columns, known.rows = item.fields["columns"] or 80, item.fields["rows"] or 24
        elif item.name in ("shell", "exec", "subsystem"):
            known.command = str(item.fields.get("command", item.fields.get("name", "")))
            if known.pty or channel is not None:
                return known
    if not found:
        raise NoSuchChannelError(f"the session has no channel {channel}" if channel else "no channel ran anything")
    return next(iter(found.values()))


def asciicast(path: Path, *, channel: int | None = None, typed: bool = False) -> Iterator[str]:
    """The lines of the file. ``typed``: with what the client sent. Raises as :func:`terminal`."""
    summary = summarize(path)
    if summary is None:
        raise NoSuchChannelError("the recording was cut off before its first channel")
    of = terminal(path, channel)
    yield json.dumps(_head(summary, of))
    writer = _Events(of, typed)
    for item in conversation(reader.read(path)):
        yield from writer.feed(item)


def _head(summary: Summary, of: Terminal) -> dict[str, Any]:
    term: dict[str, Any] = {"cols": of.columns, "rows": of.rows}
    if of.kind:
        term["type"] = of.kind
    head: dict[str, Any] = {"version": 3, "term": term, "timestamp": int(summary.started + of.at)}
    if of.command:
        head["command"] = of.command
    return {**head, "title": f"{summary.who} on {summary.target} as {summary.role}, session {summary.session}"}


class _Events:
    """Events of one channel; times are seconds since the event before. Characters are never cut in two."""

    def __init__(self, of: Terminal, typed: bool) -> None:
        self._of = of
        self._typed = typed
        self._at = of.at
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder("replace") for stream in _CODES}

    def feed(self, item: Item) -> Iterator[str]:
        if not isinstance(item, Asked | Flowed | Closed) or item.number != self._of.number:
            return
        if isinstance(item, Flowed):
            text = self._decoders[item.stream].decode(item.data)
            if text and (self._typed or item.stream != "input"):
                # without a terminal nobody turned line feeds into line ends
                yield self._event(item.at, _CODES[item.stream], text if self._of.pty else _returned(text))
        elif isinstance(item, Closed):
            yield self._event(item.at, "x", str(item.status if isinstance(item.status, int) else 255))
        elif item.name == "window-change":
            yield self._event(item.at, "r", f"{item.fields['columns']}x{item.fields['rows']}")
        elif item.name == "signal":
            yield self._event(item.at, "m", f"signal {item.fields['signal']}")

    def _event(self, at: float, code: str, data: str) -> str:
        interval, self._at = max(0.0, at - self._at), max(at, self._at)
        return json.dumps([round(interval, 6), code, data], ensure_ascii=False)


def _returned(text: str) -> str:
    """Lines as a terminal wants them; the gateway's own words have ends of that kind already."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
