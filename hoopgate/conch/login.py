"""Logging in at a server (RFC 4252): with a key, a key and its certificate, or a password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, DISCONNECT_PROTOCOL_ERROR
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_RESPONSE,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)

from hoopgate.conch.algorithms import KEY_ALGORITHMS
from hoopgate.conch.fields import UINT32, Fields, MalformedError, string
from hoopgate.conch.refusals import RefusedError
from hoopgate.conch.signatures import algorithms_of

BANNERS: Final = 16  # messages of a banner that are kept
BANNER: Final = 8_192  # bytes of each
PROMPTS: Final = 8  # rounds of keyboard-interactive, and questions in each


_METHODS: Final = (
    b"publickey", b"password", b"keyboard-interactive", b"hostbased", b"gssapi-with-mic", b"gssapi-keyex", b"none",
)  # fmt: skip


def _known(offered: list[bytes]) -> str:
    """The methods among these names; a name could repeat the password that the server has just been shown."""
    names = [name.decode() for name in _METHODS if name in offered]
    return ", ".join(names + ["others"] * (not set(offered) <= set(_METHODS))) or "nothing"


class Identity:
    """A private ``key``, and a certificate's blob for it or None."""

    __slots__ = ("_key", "blob")

    def __init__(self, key: Key, certificate: bytes | None = None) -> None:
        self._key = key
        self.blob: bytes = key.public().blob() if certificate is None else certificate

    def algorithm(self, taken: bytes | None) -> bytes | None:
        """By which it signs: the best that is among the server's ``server-sig-algs``, where it has told."""
        own = algorithms_of(self.blob)
        if taken is None:
            return own[0] if own else None
        names = taken.split(b",")
        # servers list either what certificates are called, or only what they are signed by
        return next((name for name in own if name in names or KEY_ALGORITHMS[name].signature in names), None)

    def sign(self, algorithm: bytes, data: bytes) -> bytes:
        return self._key.sign(data, KEY_ALGORITHMS[algorithm].signature)


class Login(SSHService):
    """Logs ``user`` in and then starts ``instance``, the service; ask for it by ``requestService(Login(...))``.

    ``identities`` are tried in turn, then ``password``, by the method password or as the one hidden answer of
    keyboard-interactive. No method is tried that the server has not offered. Where nothing is left ``failed`` is called
    with words for the log, and the connection ends. ``banner``: gets what the server says meanwhile.
    """

    name = b"ssh-userauth"
    transport: Any

    def __init__(
        self,
        user: bytes,
        instance: Any,
        *,
        identities: tuple[Identity, ...] = (),
        password: bytes | None = None,
        failed: Callable[[str], None] | None = None,
        banner: Callable[[str], None] | None = None,
    ) -> None:
        self.user = user
        self.instance = instance
        self._identities = list(identities)
        self._password = password
        self._failed = failed
        self._banner = banner
        self._banners = self._rounds = 0
        self._method = b""
        self._tried: list[str] = []

    def serviceStarted(self) -> None:
        """The method "none" asks what there is."""
        self._ask(b"none", b"")

    def packetReceived(self, messageNum: int, packet: bytes) -> None:  # noqa: N803
        fields = Fields(packet)
        if messageNum == MSG_USERAUTH_SUCCESS:
            self._identities.clear()
            self._password = None
            self.transport.setService(self.instance)
        elif messageNum == MSG_USERAUTH_FAILURE:
            self._next(fields.names(), partial=fields.boolean())
        elif messageNum == MSG_USERAUTH_BANNER:
            self._told(fields.string())
        elif messageNum == MSG_USERAUTH_PK_OK and self._method == b"keyboard-interactive":
            self._questioned(fields)
        else:
            # message 60 in answer to a password asks for a new one: that is not ours to choose
            raise RefusedError(DISCONNECT_PROTOCOL_ERROR, f"message {messageNum} during authentication")

    def _ask(self, method: bytes, extra: bytes) -> None:
        self._method = method
        self.transport.sendPacket(MSG_USERAUTH_REQUEST, self._request(method) + extra)

    def _request(self, method: bytes) -> bytes:
        return string(self.user) + string(self.instance.name) + string(method)

    def _told(self, text: bytes) -> None:
        self._banners += 1
        if self._banner is not None and self._banners <= BANNERS:
            self._banner(text[:BANNER].decode("utf-8", "replace"))

    def _next(self, offered: list[bytes], *, partial: bool) -> None:
        """The server wants (more of) one of the methods ``offered``."""
        if self._method != b"none":
            self._tried.append(self._method.decode() + (" (accepted, and more is wanted)" if partial else ""))
        if b"publickey" in offered:
            taken = self.transport.peerExtensions.get(b"server-sig-algs")
            while self._identities:
                identity = self._identities.pop(0)
                algorithm = identity.algorithm(taken)
                if algorithm is not None:
                    self._sign(identity, algorithm)
                    return
                self._tried.append("publickey (by no algorithm that the server takes)")
        if self._password is not None and b"password" in offered:
            password, self._password = self._password, None
            self._ask(b"password", b"\0" + string(password))
        elif self._password is not None and b"keyboard-interactive" in offered:
            self._ask(b"keyboard-interactive", string(b"") * 2)
        else:
            tried = ", ".join(self._tried) or "nothing"
            self._give_up(f"tried {tried}; the server offers {_known(offered)}")

    def _sign(self, identity: Identity, algorithm: bytes) -> None:
        """With the signature at once: asking first whether the key would do costs a round trip."""
        fields = b"\1" + string(algorithm) + string(identity.blob)
        request = bytes((MSG_USERAUTH_REQUEST,)) + self._request(b"publickey") + fields
        signature = identity.sign(algorithm, string(self.transport.sessionID) + request)
        self._ask(b"publickey", fields + string(signature))

    def _questioned(self, fields: Fields) -> None:
        """Answer the first hidden question with the password, and none else."""
        fields.string(), fields.string(), fields.string()
        prompts = []
        for _ in range(min(fields.uint32(), PROMPTS + 1)):
            fields.string()
            prompts.append(fields.boolean())
        self._rounds += 1
        if len(prompts) > PROMPTS or self._rounds > PROMPTS:
            raise MalformedError("too many questions")
        if len(prompts) == 1 and not prompts[0] and self._password is not None:
            answers, self._password = [self._password], None
        elif prompts:
            self._give_up("the server asks what only a person could answer")
            return
        else:
            answers = []
        body = b"".join([string(answer) for answer in answers])
        self.transport.sendPacket(MSG_USERAUTH_INFO_RESPONSE, UINT32.pack(len(answers)) + body)

    def _give_up(self, words: str) -> None:
        if self._failed is not None:
            self._failed(words)
        self.transport.sendDisconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, b"nothing is left to log in with")
