"""The vocabulary of all protocols: what bytes meant, plus the bytes themselves.

A frame that no guard wants is never built; runs of such bytes travel as one :class:`Opaque`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hoopgate.respelling import Respelling
    from hoopgate.verdicts import Block


class Phase(enum.Enum):
    """Which part of a statement's life a :class:`Statement` frame is.

    SIMPLE: text that runs at once (PostgreSQL ``Query``). PREPARE: text that is only parsed (``Parse``).
    BIND: parameters met the text (``Bind``). EXECUTE: a bound statement runs (``Execute``). CALL: a function
    by its object id (``FunctionCall``), whose text is empty.
    """

    SIMPLE = "simple"
    PREPARE = "prepare"
    BIND = "bind"
    EXECUTE = "execute"
    CALL = "call"


# For the hot path: a member of an enum takes long to look up.
SIMPLE: Final = Phase.SIMPLE
PREPARE: Final = Phase.PREPARE
BIND: Final = Phase.BIND
EXECUTE: Final = Phase.EXECUTE
CALL: Final = Phase.CALL


class Frame:
    """Bytes and their meaning. ``raw`` is exactly what came, in wire form, whole messages only."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.raw)} bytes>"


class Opaque(Frame):
    """Bytes whose meaning nobody asked for; may be a part of a message when it is a large one."""

    __slots__ = ()


class Described(Opaque):
    """A RowDescription that answers a client's Describe: the names of columns, which the target may make of values."""

    __slots__ = ()


class Parameter:
    """One bound value: ``value`` is None for NULL, ``format`` 0 for text and 1 for binary, ``type_oid`` 0 if unsaid."""

    __slots__ = ("format", "type_oid", "value")

    def __init__(self, value: bytes | None, format: int = 0, type_oid: int = 0) -> None:  # noqa: A002 - libpq's word
        self.value = value
        self.format = format
        self.type_oid = type_oid


class Statement(Frame):
    """A statement, as text with its parameters (None until they are bound, or where they were too large to keep).

    ``fault``: what the codec itself found wrong with it; it is refused before any guard sees it. ``partial``: ``raw``
    is only its beginning. ``released``: the policy version under which an approval lets exactly
    this frame run, or empty. ``number`` counts the session's statements from 1 on (0: not counted); what a Bind and
    its Executes share. ``judged`` is a guard's note on what was forwarded: a Bind comes with what stood on its Parse,
    an Execute with what stood on its Bind; ``judged_at`` is when its names were looked at, as that guard counts.
    ``respelled``: that ``raw`` (of a Bind or Execute: what its Parse sent) has
    other words than the client's, which ``text`` always has.
    """

    __slots__ = (
        "fault", "judged", "judged_at", "name", "number", "parameters", "partial", "phase", "portal", "released",
        "respelled", "text",
    )  # fmt: skip

    def __init__(
        self,
        raw: bytes,
        text: str,
        phase: Phase,
        *,
        name: str = "",
        portal: str = "",
        parameters: tuple[Parameter, ...] | None = None,
    ) -> None:
        super().__init__(raw)
        self.text = text
        self.phase = phase
        self.name = name
        self.portal = portal
        self.parameters = parameters
        self.partial = False
        self.released = ""
        self.number = 0
        self.fault: Block | None = None
        self.judged: Any = None
        self.judged_at = 0
        self.respelled: Respelling | None = None

    @property
    def ran(self) -> str:
        """The text as the target has it."""
        return self.text if self.respelled is None else self.respelled.text


class Input(Frame):
    """Data that belongs to a statement already judged (COPY IN); may be partial."""

    __slots__ = ()


class Column:
    """One column of a result, as PostgreSQL's RowDescription names it.

    ``table_oid`` and ``attnum`` are 0 where the value is not a plain table column; ``format`` 0 text, 1 binary.
    """

    __slots__ = ("attnum", "format", "name", "table_oid", "type_modifier", "type_oid", "type_size")

    def __init__(
        self,
        name: str,
        table_oid: int,
        attnum: int,
        type_oid: int,
        type_size: int,
        type_modifier: int,
        format: int,  # noqa: A002 - the protocol's own word
    ) -> None:
        self.name = name
        self.table_oid = table_oid
        self.attnum = attnum
        self.type_oid = type_oid
        self.type_size = type_size
        self.type_modifier = type_modifier
        self.format = format


