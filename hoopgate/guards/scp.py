"""scp's own protocol in a channel: each file is judged as it is announced, by the name that it will have or has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hoopgate.codecs.ssh import paths
from hoopgate.codecs.ssh.file_commands import FileCommand, Word
from hoopgate.codecs.ssh.scp import Record, Scp
from hoopgate.codecs.ssh.transfers import IN, Transfer
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import ChannelInput, ChannelOutput
from hoopgate.policy.files import Wish, does, path, some
from hoopgate.policy.operations import Object
from hoopgate.verdicts import ALLOW, Block, Hold, Rewrite, Verdict

if TYPE_CHECKING:
    from hoopgate.guards.file_judge import Judge

Data = ChannelInput | ChannelOutput
_UNASKED: Final = Block("the source of scp did not wait to be answered", rule="protocol")


class ScpChannel:
    """One run of scp. ``judge`` knows session and policy."""

    def __init__(self, judge: Judge, command: FileCommand) -> None:
        self._judge = judge
        self._command = command
        self._scp = Scp(command.direction)
        self._source = "client" if command.direction == IN else "target"
        self._sink = "target" if command.direction == IN else "client"
        self._held: tuple[Data, Record, str] | None = None
        self._broken = False

    def input(self, frame: ChannelInput) -> Verdict:
        """From the client."""
        return self._moved(frame, "client")

    def output(self, frame: ChannelOutput) -> Verdict:
        """From the target."""
        return ALLOW if frame.error else self._moved(frame, "target")

    def ended(self) -> None:
        """No more comes from the target, or goes to it."""
        self._scp.end()
        self._judge.tell(self._scp.done)

    # --- within

    def _moved(self, frame: Data, by: str) -> Verdict:
        if self._broken or frame.error:
            return self._instead(frame, b"")
        held = self._held
        try:
            if held is not None and held[0] is frame:
                return self._again(frame, held[1], held[2])
            if by == self._source:
                self._scp.receive(frame.data)
            else:
                self._scp.answer(frame.data)
            return self._on(frame, by)
        except RemoteProtocolError as error:
            self._broken = True
            self.ended()
            return Block(f"scp cannot go on: {error}", rule="protocol", sqlstate="08P01")

    def _on(self, frame: Data, by: str) -> Verdict:
        """Decide all there is, and let go what is decided."""
        while (record := self._scp.take()) is not None:
            hold = self._decided(frame, record)
            if hold is None:
                continue
            if by == self._source:
                return hold
            self._held = None
            self._scp.refuse(self._judge.refusal(_UNASKED))
        self._judge.tell(self._scp.done)
        to_sink, to_source = self._scp.to_sink(), self._scp.to_source()
        forth, back = (to_sink, to_source) if by == self._source else (to_source, to_sink)
        self._judge.channel.inject(self._sink if by == self._source else self._source, back)
        return ALLOW if forth == frame.data else self._instead(frame, forth)

    def _instead(self, frame: Data, data: bytes) -> Rewrite:
        return Rewrite(type(frame)(frame.raw, frame.channel, data))

    def _decided(self, frame: Data, record: Record, agreed: str | None = None) -> Hold | None:
        """Forward or refuse; a Hold where people have to be asked. ``agreed``: what they have agreed to."""
        places = places_of(self._command, record)
        wanted = self._wish(record, places)
        decision = self._judge.decide(wanted, released=agreed is not None)
        if decision.then == "deny":
            self._scp.refuse(self._judge.refuse(decision))
        elif decision.then == "hold" and agreed is None:
            self._judge.channel.inject(self._source, self._scp.to_sink())
            self._judge.channel.inject(self._sink, self._scp.to_source())
            self._held = (frame, record, wanted.text)
            return self._judge.hold(decision, wanted, lambda block: self._refused(frame, block))
        elif agreed is not None and agreed != wanted.text:
            self._scp.refuse("hoopgate: what the name means has changed since it was asked for")
        else:
            self._forward(record, places)
        return None

    def _wish(self, record: Record, places: tuple[Object, ...]) -> Wish:
        incoming = self._command.direction == IN
        if record.directory:
            verb = "mkdir" if incoming else "list"
        else:
            verb = "put" if incoming else "get"
        rights = does("setuid", places) if incoming and record.special else ()
        return Wish(f"scp {verb} {' or '.join(map(str, places))}", (*does(verb, places), *rights))

    def _forward(self, record: Record, places: tuple[Object, ...]) -> None:
        if record.directory:
            self._scp.forward(None)
            return
        verb = "put" if self._command.direction == IN else "get"
        bounds = [self._judge.most(verb, place) for place in places]
        most, rule = min(((size, name) for size, name in bounds if size is not None), default=(None, ""))
        name = " or ".join(map(str, places))
        transfer = Transfer(self._command.direction, name, most=most, rule=rule)
        transfer.expected = record.size
        if transfer.fits(record.size):
            self._scp.forward(transfer)
        else:
            self._scp.refuse(self._judge.too_large(transfer))

    def _again(self, frame: Data, record: Record, asked: str) -> Verdict:
        """It was approved, or the policy is another now."""
        self._held = None
        released = frame.released == self._judge.session.config.version
        hold = self._decided(frame, record, asked if released else None)
        return self._on(frame, self._source) if hold is None else hold

    def _refused(self, frame: Data, block: Block) -> Verdict:
        """It was not approved: that file alone is refused."""
        self._held = None
        self._scp.refuse(self._judge.refusal(block))
        return self._on(frame, self._source)


def places_of(command: FileCommand, record: Record) -> tuple[Object, ...]:
    """What the record's file may be called on the target; usually it is one name."""
    parts = (*record.within, record.name)
    if command.direction == IN:
        return _received(command.paths[0], parts, directory=command.directory)
    fitting = [word for word in command.paths if _sends(word, parts[0])]
    if not fitting:
        return (some(f"*/{_escaped('/'.join(parts))}"),)
    return tuple(dict.fromkeys(_inside(_parent(word), parts) for word in fitting))


def _received(word: Word, parts: tuple[str, ...], *, directory: bool) -> tuple[Object, ...]:
    """In the directory that the argument names; if that is none yet, the first takes its name."""
    inside = _inside(word, parts)
    last = word.text.rpartition("/")[2]
    if directory or last in ("", ".", "..") or (word.home and "/" not in word.text):
        return (inside,)
    return _inside(_parent(word), (last, *parts[1:])), inside


def _sends(word: Word, first: str) -> bool:
    last = word.text.rstrip("/").rpartition("/")[2]
    return word.glob or last == first


def _parent(word: Word) -> Word:
    """The directory of what the argument names. A glob of directories may be any."""
    head, slash, _ = word.text.rstrip("/").rpartition("/")
    return Word(head + slash, word.glob and bool(set("*?[") & set(head)), word.home and bool(slash))


def _inside(word: Word, parts: tuple[str, ...]) -> Object:
    rest = "/".join(parts)
    names = [name for name in word.text.split("/") if name not in ("", ".")]
    other = word.home and not (word.text == "~" or word.text.startswith("~/"))
    if other or word.glob or ".." in names:
        return some(f"*/{_escaped(rest)}")  # another's home, or where a link may lead: nobody knows
    if word.text.startswith("/"):
        return path(paths.normal(f"{word.text}/{rest}"))
    # Below the home directory, and nobody knows where that is.
    return some(_escaped("/".join(["~", *(names[1:] if word.home else names), rest])))


def _escaped(name: str) -> str:
    return name.translate(_SIGNS)


_SIGNS: Final = str.maketrans("*?[", "???")
