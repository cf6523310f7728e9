"""What a lane needs of a codec: one direction's bytes in, frames out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mypy_extensions import mypyc_attr

from hoopgate.frames import Frame


@mypyc_attr(allow_interpreted_subclasses=True)
class Wire(ABC):
    """Pull-based: ``receive(data)``, then ``next_frame()`` until it answers None."""

    __slots__ = ()

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Bytes received and not handed out."""

    @property
    @abstractmethod
    def boundary(self) -> bool:
        """A message of our own may be put here."""

    @property
    @abstractmethod
    def waiting(self) -> bool:
        """What is buffered cannot be read before the other direction has moved."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""

    @abstractmethod
    def next_frame(self) -> Frame | None:
        """The next frame; None if more bytes are needed, or (``waiting``) the other direction has to move."""
