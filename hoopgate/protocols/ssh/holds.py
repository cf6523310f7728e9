"""What a hold needs of the channel that it keeps waiting (see ``hoopgate.guards.approval``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from hoopgate.codecs.ssh.channels import Stream

if TYPE_CHECKING:
    from hoopgate.protocols.ssh.relay import Relay


class ChannelHold:
    """``stream``: the channel, None for what concerns the connection."""

    __slots__ = ("_relay", "_stream")

    def __init__(self, relay: Relay, stream: Stream | None) -> None:
        self._relay = relay
        self._stream = stream

    def settle_batch(self) -> Deferred[bool]:
        """A channel has no transaction: nothing is kept while it waits."""
        return succeed(True)

    def context(self) -> Deferred[tuple[str, str]]:
        """No search path; the account at the target."""
        session = self._relay.session
        user = next((each.user for each in session.target.roles if each.name == session.role), session.role)
        return succeed(("", user))

    def locks(self) -> Deferred[tuple[str, ...]]:
        return succeed(())

    def notice(self, text: str, hint: str) -> None:
        """A line on stderr, where there is a channel to show it in."""
        self._relay.say(self._stream, f"hoopgate: {text.removesuffix('.')}. {hint}")
