"""The methods by which a client of SSH proves who it is: a token, the device flow, a certificate, a registered key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.codecs.ssh import authentication
from hoopgate.codecs.ssh.authentication import OfferedKey
from hoopgate.codecs.ssh.username import parse_user
from hoopgate.conch.algorithms import CERTIFICATE, KEY_ALGORITHMS
from hoopgate.conch.fields import MalformedError
from hoopgate.conch.signatures import SignatureError, load_key, verify
from hoopgate.config.model import Issuer, Listener
from hoopgate.errors import AuthenticationError
from hoopgate.hints import is_cut, token_hint
from hoopgate.identity.device_login import DeviceLogin, DeviceLogins
from hoopgate.identity.ssh_certificates import UserCertificates, principals_for
from hoopgate.identity.ssh_keys import identity_of, registered
from hoopgate.interfaces import Identity
from hoopgate.protocols.ssh.userauth import Attempt, DeclinedError, Proven, Way

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

_TOKEN: Final = "Token: "  # noqa: S105 - a prompt
_TYPED_CUT: Final = (
    "Your SSH client cuts what is typed at 1,023 bytes, and the token is longer. Type a short one, from: "
    "hoopgate token --gateway. Or let hoopgate connect log in for you (ProxyCommand)."
)


class HintedError(AuthenticationError):
    """A failed login after which something can be done: ``hint`` says what."""

    def __init__(self, error: AuthenticationError, hint: str) -> None:
        super().__init__(str(error), detail=error.detail)
        self.hint = hint


@frozen(eq=False)
class Logins:
    """The methods of one listener, for clients that come from ``address``."""

    gateway: Gateway
    listener: Listener
    address: str
    certificates: UserCertificates
    devices: DeviceLogins

    def ways(self) -> dict[str, Way]:
        """By name, as far as the listener allows them."""
        found: dict[str, Way] = {}
        allowed = self.listener.logins
        if "certificate" in allowed or "publickey" in allowed:
            found["publickey"] = self.public_key
        if "keyboard-interactive" in allowed:
            found["keyboard-interactive"] = self.interactive
        if "password" in allowed:
            found["password"] = self.password
        return found

    # --- tokens

    async def password(self, attempt: Attempt) -> Proven:
        """RFC 4252, section 8: the password is a token."""
        token = authentication.password(attempt.request.rest, attempt.longest)
        return Proven(await self._by_token(token), "password")

    async def _by_token(self, token: str) -> Identity:
        try:
            identity: Identity = await self.gateway.authenticator.authenticate(token.strip())
        except AuthenticationError as error:
            hint = _TYPED_CUT if is_cut(token) else token_hint(self.gateway, self.listener, token)
            raise HintedError(error, hint) from error
        return identity

    # --- keyboard-interactive

    async def interactive(self, attempt: Attempt) -> Proven:
        """RFC 4256: the issuer's device flow, shown in the prompt; or a token, typed there."""
        issuer = self._issuer()
        login = await self.devices.start(issuer) if issuer is not None else None
        if login is None:
            (token,) = await attempt.ask("", ((_TOKEN, False),))
            return Proven(await self._by_token(token), "keyboard-interactive")
        attempt.more_time(self.gateway.config.limits.ssh_device_login)
        signing_in: Deferred[Identity] = Deferred.fromCoroutine(self.devices.wait(login))
        signing_in.addErrback(_kept)
        try:
            (token,) = await attempt.ask(_instruction(login), ((_prompt(), False),))
            if token.strip():
                return Proven(await self._by_token(token), "keyboard-interactive")
            identity = await signing_in.addCallback(_raised)
            return Proven(identity, "device")
        finally:
            self.devices.leave()
            signing_in.cancel()

    def _issuer(self) -> Issuer | None:
        """Where people sign in: the listener's issuer, or the only one that has a client for it."""
        issuers = [issuer for issuer in self.gateway.config.issuers if issuer.client_id]
        if self.listener.issuer:
            issuers = [issuer for issuer in issuers if issuer.name == self.listener.issuer]
        return issuers[0] if len(issuers) == 1 else None

    # --- publickey

    async def public_key(self, attempt: Attempt) -> Proven | None:
        """RFC 4252, section 7. Only the key that signed counts; one that was asked about before is forgotten."""
        offered = OfferedKey.parse(attempt.request.rest)
        if offered.signature is None:
            attempt.count_offer()
            try:
                self._known(attempt, offered)
            except AuthenticationError as error:
                if str(error) != "login failed":
                    attempt.say(str(error))
                raise DeclinedError from error
            attempt.accept(offered)
            return None
        identify = self._known(attempt, offered)
        signed = authentication.signed_data(attempt.session_id, attempt.request, offered)
        try:
            verify(offered.algorithm, offered.blob, offered.signature, signed)
        except (MalformedError, SignatureError) as error:
            raise AuthenticationError("login failed", detail=f"a signature: {error}") from error
        return await identify()

    def _known(self, attempt: Attempt, offered: OfferedKey) -> Callable[[], Deferred[Proven]]:
        """What says whose the key is, should it have signed. Raises AuthenticationError. Asks no store."""
        algorithm = KEY_ALGORITHMS.get(offered.algorithm)
        kind = offered.blob[4 : 4 + int.from_bytes(offered.blob[:4], "big")]
        if algorithm is None or kind != algorithm.blob:
            raise AuthenticationError("login failed", detail=f"a key of algorithm {offered.algorithm[:64]!r}")
        certified = offered.algorithm.endswith(CERTIFICATE)
        if ("certificate" if certified else "publickey") not in self.listener.logins:
            raise AuthenticationError("login failed", detail="this kind of key is not taken here")
        if certified:
            return self._by_certificate(attempt, offered.blob)
        return self._by_key(offered.blob)

    def _by_key(self, blob: bytes) -> Callable[[], Deferred[Proven]]:
        config = self.gateway.config
        try:
            load_key(blob)
        except MalformedError as error:
            raise AuthenticationError("login failed", detail=str(error)) from error
        key = registered(config, blob, self.gateway.clock.seconds(), self.address)

        async def identify() -> Proven:
            return Proven(identity_of(key, config), "publickey", {"key": key.name})

        return lambda: Deferred.fromCoroutine(identify())

    def _by_certificate(self, attempt: Attempt, blob: bytes) -> Callable[[], Deferred[Proven]]:
        asked = parse_user(attempt.request.user)
        if asked is None:
            raise AuthenticationError("login failed", detail="a user name that names no target")
        target = self.gateway.config.target(asked.target)
        role = asked.role or (target.roles[0].name if target is not None and target.roles else "")
        presented = self.certificates.read(blob, principals_for(asked, role), self.address)

        async def identify() -> Proven:
            identity = self._still_trusted(await self.certificates.identify(presented))
            details = {"certificate": identity.token_id, "serial": presented.certificate.serial}
            return Proven(identity, "certificate", details, presented.restrictions)

        return lambda: Deferred.fromCoroutine(identify())

    def _still_trusted(self, identity: Identity) -> Identity:
        issuer = next((each for each in self.gateway.config.issuers if each.url == identity.issuer), None)
        if issuer is None:
            raise AuthenticationError("login failed", detail=f"{identity.issuer} is no longer configured")
        return evolve(identity, decides=issuer.approves)


def _prompt() -> str:
    return "Press Enter once you have signed in, or type a token: "


def _instruction(login: DeviceLogin) -> str:
    code = login.code
    if code.whole_uri:
        return f"To sign in, open {code.whole_uri}\nand check the code {code.user_code}\n"
    return f"To sign in, open {code.uri}\nand enter the code {code.user_code}\n"


def _kept(failure: Failure) -> Failure | tuple[Failure]:
    """Somebody may still be typing: a failure waits until it is asked for."""
    return (failure,)


def _raised(result: Identity | tuple[Failure]) -> Identity:
    if isinstance(result, tuple):
        result[0].raiseException()
    return result
