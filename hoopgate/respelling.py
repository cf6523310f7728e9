"""A statement that runs in other words than the client's: what was put where, and where the client's words are."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen


@frozen(order=True)
class Edit:
    """``text[start:end]`` becomes ``new``; positions are characters of the client's text."""

    start: int
    end: int
    new: str


@frozen
class Respelling:
    """``text`` is what runs; ``edits`` are in order and do not overlap.

    ``quotes``: an edit repeats words of the client's text, so that it does for no other text.
    """

    text: str = field(repr=False)
    edits: tuple[Edit, ...]
    quotes: bool = False

    def position(self, at: int) -> int:
        """A position in what runs, as PostgreSQL's errors have it (characters, from 1 on), in the client's own text.

        What stands in the place of something points to where that begins.
        """
        shift = 0  # characters more than in the client's text, so far
        wanted = at - 1
        for edit in self.edits:
            start = edit.start + shift
            if wanted < start:
                break
            if wanted < start + len(edit.new):
                return edit.start + 1
            shift += len(edit.new) - (edit.end - edit.start)
        return wanted - shift + 1


def respelled(text: str, edits: Iterable[Edit], *, quotes: bool = False) -> Respelling:
    """Put the edits into ``text``. Raises ValueError where they overlap."""
    made = tuple(sorted(edits))
    out: list[str] = []
    at = 0
    for edit in made:
        if not at <= edit.start <= edit.end:
            raise ValueError("edits overlap")
        out += (text[at : edit.start], edit.new)
        at = edit.end
    out.append(text[at:])
    return Respelling("".join(out), made, quotes)
