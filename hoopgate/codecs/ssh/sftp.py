"""SFTP version 3 between two peers: which request gets what answer, what handles stand for, and what was transferred.

Sans-I/O. The client's bytes go into ``receive``; ``take`` hands out the requests that somebody has to decide, each of
which is answered by ``forward`` or ``refuse``; everything else settles itself. The target's bytes go into ``answer``.
What goes on is taken from ``to_target`` and ``to_client``.

A refusal is carried out by the target: in place of the request goes a REALPATH of ``"."`` with the same id, and the
refusal takes the place of the answer to that. So it comes in its turn, and nothing is put between the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import shown
from hoopgate.codecs.ssh.sftp_files import OWN, REFUSED, Asked, OpenFile
from hoopgate.codecs.ssh.sftp_framer import AnswerFramer, Packet, RequestFramer, Run
from hoopgate.codecs.ssh.sftp_packets import Attributes, Request
from hoopgate.codecs.ssh.transfers import Transfer
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

_READ: Final = packets.READ
_WRITE: Final = packets.WRITE
_BY_ITSELF: Final = frozenset({packets.CLOSE, packets.READ, packets.WRITE, packets.READDIR, packets.FSTAT})
"""Requests about what was opened, which was decided then."""

_EXTENDED_BY_ITSELF: Final = frozenset({"copy-data", "fstatvfs@openssh.com", "fsync@openssh.com"})
_NO_HANDLE: Final = "there is no such handle"
_OWN_IDS: Final = 0xFFFF0000  # where our own begin: clients count from 0
_MOST_SIZES: Final = 256


class Sftp:
    """One channel's conversation.

    ``packet``, ``handles`` and ``requests``: limits.sftp_packet, sftp_handles and sftp_requests. ``too_large`` is told
    of each transfer that goes over its ``most`` and gives the words for the client.
    """

    def __init__(self, *, packet: int, handles: int, requests: int, too_large: Callable[[Transfer], str]) -> None:
        self.asked: dict[int, Asked] = {}
        self.files: dict[bytes, OpenFile] = {}
        self.done: list[Transfer] = []  # whoever takes them empties it
        self.told: list[tuple[int, bytes | Attributes | None]] = []  # answers to ``ask``; likewise
        self.version = 0
        self._requests = RequestFramer(packet)
        self._answers = AnswerFramer(packet, self._passes)
        self._most_handles = handles
        self._most_requests = requests
        self._too_large = too_large
        self._begun = False
        self._opening = 0
        self._deciding: Request | None = None
        self._writing: Transfer | None = None  # whose data is passing to the target...
        self._dropping_in = False  # ...or is refused
        self._reading: Transfer | None = None
        self._dropping_out = False
        self._to_target: list[bytes] = []
        self._to_client: list[bytes] = []
        self._sizes: dict[bytes, int] = {}  # of files by their paths, as they were last asked for
        self._raw = b""
        self._own = _OWN_IDS

    # --- from the client

    def receive(self, data: bytes) -> None:
        self._requests.receive(data)

    @property
    def buffered(self) -> int:
        """The client's bytes that were not looked at yet."""
        return self._requests.buffered

    @property
    def full(self) -> bool:
        """So many answers are owed that no further request is taken."""
        return len(self.asked) >= self._most_requests

    def take(self) -> Request | None:
        """The next request that is to be decided; None if there is none, or the target owes too many answers.

        Raises RemoteProtocolError or LimitError: the client is in error.
        """
        if self._deciding is not None:
            raise LocalProtocolError("the last request has not been decided")
        while self._requests.boundary is False or not self.full:
            event = self._requests.next_event()
            if event is None:
                return None
            if isinstance(event, Run):
                self._input(event.data)
            elif not self._begun:
                self._begin(event)
            elif not self._settle(event):
                return self._deciding
        return None

    def forward(self, file: OpenFile | None = None) -> None:
        """The request that was taken goes to the target; ``file`` is what an OPEN or OPENDIR opens."""
        request = self._decided()
        if request.kind in (packets.OPEN, packets.OPENDIR):
            if len(self.files) + self._opening >= self._most_handles:
                self._refuse(request, packets.FAILURE, "too many files are open (limits.sftp_handles)")
                return
            self._opening += 1
            self._know(request, file)
        elif request.kind == packets.FSETSTAT:
            file = self.files.get(request.handle)
            self._resize(request, file)
        self._send(Asked(request, file=file), self._raw)

    def refuse(self, code: int, message: str) -> None:
        """The request that was taken is answered with this STATUS, in its turn."""
        self._refuse(self._decided(), code, message)

    def ask(self, kind: int, path: bytes) -> int:
        """Ask the target something of our own: REALPATH or LSTAT. The answer (None for an error) comes to ``told``,
        under the number that is returned."""
        while self._own in self.asked:
            self._own = _OWN_IDS | (self._own + 1 & 0xFFFF)
        number = self._own
        self._send(Asked(Request(kind, number, packets.NAMES[kind], path), OWN), packets.about(kind, number, path))
        return number

    def to_target(self) -> bytes:
        """What is to go there now."""
        data = self._to_target[0] if len(self._to_target) == 1 else b"".join(self._to_target)
        self._to_target.clear()
        return data

    def _begin(self, event: Packet) -> None:
        if event.kind != packets.INIT:
            raise RemoteProtocolError("SFTP does not begin with INIT")
        offered = packets.parse_init(event.data)
        if offered < packets.VERSION:
            raise RemoteProtocolError(f"the client speaks version {offered} of SFTP, and version 3 is needed")
        self._begun = True
        self._to_target.append(event.raw if len(event.data) == 5 and offered == 3 else packets.init(packets.VERSION))

    def _settle(self, event: Packet) -> bool:
        """Deal with a request that needs no decision. False: it does, and is now ``_deciding``."""
        request = packets.parse_request(event.data)
        if request.id in self.asked:
            raise RemoteProtocolError(f"the id {request.id} of an SFTP request is used twice at once")
        self._raw = event.raw
        if request.kind in _BY_ITSELF or (request.kind == packets.EXTENDED and request.name in _EXTENDED_BY_ITSELF):
            self._about_handle(request)
            return True
        if request.kind == packets.FSETSTAT and request.handle not in self.files:
            self._refuse(request, packets.FAILURE, _NO_HANDLE)
            return True
        self._deciding = request
        return False

    def _about_handle(self, request: Request) -> None:
        file = self.files.get(request.handle)
        kind = request.kind
        if kind == _WRITE:
            self._write(request, file)
            return
        if file is None or (kind == _READ and file.outgoing is None):
            self._refuse(request, packets.FAILURE, _NO_HANDLE)
            return
        if kind == packets.CLOSE:
            del self.files[request.handle]  # the client may not use it again before it has been answered
        elif request.name == "copy-data" and not self._copies(request):
            return
        self._send(Asked(request, file=file), self._raw)

    def _write(self, request: Request, file: OpenFile | None) -> None:
        transfer = None if file is None else file.incoming
        if file is None or transfer is None:
            self._dropping_in = True
            self._refuse(request, packets.FAILURE, _NO_HANDLE)
            return
        offset = transfer.end if file.appends else request.offset
        if not transfer.fits(offset + request.length):
            self._dropping_in = True
            self._refuse(request, packets.PERMISSION_DENIED, self._over(transfer))
            return
        self._dropping_in = False
        self._writing = transfer
        transfer.piece(None if file.appends else request.offset, request.length)
        self._send(Asked(request, file=file), self._raw)

    def _copies(self, request: Request) -> bool:
        """The target itself copies from one open file to another: how much, it does not say."""
        into = self.files.get(request.second)
        if into is None or into.incoming is None or self.files[request.handle].outgoing is None:
            self._refuse(request, packets.FAILURE, _NO_HANDLE)
            return False
        if into.incoming.most is not None:
            self._refuse(request, packets.PERMISSION_DENIED, self._over(into.incoming))
            return False
        into.incoming.ordered = False
        return True

    def _input(self, data: bytes) -> None:
        if self._dropping_in:
            return
        if self._writing is not None:
            self._writing.feed(data)
        self._to_target.append(data)

    def _know(self, request: Request, file: OpenFile | None) -> None:
        """What is known beforehand of the file that is being opened."""
        if file is None:
            return
        if file.outgoing is not None:
            file.outgoing.known = self._sizes.get(request.path)
        if file.incoming is not None:
            new = packets.CREATING | packets.EXCLUSIVE
            file.incoming.whole = bool(request.flags & packets.TRUNCATING) or request.flags & new == new

    def _resize(self, request: Request, file: OpenFile | None) -> None:
        """OpenSSH's scp empties no file as it opens it, and cuts off behind its last byte what was there before."""
        transfer = None if file is None else file.incoming
        if transfer is not None and request.attributes.size is not None:
            transfer.whole = request.attributes.size == transfer.end

    def _decided(self) -> Request:
        request, self._deciding = self._deciding, None
        if request is None:
            raise LocalProtocolError("there is no request to decide")
        return request

    def _refuse(self, request: Request, code: int, message: str) -> None:
        self._send(
            Asked(request, REFUSED, code=code, message=message), packets.about(packets.REALPATH, request.id, b".")
        )

    def _send(self, asked: Asked, raw: bytes) -> None:
        self.asked[asked.request.id] = asked
        self._to_target.append(raw)

    def _over(self, transfer: Transfer) -> str:
        words = self._too_large(transfer)
        transfer.error(words)
        return words

    # --- from the target

    def answer(self, data: bytes) -> None:
        """Take bytes of the target's. Raises RemoteProtocolError or LimitError: the target is in error."""
        self._answers.receive(data)
        while (event := self._answers.next_event()) is not None:
            if isinstance(event, Run):
                self._output(event)
            elif event.kind == packets.VERSION_REPLY:
                self._versioned(event)
            else:
                self._answered(event)

    def to_client(self) -> bytes:
        """What is to go there now."""
        data = self._to_client[0] if len(self._to_client) == 1 else b"".join(self._to_client)
        self._to_client.clear()
        return data

    def end(self) -> None:
        """The channel is over: what is still open was not transferred to its end."""
        files = [*self.files.values(), *(each.file for each in self.asked.values() if each.file is not None)]
        self.files.clear()
        self.asked.clear()
        for file in dict.fromkeys(files):
            self._closed(file, "the channel ended before the file was closed")

    def _versioned(self, event: Packet) -> None:
        if self.version or not self._begun:
            raise RemoteProtocolError("the target sent an SFTP version that nobody asked for")
        version, extensions = packets.parse_version(event.data)
        if version != packets.VERSION:
            raise RemoteProtocolError(f"the target speaks version {version} of SFTP, and version 3 is needed")
        self.version = version
        known = [each for each in extensions if each[0].decode("utf-8", "replace") in packets.EXTENSIONS]
        self._to_client.append(event.raw if known == extensions else packets.version_reply(version, known))

    def _passes(self, kind: int, number: int) -> bool:
        asked = self.asked.get(number)
        if asked is None or not self.version:
            raise RemoteProtocolError("the target answered an SFTP request that it was not asked")
        if not asked.allows(kind):
            raise RemoteProtocolError(f"the target answered {asked.request.name} with an SFTP packet of type {kind}")
        return asked.passes(kind)

    def _answered(self, event: Packet) -> None:
        asked = self.asked.pop(int.from_bytes(event.data[1:5], "big"))
        self._dropping_out = True
        self._reading = None
        if asked.state == OWN:
            self.told.append((asked.request.id, _found(event)))
        elif asked.state == REFUSED:
            self._to_client.append(packets.status(asked.request.id, asked.code, asked.message))
        elif event.kind == packets.DATA and not self._data(asked, event.rest):
            transfer = asked.file.outgoing if asked.file is not None else None
            assert transfer is not None
            self._to_client.append(packets.status(asked.request.id, packets.PERMISSION_DENIED, self._over(transfer)))
        else:
            self._dropping_out = False
            self._note(asked, event)
            self._to_client.append(event.raw)

    def _data(self, asked: Asked, length: int) -> bool:
        """Data begins to pass; False if it may not."""
        transfer = asked.file.outgoing if asked.file is not None else None
        if transfer is None or length > asked.request.length:
            raise RemoteProtocolError("the target sent more data than was asked for")
        if not transfer.fits(asked.request.offset + length):
            return False
        transfer.piece(asked.request.offset, length)
        self._reading = transfer
        return True

    def _note(self, asked: Asked, event: Packet) -> None:
        """What an answer means for the files."""
        kind = asked.request.kind
        if kind in (packets.OPEN, packets.OPENDIR):
            self._opening -= 1
            if event.kind == packets.HANDLE:
                self._opened(asked, packets.parse_handle(event.data))
            elif asked.file is not None:
                asked.file.incoming = asked.file.outgoing = None
        elif event.kind == packets.ATTRS:
            self._sized(asked, packets.parse_attributes(event.data).size)
        elif event.kind == packets.STATUS and asked.file is not None:
            code, words = packets.parse_status(event.data)
            self._status(asked, asked.file, code, words)

    def _sized(self, asked: Asked, size: int | None) -> None:
        if size is None:
            return
        if asked.file is not None and asked.file.outgoing is not None:
            asked.file.outgoing.known = size
        elif asked.request.path:
            if len(self._sizes) >= _MOST_SIZES:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[asked.request.path] = size

    def _opened(self, asked: Asked, handle: bytes) -> None:
        if handle in self.files:
            raise RemoteProtocolError("the target gave a handle that it has given already")
        self.files[handle] = asked.file if asked.file is not None else OpenFile(shown(asked.request.path))

    def _status(self, asked: Asked, file: OpenFile, code: int, words: str) -> None:
        request = asked.request
        if request.kind == packets.CLOSE:
            self._closed(file, "" if code == packets.OK else words or "close failed")
        elif request.kind == _READ and file.outgoing is not None:
            if code == packets.EOF:
                file.outgoing.whole |= request.offset >= file.outgoing.end
            elif code != packets.OK:
                file.outgoing.error(words or f"status {code}")
        elif request.kind == _WRITE and file.incoming is not None and code != packets.OK:
            file.incoming.error(words or f"status {code}")
        elif request.kind == packets.FSETSTAT and file.incoming is not None and code != packets.OK:
            file.incoming.whole = file.incoming.whole and request.attributes.size is None

    def _closed(self, file: OpenFile, wrong: str) -> None:
        for transfer in file.transfers:
            if wrong:
                transfer.error(wrong)
            self.done.append(transfer)
        file.incoming = file.outgoing = None

    def _output(self, event: Run) -> None:
        if self._dropping_out:
            return
        if self._reading is not None:
            self._reading.feed(event.data)
        self._to_client.append(event.data)


def _found(event: Packet) -> bytes | Attributes | None:
    if event.kind == packets.NAME:
        return packets.parse_one_name(event.data)
    return packets.parse_attributes(event.data) if event.kind == packets.ATTRS else None
