"""The device flow's client side (RFC 8628): a terminal logs in through a browser that may be elsewhere.

No I/O of its own: ``post``, ``sleep`` and ``now`` come in, so that time can be a test's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from hoopgate.errors import HoopgateError
from hoopgate.identity.urls import is_loopback

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"

Post = Callable[[str, Mapping[str, str]], tuple[int, dict[str, Any]]]
"""POST a form to a URL: status and JSON answer. Raises OSError where there is no answer."""

_SLOWER = 5.0  # seconds (RFC 8628, 3.5)
_SLOWEST = 60.0


class DeviceFlowError(HoopgateError):
    """The login did not come to a token. ``code`` is the OAuth error: access_denied, expired_token, ..."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@frozen
class DeviceCode:
    """What to show (``user_code``, ``uri``; ``whole_uri`` already holds the code), and how to ask for the end.

    ``expires`` is in ``now``'s time; ``interval`` is in seconds.
    """

    device_code: str
    user_code: str
    uri: str
    whole_uri: str
    expires: float
    interval: float


def _showable(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name, "")
    if not isinstance(value, str) or len(value) > 2000 or not value.isprintable():
        raise DeviceFlowError(f"the provider's {name} is not fit to be shown", "invalid_response")
    return value


def _uri(answer: Mapping[str, Any], name: str) -> str:
    uri = _showable(answer, name)
    if uri and not (uri.startswith("https://") or (uri.startswith("http://") and is_loopback(uri))):
        raise DeviceFlowError(f"the provider's {name} is no https address", "invalid_response")
    return uri


def _seconds(answer: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = answer.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        return default
    return min(float(value), most)


def _failure(answer: Mapping[str, Any]) -> DeviceFlowError:
    code = _showable(answer, "error") or "invalid_response"
    said = _showable(answer, "error_description")
    texts = {
        "access_denied": "the login was refused in the browser",
        "expired_token": "the code expired before anybody entered it",
    }
    return DeviceFlowError(texts.get(code, f"the provider refuses: {code}{': ' + said if said else ''}"), code)


def code_form(client_id: str, scopes: str) -> dict[str, str]:
    """What asks for a code (RFC 8628, 3.1)."""
    form = {"client_id": client_id, "scope": scopes}
    if "offline_access" in scopes.split():
        form["prompt"] = "consent"  # else a provider must not grant it (OpenID Connect Core 1.0, 11)
    return form


def read_code(status: int, answer: Mapping[str, Any], now: float) -> DeviceCode:
    """The provider's answer to that (RFC 8628, 3.2). Raises DeviceFlowError."""
    if status != 200:
        raise _failure(answer)
    code = DeviceCode(
        device_code=_showable(answer, "device_code"),
        user_code=_showable(answer, "user_code"),
        uri=_uri(answer, "verification_uri"),
        whole_uri=_uri(answer, "verification_uri_complete"),
        expires=now + _seconds(answer, "expires_in", 600.0, 3600.0),
        interval=_seconds(answer, "interval", 5.0, _SLOWEST),
    )
    if not (code.device_code and code.user_code and code.uri):
        raise DeviceFlowError("the provider's answer holds no code or no address", "invalid_response")
    return code


class Polling:
    """Asking for the end (RFC 8628, 3.4 and 3.5): what to send, and how long to wait between."""

    def __init__(self, client_id: str, code: DeviceCode) -> None:
        self.form = {"grant_type": GRANT_TYPE, "device_code": code.device_code, "client_id": client_id}
        self.interval = code.interval
        self._expires = code.expires

    def check_time(self, now: float) -> None:
        """Raises DeviceFlowError once there is no time for another question."""
        if now + self.interval >= self._expires:
            raise _failure({"error": "expired_token"})

    def unanswered(self) -> None:
        """The network failed: back off."""
        self.interval = min(self.interval * 2, _SLOWEST)

    def heard(self, status: int, answer: dict[str, Any]) -> dict[str, Any] | None:
        """The token answer (RFC 6749, 5.1), or None while the person has not decided. Raises DeviceFlowError."""
        if status == 200:
            return answer
        error = answer.get("error")
        if error == "slow_down":
            self.interval = min(self.interval + _SLOWER, _SLOWEST)
        elif error != "authorization_pending":
            raise _failure(answer)
        return None


class DeviceFlow:
    """One login. ``now`` and ``sleep`` count seconds of the same clock."""

    def __init__(self, client_id: str, post: Post, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
        self._client_id = client_id
        self._post = post
        self._sleep = sleep
        self._now = now

    def start(self, endpoint: str, scopes: str) -> DeviceCode:
        """Ask for a code. Raises DeviceFlowError."""
        status, answer = self._post(endpoint, code_form(self._client_id, scopes))
        return read_code(status, answer, self._now())

    def wait(self, endpoint: str, code: DeviceCode) -> dict[str, Any]:
        """Poll until the person has decided; the token answer. Raises DeviceFlowError."""
        polling = Polling(self._client_id, code)
        while True:
            polling.check_time(self._now())
            self._sleep(polling.interval)
            try:
                status, answer = self._post(endpoint, polling.form)
            except OSError:
                polling.unanswered()
                continue
            found = polling.heard(status, answer)
            if found is not None:
                return found
