"""The device flow as the gateway runs it for somebody at a terminal: as the issuer's public client, on the reactor.

Whoever connects can make us ask an issuer for a code, before anything is known of them; so only so many such logins
are under way at once (``limits.ssh_device_logins``), and where an issuer cannot be asked its users type tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hoopgate.config.limits import Limits
from hoopgate.config.model import Issuer, SecretRef
from hoopgate.errors import AuthenticationError
from hoopgate.identity.device import DeviceCode, DeviceFlowError, Polling, code_form, read_code
from hoopgate.identity.keys import check_issuer_url
from hoopgate.identity.strict import json_object
from hoopgate.interfaces import IAuthenticator, Identity

log = Logger()
_TIMEOUT = 5.0  # seconds for one answer of an issuer


class Web(Protocol):
    """What is asked of :class:`hoopgate.identity.fetch.Fetcher`."""

    def __call__(self, url: str) -> Deferred[bytes]: ...

    def trusting(self, ca: SecretRef) -> Callable[[str], Deferred[bytes]]: ...

    def post(self, url: str, form: Mapping[str, str], ca: SecretRef | None = None) -> Deferred[tuple[int, bytes]]: ...


@frozen
class DeviceLogin:
    """One login under way: ``code`` is what to show."""

    issuer: Issuer
    code: DeviceCode
    token_endpoint: str


class DeviceLogins:
    """Starts logins and waits for them. ``clock.seconds()`` is epoch time."""

    def __init__(
        self, web: Web, authenticator: IAuthenticator, clock: IReactorTime, limits: Callable[[], Limits]
    ) -> None:
        self._web = web
        self._authenticator = authenticator
        self._clock = clock
        self._limits = limits
        self.under_way = 0

    async def start(self, issuer: Issuer) -> DeviceLogin | None:
        """A code of the issuer's; None where none is to be had now. Who got one calls :meth:`leave`."""
        if not issuer.client_id or self.under_way >= self._limits().ssh_device_logins:
            return None
        self.under_way += 1
        try:
            return await self._start(issuer)
        except CancelledError:
            self.leave()
            raise
        except Exception as error:  # whatever a network, a provider or its answers can do
            self.leave()
            log.warn("the device flow of {issuer} did not begin: {error}", issuer=issuer.name, error=str(error)[:300])
            return None

    def leave(self) -> None:
        """A login that was started has ended, one way or the other."""
        self.under_way -= 1

    async def wait(self, login: DeviceLogin) -> Identity:
        """Who signed in. Raises AuthenticationError, also where nobody did in time."""
        polling = Polling(login.issuer.client_id, login.code)
        while True:
            try:
                polling.check_time(self._clock.seconds())
                await deferLater(self._clock, polling.interval)
                answer = await self._poll(login, polling)
            except DeviceFlowError as error:
                raise AuthenticationError(str(error), detail=f"device flow: {error.code}") from error
            if answer is not None:
                return await self._identity(answer, login.issuer)

    async def _start(self, issuer: Issuer) -> DeviceLogin:
        device, token = await self._endpoints(issuer)
        status, answer = await self._post(issuer, device, code_form(issuer.client_id, " ".join(issuer.login_scopes)))
        return DeviceLogin(issuer, read_code(status, answer, self._clock.seconds()), token)

    async def _endpoints(self, issuer: Issuer) -> tuple[str, str]:
        fetch = self._web if issuer.ca is None else self._web.trusting(issuer.ca)
        url = check_issuer_url(issuer, issuer.url.rstrip("/") + "/.well-known/openid-configuration")
        document = json_object(await fetch(url).addTimeout(_TIMEOUT, self._clock))
        if document.get("issuer") != issuer.url:
            raise ValueError("discovery names another issuer")
        found = document.get("device_authorization_endpoint"), document.get("token_endpoint")
        device, token = (check_issuer_url(issuer, each) if isinstance(each, str) else "" for each in found)
        if not device or not token:
            raise ValueError("discovery names no device flow")
        return device, token

    async def _poll(self, login: DeviceLogin, polling: Polling) -> dict[str, Any] | None:
        try:
            status, answer = await self._post(login.issuer, login.token_endpoint, polling.form)
        except CancelledError:
            raise
        except Exception as error:  # as above; the person may still be signing in
            log.warn("issuer {issuer} did not answer: {error}", issuer=login.issuer.name, error=str(error)[:300])
            polling.unanswered()
            return None
        return polling.heard(status, answer)

    async def _post(self, issuer: Issuer, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        status, body = await self._web.post(url, form, issuer.ca).addTimeout(_TIMEOUT, self._clock)
        return status, json_object(body)

    async def _identity(self, answer: dict[str, Any], issuer: Issuer) -> Identity:
        """By the ID token, which is meant for its client, else by the access token."""
        given = [token for name in ("id_token", "access_token") if isinstance(token := answer.get(name), str)]
        failed = AuthenticationError("the identity provider gave no token", detail=f"of {issuer.name}")
        for token in given:
            try:
                identity = await self._authenticator.authenticate(token)
            except AuthenticationError as error:
                failed = error
                continue
            if identity.issuer != issuer.url:
                raise AuthenticationError("login failed", detail=f"{issuer.name} gave a token of {identity.issuer}")
            return identity
        raise failed
