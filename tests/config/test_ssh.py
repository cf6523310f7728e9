"""The tables of SSH: what they become, and what has no meaning on the other protocol."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hoopgate.config.load import loads
from hoopgate.config.model import Host, SecretRef
from tests.config.files import MINIMAL, only

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkPkZ0HqJYzpcVzS0Pz4PmHk3rVbFQyFAyGw0b8gQ2u"
FINGERPRINT = "SHA256:" + "A" * 43

SSH = (
    MINIMAL
    + f"""
[[listener]]
name = "gate"
protocol = "ssh"
port = 2222

[[target]]
name = "web"
protocol = "ssh"
hosts = ["web1", "web2:2022", "[::1]"]
host_keys = ["{KEY} root@web", "{FINGERPRINT}"]
[target.role.root]
key = "file:/etc/hoopgate/web"
[target.role.deploy]
issue = true
"""
)
REGISTERED = f"""
[[ssh_key]]
name = "robot"
key = "{KEY}"
issuer = "staff"
subject = "robot"
expires = 2027-01-31
"""
TAKEN = SSH.replace("port = 2222", 'port = 2222\nlogins = ["publickey"]') + REGISTERED


def test_what_an_ssh_listener_and_target_become():
    config = loads(SSH)
    gate, web = config.listeners[1], config.target("web")
    assert gate.logins == ("password", "keyboard-interactive", "certificate")
    assert (gate.tls, gate.host_key) == (None, None)
    assert web.hosts == (Host("web1", 22), Host("web2", 2022), Host("::1", 22))
    assert web.host_keys == (KEY, FINGERPRINT)  # without the comment
    assert web.trust_first_use is False
    assert [(role.name, role.user, role.key, role.issue) for role in web.roles] == [
        ("root", "root", SecretRef("file", "/etc/hoopgate/web"), False),
        ("deploy", "deploy", None, True),
    ]
    assert config.target("shop").hosts == (Host("db1", 5432),)
    assert config.ssh.kex == "modern"


def test_a_postgresql_host_without_a_port_keeps_its_own():
    assert loads(MINIMAL.replace("db1:5432", "db1")).target("shop").hosts == (Host("db1", 5432),)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2027-01-31", 1801353600.0),
        ("2027-01-31T00:00:00Z", 1801353600.0),
        ("2027-01-31T01:00:00+01:00", 1801353600.0),
    ],
)
def test_a_registered_key(written, seconds):
    text = TAKEN.replace("2027-01-31", written) + 'groups = ["ops"]\ntargets = ["web"]\nsource = ["10.0.0.0/8", "::1"]'
    (key,) = loads(text).ssh_keys
    assert (key.issuer, key.subject, key.groups, key.targets) == ("staff", "robot", ("ops",), ("web",))
    assert key.source == ("10.0.0.0/8", "::1/128")
    assert key.expires == seconds
    assert key.key == KEY


def short_rsa() -> str:
    public = generate_private_key(65537, 1024).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


# What replaces what (or is added), and what the one mistake then says.
MISTAKES = [
    (SSH, "port = 2222", 'port = 2222\nlogin = "password"', 'login: has no effect with protocol = "ssh"'),
    (SSH, "port = 2222", "port = 2222\nplaintext = true", "Remove it: SSH always encrypts."),
    (SSH, "port = 2222", 'port = 2222\ntls = {certificate = "env:A", key = "env:B"}', "SSH encrypts by itself"),
    (SSH, "port = 2222", "port = 2222\nlogins = []", "nobody could log in"),
    (SSH, "port = 2222", 'port = 2222\nlogins = ["pasword"]', 'Did you mean "password"?'),
    (SSH, "port = 15432", 'port = 15432\nlogins = ["password"]', 'Write login = "password" or "oauthbearer".'),
    (SSH, "port = 15432", 'port = 15432\nhost_key = "env:K"', "look at tls.certificate"),
    (SSH, 'hosts = ["web1"', 'tls = "require"\nhosts = ["web1"', "write host_keys, host_ca or known_hosts"),
    (SSH, 'hosts = ["web1"', 'database = "web"\nhosts = ["web1"', "an SSH target has no databases"),
    (SSH, 'hosts = ["web1"', 'hosts = ["/run/ssh"', "is a socket, which SSH does not use"),
    (SSH, 'hosts = ["db1:5432"]', 'hosts = ["db1:5432"]\ntrust_first_use = true', "is checked by tls and ca"),
    (SSH, f'host_keys = ["{KEY} root@web", "{FINGERPRINT}"]', "", "nothing says by which key the target is known"),
    (SSH, "root@web", "root@web AND\\nmore", "is not a public key of OpenSSH"),
    (SSH, KEY, KEY[:-9], "is not a whole public key"),
    (SSH, KEY, "ssh-dss AAAA", "is not a public key of OpenSSH"),
    (SSH, KEY, "-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key, and a secret must not stand in this file"),
    (SSH, KEY, short_rsa(), "is an RSA key of 1024 bits"),
    (SSH, FINGERPRINT, "SHA256:short", "is not a fingerprint"),
    (SSH, 'key = "file:/etc/hoopgate/web"', "", "there is nothing to log in with"),
    (SSH, 'key = "file:/etc/hoopgate/web"', 'key = "file:/k"\nissue = true', "there is a key too"),
    (SSH, "issue = true", 'issue = true\nkey_certificate = "env:C"', "has no effect without a key"),
    (SSH, "issue = true", 'issue = true\ncertificate = {certificate = "env:A", key = "env:B"}', "key_certificate"),
    (SSH, 'password = "env:SHOP_APP"', 'password = "env:SHOP_APP"\nissue = true', "has no effect with protocol"),
    (SSH, "[api]", f"{REGISTERED}[api]", "no listener takes registered keys"),
    (TAKEN, 'issuer = "staff"', 'issuer = "staf"', 'Did you mean "staff"?'),
    (TAKEN, 'subject = "robot"', "", "subject: is missing"),
    (TAKEN, "expires = 2027-01-31", "", "expires: is missing"),
    (TAKEN, "2027-01-31", '"2027-01-31"', "expected a date without quotes"),
    (TAKEN, "2027-01-31", "2027-01-31T00:00:00", "does not say which time zone it means"),
    (TAKEN, "2027-01-31", '2027-01-31\ntargets = ["wep"]', 'Did you mean "web"?'),
    (TAKEN, "2027-01-31", '2027-01-31\nsource = ["10.0.0.1/8"]', "is not a network"),
    (TAKEN, REGISTERED, REGISTERED + REGISTERED.replace('"robot"', '"other"'), "is the key of 'robot' too"),
    (TAKEN, REGISTERED, REGISTERED + '[ssh]\nkex = "old"', "'old' is not one of modern, pq"),
    (SSH, "[api]", '[ssh]\nrekey_bytes = "1KiB"\n[api]', "out of range"),
    (SSH, "[api]", '[limits]\nssh_login = "10m"\n[api]', "is more than limits.ssh_device_login"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "old", "new", "says"), MISTAKES)
def test_a_mistake_is_told(base, old, new, says):
    assert old in base
    assert says in only(base.replace(old, new, 1))


def test_several_issuers_of_a_device_flow_need_a_choice():
    second = '\n[[issuer]]\nname = "other"\nurl = "https://b.example.com"\naudience = ["x"]\nclient_id = "b"\n'
    text = SSH.replace('audience = ["hoopgate"]', 'audience = ["hoopgate"]\nclient_id = "a"') + second
    assert 'Add issuer = "NAME" to this listener.' in only(text)
    loads(text.replace("port = 2222", 'port = 2222\nissuer = "other"'))
