"""The device flow's client, on a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hoopgate.identity.device import GRANT_TYPE, DeviceFlow, DeviceFlowError

START = {
    "device_code": "d",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://id.example.com/device",
    "expires_in": 100,
    "interval": 5,
}
PENDING, SLOW = (400, {"error": "authorization_pending"}), (400, {"error": "slow_down"})
DONE = (200, {"access_token": "t"})


class Provider:
    """Gives the listed answers in turn, the last one for ever; time passes only by sleeping."""

    def __init__(self, *answers: tuple[int, dict[str, Any]] | OSError) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.slept: list[float] = []
        self.flow = DeviceFlow("client", self.post, self.slept.append, lambda: sum(self.slept))

    def post(self, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        self.forms.append(dict(form))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def run(self) -> dict[str, Any]:
        code = self.flow.start("https://id.example.com/device_authorization", "openid")
        return self.flow.wait("https://id.example.com/token", code)


def test_it_polls_until_the_person_has_decided() -> None:
    provider = Provider((200, START), PENDING, PENDING, DONE)
    assert provider.run() == {"access_token": "t"}
    assert provider.slept == [5.0, 5.0, 5.0]
    assert provider.forms[0] == {"client_id": "client", "scope": "openid"}
    assert provider.forms[1] == {"grant_type": GRANT_TYPE, "device_code": "d", "client_id": "client"}


def test_slow_down_lengthens_the_interval_for_good() -> None:
    provider = Provider((200, START), SLOW, PENDING, SLOW, DONE)
    provider.run()
    assert provider.slept == [5.0, 10.0, 10.0, 15.0]


def test_a_network_that_fails_is_backed_off_from() -> None:
    provider = Provider((200, START), ConnectionError("away"), ConnectionError("away"), DONE)
    provider.run()
    assert provider.slept == [5.0, 10.0, 20.0]


@pytest.mark.parametrize("answer", [PENDING, SLOW, ConnectionError("away")])
def test_it_ends_when_the_code_expires(answer: Any) -> None:
    provider = Provider((200, START), answer)
    with pytest.raises(DeviceFlowError) as caught:
        provider.run()
    assert caught.value.code == "expired_token"
    assert sum(provider.slept) <= 100


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant", "server_error", ""])
def test_any_other_error_ends_it(error: str) -> None:
    provider = Provider((200, START), PENDING, (400, {"error": error}))
    with pytest.raises(DeviceFlowError) as caught:
        provider.run()
    assert caught.value.code == (error or "invalid_response")
    assert len(provider.slept) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"user_code": "\x1b]0;owned\x07"},
        {"user_code": "AB\rCD"},
        {"user_code": ""},
        {"user_code": 5},
        {"device_code": ""},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://id.example.com/device"},
        {"verification_uri": "https://id.example.com/\x1b[2J"},
        {"verification_uri": ""},
        {"verification_uri_complete": "file:///etc/passwd"},
        {"verification_uri": "https://" + "x" * 3000},
    ],
)
def test_what_is_not_fit_for_a_terminal_is_not_shown(changes: dict[str, Any]) -> None:
    with pytest.raises(DeviceFlowError):
        Provider((200, START | changes)).run()


@pytest.mark.parametrize(
    ("interval", "slept"), [(None, 5.0), ("5", 5.0), (-1, 5.0), (0, 5.0), (1e6, 60.0), (True, 5.0)]
)
def test_an_odd_interval_is_replaced(interval: Any, slept: float) -> None:
    provider = Provider((200, START | {"interval": interval}), DONE)
    provider.run()
    assert provider.slept == [slept]


def test_offline_access_asks_for_consent() -> None:
    provider = Provider((200, START))
    provider.flow.start("https://id.example.com/device_authorization", "openid offline_access")
    assert provider.forms[0]["prompt"] == "consent"
