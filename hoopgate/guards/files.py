"""Files that move inside SSH sessions: SFTP, scp, and what is told of rsync and git.

By which protocol a channel speaks is known when its program starts: by the subsystem ``sftp``, or by the command, which
the policy for commands has judged before. From then on both directions are looked at.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from zope.interface import classImplements

from hoopgate.codecs.ssh.file_commands import FileCommand, recognised
from hoopgate.frames import Channel, ChannelEnd, ChannelInput, ChannelOutput, Command, Frame, Request
from hoopgate.guards.file_judge import Judge
from hoopgate.guards.scp import ScpChannel
from hoopgate.guards.sftp import SftpChannel
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.verdicts import ALLOW, Verdict

NOTE: Final = "files"  # where a channel has what is known of it


class Files:
    """Sessions of SSH have one."""

    def open(self, session: Any) -> FilesGuard | None:
        return FilesGuard(session) if session.target.protocol == "ssh" else None


class FilesGuard:
    """Follows each channel in which files move."""

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Command, Request, ChannelInput, ChannelOutput, ChannelEnd})

    def __init__(self, session: Any) -> None:
        self._session = session
        self._open: set[SftpChannel | ScpChannel | Counted] = set()

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        if isinstance(frame, ChannelInput | ChannelOutput | ChannelEnd):
            found: SftpChannel | ScpChannel | Counted | None = frame.channel.notes.get(NOTE)
            if found is None:
                return ALLOW
            if isinstance(frame, ChannelInput):
                return found.input(frame)
            if isinstance(frame, ChannelOutput):
                return found.output(frame)
            if frame.closed or frame.by == "target":
                found.ended()
                self._open.discard(found)
        elif isinstance(frame, Command):
            command = recognised(frame.text)
            if command is not None:
                self._follow(frame.channel, command)
        elif isinstance(frame, Request) and _is_sftp(frame) and frame.channel is not None:
            self._watch(frame.channel, SftpChannel(Judge(self._session, frame.channel, "sftp")))
        return ALLOW

    def closed(self, reason: str) -> None:
        """What has not ended ends now."""
        for each in self._open:
            each.ended()
        self._open.clear()

    def _follow(self, channel: Channel, command: FileCommand) -> None:
        if command.program == "sftp-server":
            self._watch(channel, SftpChannel(Judge(self._session, channel, "sftp")))
        elif command.program == "scp":
            self._watch(channel, ScpChannel(Judge(self._session, channel, "scp"), command))
        else:
            self._watch(channel, Counted(Judge(self._session, channel, command.program), command))

    def _watch(self, channel: Channel, found: SftpChannel | ScpChannel | Counted) -> None:
        """It may come here again, after a hold."""
        self._open.discard(channel.notes.get(NOTE, found))
        channel.notes[NOTE] = found
        channel.watch_input = channel.watch_output = True
        self._open.add(found)


def _is_sftp(frame: Request) -> bool:
    return frame.name == "subsystem" and frame.by == "client" and frame.fields["name"] == "sftp"


class Counted:
    """A protocol of which only the bytes are counted: which files are in it, and what they hold, is not read."""

    def __init__(self, judge: Judge, command: FileCommand) -> None:
        self._judge = judge
        self._command = command
        self._moved = [0, 0]
        self._over = False

    def input(self, frame: ChannelInput) -> Verdict:
        self._moved[0] += len(frame.data)
        return ALLOW

    def output(self, frame: ChannelOutput) -> Verdict:
        if not frame.error:
            self._moved[1] += len(frame.data)
        return ALLOW

    def ended(self) -> None:
        if self._over:
            return
        self._over = True
        self._judge.told(
            direction=self._command.direction,
            path=" ".join(word.text for word in self._command.paths),
            bytes={"in": self._moved[0], "out": self._moved[1]},
            whole=False,
        )


classImplements(Files, IGuardFactory)
classImplements(FilesGuard, IGuard)
