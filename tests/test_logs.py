"""Log lines are JSON and hold no secrets, whoever put them there."""

from __future__ import annotations

import ast
import io
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogLevel, formatEvent
from twisted.python.failure import Failure

import hoopgate
from hoopgate import logs
from hoopgate.logs import JsonObserver, redact

TOKEN = jwt.encode({"sub": "ada"}, "k" * 32, algorithm="HS256")
PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SECRETS = [
    TOKEN,
    "hgt_0123456789abcdef",
    PEM,
    "postgres://app:hunter2@db/x",
    "password=hunter2",
    "Bearer hunter2hunter2",
]


def logged(format: str, **fields: Any) -> dict[str, Any]:
    out = io.StringIO()
    Logger(namespace="hoopgate.test", observer=JsonObserver(out)).info(format, **fields)
    [line] = out.getvalue().splitlines()
    return json.loads(line)


def test_fields() -> None:
    entry = logged("session {session} opened", session="abc", target="shop", seconds=1.5, groups=("a", "b"))
    assert entry["message"] == "session abc opened"
    assert entry["level"] == "info"
    assert entry["logger"] == "hoopgate.test"
    assert entry["time"].endswith("+00:00")
    assert (entry["session"], entry["target"], entry["seconds"], entry["groups"]) == ("abc", "shop", 1.5, ["a", "b"])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", ["format", "field", "nested", "text", "object"])
def test_what_looks_like_a_secret_is_replaced(secret: str, place: str) -> None:
    class Thing:
        def __str__(self) -> str:
            return secret

    value: Any = {"nested": {"a": [secret]}, "object": Thing()}.get(place, secret)
    if place == "format":
        entry = logged(secret.replace("{", "{{").replace("}", "}}"))
    elif place == "text":
        entry = logged("x {x}", x=f"before {secret} after")
    else:
        entry = logged("x {x}", x=value)
    body = json.dumps(entry)
    for part in (TOKEN.split(".")[1], "0123456789abcdef", PEM.splitlines()[1], "hunter2"):
        assert part not in body
    assert "[redacted]" in body


@pytest.mark.parametrize("name", ["password", "token", "secret", "Authorization", "access_token"])
def test_fields_with_secret_names(name: str) -> None:
    entry = logged("value {" + name + "}", **{name: "plain-value"})
    assert "plain-value" not in json.dumps(entry)


def test_statements_lose_their_literals_and_parameters_their_place() -> None:
    entry = logged("ran {text}", text="SELECT * FROM t WHERE a = 'private' AND b = 42", parameters=["private"])
    assert "private" not in json.dumps(entry)
    assert entry["message"] == "ran SELECT * FROM t WHERE a = ? AND b = ?"


def test_failure_is_written_redacted() -> None:
    out = io.StringIO()
    log = Logger(observer=JsonObserver(out))
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        log.failure("it failed", failure=Failure())
    entry = json.loads(out.getvalue())
    assert "ValueError" in entry["failure"]
    assert TOKEN.split(".")[1] not in out.getvalue()
    assert entry["level"] == "critical"


def test_level() -> None:
    out = io.StringIO()
    log = Logger(observer=JsonObserver(out, LogLevel.warn))
    log.info("no")
    log.warn("yes")
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "value", ["\ud800", b"\xff", float("nan"), {1: {2: {3: {4: {5: 6}}}}}, object(), "x" * 100_000, "a\nb"]
)
def test_any_value_is_one_bounded_line(value: Any) -> None:
    out = io.StringIO()
    Logger(observer=JsonObserver(out)).info("v {value}", value=value)
    assert len(out.getvalue().splitlines()) == 1
    assert len(out.getvalue()) < 40_000


@pytest.mark.parametrize(
    "text", ["eyJ" * 30_000, "-----BEGIN " * 9_000, "://" + "a:" * 40_000, "password=" * 10_000, "hgt_" * 20_000]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    began = time.monotonic()
    logged("x {x}", x=text)
    assert time.monotonic() - began < 2


def test_ordinary_text_stays() -> None:
    text = "target shop: host db.example refused the connection at 10:00:00, see https://example.com/a:b"
    assert redact(text) == text


def test_what_is_printed_is_logged() -> None:
    """twistd's stand-in for standard output gives it in a field of its own."""
    out = io.StringIO()
    JsonObserver(out)(
        {"log_level": LogLevel.info, "log_time": 0.0, "log_format": "{log_io}", "log_io": "a library's word"}
    )
    assert json.loads(out.getvalue())["message"] == "a library's word"


def test_fields_of_every_line_and_lines_of_others() -> None:
    out = io.StringIO()
    observer = JsonObserver(out, worker=2)
    observer({"log_level": LogLevel.info, "log_time": 0.0, "log_format": "here"})
    observer.write('{"message": "elsewhere"}\n')
    assert [json.loads(line).get("worker") for line in out.getvalue().splitlines()] == [2, None]


PIECES = [
    "eyJhbGciOi", ".eyJzdWIi", "hgt_abcdef", "-----BEGIN PRIVATE KEY-----", "Bearer ", "bas\u0131c ", "BASIC abcdefgh",
    "://", "u:p", "@", "pa\u017f\u017fword=x", "passwd: y", "PASSWORD='z'", " ", "abcdefghij", "\u212a",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_secret_is_passed_over_by_the_quick_look(text: str) -> None:
    assert redact(text) == logs._SECRETS.sub(logs.REDACTED, text)


@pytest.mark.parametrize(
    ("log_format", "values"),
    [
        ("session {session} opened by {who}", {"session": "1", "who": None}),
        ("{number} of {number}", {"number": 3}),
        ("{missing} is not there", {}),
        ("{a.b} {c!r} {{d}}", {"a": "x", "c": "y"}),
        ("{call()}", {"call": "x"}),
        ("no field, {", {}),
        ("{value}", {"value": {"a": [1]}}),
        ("{value}", {"value": "{value}"}),
    ],
)
def test_a_plain_format_says_what_twisteds_own_says(log_format: str, values: dict[str, Any]) -> None:
    assert logs._formatted(log_format, values) == formatEvent({"log_format": log_format, **values})


def test_no_message_of_ours_uses_a_name_that_is_dropped() -> None:
    """Such an event would be logged as one that cannot be formatted."""
    dropped = {
        f"{path.name}:{call.lineno} {keyword.arg}"
        for path in Path(hoopgate.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in {"debug", "info", "warn", "error", "critical"}
        for keyword in call.keywords
        if keyword.arg in logs.DROPPED
    }
    assert dropped == set()
