"""The server's side of user authentication (RFC 4252): one request at a time, one user name, bounded, and then over.

What Conch's does not do: requests are served one after the other, whatever a slow check takes; user name and service
are those of the first request; nothing counts after a success, or while one is being admitted; tries, questions about
keys and queued requests are bounded; a request that fails by a secret takes a multiple of a fixed time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from attrs import field, frozen
from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.codecs.ssh import authentication
from hoopgate.codecs.ssh.authentication import OfferedKey, Request
from hoopgate.config.limits import Limits
from hoopgate.errors import AuthenticationError, HoopgateError, RemoteProtocolError
from hoopgate.identity.ssh_restrictions import Restrictions
from hoopgate.interfaces import Identity

log = Logger()
CONNECTION: Final = b"ssh-connection"
STEP: Final = 0.25  # seconds: a failure comes at a multiple of it after its request
_QUEUED: Final = 4  # requests that may wait for the one under way


class DeclinedError(HoopgateError):
    """A key that was only asked about is none of ours: no failed login, unless there are too many."""


@frozen
class Proven:
    """Who it is, and how that was proved; ``details`` are for the recording."""

    identity: Identity
    method: str
    details: dict[str, Any] = field(factory=dict)
    restrictions: Restrictions | None = None


Way = Callable[["Attempt"], Coroutine[Any, Any, Proven | None]]
"""One method. None: it is answered already. Raises AuthenticationError, DeclinedError and RemoteProtocolError."""


class UserAuth:
    """The service of one connection. ``ways`` are the methods that succeed, by name.

    ``proven(proven, user)`` is called at most once. ``failed(error)`` is told of each failed login; its answer is shown
    to the user. ``more_time(seconds)`` lengthens the time that the connection has to log in.
    """

    name: Final = b"ssh-userauth"
    transport: Any = None

    def __init__(
        self,
        ways: Mapping[str, Way],
        clock: Any,
        limits: Limits,
        *,
        banner: str,
        proven: Callable[[Proven, bytes], None],
        failed: Callable[[AuthenticationError], str],
        more_time: Callable[[float], None],
    ) -> None:
        self._ways = ways
        self._clock = clock
        self.limits = limits
        self._banner = banner
        self._proven = proven
        self._failed = failed
        self.more_time = more_time
        self._named: tuple[bytes, bytes] | None = None  # user and service
        self._waiting: deque[Request] = deque()
        self._work: Deferred[None] | None = None
        self._question: tuple[Deferred[list[str]], int] | None = None
        self._over = False
        self._tries = 0
        self._asked_none = False
        self._offers = 0

    # --- what the transport calls

    def serviceStarted(self) -> None:
        if self._banner:
            self.say(self._banner)

    def serviceStopped(self) -> None:
        self._over = True
        self._waiting.clear()
        self._question = None
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def packetReceived(self, number: int, payload: bytes) -> None:
        """One message of the client's."""
        if self._over:
            return
        try:
            if number == authentication.USERAUTH_REQUEST:
                self._requested(Request.parse(payload))
            elif number == authentication.USERAUTH_INFO_RESPONSE:
                self._answered(payload)
            else:
                raise RemoteProtocolError(f"message {number} before authentication")
        except RemoteProtocolError as error:
            self._disconnect(DISCONNECT_PROTOCOL_ERROR, str(error))

    # --- requests, one after the other

    def _requested(self, request: Request) -> None:
        named = (request.user, request.service)
        if self._named is None:
            if request.service != CONNECTION:
                self._disconnect(DISCONNECT_SERVICE_NOT_AVAILABLE, "there is no such service")
                return
            self._named = named
        elif named != self._named:
            raise RemoteProtocolError("user name and service may not change during the login")
        if self._question is not None:
            self._abandon()
        if self._over:
            return
        if self._work is None:
            self._serve(request)
        elif len(self._waiting) >= _QUEUED:
            raise RemoteProtocolError("too many requests at once")
        else:
            self._waiting.append(request)

    def _abandon(self) -> None:
        """A new request takes the place of one that waits for answers, which is not answered (section 5.1)."""
        self._question = None
        self._count()
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def _serve(self, request: Request) -> None:
        work = self._work = Deferred.fromCoroutine(self._attempt(request))
        work.addErrback(self._broken)
        work.addCallback(self._done, work)

    def _done(self, result: object, work: Deferred[None]) -> None:
        if self._work is not work:
            return
        self._work = None
        if self._waiting and not self._over:
            self._serve(self._waiting.popleft())

    async def _attempt(self, request: Request) -> None:
        began = self._clock.seconds()
        way = self._ways.get(request.method)
        if way is None:
            first, self._asked_none = not self._asked_none, True
            self._refuse(counts=not (request.method == "none" and first))
            return
        try:
            proven = await way(Attempt(self, request))
        except DeclinedError:
            self._refuse(counts=False)
        except AuthenticationError as error:
            said = self._failed(error)
            spent = self._clock.seconds() - began
            await deferLater(self._clock, STEP * math.floor(spent / STEP + 1) - spent)
            if said:
                self.say(said)
            self._refuse(counts=True)
        else:
            if proven is not None and not self._over:
                self._over = True
                self._waiting.clear()
                self._proven(proven, request.user)

    def _broken(self, failure: Failure) -> None:
        if failure.check(CancelledError) or self._over:
            return
        if failure.check(RemoteProtocolError):
            self._disconnect(DISCONNECT_PROTOCOL_ERROR, failure.getErrorMessage())
            return
        log.failure("a login failed by a fault of the gateway", failure)
        self._disconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "the gateway failed")

    # --- answers

    def say(self, text: str) -> None:
        """Show the user something."""
        self.transport.sendPacket(authentication.USERAUTH_BANNER, authentication.banner(f"{text}\n"))

    def accept(self, offered: OfferedKey) -> None:
        self.transport.sendPacket(authentication.USERAUTH_PK_OK, authentication.key_accepted(offered))

    def count_offer(self) -> None:
        """Raises RemoteProtocolError once too many keys were asked about."""
        self._offers += 1
        if self._offers > self.limits.ssh_key_offers:
            raise RemoteProtocolError("too many public keys were asked about (limits.ssh_key_offers)")

    def ask(self, instruction: str, prompts: tuple[tuple[str, bool], ...]) -> Deferred[list[str]]:
        """Fires with the answers, one for each prompt."""
        answer: Deferred[list[str]] = Deferred()
        self._question = (answer, len(prompts))
        request = authentication.info_request(instruction, prompts)
        self.transport.sendPacket(authentication.USERAUTH_INFO_REQUEST, request)
        return answer

    def _answered(self, payload: bytes) -> None:
        question, self._question = self._question, None
        if question is None:
            raise RemoteProtocolError("an answer to no question")
        answer, prompts = question
        answer.callback(authentication.responses(payload, prompts, self.limits.token))

    def _refuse(self, *, counts: bool) -> None:
        if counts:
            self._count()
        if self._over:
            return
        methods = [name for name in self._ways if name != "none"]
        self.transport.sendPacket(authentication.USERAUTH_FAILURE, authentication.failure(methods))

    def _count(self) -> None:
        self._tries += 1
        if self._tries >= self.limits.ssh_tries and not self._over:
            self._disconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "too many failed logins (limits.ssh_tries)")

    def _disconnect(self, code: int, words: str) -> None:
        self._over = True
        self._waiting.clear()
        self.transport.sendDisconnect(code, words.encode())


class Attempt:
    """One request, as a method sees it."""

    def __init__(self, service: UserAuth, request: Request) -> None:
        self.request = request
        self.session_id: bytes = service.transport.sessionID
        self.longest = service.limits.token
        self.say = service.say
        self.ask = service.ask
        self.accept = service.accept
        self.count_offer = service.count_offer
        self.more_time = service.more_time
