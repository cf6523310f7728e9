"""SFTP in a channel: each request is judged before it goes to the target, each transfer is recorded."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import shown
from hoopgate.codecs.ssh.sftp import Sftp
from hoopgate.codecs.ssh.sftp_files import OpenFile
from hoopgate.codecs.ssh.sftp_packets import Attributes, Request
from hoopgate.codecs.ssh.transfers import IN, OUT, Direction, Transfer
from hoopgate.errors import LimitError, RemoteProtocolError
from hoopgate.frames import ChannelInput, ChannelOutput
from hoopgate.guards.file_wishes import belongs, wish
from hoopgate.guards.sftp_names import Found, Names
from hoopgate.policy.operations import Object
from hoopgate.verdicts import ALLOW, Block, Hold, Rewrite, Verdict

if TYPE_CHECKING:
    from hoopgate.guards.file_judge import Judge

Answer = Verdict | Deferred[Verdict]
UNSUPPORTED: Final = "this release does not know the request"


class SftpChannel:
    """One channel's SFTP. ``judge`` knows session and policy."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        limits = judge.session.config.limits
        self._sftp = Sftp(
            packet=limits.sftp_packet,
            handles=limits.sftp_handles,
            requests=limits.sftp_requests,
            too_large=judge.too_large,
        )
        self._names = Names(self._ask)
        self._asked: dict[int, Deferred[bytes | Attributes | None]] = {}
        self._room: Deferred[None] | None = None
        self._held: tuple[ChannelInput, Request, str] | None = None  # waits for people, with what they are asked
        self._broken = False

    # --- from the client

    def input(self, frame: ChannelInput) -> Answer:
        """Judge what is in it."""
        if self._broken or frame.error:
            return Rewrite(ChannelInput(frame.raw, frame.channel, b""))
        held = self._held
        if held is not None and held[0] is frame:
            return self._again(frame, held[1], held[2])
        self._sftp.receive(frame.data)
        return self._on(frame)

    def _on(self, frame: ChannelInput) -> Answer:
        """Decide all there is; a Deferred where something has to be waited for."""
        sftp = self._sftp
        try:
            while (request := sftp.take()) is not None:
                if not self._in_itself(request):
                    if not self._names.known or (self._judge.by_path and request.name != "fsetstat"):
                        return self._later(self._decide_later(frame, request))
                    hold = self._decided(frame, request, self._found(request))
                    if hold is not None:
                        return hold
            if sftp.full and sftp.buffered:
                return self._later(self._wait_for_room(frame))
        except (RemoteProtocolError, LimitError) as error:
            return self._fail(error)
        self._judge.tell(sftp.done)
        data = sftp.to_target()
        return ALLOW if data == frame.data else Rewrite(ChannelInput(frame.raw, frame.channel, data))

    def _later(self, work: Coroutine[Any, Any, Verdict]) -> Deferred[Verdict]:
        """What was decided before goes on now."""
        self._judge.channel.inject("client", self._sftp.to_target())
        return Deferred.fromCoroutine(work)

    async def _wait_for_room(self, frame: ChannelInput) -> Verdict:
        self._room = Deferred()
        await self._room
        return await self._settled(self._on(frame))

    async def _settled(self, answer: Answer) -> Verdict:
        return await answer if isinstance(answer, Deferred) else answer

    # --- decisions

    def _in_itself(self, request: Request) -> bool:
        """Attributes of a file that is being written are part of that. False: it is to be decided."""
        file = self._sftp.files[request.handle] if request.name == "fsetstat" else None
        if file is None or file.incoming is None or not belongs(request):
            return False
        size, incoming = request.attributes.size, file.incoming
        if size is not None and not incoming.fits(size):
            self._sftp.refuse(packets.PERMISSION_DENIED, self._judge.too_large(incoming))
            return True
        if size is not None and size != incoming.end:
            incoming.ordered = False
        self._sftp.forward()
        return True

    async def _decide_later(self, frame: ChannelInput, request: Request, agreed: str | None = None) -> Verdict:
        try:
            if not self._names.known:
                await self._names.learn()
            asks = self._judge.by_path and request.name != "fsetstat"
            found = await self._names.asked(request) if asks else self._found(request)
            hold = self._decided(frame, request, found, agreed)
        except (RemoteProtocolError, LimitError) as error:
            return self._fail(error)
        if hold is not None:
            return hold
        return await self._settled(self._on(frame))

    def _found(self, request: Request) -> Found:
        if request.name == "fsetstat":
            return Found((self._names.handled(self._sftp.files[request.handle].path),))
        return self._names.taken(request)

    def _decided(self, frame: ChannelInput, request: Request, found: Found, agreed: str | None = None) -> Hold | None:
        """Forward or refuse; a Hold where people have to be asked. ``agreed``: what they have agreed to."""
        wanted = wish(request, found.first, found.second, tree=found.tree)
        decision = self._judge.decide(wanted, released=agreed is not None)
        if decision.then == "deny":
            code = packets.PERMISSION_DENIED if request.known else packets.OP_UNSUPPORTED
            self._sftp.refuse(code, self._judge.refuse(decision) if request.known else UNSUPPORTED)
        elif decision.then == "hold" and agreed is None:
            self._judge.channel.inject("client", self._sftp.to_target())
            self._held = (frame, request, wanted.text)
            return self._judge.hold(decision, wanted, lambda block: self._refused(frame, block))
        elif agreed is not None and agreed != wanted.text:
            self._sftp.refuse(packets.PERMISSION_DENIED, "what the name means has changed since it was asked for")
        else:
            self._sftp.forward(self._opens(request, found))
        return None

    def _opens(self, request: Request, found: Found) -> OpenFile | None:
        if request.kind != packets.OPEN:
            return None
        [thing] = found.first
        flags = request.flags
        reads = flags & packets.FOR_READING or not flags & packets.FOR_WRITING
        return OpenFile(
            thing.name,
            incoming=self._transfer(IN, request, thing) if flags & packets.FOR_WRITING else None,
            outgoing=self._transfer(OUT, request, thing) if reads else None,
            appends=bool(flags & packets.APPENDING),
        )

    def _transfer(self, direction: Direction, request: Request, thing: Object) -> Transfer:
        most, rule = self._judge.most("put" if direction == IN else "get", thing)
        return Transfer(direction, thing.name, asked=shown(request.path), most=most, rule=rule)

    # --- holds

    def _again(self, frame: ChannelInput, request: Request, asked: str) -> Answer:
        """It was approved, or the policy is another now."""
        self._held = None
        released = frame.released == self._judge.session.config.version
        return self._later(self._decide_later(frame, request, asked if released else None))

    def _refused(self, frame: ChannelInput, block: Block) -> Answer:
        """It was not approved: that request alone is refused."""
        self._held = None
        self._sftp.refuse(packets.PERMISSION_DENIED, self._judge.refusal(block))
        return self._on(frame)

    # --- from the target

    def output(self, frame: ChannelOutput) -> Verdict:
        """Match the answers in it."""
        if frame.error:
            return ALLOW
        if self._broken:
            return Rewrite(ChannelOutput(frame.raw, frame.channel, b""))
        sftp = self._sftp
        try:
            sftp.answer(frame.data)
        except (RemoteProtocolError, LimitError) as error:
            return self._fail(error)
        data = sftp.to_client()
        self._judge.tell(sftp.done)
        self._answered()
        return ALLOW if data == frame.data else Rewrite(ChannelOutput(frame.raw, frame.channel, data))

    def _ask(self, kind: int, path: bytes) -> Deferred[bytes | Attributes | None]:
        answer: Deferred[bytes | Attributes | None] = Deferred()
        self._asked[self._sftp.ask(kind, path)] = answer
        self._judge.channel.inject("client", self._sftp.to_target())
        return answer

    def _answered(self) -> None:
        """Whoever waited goes on."""
        told, self._sftp.told = self._sftp.told, []
        for number, answer in told:
            self._asked.pop(number).callback(answer)
        room = self._room
        if room is not None and not self._sftp.full:
            self._room = None
            room.callback(None)

    # --- the end

    def ended(self) -> None:
        """No more comes from the target, or goes to it."""
        self._sftp.end()
        self._judge.tell(self._sftp.done)

    def _fail(self, error: RemoteProtocolError | LimitError) -> Block:
        self._broken = True
        self.ended()
        rule = error.limit if isinstance(error, LimitError) else "protocol"
        return Block(f"SFTP cannot go on: {error}", rule=rule, sqlstate="08P01")
