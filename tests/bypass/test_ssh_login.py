"""Ways into SSH that other servers left open. Each stays here for good, named after what it prevents."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred

from hoopgate.conch import certificates
from hoopgate.conch.certificates import text_of
from hoopgate.conch.fields import Fields, string
from hoopgate.config.model import SshKey
from hoopgate.errors import AuthenticationError
from hoopgate.identity.ssh_restrictions import Restrictions
from hoopgate.tunnel import Tunnel
from tests.identity.issuers import NOW, result
from tests.protocols.ssh.door import (
    ADA,
    ANSWER,
    BANNER,
    FAILURE,
    INFO,
    PK_OK,
    REQUEST,
    SUCCESS,
    Door,
    Speaker,
    Visit,
)

LIMIT = 6  # limits.ssh_tries


def blob_of(key: Any) -> bytes:
    return Key(key.public_key()).blob()


def signature(
    visit: Visit, key: Any, algorithm: bytes, blob: bytes, *, user: bytes = b"web", session: bytes = b""
) -> bytes:
    data = string(session or visit.client.sessionID) + bytes((REQUEST,))
    data += b"".join(map(string, (user, b"ssh-connection", b"publickey")))
    data += b"\1" + string(algorithm) + string(blob)
    kind = algorithm.removesuffix(b"-cert-v01@openssh.com")
    return Key(key).sign(data, kind)


def offer(visit: Visit, blob: bytes, algorithm: bytes = b"ssh-ed25519", user: bytes = b"web") -> None:
    visit.ask(b"publickey", b"\0" + string(algorithm) + string(blob), user=user)


def prove(visit: Visit, blob: bytes, signed: bytes, algorithm: bytes = b"ssh-ed25519", user: bytes = b"web") -> None:
    visit.ask(b"publickey", b"\1" + string(algorithm) + string(blob) + string(signed), user=user)
    visit.wait()


def registered(*keys: Any, **changes: Any) -> Door:
    """A door that knows these keys as ada's."""
    door = Door()
    known = tuple(
        SshKey(f"key{at}", text_of(blob_of(key)).decode(), "staff", "ada", NOW + 1000, **changes)
        for at, key in enumerate(keys)
    )
    door.house.config = evolve(door.house.config, ssh_keys=known)
    return door


CERT = b"ssh-ed25519-cert-v01@openssh.com"


def issued(door: Door, key: Any, principals: tuple[str, ...] = ("%web",), **more: Any) -> bytes:
    """A certificate of the gateway's, as a blob."""
    made = result(door.certificates.issue(ADA, blob_of(key), principals, **more))
    return certificates.parse_text(made.text.encode()).blob


# --- who it is


def test_a_second_user_name_while_the_first_is_pending_changes_nothing() -> None:
    """Conch: alice succeeds late, and ``user`` is root by then."""
    door = Door()
    pending: Deferred[Any] = Deferred()
    door.house.tokens["slow"] = pending
    visit = door.knock()
    visit.password(b"slow", user=b"deploy%web")
    visit.password(b"good", user=b"root%web")
    assert "may not change" in visit.client.ended
    pending.callback(ADA)
    visit.wait()
    assert door.house.opened_as == []
    assert SUCCESS not in visit.numbers


def test_requests_behind_the_one_that_succeeds_are_nobodys() -> None:
    """A later success must not swap who it is in mid-session."""
    door = Door()
    grace = evolve(ADA, subject="grace")
    pending: Deferred[Any] = Deferred()
    door.house.tokens |= {"slow": pending, "other": grace}
    visit = door.knock()
    visit.password(b"slow")
    visit.password(b"other")
    pending.callback(ADA)
    visit.wait()
    assert [session.identity.subject for session in door.house.opened_as] == ["ada"]
    assert visit.numbers.count(SUCCESS) == 1
    assert FAILURE not in visit.numbers
    visit.password(b"other")
    assert len(door.house.opened_as) == 1
    assert door.relays[0].got == []


def test_requests_are_served_one_after_the_other_and_only_a_few_wait() -> None:
    door = Door()
    door.house.tokens["slow"] = Deferred()
    visit = door.knock()
    for _ in range(5):
        visit.password(b"slow")
    assert visit.client.ended == ""
    visit.password(b"slow")
    assert "too many requests at once" in visit.client.ended
    assert visit.gone


