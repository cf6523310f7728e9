"""Recorded text on a terminal: what somebody typed must not drive the terminal of whoever reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

CELL: Final = 60  # characters of one value in a table


def safe(text: str) -> str:
    """One line: control and formatting characters (escape sequences, right-to-left marks) become escapes."""
    return text if text.isprintable() else "".join(_visible(character) for character in text)


def safe_lines(text: str) -> str:
    """As :func:`safe`, but line breaks and tabs stay."""
    return "".join(character if character in "\n\t" else _visible(character) for character in text)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character) or (
        f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
    )


def cell(value: str | None, width: int = CELL) -> str:
    """A value in a table: NULL is shown as the sign for the empty set, long ones are cut."""
    if value is None:
        return "∅"
    shown = safe(value[: width + 1])
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def table(names: Sequence[str], rows: Sequence[Sequence[str | None]], *, heading: bool = True) -> list[str]:
    """Lines of an aligned table, as psql draws one."""
    shown = [[cell(value) for value in row] for row in rows]
    titles = [cell(name) for name in names]
    columns = max([len(titles), *(len(row) for row in shown)])
    titles += [""] * (columns - len(titles))
    widths = [max([len(titles[at]), *(len(row[at]) for row in shown if at < len(row))]) for at in range(columns)]
    lines = []
    if heading:
        lines.append(_line(titles, widths, " | "))
        lines.append("-+-".join("-" * width for width in widths))
    lines += [_line(row, widths, " | ") for row in shown]
    return lines


def _line(values: Sequence[str], widths: Sequence[int], between: str) -> str:
    return between.join(value.ljust(width) for value, width in zip(values, widths, strict=False)).rstrip()
