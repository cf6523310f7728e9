"""The protocol of scp before SFTP (OpenSSH's scp.c, ``source`` and ``sink``), between the two that speak it.

The source sends records, one line each: ``T`` times, ``C`` a file (its bytes and a status follow), ``D`` a directory,
``E`` its end; errors begin with a byte of 1, or of 2 if they are fatal. The sink answers each record, and each file's
end, with a byte of 0 or an error of that form. So what the source's next bytes are depends on what the sink answered
last, and they are looked at when that is known: they cannot mean one thing here and another there.

Sans-I/O. The source's bytes go into ``receive``, the sink's into ``answer``. ``take`` hands out each record of a file
or directory, to be answered by ``forward`` or ``refuse``. What goes on is taken from ``to_sink`` and ``to_source``.
"""

from __future__ import annotations

import enum
from typing import Final

from attrs import frozen

from hoopgate.codecs.ssh.paths import plain_name, shown
from hoopgate.codecs.ssh.sftp_packets import SPECIAL
from hoopgate.codecs.ssh.transfers import Direction, Transfer
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

LONGEST: Final = 16 * 1024  # bytes of a record or message: a name, a mode and a size
DEEPEST: Final = 256  # directories inside each other
AHEAD: Final = 64 * 1024  # bytes that a source may send before it is answered; it should send none
_FINE: Final = 0
_ERROR: Final = 1
_FATAL: Final = 2


class State(enum.Enum):
    """What the source's next byte is, or what it has to wait for."""

    START = "the sink is ready"
    RECORD = "a record"
    DECISION = "somebody's decision"
    FILE_ANSWER = "the sink's answer to a file"
    ANSWER = "the sink's answer"
    DATA = "a file's bytes"
    STATUS = "a file's status"
    OVER = "nothing"


@frozen
class Record:
    """A file or, with ``directory``, a directory. ``within``: names of the directories that it is in. ``special``: a
    file of which the mode has setuid or setgid."""

    name: str
    within: tuple[str, ...]
    size: int = 0
    directory: bool = False
    special: bool = False


