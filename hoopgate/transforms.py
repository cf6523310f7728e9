"""What masking does to one value, as the codecs take it."""

from __future__ import annotations

from collections.abc import Callable

Transform = Callable[[bytes], bytes | None]
"""What becomes of a value, in the column's own format; None makes it NULL. NULL itself is never passed in."""


class Constant:
    """A transform whose answer is ``value`` for every value, so that a codec need not cut the old one out to ask."""

    __slots__ = ("value",)

    def __init__(self, value: bytes | None) -> None:
        self.value = value

    def __call__(self, old: bytes) -> bytes | None:
        return self.value
