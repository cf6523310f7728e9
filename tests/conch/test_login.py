"""Logging in, against a server that we play."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from hoopgate.conch.certificates import issue
from hoopgate.conch.fields import Fields, string
from hoopgate.conch.login import Identity, Login
from hoopgate.conch.signatures import verify
from tests.conch.wire import Noting, Wire

KEY = Key(Ed25519PrivateKey.generate())


class Logging:
    """A login under way; ``asked`` are the fields of the last request: user, service, method, then the method's."""

    def __init__(self, **how: Any) -> None:
        self.wire = Wire().established()
        self.failures: list[str] = []
        self.banners: list[str] = []
        self.connection = Noting(b"ssh-connection")
        how = {"failed": self.failures.append, "banner": self.banners.append, **how}
        self.wire.client.requestService(Login(b"alice", self.connection, **how))
        self.wire.pump()

    @property
    def requests(self) -> list[bytes]:
        got: list[bytes] = self.wire.server.service.got  # type: ignore[union-attr]
        return got

    @property
    def asked(self) -> Fields:
        fields = Fields(self.requests[-1], 1)
        assert fields.string() == b"alice"
        assert fields.string() == b"ssh-connection"
        return fields

    def answer(self, number: int, body: bytes = b"") -> None:
        self.wire.server.raw(number, body)
        self.wire.pump()

    def refuse(self, *methods: bytes, partial: bool = False) -> None:
        self.answer(51, string(b",".join(methods)) + bytes((partial,)))


def test_a_key() -> None:
    login = Logging(identities=(Identity(KEY),))
    assert login.asked.string() == b"none"
    login.refuse(b"publickey", b"password")
    fields = login.asked
    assert fields.string() == b"publickey"
    assert fields.boolean()
    algorithm, blob, signature = fields.string(), fields.string(), fields.string()
    fields.end()
    signed = string(login.wire.server.sessionID or b"") + login.requests[-1][: -len(string(signature))]
    verify(algorithm, blob, signature, signed)
    login.answer(52)
    assert login.wire.client.service is login.connection
    assert login.failures == []


def test_a_key_and_its_certificate() -> None:
    ca = Ed25519PrivateKey.generate()
    certificate = issue(
        ca, KEY.public().blob(), as_kind="user", key_id="x", principals=["alice"], valid_after=0, valid_before=9
    )
    login = Logging(identities=(Identity(KEY, certificate),))
    login.refuse(b"publickey")
    fields = login.asked
    fields.string(), fields.boolean()
    assert fields.string() == b"ssh-ed25519-cert-v01@openssh.com"
    assert fields.string() == certificate


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        (None, b"rsa-sha2-512"),
        (b"ssh-rsa,rsa-sha2-256", b"rsa-sha2-256"),
        (b"ssh-ed25519,ssh-rsa", None),
    ],
)
def test_an_rsa_key_signs_by_what_the_server_takes(taken: bytes | None, chosen: bytes | None) -> None:
    assert Identity(Key(rsa.generate_private_key(65537, 2048))).algorithm(taken) == chosen


def test_a_password() -> None:
    login = Logging(password=b"secret")
    login.refuse(b"password", b"keyboard-interactive")
    fields = login.asked
    assert fields.string() == b"password"
    assert not fields.boolean()
    assert fields.string() == b"secret"
    login.refuse(b"password")
    assert login.failures == ["tried password; the server offers password"]
    assert login.wire.client.finished is not None


def test_a_password_is_the_answer_to_one_hidden_question() -> None:
    login = Logging(password=b"secret")
    login.refuse(b"keyboard-interactive")
    assert login.asked.string() == b"keyboard-interactive"
    login.answer(60, string(b"") * 3 + b"\0\0\0\1" + string(b"Password: ") + b"\0")
    assert login.requests[-1] == b"\x3d\0\0\0\1" + string(b"secret")
    login.answer(60, string(b"") * 3 + b"\0\0\0\0")
    assert login.requests[-1] == b"\x3d\0\0\0\0"
    login.answer(52)
    assert login.wire.client.service is login.connection


@pytest.mark.parametrize(
    "questions", [b"\0\0\0\1" + string(b"Name: ") + b"\1", b"\0\0\0\2" + (string(b"x") + b"\0") * 2]
)
def test_other_questions_are_not_answered(questions: bytes) -> None:
    login = Logging(password=b"secret")
    login.refuse(b"keyboard-interactive")
    login.answer(60, string(b"") * 3 + questions)
    assert all(b"secret" not in request for request in login.requests)
    assert "only a person" in login.failures[0]


def test_a_password_is_not_given_where_it_was_not_asked_for() -> None:
    login = Logging(password=b"secret", identities=(Identity(KEY),))
    login.refuse(b"publickey")
    login.refuse(b"publickey")
    assert "publickey" in login.failures[0]
    assert all(b"secret" not in request for request in login.requests)


def test_a_key_then_a_password() -> None:
    login = Logging(password=b"secret", identities=(Identity(KEY),))
    login.refuse(b"publickey")
    login.refuse(b"password", partial=True)
    assert login.asked.string() == b"password"
    login.refuse(b"password")
    assert "(accepted, and more is wanted)" in login.failures[0]


def test_a_password_to_be_changed_is_not_ours_to_choose() -> None:
    login = Logging(password=b"secret")
    login.refuse(b"password")
    login.answer(60, string(b"too old") + string(b""))
    assert login.wire.client.finished is not None
    assert login.wire.client.finished[0] == 2


def test_banners_are_told_and_bounded() -> None:
    login = Logging(password=b"secret")
    for _ in range(40):
        login.answer(53, string(b"hello" * 5_000 if len(login.banners) == 1 else b"hello") + string(b""))
    assert len(login.banners) == 16
    assert max(map(len, login.banners)) <= 8_192


@pytest.mark.parametrize("body", [b"", b"\0\0\0\x09pass", string(b"password")])
def test_answers_that_do_not_add_up(body: bytes) -> None:
    login = Logging(password=b"secret")
    login.answer(51, body)
    assert login.wire.client.finished is not None
