"""DEVELOPMENT ONLY: what the development provider remembers of device codes and refresh tokens. All of it bounded."""

from __future__ import annotations

import secrets
from typing import Final

from attrs import define
from twisted.internet.interfaces import IReactorTime

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 6.1: no vowels, no words
_MOST = 1000
_DEVICE_LIFETIME = 600.0  # seconds


class GrantError(Exception):
    """An ``error`` code of RFC 6749 5.2 or RFC 8628 3.5, which is its only argument."""


@define
class _Device:
    user_code: str
    expires: float
    interval: float
    polled: float | None = None
    person: str | None = None
    denied: bool = False


class Grants:
    """Device codes waiting for a person, and refresh tokens, each good for one use."""

    DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._devices: dict[str, _Device] = {}
        self._refresh: dict[str, str] = {}

    def start(self) -> tuple[str, str, float, float]:
        """A device code, its user code, their lifetime and the interval between polls (seconds)."""
        self._forget_old()
        if len(self._devices) >= _MOST:
            raise GrantError("temporarily_unavailable")
        letters = [secrets.choice(_LETTERS) for _ in range(8)]
        user_code = "".join(letters[:4]) + "-" + "".join(letters[4:])
        code = secrets.token_urlsafe(24)
        self._devices[code] = _Device(user_code, self._clock.seconds() + _DEVICE_LIFETIME, self._interval)
        return code, user_code, _DEVICE_LIFETIME, self._interval

    def decide(self, user_code: str, person: str | None) -> bool:
        """The person behind the user code (None: refused). False if no such code waits."""
        self._forget_old()
        for device in self._devices.values():
            if device.user_code == user_code.strip().upper() and device.person is None and not device.denied:
                device.person, device.denied = person, person is None
                return True
        return False

    def poll(self, code: str) -> str:
        """The person's name, once decided. Raises GrantError: authorization_pending, slow_down, ..."""
        device, now = self._devices.get(code), self._clock.seconds()
        if device is None:
            raise GrantError("invalid_grant")
        if now >= device.expires:
            del self._devices[code]
            raise GrantError("expired_token")
        early = device.polled is not None and now - device.polled < device.interval * 0.9
        device.polled = now
        if early:
            device.interval += 5  # RFC 8628 3.5
            raise GrantError("slow_down")
        if device.denied:
            del self._devices[code]
            raise GrantError("access_denied")
        if device.person is None:
            raise GrantError("authorization_pending")
        del self._devices[code]
        return device.person

    def new_refresh(self, person: str) -> str:
        """A refresh token for the person; the oldest is forgotten where there are too many."""
        while len(self._refresh) >= _MOST:
            del self._refresh[next(iter(self._refresh))]
        token = secrets.token_urlsafe(24)
        self._refresh[token] = person
        return token

    def use_refresh(self, token: str) -> str:
        """Whose it is; it is spent."""
        try:
            return self._refresh.pop(token)
        except KeyError:
            raise GrantError("invalid_grant") from None

    def _forget_old(self) -> None:
        now = self._clock.seconds()
        # Kept a while past the end, so that a late poll hears "expired" and not "never heard of it".
        self._devices = {code: one for code, one in self._devices.items() if now < one.expires + 60}