def test_the_service_may_not_change_either() -> None:
    visit = Door().knock()
    visit.ask(b"none")
    visit.ask(b"none", service=b"ssh-other")
    assert "may not change" in visit.client.ended


# --- no way past the login


@pytest.mark.parametrize("number", [*range(35), *range(50, 60), *range(62, 68), *range(79, 102), 127, 192, 255])
@pytest.mark.parametrize("login", [False, True], ids=["before-a-service", "during-the-login"])
def test_no_message_number_skips_authentication(number: int, login: bool) -> None:
    """CVE-2018-7750, CVE-2018-7749, CVE-2018-10933 (where USERAUTH_SUCCESS from the client was enough)."""
    door = Door()
    visit = door.knock(login=login)
    visit.client.sendMessage(bytes((number,)) + string(b"session") + bytes(12))
    visit.pump()
    visit.client.sendMessage(bytes((90,)) + string(b"session") + bytes(12))
    visit.pump()
    assert door.relays == []
    assert door.house.opened_as == []
    assert SUCCESS not in visit.numbers


def test_none_is_not_enough() -> None:
    visit = Door().knock()
    for _ in range(LIMIT + 2):
        visit.ask(b"none")
    assert SUCCESS not in visit.numbers
    assert "too many failed logins" in visit.client.ended


def test_a_service_can_be_asked_for_once_and_only_the_login() -> None:
    """Or the tries would begin anew, or the connection's service without a login."""
    visit = Door().knock(login=False)
    visit.client.sendPacket(5, string(b"ssh-connection"))
    visit.pump()
    assert visit.gone
    door = Door()
    visit = door.knock()
    for _ in range(LIMIT - 1):
        visit.password(b"bad")
    visit.client.sendPacket(5, string(b"ssh-userauth"))
    visit.pump()
    assert visit.gone


def test_an_empty_password_and_a_change_of_it_are_refused() -> None:
    door = Door()
    visit = door.knock()
    visit.password(b"")
    assert visit.numbers[-1] == FAILURE
    visit.ask(b"password", b"\1" + string(b"good") + string(b"new"))
    assert visit.gone
    assert door.house.opened_as == []


def test_nothing_ever_succeeds_in_part() -> None:
    """CVE-2026-39828: what a first method restricted is lost after a second."""
    key = Ed25519PrivateKey.generate()
    door = registered(key)
    visit = door.knock()
    offer(visit, blob_of(key))
    visit.password(b"bad")
    assert [payload[-1] for number, payload in visit.said if number == FAILURE] == [0]


# --- keys


def test_the_key_that_was_asked_about_is_not_the_one_that_signed() -> None:
    """CVE-2024-45337: offer A, which is somebody else's, sign with B."""
    hers, mine = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    door = registered(hers)
    visit = door.knock()
    offer(visit, blob_of(hers))
    assert visit.numbers == [PK_OK]
    prove(visit, blob_of(mine), signature(visit, mine, b"ssh-ed25519", blob_of(mine)))
    assert visit.numbers[-1] == FAILURE
    prove(visit, blob_of(hers), signature(visit, mine, b"ssh-ed25519", blob_of(hers)))
    assert visit.numbers[-1] == FAILURE
    prove(visit, blob_of(hers), signature(visit, hers, b"ssh-ed25519", blob_of(hers)))
    assert visit.numbers[-1] == SUCCESS
    assert door.house.opened_as[0].identity.subject == "ada"


@pytest.mark.parametrize("other", ["session", "user"])
def test_a_signature_of_another_connection_or_name_is_none(other: str) -> None:
    key = Ed25519PrivateKey.generate()
    door = registered(key)
    visit = door.knock()
    changes: Any = {"session": {"session": b"x" * 32}, "user": {"user": b"deploy%web"}}[other]
    prove(visit, blob_of(key), signature(visit, key, b"ssh-ed25519", blob_of(key), **changes))
    assert visit.numbers[-1] == FAILURE


