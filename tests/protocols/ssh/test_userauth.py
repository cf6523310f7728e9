"""Logging in over SSH: what each method takes, and what it answers."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.defer import Deferred, succeed

from hoopgate.errors import UpstreamError
from tests.protocols.ssh.door import ADA, FAILURE, SUCCESS, Door


def test_a_token_as_password_opens_a_session_in_the_role_that_the_name_says() -> None:
    door = Door()
    visit = door.knock()
    visit.ask(b"none", user=b"deploy%web")
    assert visit.methods() == ["publickey", "keyboard-interactive", "password"]
    visit.password(b"good", user=b"deploy%web")
    assert visit.numbers[-1] == SUCCESS
    (session,) = door.house.opened_as
    assert (session.target.name, session.role, session.identity) == ("web", "deploy", ADA)
    assert door.house.events[0] == ("login", {"method": "password", "listener": "gate"})
    assert door.house.doors.open == 0
    assert session.application == "hoopgate"


def test_the_targets_name_alone_is_its_first_role() -> None:
    door = Door()
    door.knock().password(b"good")
    assert door.house.opened_as[0].role == "root"


def test_a_wrong_token_fails_with_what_to_do_next() -> None:
    door = Door()
    visit = door.knock()
    visit.password(b"bad")
    assert visit.numbers[-1] == FAILURE
    assert "login failed: the token is not valid" in visit.banners()
    assert "hoopgate token" in visit.banners()
    assert door.house.failures


def test_a_token_that_the_client_has_cut_is_told_so() -> None:
    """OpenSSH reads at most 1,023 bytes at a prompt."""
    door = Door()
    visit = door.knock()
    visit.password(b"eyJ" + b"a" * 1000 + b"." + b"b" * 19)
    assert "cuts what is typed at 1,023 bytes" in visit.banners()
    assert "hoopgate token --gateway" in visit.banners()


def test_what_policy_refuses_is_said_before_the_end() -> None:
    door = Door()
    door.house.denies = "nobody may"
    visit = door.knock()
    visit.password(b"good")
    assert SUCCESS not in visit.numbers
    assert "hoopgate: nobody may [no-entry]. Ask for a grant." in visit.banners()
    assert visit.client.ended == "nobody may [no-entry]"
    assert visit.gone


def test_a_reason_that_is_a_sentence_ends_once() -> None:
    door = Door()
    door.house.denies = "Nobody may."
    visit = door.knock()
    visit.password(b"good")
    assert "hoopgate: Nobody may [no-entry]. Ask for a grant." in visit.banners()


def test_a_target_or_a_role_that_does_not_exist_is_told_only_to_who_has_logged_in() -> None:
    for user, says in (
        (b"nil", 'target "nil" does not exist'),
        (b"x%web", "root%web, deploy%web"),
        (b"a/b", "[target]. Connect as TARGET@gateway or ROLE%TARGET@gateway."),
    ):
        visit = Door().knock()
        visit.password(b"bad", user=user)
        assert "exist" not in visit.banners()
        assert "web" not in visit.banners()
        visit.password(b"good", user=user)
        assert says in visit.banners()
        assert visit.gone


def test_a_postgresql_target_is_none_over_ssh() -> None:
    visit = Door().knock()
    visit.password(b"good", user=b"shop")
    assert 'target "shop" does not exist' in visit.banners()


def test_a_target_that_fails_ends_the_session_with_the_reason() -> None:
    door = Door()
    door.house.target_fails = UpstreamError("the target's host key is another one")
    visit = door.knock()
    visit.password(b"good")
    assert "the target's host key is another one [target]" in visit.banners()
    assert door.house.sessions == {}


def test_a_client_that_leaves_during_its_admission_leaves_nothing_open() -> None:
    door = Door()
    target: Deferred[object] = Deferred()
    visit = door.knock()
    object.__setattr__(door.entrance, "connect", lambda session, role: target)
    visit.password(b"good")
    assert len(door.house.sessions) == 1
    visit.hang_up()
    assert door.house.sessions == {}
    assert door.house.doors.open == 0


def test_a_relay_that_cannot_begin_leaves_neither_session_nor_target() -> None:
    door = Door()
    left: list[str] = []
    target = SimpleNamespace(terminate=lambda: left.append("target"))

    def broken(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError

    door.entrance.connect = lambda session, role: succeed(target)
    door.entrance.make_relay = broken
    visit = door.knock()
    visit.password(b"good")
    assert door.house.sessions == {}
    assert left == ["target"]
    assert "the gateway failed" in visit.client.ended


def test_the_relay_hears_of_the_clients_end() -> None:
    door = Door()
    visit = door.knock()
    visit.password(b"good")
    visit.send(80, b"\0\0\0\4ping\0")
    (relay,) = door.relays
    assert relay.got == [(80, b"\0\0\0\4ping\0")]
    visit.hang_up()
    assert relay.lost


def test_a_banner_is_shown_only_where_one_is_configured() -> None:
    from attrs import evolve

    door = Door()
    assert door.knock().banners() == ""
    door.house.config = evolve(door.house.config, ssh=evolve(door.house.config.ssh, banner="Property of ACME\x1b[2J"))
    assert door.knock().banners() == "Property of ACME?[2J\r\n"