class Columns(Frame):
    """The shape of the rows that follow, and the statement they answer.

    ``description`` is what the target said of them, in wire form, whether or not the client is to see it; ``columns``
    are read from it as they are first asked for. ``copy`` is None for rows; for COPY OUT it is ``"text"``, ``"csv"``
    or ``"binary"``, and ``columns`` is empty. ``place``: of the message's statements, counted from 0, the one that
    answers.
    """

    __slots__ = ("_columns", "_read", "copy", "description", "place", "statement")

    def __init__(
        self,
        raw: bytes,
        columns: tuple[Column, ...] | None,
        statement: Statement | None,
        copy: str | None = None,
        description: bytes = b"",
        read: Callable[[bytes], tuple[Column, ...]] | None = None,
        place: int = 0,
    ) -> None:
        super().__init__(raw)
        self.place = place
        self._columns = columns
        self.statement = statement
        self.copy = copy
        self.description = description
        self._read = read

    @property
    def columns(self) -> tuple[Column, ...]:
        """Raises RemoteProtocolError if the target's description is malformed."""
        columns = self._columns
        if columns is None:
            columns = self._columns = () if self._read is None else self._read(self.description)
        return columns


class Rows(Frame):
    """``count`` whole rows, after masking."""

    __slots__ = ("count",)

    def __init__(self, raw: bytes, count: int) -> None:
        super().__init__(raw)
        self.count = count


class Reply(Frame):
    """How a statement ended. ``tag`` is CommandComplete's text, or empty; ``sqlstate`` is set for an error."""

    __slots__ = ("sqlstate", "statement", "tag")

    def __init__(self, raw: bytes, statement: Statement | None, tag: str, sqlstate: str = "") -> None:
        super().__init__(raw)
        self.statement = statement
        self.tag = tag
        self.sqlstate = sqlstate


class Notice(Frame):
    """Text from the target beside the answer: an error's or notice's fields, by their one-letter codes."""

    __slots__ = ("error", "fields", "statement")

    def __init__(self, raw: bytes, fields: dict[str, str], statement: Statement | None, error: bool) -> None:
        super().__init__(raw)
        self.fields = fields
        self.statement = statement
        self.error = error


class Channel:
    """One stream of a connection that has many at once (SSH, RFC 4254 section 5).

    ``number`` is the client's number for it, ``kind`` the channel's type ("session", "direct-tcpip", ...),
    ``opened_by`` "client" or "target". What it became by its requests: ``pty``, ``terminal`` (TERM, "" without),
    ``shell``, ``command`` ("" until exec), ``subsystem`` ("" until then).

    A guard that wants the stream itself sets ``watch_input`` or ``watch_output`` while it judges the frame by which it
    sees that it does (:class:`Opened`, :class:`Command`, :class:`Request`): only then :class:`ChannelInput`,
    :class:`ChannelOutput` and :class:`ChannelEnd` frames of it are made. ``notes`` is the guards' own, by their names.
    """

    __slots__ = (
        "command", "kind", "notes", "number", "opened_by", "pty", "shell", "stream", "subsystem", "terminal",
        "watch_input", "watch_output",
    )  # fmt: skip

    def __init__(self, number: int, kind: str, opened_by: str = "client") -> None:
        self.number = number
        self.kind = kind
        self.opened_by = opened_by
        self.pty = False
        self.terminal = ""
        self.shell = False
        self.command = ""
        self.subsystem = ""
        self.watch_input = False
        self.watch_output = False
        self.notes: dict[str, Any] = {}
        self.stream: Any = None  # the relay's end of it, for ``inject``

    def inject(self, by: str, data: bytes, *, error: bool = False) -> None:
        """Put ``data`` into the stream as if ``by`` ("client" or "target") had sent it, behind what has been judged.

        It is recorded, and no guard sees it. For answers in the other's place, and for what a guard kept back.
        """
        if self.stream is not None:
            self.stream.inject(self, by, data, error)


