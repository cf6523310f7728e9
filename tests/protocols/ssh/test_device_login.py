"""keyboard-interactive: the issuer's device flow in the prompt, or a token typed there."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from hoopgate.conch.fields import Fields, string
from tests.protocols.ssh.door import ADA, ANSWER, FAILURE, INFO, SUCCESS, URL, Door, Visit

START = {
    "device_code": "secret-code",
    "user_code": "ABCD-EFGH",
    "verification_uri": f"{URL}/device",
    "verification_uri_complete": f"{URL}/device?user_code=ABCD-EFGH",
    "expires_in": 120,
    "interval": 5,
}
PENDING = (400, b'{"error": "authorization_pending"}')


def door(*answers: tuple[int, Any], **start: Any) -> Door:
    """A door whose issuer gives a code, and then these answers."""
    made = Door()
    (issuer,) = made.house.config.issuers
    made.house.config = evolve(made.house.config, issuers=(evolve(issuer, client_id="cli"),))
    metadata = {
        "issuer": URL,
        "device_authorization_endpoint": f"{URL}/device_authorization",
        "token_endpoint": f"{URL}/token",
    }
    made.web.document = json.dumps(metadata).encode()
    made.web.answers = [(200, json.dumps({**START, **start}).encode())]
    made.web.answers += [
        (status, body if isinstance(body, bytes) else json.dumps(body).encode()) for status, body in answers
    ]
    return made


def ask(visit: Visit) -> None:
    visit.ask(b"keyboard-interactive", string(b"") + string(b""))


def answer(visit: Visit, *texts: bytes) -> None:
    visit.send(ANSWER, len(texts).to_bytes(4, "big") + b"".join(map(string, texts)))


def shown(visit: Visit) -> tuple[str, list[tuple[str, bool]]]:
    """Of the last question: the instruction, and each prompt with whether it echoes."""
    payload = next(payload for number, payload in reversed(visit.said) if number == INFO)
    fields = Fields(payload)
    fields.string()
    instruction = fields.string().decode()
    fields.string()
    return instruction, [(fields.string().decode(), fields.boolean()) for _ in range(fields.uint32())]


def test_the_prompt_shows_where_to_sign_in_and_the_login_waits_for_it() -> None:
    gate = door(PENDING, (200, {"id_token": "good"}))
    visit = gate.knock()
    ask(visit)
    instruction, ((prompt, echo),) = shown(visit)
    assert f"{URL}/device?user_code=ABCD-EFGH" in instruction
    assert "ABCD-EFGH" in instruction
    assert "Enter" in prompt
    assert echo is False
    answer(visit, b"")
    visit.wait(5.1)
    assert visit.numbers[-1] == INFO
    visit.wait(5.1)
    assert visit.numbers[-1] == SUCCESS
    assert gate.house.events[0][1]["method"] == "device"
    assert gate.web.forms[0] == {"client_id": "cli", "scope": "openid"}
    assert gate.web.forms[1]["device_code"] == "secret-code"
    assert gate.devices.under_way == 0


def test_who_has_signed_in_before_pressing_enter_is_in_at_once() -> None:
    gate = door((200, {"id_token": "bad", "access_token": "good"}))
    visit = gate.knock()
    ask(visit)
    visit.wait(6)
    assert visit.numbers == [INFO]
    answer(visit, b"")
    assert visit.numbers[-1] == SUCCESS


def test_a_token_may_be_typed_instead() -> None:
    gate = door()
    visit = gate.knock()
    ask(visit)
    answer(visit, b"good")
    assert visit.numbers[-1] == SUCCESS
    assert gate.house.events[0][1]["method"] == "keyboard-interactive"
    assert gate.devices.under_way == 0
    visit.wait(20)  # nobody asks the issuer any more: it has no answers left


def test_a_denied_or_late_login_fails_with_the_reason() -> None:
    gate = door((400, {"error": "access_denied"}))
    visit = gate.knock()
    ask(visit)
    answer(visit, b"")
    visit.wait(5.1)
    visit.wait()
    assert visit.numbers[-1] == FAILURE
    assert "refused in the browser" in visit.banners()
    gate = door(*[PENDING] * 30, expires_in=20)
    visit = gate.knock()
    ask(visit)
    answer(visit, b"")
    for _ in range(6):
        visit.wait(5.1)
    assert "expired before anybody entered it" in visit.banners()
    assert gate.devices.under_way == 0


def test_a_device_login_has_more_time_than_others_and_no_more_than_that() -> None:
    gate = door(*[PENDING] * 100, expires_in=3000)
    visit = gate.knock()
    ask(visit)
    answer(visit, b"")
    for _ in range(29):
        visit.wait(10)
    assert not visit.gone
    visit.wait(15)
    assert "limits.ssh_device_login" in visit.client.ended
    assert gate.devices.under_way == 0
    assert gate.house.doors.open == 0


def test_an_issuer_that_cannot_be_asked_leaves_a_prompt_for_a_token() -> None:
    for gate in (Door(), door()):
        gate.web.document = None
        visit = gate.knock()
        ask(visit)
        assert shown(visit) == ("", [("Token: ", False)])
        answer(visit, b"good")
        assert visit.numbers[-1] == SUCCESS


def test_only_so_many_logins_ask_the_issuer_at_once() -> None:
    """Or whoever connects could make the gateway flood it."""
    gate = door()
    gate.limits(ssh_device_logins=1)
    first, second = gate.knock(), gate.knock()
    ask(first)
    ask(second)
    assert "ABCD-EFGH" in shown(first)[0]
    assert shown(second) == ("", [("Token: ", False)])
    first.hang_up()
    assert gate.devices.under_way == 0


def test_asking_again_and_again_is_counted() -> None:
    """A new request ends one that waits for an answer; it is not answered, but it was a try."""
    gate = door()
    gate.web.answers *= 20
    visit = gate.knock()
    for _ in range(6):
        assert visit.client.ended == ""
        ask(visit)
    ask(visit)
    assert "limits.ssh_tries" in visit.client.ended
    assert FAILURE not in visit.numbers
    assert gate.devices.under_way == 0


def test_a_token_of_another_issuer_is_not_what_was_asked_for() -> None:
    gate = door((200, {"id_token": "other"}))
    gate.house.tokens["other"] = evolve(ADA, issuer="https://other.example.com")
    visit = gate.knock()
    ask(visit)
    answer(visit, b"")
    visit.wait(5.1)
    visit.wait()
    assert visit.numbers[-1] == FAILURE


def test_a_hostile_issuers_answers_open_nothing() -> None:
    for answers in ([(200, b"[]")], [(200, b"not json")], [(500, b"{}")], [(200, {"access_token": 7})]):
        gate = door(*answers, *[(400, {"error": "access_denied"})] * 3)
        visit = gate.knock()
        ask(visit)
        answer(visit, b"")
        for _ in range(6):
            visit.wait(11)
        assert SUCCESS not in visit.numbers
        assert visit.numbers[-1] == FAILURE
    gate = door(user_code="A\x1b[2J")
    visit = gate.knock()
    ask(visit)
    assert shown(visit) == ("", [("Token: ", False)])
