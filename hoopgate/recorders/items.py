"""What happened in a session, one item after another, whatever its protocol was."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen


@frozen
class Happened:
    """An event, ``open`` and ``end`` among them. ``at`` (here and below): seconds since the beginning."""

    at: float
    kind: str
    fields: dict[str, Any]


@frozen
class Heading:
    """The columns of the rows that follow. ``presumed``: described before they were bound, so names may be old."""

    at: float
    names: tuple[str, ...]
    formats: tuple[int, ...]
    presumed: bool = False


@frozen
class Row:
    at: float
    values: tuple[str | None, ...]


@frozen
class Done:
    """A statement's end: its command tag, or ``suspended``."""

    at: float
    tag: str


@frozen
class Said:
    """An error or a notice that the client got: its fields by their one-letter codes."""

    at: float
    error: bool
    fields: dict[str, str]


@frozen
class Copied:
    """Bytes of COPY; ``to_client`` tells the direction."""

    at: float
    to_client: bool
    data: bytes


@frozen
class Omitted:
    """Something that is in the recording and not shown."""

    at: float
    why: str


@frozen
class Began:
    """A channel was opened (SSH). ``number`` counts the session's channels from 1 on; ``kind`` is RFC 4254's."""

    at: float
    number: int
    kind: str


@frozen
class Asked:
    """What became of a channel: ``shell``, ``exec``, ``subsystem``, ``pty-req``, ``env``, ``signal``, ...

    ``fields`` as of :class:`hoopgate.frames.Request`, of an exec ``command``.
    """

    at: float
    number: int
    name: str
    fields: dict[str, Any]


@frozen
class Flowed:
    """Bytes in a channel."""

    at: float
    number: int
    stream: Literal["input", "output", "error"]
    data: bytes


@frozen
class Closed:
    """A channel is over. ``status`` is the exit status or the signal's name, where the target told one."""

    at: float
    number: int
    status: int | str | None


Item = Happened | Heading | Row | Done | Said | Copied | Omitted | Began | Asked | Flowed | Closed