class Opened(Frame):
    """Somebody asks to open a channel. A Block refuses it; a Hold makes it wait.

    ``host`` and ``port``: where it leads (direct-tcpip), or where it came in (forwarded-tcpip); for sockets of the
    file system ``host`` is the path and ``port`` 0. ``origin`` is (address, port) of the connection behind it, as the
    opener claims. ``released``: as of :class:`Statement`.
    """

    __slots__ = ("channel", "host", "number", "origin", "port", "released")

    def __init__(
        self, raw: bytes, channel: Channel, host: str = "", port: int = 0, origin: tuple[str, int] = ("", 0)
    ) -> None:
        super().__init__(raw)
        self.channel = channel
        self.host = host
        self.port = port
        self.origin = origin
        self.released = ""
        self.number = 0


class Command(Statement):
    """A command line for the target's shell (exec); bytes that are no UTF-8 are surrogates in ``text``.

    A Rewrite answers with another ``Command``, whose ``text`` runs.
    """

    __slots__ = ("channel",)

    def __init__(self, raw: bytes, channel: Channel, text: str) -> None:
        super().__init__(raw, text, SIMPLE)
        self.channel = channel


class Request(Frame):
    """Every other request: of a channel (``shell``, ``subsystem``, ``pty-req``, ``env``, ``signal``, ...), or, with
    ``channel`` None, of the connection (``tcpip-forward``, ...).

    ``by``: "client" or "target" (``exit-status``, ``exit-signal``). ``fields``, by name of the request: ``pty-req``:
    term, columns, rows, width, height, modes; ``window-change``: columns, rows, width, height; ``env``: name, value;
    ``subsystem``: name; ``signal``: signal; ``exit-status``: status; ``exit-signal``: signal, core, message, language;
    ``x11-req``: single, protocol, cookie, screen; ``tcpip-forward`` and ``cancel-tcpip-forward``: host, port;
    ``streamlocal-forward@openssh.com`` and its cancelling: path; names that are not known: ``data``, the bytes. Text is
    str (with surrogates where it is no UTF-8), numbers int, truths bool. ``released``: as of :class:`Statement`.
    """

    __slots__ = ("by", "channel", "fields", "name", "number", "released")

    def __init__(
        self, raw: bytes, channel: Channel | None, name: str, fields: dict[str, Any], by: str = "client"
    ) -> None:
        super().__init__(raw)
        self.channel = channel
        self.name = name
        self.fields = fields
        self.by = by
        self.released = ""
        self.number = 0


class ChannelInput(Frame):
    """Bytes from the client to what runs in a channel, as they came: no line, record or character need be whole.

    A Rewrite answers with a frame of the same class with other ``data`` (b"" for none at all, for now). A Block ends
    the channel with the reason. A Hold makes it wait: its ``frame`` is a :class:`Statement` that says what for.
    ``error``: SSH's extended data, which is stderr. ``raw`` is ``data``. ``released``: as of :class:`Statement`.
    """

    __slots__ = ("channel", "data", "error", "released")

    def __init__(self, raw: bytes, channel: Channel, data: bytes, error: bool = False) -> None:
        super().__init__(raw)
        self.channel = channel
        self.data = data
        self.error = error
        self.released = ""


class ChannelOutput(Frame):
    """The same from the target to the client."""

    __slots__ = ("channel", "data", "error", "released")

    def __init__(self, raw: bytes, channel: Channel, data: bytes, error: bool = False) -> None:
        super().__init__(raw)
        self.channel = channel
        self.data = data
        self.error = error
        self.released = ""


class ChannelEnd(Frame):
    """A direction of a watched channel ends: ``by`` sends no more (``closed``: and will not listen either).

    What a guard kept back of that direction it puts in by ``channel.inject`` before it answers.
    """

    __slots__ = ("by", "channel", "closed")

    def __init__(self, raw: bytes, channel: Channel, by: str, closed: bool) -> None:
        super().__init__(raw)
        self.channel = channel
        self.by = by
        self.closed = closed