class Scp:
    """One run of scp. ``direction``: ``in`` where the client is the source."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.done: list[Transfer] = []
        self.state = State.START
        self._from_source = bytearray()
        self._from_sink = bytearray()
        self._to_sink: list[bytes] = []
        self._to_source: list[bytes] = []
        self._within: list[str] = []
        self._record: Record | None = None
        self._line = b""
        self._left = 0  # of a file's bytes
        self._transfer: Transfer | None = None
        self._early = b""  # an error of the sink's in the midst of a file, which answers its end

    # --- bytes

    def receive(self, data: bytes) -> None:
        """From the source."""
        self._from_source += data

    def answer(self, data: bytes) -> None:
        """From the sink. Raises RemoteProtocolError: it answers what was not asked."""
        self._from_sink += data
        while self._from_sink and self._answered():
            pass

    def to_sink(self) -> bytes:
        data = b"".join(self._to_sink)
        self._to_sink.clear()
        return data

    def to_source(self) -> bytes:
        data = b"".join(self._to_source)
        self._to_source.clear()
        return data

    # --- records

    def take(self) -> Record | None:
        """The next record that is to be decided; None if there is none yet.

        Raises RemoteProtocolError: the source is in error.
        """
        if self.deciding():
            raise LocalProtocolError("the last record has not been decided")
        while self._from_source and self._step():
            if self.deciding():
                return self._record
        if len(self._from_source) > AHEAD:
            raise RemoteProtocolError("the source of scp does not wait to be answered")
        return None

    def deciding(self) -> bool:
        """A record was taken, and waits for ``forward`` or ``refuse``."""
        return self.state is State.DECISION

    def forward(self, transfer: Transfer | None) -> None:
        """The record goes to the sink; ``transfer`` is what a file's bytes are counted in."""
        record = self._decided()
        if not record.directory:
            self._transfer = transfer
            self._left = record.size
            self.state = State.FILE_ANSWER
        else:
            if len(self._within) >= DEEPEST:
                raise RemoteProtocolError("scp has too many directories inside each other")
            self._within.append(record.name)
            self.state = State.ANSWER
        self._to_sink.append(self._line)

    def refuse(self, message: str) -> None:
        """The source is told that the sink will not have it. A sink that waits for files is shown the message too."""
        self._decided()
        words = message.replace("\n", " ").encode("utf-8", "replace")
        self._to_source.append(b"\x01" + words + b"\n")
        if self.direction == "out":
            self._to_sink.append(b"\x01" + words + b"\n")
        self.state = State.RECORD

    def end(self) -> None:
        """The channel is over."""
        if self._transfer is not None:
            self._ended("the channel ended before the file did")
        self.state = State.OVER

    # --- the source

    def _step(self) -> bool:
        """Go on by one thing; False if more bytes are needed, or an answer."""
        if self.state is State.RECORD:
            line = self._take_line(self._from_source)
            if line is None:
                return False
            self._read(line)
            return True
        if self.state is State.DATA:
            self._pass_data()
            return True
        if self.state is State.STATUS:
            return self._status()
        if self.state is State.OVER:
            self._from_source.clear()
        return False

    def _read(self, line: bytes) -> None:
        kind = line[0]
        self._line = line
        if kind in (_ERROR, _FATAL):
            self.state = State.OVER if kind == _FATAL else State.RECORD
            self._to_sink.append(line)
        elif kind in b"CD":
            self._record = self._parsed(line)
            self.state = State.DECISION
        elif kind in b"TE":
            self._plain(line)
            self._to_sink.append(line)
            self.state = State.ANSWER
        else:
            raise RemoteProtocolError(f"a record of scp begins with {bytes([kind])!r}")

    def _plain(self, line: bytes) -> None:
        if line[:1] == b"E":
            if line != b"E\n" or not self._within:
                raise RemoteProtocolError("scp ends a directory that it did not begin")
            self._within.pop()
        elif len(line[1:-1].split(b" ")) != 4 or not line[1:-1].replace(b" ", b"").isdigit():
            raise RemoteProtocolError("scp sends times that are none")

    def _parsed(self, line: bytes) -> Record:
        """``C0644 299 name`` (mode in octal, size in decimal)."""
        mode, _, rest = line[1:-1].partition(b" ")
        size, space, name = rest.partition(b" ")
        digits = size.isdigit() and len(size) <= 18 and 4 <= len(mode) <= 5 and not mode.strip(b"01234567")
        text = shown(name)
        if not digits or not space or not plain_name(text):
            raise RemoteProtocolError("a record of scp is malformed, or names what is not in its directory")
        directory = line[:1] == b"D"
        special = not directory and bool(int(mode, 8) & SPECIAL)  # to directories they give nobody's rights
        return Record(text, tuple(self._within), int(size), directory, special)

    def _pass_data(self) -> None:
        data = bytes(self._from_source[: self._left])
        del self._from_source[: len(data)]
        self._left -= len(data)
        if self._transfer is not None and data:
            self._transfer.piece(None, len(data))
            self._transfer.feed(data)
        self._to_sink.append(data)
        if not self._left:
            self.state = State.STATUS

    def _status(self) -> bool:
        """What the source says behind a file's bytes: that they were good, or what was wrong."""
        if self._from_source[0] == _FINE:
            del self._from_source[:1]
            self._to_sink.append(b"\0")
        else:
            line = self._take_line(self._from_source)
            if line is None:
                return False
            if line[0] not in (_ERROR, _FATAL):
                raise RemoteProtocolError("scp ends a file with what is no status")
            if self._transfer is not None:
                self._transfer.error(_words(line))
            self._to_sink.append(line)
        self.state = State.ANSWER
        if self._early:
            self._settled(self._early)
        return True

    # --- the sink

    def _answered(self) -> bool:
        """One answer of the sink's; False if it has not come whole."""
        kind = self._from_sink[0]
        if kind not in (_FINE, _ERROR, _FATAL):
            raise RemoteProtocolError("an answer of scp's begins with what none begins with")
        if kind == _FINE:
            del self._from_sink[:1]
            line = b"\0"
        else:
            found = self._take_line(self._from_sink)
            if found is None:
                return False
            line = found
        self._to_source.append(line)
        if line[0] == _FATAL:
            self._ended(_words(line))
            self.state = State.OVER
        elif self.state is State.FILE_ANSWER:
            self._accepted(line)
        elif self.state in (State.START, State.ANSWER):
            self._settled(line)
        elif line[0] == _ERROR and self.state in (State.DATA, State.STATUS) and not self._early:
            self._early = line
        else:
            raise RemoteProtocolError("the sink of scp answers what it was not asked")
        return True

    def _accepted(self, line: bytes) -> None:
        if line[0] == _FINE:
            self.state = State.DATA if self._left else State.STATUS
        else:
            self._ended(_words(line))
            self.state = State.RECORD

    def _settled(self, line: bytes) -> None:
        record = self._record
        if line[0] != _FINE and self._line[:1] == b"D" and record is not None and self._within:
            self._within.pop()  # it has no such directory, and the source leaves it out
        if self._transfer is not None:
            self._transfer.whole = line[0] == _FINE
            self._ended("" if line[0] == _FINE else _words(line))
        self._line = self._early = b""
        self.state = State.RECORD

    # --- small parts

    def _decided(self) -> Record:
        record = self._record
        if not self.deciding() or record is None:
            raise LocalProtocolError("there is no record to decide")
        return record

    def _take_line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\n", 0, LONGEST)
        if end < 0:
            if len(buffer) >= LONGEST:
                raise RemoteProtocolError("a record of scp is too long")
            return None
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        if len(line) < 2:
            raise RemoteProtocolError("a record of scp is empty")
        return line

    def _ended(self, wrong: str) -> None:
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            if wrong:
                transfer.error(wrong)
            self.done.append(transfer)


def _words(line: bytes) -> str:
    return line[1:-1].decode("utf-8", "replace")
