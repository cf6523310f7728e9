"""What names of prepared statements or portals mean on the target, while answers are still out.

A Parse, Bind or Close changes what a name means only if the target gets to it: an error before it makes it void. So
each change is kept with what stood before it, until the target has confirmed it.
"""

from __future__ import annotations

from typing import Final, Generic, Protocol, TypeVar

NAME_BYTES: Final = 63  # PostgreSQL looks names up by their first NAMEDATALEN - 1 bytes, whatever follows


class Sized(Protocol):
    """What a name can mean."""

    @property
    def size(self) -> int:
        """Bytes to account for."""


T = TypeVar("T", bound=Sized)


class Meaning(Generic[T]):
    """One change: ``value`` is None where the name was closed. ``batch``: of the request that made the change."""

    __slots__ = ("batch", "before", "confirmed", "key", "size", "value", "void")

    def __init__(self, key: bytes, value: T | None, before: Meaning[T] | None, batch: int) -> None:
        self.key = key
        self.value = value
        self.size = 0 if value is None else value.size
        self.before = before
        self.batch = batch
        self.confirmed = False
        self.void = False


class Names(Generic[T]):
    """The names of one kind. ``size`` is the sum of what they mean, in bytes."""

    __slots__ = ("_known", "size")

    def __init__(self) -> None:
        self._known: dict[bytes, Meaning[T]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._known)

    def find(self, name: bytes) -> Meaning[T] | None:
        """The last change that is not void; None for a name that nothing is known of."""
        return self._known.get(_key(name))

    def get(self, name: bytes) -> T | None:
        """What the name means if the target gets to all that it was sent."""
        meaning = self._known.get(_key(name))
        return None if meaning is None else meaning.value

    def put(self, name: bytes, value: T | None, batch: int) -> Meaning[T]:
        """A request that makes ``name`` mean ``value`` (None: nothing) goes to the target."""
        key = _key(name)
        meaning = self._known[key] = Meaning(key, value, self._known.get(key), batch)
        self.size += meaning.size
        return meaning

    def confirm(self, meaning: Meaning[T]) -> None:
        """The target did it, and so all that came before it is settled."""
        meaning.confirmed = True
        known = self._known.get(meaning.key)
        while known is not None and known is not meaning:
            known = known.before
        if known is None:
            return  # forgotten meanwhile
        if meaning.before is not None:
            self._release(meaning.before)
            meaning.before = None
        if meaning.value is None and self._known[meaning.key] is meaning:
            del self._known[meaning.key]

    def undo(self, meaning: Meaning[T]) -> None:
        """The target never got to it: what stood before still stands."""
        meaning.void = True
        known = self._known.get(meaning.key)
        if known is None:
            return
        after: Meaning[T] | None = None
        while known is not None and known is not meaning:
            after, known = known, known.before
        if known is None:
            return  # forgotten meanwhile
        self.size -= meaning.size
        if after is not None:
            after.before = meaning.before
        elif meaning.before is not None and not (meaning.before.confirmed and meaning.before.value is None):
            self._known[meaning.key] = meaning.before
        else:
            del self._known[meaning.key]

    def forget(self, name: bytes | None) -> None:
        """Nobody knows what ``name`` means any more (None: what any name means)."""
        keys = list(self._known) if name is None else [_key(name)]
        for key in keys:
            self._release(self._known.pop(key, None))

    def forget_until(self, batch: int) -> None:
        """What requests up to ``batch`` made is gone from the target."""
        known = self._known
        if known:
            for key in [key for key, meaning in known.items() if meaning.batch <= batch]:
                self._release(known.pop(key))

    def _release(self, meaning: Meaning[T] | None) -> None:
        while meaning is not None:
            self.size -= meaning.size
            meaning = meaning.before


def _key(name: bytes) -> bytes:
    return name if len(name) <= NAME_BYTES else name[:NAME_BYTES]
