"""What an SFTP channel has under way: open files and directories, and the requests that wait for their answers."""

from __future__ import annotations

from typing import Final

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.sftp_packets import Request
from hoopgate.codecs.ssh.transfers import Transfer

FORWARDED: Final = 0  # the client's, and the target has it
REFUSED: Final = 1  # the client's, in whose place the target got one that does nothing
OWN: Final = 2  # ours

_EXPECTED: Final[dict[int, frozenset[int]]] = {
    packets.OPEN: frozenset({packets.HANDLE}),
    packets.OPENDIR: frozenset({packets.HANDLE}),
    packets.READ: frozenset({packets.DATA}),
    packets.READDIR: frozenset({packets.NAME}),
    packets.REALPATH: frozenset({packets.NAME}),
    packets.READLINK: frozenset({packets.NAME}),
    packets.STAT: frozenset({packets.ATTRS}),
    packets.LSTAT: frozenset({packets.ATTRS}),
    packets.FSTAT: frozenset({packets.ATTRS}),
    packets.EXTENDED: frozenset({packets.NAME, packets.EXTENDED_REPLY}),
}
"""How a request may be answered, besides by a STATUS."""


class OpenFile:
    """What a handle stands for: ``incoming`` and ``outgoing`` are None where it was not opened for that."""

    __slots__ = ("appends", "incoming", "outgoing", "path")

    def __init__(
        self, path: str, *, incoming: Transfer | None = None, outgoing: Transfer | None = None, appends: bool = False
    ) -> None:
        self.path = path
        self.incoming = incoming
        self.outgoing = outgoing
        self.appends = appends

    @property
    def transfers(self) -> list[Transfer]:
        return [each for each in (self.incoming, self.outgoing) if each is not None]


class Asked:
    """A request that the target has, or has something in the place of: ``code`` and ``message`` then answer it."""

    __slots__ = ("code", "file", "message", "request", "state")

    def __init__(
        self,
        request: Request,
        state: int = FORWARDED,
        *,
        file: OpenFile | None = None,
        code: int = 0,
        message: str = "",
    ) -> None:
        self.request = request
        self.state = state
        self.file = file
        self.code = code
        self.message = message

    def allows(self, kind: int) -> bool:
        """Whether an answer of this type can be the request's."""
        return self.state != FORWARDED or kind == packets.STATUS or kind in _EXPECTED.get(self.request.kind, ())

    def passes(self, kind: int) -> bool:
        """Whether nobody has to read the answer before it goes on (or is dropped)."""
        if self.state == FORWARDED:
            return kind not in (packets.STATUS, packets.HANDLE, packets.ATTRS)
        return self.state == REFUSED