def test_a_signature_by_sha1_is_none() -> None:
    key = rsa.generate_private_key(65537, 2048)
    door = registered(key)
    visit = door.knock()
    prove(visit, blob_of(key), signature(visit, key, b"ssh-rsa", blob_of(key)), b"ssh-rsa")
    prove(visit, blob_of(key), signature(visit, key, b"ssh-rsa", blob_of(key)), b"rsa-sha2-256")
    assert [number for number in visit.numbers if number != BANNER] == [FAILURE, FAILURE]
    prove(visit, blob_of(key), signature(visit, key, b"rsa-sha2-256", blob_of(key)), b"rsa-sha2-256")
    assert visit.numbers[-1] == SUCCESS


def test_keys_that_are_only_asked_about_cost_no_store_and_are_counted() -> None:
    """A probe without a signature on a slow checker."""
    key = Ed25519PrivateKey.generate()
    door = Door()
    blob = issued(door, key)
    visit = door.knock()
    asked = door.house.store.asked
    for _ in range(10):
        offer(visit, blob, CERT)
        offer(visit, blob_of(key))
    assert visit.numbers == [PK_OK, FAILURE] * 10
    assert door.house.store.asked == asked
    offer(visit, blob, CERT)
    assert "limits.ssh_key_offers" in visit.client.ended


def test_a_key_is_nobodys_where_it_is_not_registered_or_not_allowed() -> None:
    key = Ed25519PrivateKey.generate()
    for door in (
        Door(),
        registered(key, source=("10.0.0.0/8",)),
        registered(key, targets=("other",)),
    ):
        visit = door.knock()
        prove(visit, blob_of(key), signature(visit, key, b"ssh-ed25519", blob_of(key)))
        assert SUCCESS not in visit.numbers
    door = registered(key)
    listener = evolve(door.entrance.listener, logins=("password", "certificate"))
    door.entrance.listener = listener
    visit = door.knock()
    prove(visit, blob_of(key), signature(visit, key, b"ssh-ed25519", blob_of(key)))
    assert SUCCESS not in visit.numbers
    door = registered(key)
    door.house.clock.advance(1001)
    visit = door.knock()
    prove(visit, blob_of(key), signature(visit, key, b"ssh-ed25519", blob_of(key)))
    assert "registration has ended" in visit.banners()


# --- certificates


def certified(door: Door, key: Any, blob: bytes, **more: Any) -> Visit:
    """A login with this certificate."""
    user = more.pop("user", b"root%web")
    visit = door.knock(**more)
    prove(visit, blob, signature(visit, key, CERT, blob, user=user), CERT, user=user)
    return visit


def by_hand(door: Door, key: Any, *, ca: Any = None, **changes: Any) -> bytes:
    """A certificate that the gateway did not issue, though it may be signed by its authority."""
    fields: dict[str, Any] = {
        "as_kind": "user", "key_id": "x", "principals": ["%web"], "valid_after": int(NOW - 60),
        "valid_before": int(NOW + 600),
    } | changes  # fmt: skip
    return certificates.issue(ca or door.ca, blob_of(key), **fields)


def test_a_certificate_opens_what_it_was_issued_for() -> None:
    key = Ed25519PrivateKey.generate()
    for principals, user, opens in (
        (("%web",), b"root%web", True),
        (("%web",), b"web", True),
        (("root%web",), b"web", True),  # its first role
        (("root%web",), b"deploy%web", False),
        (("%",), b"deploy%web", True),
        (("%other",), b"root%web", False),
    ):
        door = Door()
        visit = certified(door, key, issued(door, key, principals), user=user)
        assert (SUCCESS in visit.numbers) is opens, (principals, user)
        if opens:
            session = door.house.opened_as[0]
            assert session.identity.subject == "ada"
            assert session.identity.token_id.startswith("crt_")
            assert session.identity.expires == NOW + 3600


def test_a_comma_in_a_principal_makes_no_two_of_it() -> None:
    """CVE-2026-35414."""
    key = Ed25519PrivateKey.generate()
    door = Door()
    for principals in (["%other,%web"], ["root%web,deploy%web"], ["%web "], [""]):
        visit = certified(door, key, by_hand(door, key, principals=principals))
        assert "another target or role" in visit.banners()
        assert visit.numbers[-1] == FAILURE


def test_a_certificate_without_principals_is_nobodys() -> None:
    key = Ed25519PrivateKey.generate()
    door = Door()
    blob = issued(door, key)
    at = blob.index(string(string(b"%web")))
    emptied = blob[:at] + string(b"") + blob[at + 12 :]
    assert SUCCESS not in certified(door, key, emptied).numbers


