"""What a file becomes, and that nothing in it is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopgate.config.load import LARGEST, ConfigErrors, Mistake, load, loads
from hoopgate.config.model import Host, SecretRef
from tests.config.files import EXAMPLE, MINIMAL, accept, line_of, only, refuse


def test_the_example_is_without_mistakes_and_complete():
    config = load(EXAMPLE)
    assert [issuer.name for issuer in config.issuers] == ["staff", "pipelines"]
    assert {listener.login for listener in config.listeners} == {"password", "oauthbearer"}
    assert config.target("shop").hosts == (Host("db1.internal", 5432), Host("db2.internal", 5432))
    assert config.target("shop-staging").hosts[0].is_socket
    role = next(role for role in config.target("shop").roles if role.name == "app_rw")
    assert role.user == "app_rw"  # left out in the file
    assert role.password == SecretRef("systemd", "shop-app-rw")
    assert {rule.then for rule in config.rules} == {"allow", "deny", "hold", "mask"}
    columns = {column for mask in config.masks for column in mask.columns}
    assert {"*.*.*password*", "*.*.*secret*", "*.*.*token*", "*.*.ssn"} <= columns
    text = EXAMPLE.read_text()
    for rule in config.rules:
        assert rule.line == line_of(text, f'name = "{rule.name}"') - 1


def test_durations_and_sizes():
    limits = accept(
        '[limits]\nsession = "1h30m"\nidle = 90\nhandshake = "500ms"\nstatement = "2MiB"\nrow = 4096'
    ).limits
    assert (limits.session, limits.idle, limits.handshake) == (5400.0, 90.0, 0.5)
    assert (limits.statement, limits.row) == (2 * 1024 * 1024, 4096)


def test_every_grant_of_the_example_can_be_given():
    offered = [rule for rule in load(EXAMPLE).rules if rule.grant]
    assert offered
    assert all(rule.approvers.groups for rule in offered)
    rule = accept('[[rule]]\nname = "r"\nthen = "allow"\ngrant = true\napprovers = {groups = ["dba"]}').rules[0]
    assert (rule.then, rule.approvers.groups) == ("allow", ("dba",))


def test_effects_left_out_keep_their_points():
    risk = accept("[risk.effect]\nread = 11").risk
    assert risk.effect["read"] == 11
    assert risk.effect["unknown"] == 90  # not 0: that would be failing open


def test_guards_masking_and_free_options(monkeypatch):
    monkeypatch.setattr("hoopgate.plugins.names", lambda group: ("hours", "file", "sqlite", "env"))
    config = accept(
        '[guards]\nenabled = ["hours"]\n[guards.options.hours]\nfrom = 8\ntoken = "env:X"\n'
        '[masking]\nfunctions_safe = ["shop.total"]\n'
    )
    assert config.guards == ("hours",)
    assert config.guard_options == {"hours": {"from": 8, "token": "env:X"}}
    assert config.functions_safe == ("shop.total",)


# What replaces what in MINIMAL (or is added to it), and what the one mistake then says.
MISTAKES = [
    ("protocol = \"postgresql\"\nport", "protocol = \"postgres\"\nport", 'Did you mean "postgresql"?'),
    ("port = 15432", "port = 65536", "listener[local].port: 65536 is out of range"),
    ("port = 15432", "port = true", "expected a whole number, found a boolean"),
    ("port = 15432", "port = 1979-05-27", "expected a whole number, found a date"),
    ("port = 15432", 'port = 15432\nadress = "::1"', 'unknown key. Did you mean "address"?'),
    ("port = 15432", 'port = 15432\naddress = "0.0.0.0"', "clear text is allowed on loopback alone"),
    ("port = 15432", 'port = 15432\naddress = "localhost"', "is not an IP address"),
    ("port = 15432", 'port = 15432\nissuer = "stafff"', 'Did you mean "staff"?'),
    ("port = 15432", "port = 8443", "listens on 127.0.0.1 port 8443 already"),
    ("[api]", '[admin]\naddress = "0.0.0.0"\nport = 8443\n[api]', "[api] listens on 127.0.0.1 port 8443 already"),
    ("port = 15432\nplaintext = true", "port = 15432", "listener[local].tls: there is neither TLS nor leave"),
    ("port = 15432", 'port = 15432\nlogin = "Password"', "is not one of password, oauthbearer"),
    ("https://id.example.com", "http://id.example.com", "the issuer is not https"),
    ("https://id.example.com", "https://me:pw@id.example.com", "holds a user name or password"),
    ("https://id.example.com", "https://[::1", "is not a URL"),
    ('audience = ["hoopgate"]', "audience = []", "issuer[staff].audience: is empty"),
    ('audience = ["hoopgate"]', 'audience = "hoopgate"', "expected an array, found text"),
    ('audience = ["hoopgate"]', "", "issuer[staff].audience: is missing"),
    ('audience = ["hoopgate"]', 'audience = ["hoopgate"]\nalgorithms = ["none"]', "no accepted signature algorithm"),
    ('audience = ["hoopgate"]', 'audience = ["hoopgate"]\nskew = "1 minute"', "is not a duration"),
    ('audience = ["hoopgate"]', 'audience = ["hoopgate"]\nskew = nan', "out of range"),
    ('hosts = ["db1:5432"]', 'hosts = ["db1:0"]', "port 0 is out of range"),
    ('hosts = ["db1:5432"]', 'hosts = ["postgres://db1"]', "target[shop].hosts[1]: is not a host"),
    ('hosts = ["db1:5432"]', "hosts = []", "target[shop].hosts: is empty"),
    ('hosts = ["db1:5432"]', 'hosts = ["db1:5432"]\ncatalogue_role = "ap"', 'Did you mean "app"?'),
    ('hosts = ["db1:5432"]', 'hosts = ["db1:5432"]\ntls = "disabled"', 'Did you mean "disable"?'),
    ('[target.role.app]\npassword = "env:SHOP_APP"', "", "there is no role to log in with"),
    ('[target.role.app]', "[target.role.'a b']", "is not a name"),
    ('"*.customers" = ["pii"]', '"customers" = ["pii"]', "is not over schema.table"),
    ("[api]\nplaintext = true", "", "api.tls: there is neither TLS nor leave"),
    ("", '[[rule]]\nname = "r"\nthen = "alow"', 'Did you mean "allow"?'),
    ("", '[[rule]]\nname = "r"\nthen = "hold"', "a hold that nobody may release"),
    ("", '[[rule]]\nname = "r"\nthen = "hold"\napprovers = {groups = ["a"], count = 0}', "count: 0 is out of range"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\napprovers = {groups = ["a"]}', "has no effect"),
    ("", '[[rule]]\nname = "r"\nthen = "deny"\nmax_size = "1MiB"', "max_size: has no effect"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\ngrant = true', "a grant that nobody may give"),
    ("", '[[rule]]\nname = "r"\nthen = "mask"', "names no mask"),
    ("", '[[rule]]\nname = "r"\nthen = "mask"\nmasks = ["m"]', "no [[mask]] has the name 'm'"),
    ("", '[[rule]]\nname = "default-deny"\nthen = "deny"', "the gateway's own"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {target = ["shopp"]}', 'Did you mean "shop"?'),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {role = ["x*"]}', "no role of a target matches 'x*'"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {effect = ["drop"]}', "'drop' is not one of"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {labels = {env = ["dev"]}}', "no label 'env'"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {object_labels = ["pi"]}', 'Did you mean "pii"?'),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {object = ["[a"]}', "has a '[' without its ']'"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwhat = {object = ["[z-a]"]}', "has a range backwards"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwho = {issuer = ["other"]}', "no [[issuer]] matches 'other'"),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nwho = {group = ["a"]}', 'Did you mean "groups"?'),
    ("", '[[rule]]\nname = "r"\nthen = "allow"\nline = 3', "line: unknown key"),
    ("", '[[mask]]\nname = "m"\ncolumns = ["password"]', "is not over schema.table.column"),
    ("", '[[mask]]\nname = "m"\ncolumns = []', "mask[m].columns: is empty"),
    ("", '[[mask]]\nname = "m"\ncolumns = ["*.*.a"]\nkind = "hash"', "a hash needs a key"),
    (
        "",
        '[[mask]]\nname = "m"\ncolumns = ["*.*.a"]\nkind = "hash"\nkey = "env:k"\nreading = "source"',
        'cannot be "source" with kind = "hash"',
    ),
    (
        "",
        '[[mask]]\nname = "m"\ncolumns = ["*.*.a"]\nreading = "source"\ninference = 5',
        'has no effect with reading = "source"',
    ),
    ("", '[[mask]]\nname = "m"\ncolumns = ["*.*.a"]\nkind = "null"\nkeep = 2', "mask[m].keep: has no effect"),
    ("", '[[mask]]\nname = "m"\ncolumns = ["*.*.a"]\ntarget = ["nil"]', "no [[target]] matches 'nil'"),
    ("", '[limits]\nsesion = "8h"', 'limits.sesion: unknown key. Did you mean "session"?'),
    ("", "[limits]\nsessions = 0", "0 is out of range"),
    ("", '[limits]\nsecret_ttl = "2m"', "out of range. Write 0 to 60 seconds"),
    ("", '[limits]\nstatement = "16MB"', "is not a size"),
    ("", '[limits]\nstatement_inline = "32MiB"', "is more than limits.statement"),
    ("", '[gateway]\nstate = "var/lib"', "is not an absolute path"),
    ("", '[gateway]\nstate = "/var/../etc"', "climbs"),
    ("", '[recorder]\nkind = "tape"', "no recorder 'tape' is installed"),
    ("", '[store]\nkind = "sqlit"', 'Did you mean "sqlite"?'),
    ("", '[guards]\nenabled = ["nobody"]', "no guard 'nobody' is installed"),
    ("", "[risk]\nhours = [18, 8]", "is no span of hours"),
    ("", "[risk]\nhours = [8]", "has 1 items. Write exactly 2."),
    ("", '[risk.target_labels]\nprod = 3', "is not a label with its value"),
    ("", "[rules]", 'rules: unknown table. Did you mean "rule"?'),
    ("", "[rule]\nname = 'r'", "expected an array of tables, found a table. Write [[rule]]."),
    ("", "limits = 3", "api.limits: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES, ids=[mistake[2][:40] for mistake in MISTAKES])
def test_each_mistake_is_named(old, new, says):
    assert old in MINIMAL
    assert says in only(MINIMAL.replace(old, new, 1) if old else MINIMAL + new)


def test_duplicates():
    doubled = MINIMAL + MINIMAL.partition("[api]")[0].replace("15432", "15433")
    found = refuse(doubled)
    assert [text.partition(": ")[2].partition(":")[0] for text in found] == [
        "issuer[staff].name", "issuer[staff].url", "listener[local].name", "target[shop].name",
    ]  # fmt: skip
    assert "is taken by line 2" in found[0]


def test_the_same_issuer_with_a_slash_is_the_same():
    text = '[[issuer]]\nname = "again"\nurl = "https://id.example.com/"\naudience = ["x"]\n'
    assert "has the same url" in only(MINIMAL + text)


def test_oauthbearer_with_several_issuers_must_say_which():
    second = '[[issuer]]\nname = "b"\nurl = "https://b.example.com"\naudience = ["x"]\n'
    text = MINIMAL.replace("port = 15432", 'port = 15432\nlogin = "oauthbearer"')
    loads(text)
    assert 'Add issuer = "NAME"' in only(text + second)


def test_http_is_for_a_development_issuer_on_loopback_alone():
    told = MINIMAL.replace('audience = ["hoopgate"]', 'audience = ["hoopgate"]\ndevelopment = true')
    loads(told.replace("https://id.example.com", "http://127.0.0.1:9000"))
    assert "the issuer is not https" in only(told.replace("https://id.example.com", "http://10.0.0.1:9000"))


def test_any_free_port_may_be_asked_for_twice():
    config = loads(MINIMAL.replace("port = 15432", "port = 0") + "port = 0\n[admin]\nport = 0\n")
    assert (config.listeners[0].port, config.api.port, config.admin.port) == (0, 0, 0)


def test_a_client_certificate_needs_tls():
    text = MINIMAL.replace(
        'password = "env:SHOP_APP"', 'certificate = {certificate = "file:/c.pem", key = "file:/k.pem"}'
    )
    loads(text)
    assert "needs TLS" in only(text.replace("[target.object_labels]", 'tls = "disable"\n[target.object_labels]'))
    assert "needs TLS" in only(text.replace('"db1:5432"', '"/run/postgresql"'))


SECRET = "hunter2-correct-horse"


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL.replace("env:SHOP_APP", SECRET),
        MINIMAL.replace("env:SHOP_APP", f"postgres:{SECRET}"),
        MINIMAL.replace("env:SHOP_APP", f"env:{SECRET} "),
        MINIMAL.replace("env:SHOP_APP", f"file:{SECRET}"),
        MINIMAL.replace("env:SHOP_APP", f"systemd:../{SECRET}"),
        MINIMAL.replace('password = "env:SHOP_APP"', f'pasword = "{SECRET}"'),
        MINIMAL.replace('password = "env:SHOP_APP"', f'password = ["{SECRET}"]'),
        MINIMAL.replace("db1:5432", f"app:{SECRET}@db1"),
        MINIMAL.replace("https://id", f"https://x:{SECRET}@id"),
        MINIMAL + f'[gateway]\ntoken_key = "{SECRET}"',
        MINIMAL + f'[store]\noptions = {{db_password = "{SECRET}"}}',
        MINIMAL + f'[recorder]\nkey = "{SECRET}"',
        MINIMAL + f'x = "{SECRET}',
    ],
)
def test_a_secret_as_value_is_refused_and_never_repeated(text):
    for mistake in refuse(text):
        assert SECRET not in mistake


def test_all_mistakes_at_once_in_the_order_of_lines():
    text = (
        MINIMAL.replace("port = 15432", "port = 0.5").replace("db1:5432", "db1:x").replace("staff", "st aff")
        + '[[rule]]\nname = "r"\nthen = "hold"\ntimeout = "x"\nmasks = ["none"]\n'
        + 'what = {target = ["no"], effects = []}\n'
    )
    with pytest.raises(ConfigErrors) as caught:
        loads(text, Path("/etc/x.toml"))
    errors = caught.value.errors
    assert all(isinstance(error, Mistake) for error in errors)
    assert [error.key for error in errors] == [
        "issuer[st aff].name",
        "listener[local].port",
        "target[shop].hosts[1]",
        "rule[r].approvers",
        "rule[r].timeout",
        "rule[r].masks",
        "rule[r].masks[1]",
        "rule[r].what.effects",
    ]
    assert errors[1].where == f"/etc/x.toml:{line_of(text, 'port = 0.5')}"
    assert str(errors[0]).startswith(f"/etc/x.toml:{line_of(text, 'name = ')}: issuer[st aff].name: is not a name. ")


def test_one_unread_value_does_not_make_others_of_what_refers_to_it():
    text = MINIMAL.replace('audience = ["hoopgate"]', "audience = 3") + (
        '[[mask]]\nname = "m"\ncolumns = 7\n'
        '[[rule]]\nname = "r"\nthen = "mask"\nmasks = ["m"]\nwho = {issuer = ["https://id.*"]}\n'
    )
    assert [text.split(": ")[1] for text in refuse(text)] == ["issuer[staff].audience", "mask[m].columns"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nb = = 2", "hoopgate.toml:2: is not TOML: invalid value"),
        ("a = 1\na = 2", "hoopgate.toml:2: is not TOML: cannot overwrite a value"),
        ("x = " + "[" * 5000, "is nested too deeply"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("", "issuer: there is none"),
    ],
)
def test_what_is_no_configuration(text, says):
    assert any(says in mistake for mistake in refuse(text))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "h.toml"
    path.write_bytes(b"# a\n# b\n\xff = 1\n")
    with pytest.raises(ConfigErrors, match=r"h\.toml:3: is not UTF-8"):
        load(path)
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(ConfigErrors, match="is larger than"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")


def test_thousands_of_mistakes_are_cut():
    assert len(refuse("\n".join(f"k{n} = 1" for n in range(5000)))) == 200


def test_masks_are_found_again_whoever_they_are_for():
    """What is known of a statement is found by the masks that covered it."""
    text = 'unless = { groups = ["x"], claims = { team = ["y"] } }\n'
    [one], [other] = (accept(f'[[mask]]\nname = "m"\ncolumns = ["*.*.ssn"]\n{text}').masks for _ in range(2))
    assert {one: "known"}[other] == "known"
