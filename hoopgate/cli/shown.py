"""What the commands over requests print: tables on a terminal, JSON lines for programs.

Text of others is escaped: a statement must not be able to draw something else over itself before it is approved.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hoopgate.recorders.shown import safe, safe_lines

_WIDE = 200  # columns where no terminal says how many it has
_CELL = 60
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
STYLES = {
    "pending": "yellow", "approved": "green", "denied": "red", "revoked": "red", "expired": "dim", "ended": "dim",
    "withdrawn": "dim", "stale": "magenta", "interrupted": "magenta",
}  # fmt: skip


def span(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """An option's callback: seconds, or ``90s``, ``15m``, ``1h``, ``2d``."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no time; write 90s, 15m, 1h or 2d", context, parameter)
    return float(match[1]) * _UNITS[match[2]]


def console() -> Console:
    """Colours on a terminal alone; elsewhere lines are not cut at 80 columns."""
    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else _WIDE, no_color=not terminal, highlight=False, markup=False)


def lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=True))


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; states are coloured where colours are."""
    drawn = Table(*names, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(Text(cut(value), style=STYLES.get(value, "")) for value in row))
    console().print(drawn)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; empty values are left out."""
    drawn = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value:
            drawn.add_row(Text(name, style="bold"), Text(safe(value), style=STYLES.get(value, ""), overflow="fold"))
    console().print(drawn)


def block(text: str) -> None:
    """Somebody else's text, whole, each line marked, so that none can pass for a line of ours."""
    for line in safe_lines(text).split("\n"):
        click.echo(f"  | {line}")


def cut(text: str) -> str:
    """One line, escaped, of at most a cell's width."""
    line = safe(" ".join(text.split()))
    return line if len(line) <= _CELL else line[: _CELL - 1] + "…"


def moment(seconds: float | None) -> str:
    """Local time, or "" for none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def left(until: float | None, now: float) -> str:
    """How long until then: ``4m 10s``."""
    if until is None or until <= now:
        return ""
    rest = int(until - now)
    parts = [(rest // 86400, "d"), (rest % 86400 // 3600, "h"), (rest % 3600 // 60, "m"), (rest % 60, "s")]
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "1s"


def who(row: Mapping[str, Any]) -> str:
    """The requester: the person where one is known, and through what it acted."""
    name = row.get("requester_person") or row["requester"]
    return str(name) + (f" via {', '.join(row['chain'])}" if row.get("chain") else "")


def wanted(row: Mapping[str, Any]) -> str:
    """``1 of dba or security (1 of 2 so far)``."""
    asked = ", and ".join(f"{each['count']} of {' or '.join(each['groups'])}" for each in row["requires"])
    given = sum(1 for vote in row["votes"] if vote["approve"])
    return asked + (f"; {given} so far" if given and row["state"] == "pending" else "")
