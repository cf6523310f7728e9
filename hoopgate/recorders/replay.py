"""A session played again as text: statements, verdicts, result tables after masking, at a chosen speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any, Final

from hoopgate.recorders.items import (
    Asked,
    Began,
    Closed,
    Copied,
    Done,
    Flowed,
    Happened,
    Heading,
    Item,
    Omitted,
    Row,
    Said,
)
from hoopgate.recorders.shown import safe, safe_lines, table
from hoopgate.recorders.terminal import Screen

_BATCH: Final = 100  # rows aligned together
_COPY_SHOWN: Final = 2000  # characters of COPY data shown for one statement
_FLOW_SHOWN: Final = 20_000  # bytes of one channel's stream shown in lines
_MARKS: Final = {"input": "> ", "error": "! ", "output": ""}


class Player:
    """Writes lines to ``out``.

    ``speed`` 2.0 plays twice as fast, None without waiting; ``max_idle`` seconds is the longest wait; ``max_rows``
    how many rows of one result are shown.
    """

    def __init__(
        self,
        out: Callable[[str], None],
        sleep: Callable[[float], None],
        *,
        speed: float | None = 1.0,
        max_idle: float | None = None,
        max_rows: int = 1000,
    ) -> None:
        self._out = out
        self._sleep = sleep
        self._speed = speed
        self._max_idle = max_idle
        self._max_rows = max_rows
        self._now = 0.0
        self._names: tuple[str, ...] = ()
        self._headed = False
        self._rows: list[tuple[str | None, ...]] = []
        self._counted = 0
        self._copied = 0
        self._streams: dict[tuple[int, str], _Stream] = {}
        self._terminals: set[int] = set()

    def play(self, items: Iterable[Item]) -> None:
        """Everything, in its time."""
        for item in items:
            self.feed(item)
        self.finish()

    def feed(self, item: Item) -> None:
        """One item, after the wait that it asks for."""
        self._wait(item.at)
        self._show(item)

    def finish(self) -> None:
        """Show what is left."""
        self._flush()

    def _wait(self, at: float) -> None:
        idle = at - self._now
        self._now = max(self._now, at)
        if self._speed is None or idle <= 0:
            return
        self._flush()
        pause = idle / self._speed
        self._sleep(pause if self._max_idle is None else min(pause, self._max_idle))

    @singledispatchmethod
    def _show(self, item: Item) -> None:
        """Each kind of item has its own way."""

    @_show.register
    def _heading(self, item: Heading) -> None:
        self._flush()
        self._names = tuple(f"{name}?" if item.presumed else name for name in item.names)
        self._headed = False
        self._counted = 0

    @_show.register
    def _row(self, item: Row) -> None:
        self._counted += 1
        if self._counted <= self._max_rows:
            self._rows.append(item.values)
            if len(self._rows) >= _BATCH:
                self._flush()

    @_show.register
    def _done(self, item: Done) -> None:
        self._flush()
        hidden = max(0, self._counted - self._max_rows)
        if hidden:
            self._out(f"… {hidden} more rows")
        self._out(f"({safe(item.tag)})")
        self._counted = self._copied = 0

    @_show.register
    def _said(self, item: Said) -> None:
        self._flush()
        fields = item.fields
        severity = fields.get("S", "ERROR" if item.error else "NOTICE")
        self._out(safe(f"{severity}: {fields.get('M', '')}" + (f" ({fields['C']})" if "C" in fields else "")))
        for code, label in (("D", "DETAIL"), ("H", "HINT")):
            if code in fields:
                self._out(safe(f"{label}: {fields[code]}"))

    @_show.register
    def _copy(self, item: Copied) -> None:
        self._flush()
        room = _COPY_SHOWN - self._copied
        self._copied += len(item.data)
        if room > 0:
            text = item.data[:room].decode("utf-8", "backslashreplace").rstrip("\n")
            self._out(("" if item.to_client else "> ") + safe_lines(text))
            if len(item.data) > room:
                self._out("… more COPY data")

    @_show.register
    def _began(self, item: Began) -> None:
        self._out(f"channel {item.number} opens: {safe(item.kind)}")

    @_show.register
    def _asked(self, item: Asked) -> None:
        words = " ".join(_value(value) for value in item.fields.values() if isinstance(value, str | int))
        drawn = f" (as it was drawn: --channel {item.number})" if item.name == "pty-req" else ""
        if item.name == "pty-req":
            self._terminals.add(item.number)
        self._out(f"channel {item.number}: {safe(item.name)} {words}".rstrip() + drawn)

    @_show.register
    def _flowed(self, item: Flowed) -> None:
        if item.stream == "input" and item.number in self._terminals:
            return  # a terminal's output has what was typed, where it was to be seen
        stream = self._streams.setdefault((item.number, item.stream), _Stream())
        for line in stream.lines(item.data):
            self._out(_MARKS[item.stream] + line)

    @_show.register
    def _closed(self, item: Closed) -> None:
        for name, mark in _MARKS.items():
            stream = self._streams.pop((item.number, name), None)
            for line in () if stream is None else stream.end():
                self._out(mark + line)
        self._terminals.discard(item.number)
        self._out(f"channel {item.number} closes" + ("" if item.status is None else f": {safe(str(item.status))}"))

    @_show.register
    def _omitted(self, item: Omitted) -> None:
        self._flush()
        self._out(f"… not shown: {safe(item.why)}")

    @_show.register
    def _happened(self, item: Happened) -> None:
        if item.kind == "result":
            return  # what the client got says it
        self._flush()
        self._out(f"[{item.at:10.3f}] {described(item.kind, item.fields)}")

    def _flush(self) -> None:
        if not self._rows and (self._headed or not self._names):
            return
        for line in table(self._names, self._rows, heading=not self._headed):
            self._out(line)
        self._headed = True
        self._rows = []


class _Stream:
    """One stream's bytes as lines of plain text, up to a bound."""

    def __init__(self) -> None:
        self._screen = Screen(draws=False)
        self._line = ""
        self._left = _FLOW_SHOWN

    def lines(self, data: bytes) -> list[str]:
        """The lines that are whole now."""
        if self._left <= 0:
            return []
        shown = data[: self._left]
        self._left -= len(data)
        *whole, self._line = (self._line + self._screen.feed(shown)).split("\n")
        lines = [safe(line.rstrip("\r")) for line in whole]
        return lines if self._left > 0 else [*lines, *self.end(), "… more output"]

    def end(self) -> list[str]:
        """What has no line's end."""
        line, self._line = self._line, ""
        return [safe(line)] if line else []


def described(kind: str, fields: dict[str, Any]) -> str:
    """An event in one line or, for a statement, in several."""
    if kind == "open":
        return safe(
            f"{fields.get('person') or fields.get('subject')} opens {fields.get('target')} as {fields.get('role')} "
            f"from {fields.get('client')} at {moment(fields.get('started', 0))}"
        )
    if kind == "statement":
        return _statement(fields)
    if kind == "end":
        return f"end: {safe(str(fields.get('reason', '')))}"
    words = " ".join(f"{name}={_value(value)}" for name, value in fields.items() if value not in ("", [], None))
    return f"{safe(kind)} {words}".rstrip()


def _statement(fields: dict[str, Any]) -> str:
    parameters = fields.get("parameters") or []
    lines = [f"{safe(str(fields.get('verdict', 'statement')))} (rule {safe(str(fields.get('rule', '')))})"]
    lines += ["    " + line for line in safe_lines(str(fields.get("text", ""))).splitlines()]
    lines += [f"    ${number} = {_value(value)}" for number, value in enumerate(parameters, 1)]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "NULL" if value is None else safe(value if isinstance(value, str) else str(value))


def moment(seconds: float) -> str:
    """Epoch seconds as ISO 8601, UTC."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError, TypeError):
        return "?"