def test_an_authority_that_is_itself_a_certificate_is_none() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    door = Door()
    authority = by_hand(door, other)
    blob = by_hand(door, key, ca=other)
    forged = blob.replace(string(blob_of(other)), string(authority))
    assert forged != blob
    assert SUCCESS not in certified(door, key, forged).numbers
    assert SUCCESS not in certified(door, key, blob).numbers


@pytest.mark.parametrize(
    "changes",
    [
        {"as_kind": "host"},
        {"valid_before": int(NOW - 1)},
        {"valid_after": int(NOW + 10)},
        {"critical_options": {"verify-required": "x"}},
        {"critical_options": {"source-address": "10.0.0.0/8"}},
        {},  # in order, but never issued: the store does not know it
    ],
    ids=lambda changes: next(iter(changes), "not-issued"),
)
def test_a_certificate_that_does_not_hold(changes: dict[str, Any]) -> None:
    key = Ed25519PrivateKey.generate()
    door = Door()
    visit = certified(door, key, by_hand(door, key, **changes))
    assert SUCCESS not in visit.numbers
    assert visit.numbers[-1] == FAILURE


def test_a_certificate_ends_with_its_revocation_its_issuer_and_its_time() -> None:
    key = Ed25519PrivateKey.generate()
    door = Door()
    blob = issued(door, key)
    assert SUCCESS in certified(door, key, blob).numbers
    (record,) = door.house.store.records.values()
    door.house.store.records[record.id] = evolve(record, revoked=NOW)
    assert "was revoked" in certified(door, key, blob).banners()
    door.house.store.records[record.id] = record
    (issuer, *_) = door.house.config.issuers
    door.house.config = evolve(door.house.config, issuers=(evolve(issuer, url="https://other.example.com"),))
    assert SUCCESS not in certified(door, key, blob).numbers
    door.house.config = evolve(door.house.config, issuers=(issuer,))
    door.house.clock.advance(3601)
    assert "has expired" in certified(door, key, blob).banners()


def test_a_certificates_key_must_sign() -> None:
    key, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    door = Door()
    assert SUCCESS not in certified(door, thief, issued(door, key)).numbers


def test_a_certificate_is_bound_to_where_it_may_come_from() -> None:
    key = Ed25519PrivateKey.generate()
    door = Door()
    kept = Restrictions("uptime", ("198.51.100.0/24", "2001:db8::/32"), frozenset({"permit-pty"}))
    blob = issued(door, key, limits=kept)
    assert "not valid from this address" in certified(door, key, blob, host="192.0.2.7").banners()
    for host in ("198.51.100.9", "::ffff:198.51.100.9", "2001:db8::1"):
        assert SUCCESS in certified(door, key, blob, host=host).numbers
        assert door.house.opened_as[-1].restrictions == kept


# --- bounds


def test_tries_are_bounded() -> None:
    visit = Door().knock()
    for _ in range(LIMIT):
        assert visit.client.ended == ""
        visit.password(b"bad")
    assert "limits.ssh_tries" in visit.client.ended


def test_the_time_to_log_in_is_bounded() -> None:
    door = Door()
    mute = door.knock(login=False)
    door.house.clock.advance(15.1)
    mute.pump()
    assert "limits.handshake" in mute.client.ended
    visit = door.knock()
    door.house.clock.advance(59)
    visit.pump()
    assert not visit.gone
    door.house.clock.advance(2)
    visit.pump()
    assert "limits.ssh_login" in visit.client.ended
    assert door.house.doors.open == 0


def test_a_connection_that_only_waits_makes_room() -> None:
    door = Door()
    door.limits(half_open=3, half_open_per_address=2)
    visits = [door.knock(host=f"192.0.2.{at}") for at in range(4)]
    visits[0].pump()
    assert "limits.half_open" in visits[0].client.ended or visits[0].gone
    assert not visits[3].gone
    visits[3].password(b"good")
    assert SUCCESS in visits[3].numbers


def test_who_makes_room_is_cut_off_at_once_whether_or_not_keys_were_exchanged() -> None:
    door = Door()
    door.limits(half_open=2, half_open_per_address=2, ssh_key_exchanges=1)
    silent, talking = door.knock(host="192.0.2.1", login=False), door.knock(host="192.0.2.2", login=False)
    for at in range(2):
        door.knock(host=f"192.0.2.{10 + at}", login=False)
    assert silent.ends[0][1].aborted
    assert talking.ends[0][1].aborted
    assert door.house.doors.open == 2


