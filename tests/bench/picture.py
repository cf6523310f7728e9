"""Draws stacks as a flame graph: one SVG without scripts, where pointing at a frame names it and its share."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from attrs import define, field

WIDTH, ROW = 1180.0, 17.0
CHARACTER = 6.6  # pixels of the font's width
LEAST = 0.002  # of all samples: what is narrower is left out
COLOURS = {  # by the frame's origin
    "hoopgate": "#e8a13c",
    "compiled": "#d2573b",
    "twisted": "#7fa650",
    "libc": "#8aa4c8",
    "python": "#cfcfcf",
}
OTHER = "#c3b48f"


@define
class Frame:
    """A function, as it was called by those above it."""

    name: str
    count: int = 0
    inner: dict[str, Frame] = field(factory=dict)

    def add(self, names: tuple[str, ...], count: int) -> None:
        at = self
        at.count += count
        for name in names:
            at = at.inner.setdefault(name, Frame(name))
            at.count += count

    def depth(self, least: float) -> int:
        return 1 + max((each.depth(least) for each in self.inner.values() if each.count >= least), default=0)


def draw(stacks: dict[tuple[str, ...], int], title: str) -> str:
    """``stacks`` are names from the outermost to the innermost, each with its number of samples."""
    root = Frame("all")
    for names, count in stacks.items():
        root.add(names, count)
    least = root.count * LEAST
    height = (root.depth(least) + 2) * ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" '
        'font-family="monospace" font-size="11">'
    )
    rest = f'<text x="4" y="13">{escape(title)}</text>'
    return "\n".join([head, rest, *_boxes(root, 0.0, WIDTH, ROW, max(root.count, 1), least), "</svg>"]) + "\n"


def _boxes(frame: Frame, left: float, width: float, top: float, total: int, least: float) -> Iterator[str]:
    yield _box(frame, left, width, top, total)
    at = left
    for inner in sorted(frame.inner.values(), key=lambda each: each.name):
        share = width * inner.count / max(frame.count, 1)
        if inner.count >= least:
            yield from _boxes(inner, at, share, top + ROW, total, least)
        at += share


def _box(frame: Frame, left: float, width: float, top: float, total: int) -> str:
    room = int((width - 4) / CHARACTER)
    label: Any = frame.name if len(frame.name) <= room else frame.name[: room - 1] + "…" if room > 3 else ""
    colour = COLOURS.get(frame.name.partition(":")[0].partition(".")[0], OTHER)
    text = f'<text x="{left + 2:.1f}" y="{top + 12:.1f}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(frame.name)}: {frame.count / total:.1%}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(width - 0.5, 0.3):.1f}" height="{ROW - 1:.0f}" '
        f'fill="{colour}"/>{text}</g>'
    )
