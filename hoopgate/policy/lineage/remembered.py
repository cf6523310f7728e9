"""Respellings that are kept: of a text, and of every text that differs from it in its literals alone."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from hoopgate.policy.memory import Memory
from hoopgate.policy.sql.shape import TOKEN, shape
from hoopgate.respelling import Edit, Respelling, respelled

KEPT: Final = 1024
_KEPT_TOTAL: Final = 8 * 1024 * 1024  # characters
_LITERAL: Final = 2  # characters that stand for one in a shape


@frozen
class Template:
    """Edits of a shape's text, each with the number of literals before it."""

    edits: tuple[tuple[int, Edit], ...]

    def of(self, text: str) -> Respelling:
        """The respelling of a text of this shape."""
        shifts = [0]
        for start, end in literals(text):
            shifts.append(shifts[-1] + end - start - _LITERAL)
        return respelled(
            text,
            [Edit(edit.start + shifts[before], edit.end + shifts[before], edit.new) for before, edit in self.edits],
        )


def literals(text: str) -> list[tuple[int, int]]:
    """Where the literals of a text stand that has a shape."""
    return [found.span() for found in TOKEN.finditer(text) if found.lastgroup in ("string", "number")]


def template(text: str, respelling: Respelling) -> Template | None:
    """What the respelling of ``text`` is for all texts of its shape; None if it is for no other."""
    if respelling.quotes or shape(text) is None:
        return None
    spans = literals(text)
    made: list[tuple[int, Edit]] = []
    before = shift = 0
    for edit in respelling.edits:
        while before < len(spans) and spans[before][1] <= edit.start:
            shift += spans[before][1] - spans[before][0] - _LITERAL
            before += 1
        if before < len(spans) and spans[before][0] < edit.end:
            return None
        made.append((before, Edit(edit.start - shift, edit.end - shift, edit.new)))
    return Template(tuple(made))


class Respellings:
    """What was respelled under one index of masks; bounded."""

    def __init__(self) -> None:
        self._texts: Memory[str, Respelling] = Memory(KEPT, _KEPT_TOTAL)
        self._shapes: Memory[str, Template] = Memory(KEPT, _KEPT_TOTAL)

    def known(self, text: str) -> Respelling | None:
        """What was made of this text, or of another of its shape."""
        found = self._texts.get(text)
        if found is None:
            form = shape(text)
            made = None if form is None else self._shapes.get(form)
            if made is not None:
                found = made.of(text)
        return found

    def keep(self, text: str, respelling: Respelling) -> None:
        form = shape(text)
        made = None if form is None or form == text else template(text, respelling)
        if made is None or form is None:
            self._texts.put(text, respelling, len(text) + len(respelling.text))
        else:
            self._shapes.put(form, made, len(form) + sum(len(edit.new) for _, edit in made.edits))