def test_who_has_exchanged_keys_outlasts_those_who_only_hold_a_place() -> None:
    door = Door()
    door.limits(half_open=4, half_open_per_address=4)
    working = door.knock(host="192.0.2.1", login=False)
    for at in range(3):
        door.knock(host=f"192.0.2.{10 + at}", login=False)
    working.client.requestService(Speaker(working.client))
    working.pump()
    for at in range(3):
        door.knock(host=f"192.0.2.{20 + at}", login=False)
    working.pump()
    working.password(b"good")
    assert SUCCESS in working.numbers
    assert door.house.doors.open == 3


def test_failures_take_equal_time() -> None:
    """Whatever a check of a secret took, its failure comes at a multiple of a quarter of a second."""
    door = Door()
    slow: Deferred[Any] = Deferred()
    door.house.tokens["slow"] = slow
    visit = door.knock()
    visit.ask(b"password", b"\0" + string(b"bad"))
    assert visit.numbers == []
    door.house.clock.advance(0.24)
    visit.pump()
    assert visit.numbers == []
    visit.wait(0.02)
    assert visit.numbers[-1] == FAILURE
    visit.said.clear()
    visit.ask(b"password", b"\0" + string(b"slow"))
    door.house.clock.advance(0.1)
    slow.errback(AuthenticationError("no"))
    visit.pump()
    door.house.clock.advance(0.14)
    visit.pump()
    assert visit.numbers == []
    visit.wait(0.02)
    assert visit.numbers[-1] == FAILURE


def test_long_names_and_answers_without_a_question_end_the_connection() -> None:
    for number, payload in (
        (REQUEST, string(b"u" * 300) + string(b"ssh-connection") + string(b"none")),
        (REQUEST, string(b"web") + string(b"ssh-connection") + string(b"m" * 65)),
        (REQUEST, b"\xff\xff\xff\xff"),
        (ANSWER, b"\0\0\0\1" + string(b"good")),
    ):
        visit = Door().knock()
        visit.send(number, payload)
        assert visit.gone


def test_more_answers_than_questions_are_not_read() -> None:
    visit = Door().knock()
    visit.ask(b"keyboard-interactive", string(b"") + string(b""))
    assert visit.numbers == [INFO]
    visit.send(ANSWER, b"\xff\xff\xff\xff" + string(b"good"))
    assert visit.gone


def test_a_user_name_is_no_path() -> None:
    """sshpiper#819: a name that escapes the directory of recordings. Ours are named by session; and such names open
    nothing."""
    for user in (b"../../etc/cron.d/x", b"web/../web", b"/web", b"web\0", b"%2e%2e%web"):
        door = Door()
        door.knock().password(b"good", user=user)
        assert door.house.opened_as == []


# --- inside CONNECT


def test_none_succeeds_where_a_tunnel_has_settled_who_it_is_and_for_its_target_alone() -> None:
    for user, role in (
        (b"root", "root"), (b"deploy", "deploy"), (b"web", "root"), (b"deploy%web", "deploy"), (b"root%shop", None),
        (b"shop", None), (b"nobody", None),
    ):  # fmt: skip
        door = Door()
        visit = door.knock(tunnel=Tunnel(ADA, "web"))
        visit.ask(b"none", user=user)
        opened = [session.role for session in door.house.opened_as]
        assert opened == ([role] if role else []), user
        assert (SUCCESS in visit.numbers) is (role is not None)


def test_a_tunnels_token_binds_inside_it_too() -> None:
    door = Door()
    visit = door.knock(tunnel=Tunnel(evolve(ADA, targets=("other",)), "web"))
    visit.ask(b"none", user=b"root")
    assert 'target "web" does not exist' in visit.banners()


def test_a_banner_shows_no_escapes() -> None:
    door = Door()
    door.house.denies = "no\x1b]0;owned\x07"
    visit = door.knock()
    visit.password(b"good")
    texts = [Fields(payload).string() for number, payload in visit.said if number == BANNER]
    assert texts
    assert not set(b"\x1b\x07") & set(b"".join(texts))
