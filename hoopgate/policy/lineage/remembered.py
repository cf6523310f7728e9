"""What was respelled once serves for every text that differs in its literals alone."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from hoopgate.policy.sql.shape import literals, shape
from hoopgate.policy.sql.tree import Parsed
from hoopgate.respelling import Edit, Respelling, respelled

_LITERAL: Final = 2  # characters that stand for one in a shape


@frozen
class Template:
    """Edits of a shape's text, each with the number of literals before it and the words that it replaces."""

    edits: tuple[tuple[int, str, Edit], ...]

    def of(self, text: str) -> Respelling:
        """The respelling of a text of this shape. Raises ValueError for any other, as far as that can be seen."""
        shifts = [0]
        for start, end in literals(text):
            shifts.append(shifts[-1] + end - start - _LITERAL)
        made: list[Edit] = []
        for before, old, edit in self.edits:
            shift = shifts[before]
            if text[edit.start + shift : edit.end + shift] != old:
                raise ValueError("a text of another shape")
            made.append(Edit(edit.start + shift, edit.end + shift, edit.new))
        return respelled(text, made)


def template(text: str, respelling: Respelling) -> Template | None:
    """What the respelling of ``text`` is for all texts of its shape; None if it is for no other."""
    if respelling.quotes or shape(text) is None:
        return None
    spans = literals(text)
    made: list[tuple[int, str, Edit]] = []
    before = shift = 0
    for edit in respelling.edits:
        while before < len(spans) and spans[before][1] <= edit.start:
            shift += spans[before][1] - spans[before][0] - _LITERAL
            before += 1
        if before < len(spans) and spans[before][0] < edit.end:
            return None
        old = text[edit.start : edit.end]
        made.append((before, old, Edit(edit.start - shift, edit.end - shift, edit.new)))
    return Template(tuple(made))


class Rewording:
    """How a text runs, and every other text of its shape. ``words``: for each statement, what was put into it; where
    they are the same, the same ran."""

    __slots__ = ("_form", "_respelling", "_template", "_text", "words")

    def __init__(self, parsed: Parsed, respelling: Respelling) -> None:
        self._text = parsed.text
        self._respelling = respelling
        self._form = shape(parsed.text)
        self._template = template(parsed.text, respelling)
        self.words = tuple([words_in(parsed, place, respelling) for place in range(len(parsed.statements))])

    @property
    def by_literal(self) -> bool:
        """It is of no other text."""
        return self._template is None

    def of(self, text: str) -> Respelling:
        """How ``text`` runs, which is the one that this was made of or, unless ``by_literal``, another of its shape.

        Raises ValueError for any other.
        """
        if text == self._text:
            return self._respelling
        if self._template is None or shape(text) != self._form:
            raise ValueError("a text of another shape")
        return self._template.of(text)


def words_in(parsed: Parsed, place: int, respelling: Respelling) -> tuple[str, ...]:
    """What was put into one statement of a message."""
    start, end = parsed.spans[place]
    if not parsed.text.isascii():
        encoded = parsed.text.encode()
        start, end = len(encoded[:start].decode()), len(encoded[:end].decode())
    return tuple([edit.new for edit in respelling.edits if start <= edit.start < end])
