"""Files in SSH channels under rules: each request judged by the file that it means, and nothing reaches the target."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.sftp_packets import packet, string, uint32
from hoopgate.config.model import Limits, Rule, What
from hoopgate.frames import Channel, ChannelInput, Command, Request
from hoopgate.guards.files import FilesGuard
from hoopgate.verdicts import ALLOW
from tests.guards.file_flow import HOME, NO_ATTRIBUTES, Flow, Session, write
from tests.policy.samples import config, rule


def allow(*effects: str, of: tuple[str, ...] = (), name: str = "allowed", **more: Any) -> Rule:
    return rule(name, "allow", what=What(effect=effects, object=of), **more)  # type: ignore[arg-type]


def deny(*effects: str, of: tuple[str, ...] = (), name: str = "denied", **more: Any) -> Rule:
    return rule(name, "deny", what=What(effect=effects, object=of), **more)  # type: ignore[arg-type]


def hold(*effects: str, of: tuple[str, ...] = (), name: str = "held", **more: Any) -> Rule:
    return rule(name, "hold", what=What(effect=effects, object=of), **more)  # type: ignore[arg-type]


ALL = allow(name="all")
FILES = ("transfer", "read", "write", "delete")
DENIED, OK = packets.PERMISSION_DENIED, packets.OK


# --- what each request does

REQUESTS = [
    ("realpath", packets.REALPATH, (string(b"."),), ["session"]),
    ("stat", packets.STAT, (string(b"f"),), ["read"]),
    ("lstat", packets.LSTAT, (string(b"f"),), ["read"]),
    ("opendir", packets.OPENDIR, (string(b"f"),), ["read"]),
    ("readlink", packets.READLINK, (string(b"f"),), ["read"]),
    ("statvfs", "statvfs@openssh.com", (string(b"f"),), ["read"]),
    ("get", packets.OPEN, (string(b"f"), uint32(1), NO_ATTRIBUTES), ["read", "transfer.out"]),
    ("put", packets.OPEN, (string(b"f"), uint32(0x1A), NO_ATTRIBUTES), ["transfer.in", "write"]),
    ("both", packets.OPEN, (string(b"f"), uint32(3), NO_ATTRIBUTES), ["read", "transfer.in", "transfer.out", "write"]),
    ("nothing said", packets.OPEN, (string(b"f"), uint32(0), NO_ATTRIBUTES),
     ["read", "transfer.in", "transfer.out", "write"]),
    ("truncating while it reads", packets.OPEN, (string(b"f"), uint32(0x11), NO_ATTRIBUTES),
     ["read", "transfer.in", "transfer.out", "write"]),
    ("put setuid", packets.OPEN, (string(b"f"), uint32(2), uint32(4), uint32(0o4755)),
     ["admin.privilege", "transfer.in", "write"]),
    ("mkdir", packets.MKDIR, (string(b"f"), NO_ATTRIBUTES), ["write"]),
    ("rmdir", packets.RMDIR, (string(b"f"),), ["delete"]),
    ("remove", packets.REMOVE, (string(b"f"),), ["delete"]),
    ("chmod", packets.SETSTAT, (string(b"f"), uint32(4), uint32(0o600)), ["write.mode"]),
    ("truncate", packets.SETSTAT, (string(b"f"), uint32(1), bytes(8)), ["write", "write.mode"]),
    ("lsetstat", "lsetstat@openssh.com", (string(b"f"), uint32(4), uint32(0o600)), ["write.mode"]),
    ("rename", packets.RENAME, (string(b"f"), string(b"g")), ["delete", "write"]),
    ("posix-rename", "posix-rename@openssh.com", (string(b"f"), string(b"g")), ["delete", "write"]),
    ("symlink", packets.SYMLINK, (string(b"f"), string(b"g")), ["write"]),
    ("hardlink", "hardlink@openssh.com", (string(b"f"), string(b"g")), ["write"]),
    ("limits", "limits@openssh.com", (), ["session"]),
    ("home", "home-directory", (string(b"ada"),), ["session"]),
    ("expand", "expand-path@openssh.com", (string(b"~"),), ["session"]),
    ("users", "users-groups-by-id@openssh.com", (string(b""), string(b"")), ["session"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "effects"), [case[1:] for case in REQUESTS], ids=[c[0] for c in REQUESTS])
def test_each_request_has_its_effects(kind: int | str, fields: tuple[bytes, ...], effects: list[str]) -> None:
    flow = Flow(deny(name="nothing"), ALL)
    number = flow.ask(kind, *fields)
    assert flow.code(number) == DENIED
    assert flow.served == []
    (told,) = flow.told("statement")
    assert (told["effects"], told["verdict"], told["rule"], told["phase"]) == (effects, "deny", "nothing", "file")
    allowed = Flow(ALL)
    number = allowed.ask(kind, *fields)
    assert allowed.code(number) in (OK, -1)


def test_names_and_the_server_itself_belong_to_the_session() -> None:
    """As a rule that allows nothing but one directory leaves them."""
    flow = Flow(allow(*FILES, of=("/srv/*",)))
    for kind in (packets.REALPATH, "limits@openssh.com", "expand-path@openssh.com"):
        fields = () if kind == "limits@openssh.com" else (string(b"."),)
        assert flow.code(flow.ask(kind, *fields)) in (OK, -1)
    assert flow.code(flow.about(packets.STAT, "/etc/passwd")) == DENIED


def test_an_unknown_request_is_not_supported_unless_a_rule_says_so() -> None:
    flow = Flow(allow(*FILES))
    for kind in ("check-file", 21, 255):
        assert flow.code(flow.ask(kind, string(b"x"))) == packets.OP_UNSUPPORTED
    assert flow.served == []
    flow = Flow(allow("unknown.channel"))
    assert flow.code(flow.ask("check-file", string(b"x"))) == OK
    assert [each.name for each in flow.served] == ["check-file"]


# --- paths


def test_the_rule_and_its_hint_are_in_the_answer_and_on_stderr() -> None:
    flow = Flow(deny(of=("*.exe",), reason="No programs.", hint="Build a package."), ALL)
    number = flow.put("a.exe")
    assert flow.answers()[number] == (DENIED, "hoopgate: No programs [denied]. Build a package.")
    assert flow.stderr == b"hoopgate: No programs [denied]. Build a package.\r\n"
    assert flow.code(flow.put("a.txt")) == -1


def test_stderr_is_not_flooded() -> None:
    flow = Flow(deny(of=("*.exe",)), ALL)
    for _ in range(150):
        flow.put("a.exe")
    assert flow.stderr.count(b"\n") == 100


@pytest.mark.parametrize(
    "spelling", ["/srv/secret/k", "/srv/./secret//k", "/srv/x/../secret/k", "../../srv/secret/k", "/link/k", "near/k",
                 "/srv/secret/k/", "/srv/other/../../link/k"]
)  # fmt: skip
def test_a_denied_file_is_denied_by_each_of_its_names(spelling: str) -> None:
    flow = Flow(deny("transfer.out", of=("/srv/secret/*",)), ALL)
    flow.links = {"/link": "/srv/secret", f"{HOME}/near": "/srv/secret"}
    assert flow.code(flow.get(spelling)) == DENIED
    assert flow.served == []


@pytest.mark.parametrize(("path", "code"), [("/srv/a", -1), ("x", DENIED), ("/srv/../etc/x", DENIED), ("/l/x", DENIED)])
def test_an_allowed_directory_is_left_by_no_name(path: str, code: int) -> None:
    flow = Flow(allow(*FILES, of=("/srv/*",)))
    flow.links = {"/l": "/etc"}
    assert flow.code(flow.put(path)) == code


def test_home_is_another_name() -> None:
    flow = Flow(deny(of=("~/.ssh/*",)), allow(*FILES, of=("~/*", f"{HOME}/x")))
    assert flow.code(flow.put(".ssh/authorized_keys")) == DENIED
    assert flow.code(flow.put(f"{HOME}/.ssh/authorized_keys")) == DENIED
    assert flow.code(flow.put("fine")) == -1
    assert flow.code(flow.put("/srv/x")) == DENIED


def test_a_name_that_the_target_cannot_tell_may_be_any() -> None:
    flow = Flow(deny(of=("/srv/secret/*",)), allow(*FILES, of=("/srv/*", f"{HOME}/*")))
    flow.lost = {"/srv/new/dir/f", "/srv/new/dir"}
    assert flow.code(flow.put("/srv/new/dir/f")) == DENIED
    flow.lost = {"/srv/new/f"}  # only the last part is not there: its directory is asked for
    assert flow.code(flow.put("/srv/new/f")) == -1
    everywhere = Flow(allow(*FILES, of=("*",)))
    everywhere.lost = {"/srv/new/dir/f", "/srv/new/dir"}
    assert everywhere.code(everywhere.put("/srv/new/dir/f")) == -1


def test_a_link_itself_is_meant_where_the_request_means_it() -> None:
    flow = Flow(deny("delete", of=("/srv/secret/*",)), ALL)
    flow.links = {"/srv/link": "/srv/secret/k"}
    assert flow.code(flow.about(packets.REMOVE, "/srv/link")) == OK
    assert flow.code(flow.about(packets.REMOVE, "/srv/secret/k")) == DENIED


def test_without_rules_by_path_nobody_asks_the_target() -> None:
    flow = Flow(allow(*FILES))
    flow.about(packets.STAT, "x")
    flow.client(packet(packets.REMOVE, uint32(99), string(b"x")))
    assert flow.to_target == packet(packets.REMOVE, uint32(99), string(b"x"))


def test_odd_bytes_and_signs_of_globs_are_names_like_any() -> None:
    flow = Flow(deny(of=("/srv/secret*",)), ALL)
    for name in ("/srv/*", "/srv/[x]", "/srv/?ecret", "/srv/a\udcffb", "/srv/ä"):
        assert flow.code(flow.put(name)) == -1
    assert flow.code(flow.put("/srv/secret[1]*")) == DENIED


# --- other names for the same


def test_a_file_does_not_become_readable_by_another_name() -> None:
    flow = Flow(deny("transfer.out", of=("/srv/secret/*",)), ALL)
    flow.directories |= {"/srv/secret", "/srv"}
    assert flow.code(flow.about(packets.RENAME, "/srv/secret/k", "/srv/k")) == DENIED
    assert flow.code(flow.about(packets.RENAME, "/srv/secret", "/srv/open")) == DENIED
    assert flow.code(flow.about(packets.RENAME, "/srv", "/open")) == DENIED
    assert flow.code(flow.about(packets.SYMLINK, "/srv/secret/k", "/srv/k")) == DENIED
    assert flow.code(flow.about(packets.SYMLINK, "/srv/k", "/srv/secret/k")) == DENIED
    assert flow.code(flow.about(packets.SYMLINK, "secret/k", "/srv/k")) == DENIED
    assert flow.code(flow.about(packets.SYMLINK, "/srv/secret", "/srv/k")) == DENIED
    assert flow.code(flow.ask("hardlink@openssh.com", string(b"/srv/secret/k"), string(b"/srv/k"))) == DENIED
    assert flow.served == []
    assert flow.code(flow.about(packets.RENAME, "/srv/a", "/srv/b")) == OK
    assert flow.code(flow.about(packets.RENAME, "/srv/secret/a", "/srv/secret/b")) == OK


def test_a_file_does_not_become_what_may_not_be_sent() -> None:
    flow = Flow(deny("transfer.in", of=("*.exe",)), ALL)
    flow.directories.add(f"{HOME}/d")
    assert flow.code(flow.about(packets.RENAME, "a.txt", "a.exe")) == DENIED
    assert flow.code(flow.about(packets.SYMLINK, "a.txt", "a.exe")) == DENIED
    assert flow.code(flow.about(packets.RENAME, "a.exe", "a.txt")) == OK
    assert flow.code(flow.about(packets.RENAME, "a.txt", "b.txt")) == OK
    assert flow.code(flow.about(packets.RENAME, "d", "e")) == OK


def test_who_may_only_send_may_rename_what_was_sent() -> None:
    """As WinSCP does with each upload."""
    flow = Flow(allow("transfer.in", "write", "delete", of=("/drop/*",)))
    assert flow.code(flow.put("/drop/x.filepart")) == -1
    assert flow.code(flow.about(packets.RENAME, "/drop/x.filepart", "/drop/x")) == OK
    assert flow.code(flow.get("/drop/x")) == DENIED


# --- attributes of what is open


def test_times_and_mode_of_a_file_that_is_written_belong_to_it() -> None:
    flow = Flow(deny("write.mode"), allow("transfer.in", "write", of=("/drop/*",)))
    number = flow.put("/drop/x")
    handle = string(b"h%d" % number)
    assert flow.code(flow.ask(packets.FSETSTAT, handle, uint32(0xC), uint32(0o640), bytes(8))) == OK
    assert flow.code(flow.ask(packets.FSETSTAT, handle, uint32(4), uint32(0o4755))) == DENIED
    assert flow.code(flow.ask(packets.FSETSTAT, handle, uint32(2), bytes(8))) == DENIED


def test_a_files_size_is_bounded_however_it_is_given() -> None:
    flow = Flow(allow(*FILES, max_size=1000, name="small"))
    number = flow.put("x")
    handle = f"h{number}"
    flow.client(write(500, handle, 0, bytes(1000)))
    flow.client(write(501, handle, 1000, b"x"))
    flow.serve()
    answers = flow.answers()
    assert answers[500][0] == OK
    assert answers[501][0] == DENIED
    assert "over the 1000 bytes" in answers[501][1]
    assert (
        flow.code(flow.ask(packets.FSETSTAT, string(handle.encode()), uint32(1), (5000).to_bytes(8, "big"))) == DENIED
    )
    assert flow.stderr.count(b"over the 1000 bytes") == 1
    (told,) = flow.told("refused")
    assert told["rule"] == "small"


# --- what is told


def test_transfers_are_told_and_mere_looking_is_counted() -> None:
    flow = Flow(ALL)
    flow.about(packets.STAT, "x")
    number = flow.put("x")
    flow.client(write(500, f"h{number}", 0, b"hello"))
    flow.serve()
    flow.ask(packets.CLOSE, string(b"h%d" % number))
    assert [event["text"] for event in flow.told("statement")] == [f"sftp put {HOME}/x"]
    (told,) = flow.told("transfer")
    assert {name: told[name] for name in ("via", "channel", "direction", "path", "asked", "size", "whole")} == {
        "via": "sftp", "channel": 0, "direction": "in", "path": f"{HOME}/x", "asked": "x", "size": 5, "whole": True,
    }  # fmt: skip
    (family,) = flow.session.gateway.metrics.statements.collect()
    counted = {one.labels["effect"]: one.value for one in family.samples if one.value}
    assert counted == {"read": 1}


def test_a_transfer_that_the_sessions_end_cuts_off_is_told() -> None:
    flow = Flow(ALL)
    flow.put("x")
    flow.session.recording = None  # as a session does before its guards hear of its end
    flow.guard.closed("over")
    (told,) = flow.told("transfer")
    assert told["whole"] is False
    flow.guard.closed("over")
    assert len(flow.told("transfer")) == 1


@pytest.mark.parametrize(("by", "closed", "count"), [("target", False, 1), ("client", True, 1), ("client", False, 0)])
def test_a_channel_that_ends_ends_its_transfers(by: str, closed: bool, count: int) -> None:
    flow = Flow(ALL)
    flow.put("x")
    flow.end(by, closed=closed)
    assert len(flow.told("transfer")) == count


# --- holds


def test_a_held_request_waits_and_those_behind_it_too() -> None:
    flow = Flow(hold("transfer.in", of=("/srv/*",)), ALL)
    first = packet(packets.STAT, uint32(1), string(b"/a"))
    asked = packet(packets.OPEN, uint32(2), string(b"/srv/x"), uint32(2), NO_ATTRIBUTES)
    last = packet(packets.STAT, uint32(3), string(b"/b"))
    flow.client(first + asked + last)
    flow.serve()
    assert [each.path for each in flow.served] == [b"/a"]
    assert flow.held is not None
    assert flow.held[1].rule == "held"
    assert flow.held[1].frame.text == "sftp put /srv/x"  # type: ignore[union-attr]
    flow.approve()
    flow.serve()
    assert [each.path for each in flow.served] == [b"/a", b"/srv/x", b"/b"]
    assert flow.held is None


def test_a_request_that_is_not_approved_is_refused_alone() -> None:
    flow = Flow(hold("transfer.in", of=("/srv/*",)), ALL)
    one, two = (packet(packets.OPEN, uint32(n), string(b"/srv/%d" % n), uint32(2), NO_ATTRIBUTES) for n in (1, 2))
    flow.client(one + two)
    flow.serve()
    flow.deny()
    flow.serve()
    assert flow.held is not None  # the next one
    flow.deny()
    flow.serve()
    assert flow.blocked is None
    assert flow.answers() == {
        1: (DENIED, "hoopgate: approval 7 was denied by grace [held]."),
        2: (DENIED, "hoopgate: approval 7 was denied by grace [held]."),
    }
    assert flow.served == []
    assert flow.code(flow.about(packets.STAT, "x")) == OK


def test_another_policy_asks_again() -> None:
    flow = Flow(hold("transfer.in"), ALL)
    flow.put("/srv/x")
    flow.changed()
    assert flow.held is not None
    flow.session.engine = Session(config(deny())).engine
    flow.changed()
    flow.serve()
    assert [code for code, _ in flow.answers().values()] == [DENIED]


def test_an_approval_is_for_the_file_that_was_meant() -> None:
    flow = Flow(hold("transfer.in", of=("/srv/*",)), ALL)
    flow.links = {"/l": "/srv/harmless"}
    number = flow.put("/l/x")
    assert flow.held is not None
    flow.links = {"/l": "/srv/passwords"}
    flow.approve()
    flow.serve()
    code, words = flow.answers()[number]
    assert code == DENIED
    assert "has changed" in words
    assert flow.served == []


# --- limits and errors


def test_a_client_of_too_many_requests_waits_for_the_answers() -> None:
    flow = Flow(ALL, limits=Limits(sftp_requests=3))
    flow.about(packets.STAT, "x")
    flow.to_client = b""
    for number in range(100, 110):
        if flow.waiting is None:
            flow.client(packet(packets.STAT, uint32(number), string(b"x")))
    assert flow.waiting is not None
    flow.serve()
    assert flow.waiting is None
    assert len(flow.answers()) == 4


@pytest.mark.parametrize("wrong", [b"\xff" * 9, packet(packets.REMOVE, b"x"), b"\0\0\0\0"])
def test_garbage_ends_the_channel_and_nothing_of_it_passes(wrong: bytes) -> None:
    flow = Flow(ALL)
    flow.put("x")
    flow.client(wrong)
    assert flow.blocked is not None
    assert flow.blocked.rule == "protocol"
    assert flow.to_target == b""
    flow.client(b"more")
    flow.target(b"more")
    assert flow.to_target == b""
    assert len(flow.told("transfer")) == 1
    flow = Flow(ALL)
    flow.target(wrong)
    assert flow.blocked is not None


def test_a_packet_over_its_limit_names_it() -> None:
    flow = Flow(ALL, limits=Limits(sftp_packet=1024))
    flow.client(packet(packets.REMOVE, uint32(1), string(b"x" * 2000)))
    assert flow.blocked is not None
    assert flow.blocked.rule == "limits.sftp_packet"


def test_other_channels_are_nobodys_business_here() -> None:
    guard = FilesGuard(Session(config(ALL)))
    for frame in (
        Command(b"", Channel(1, "session"), "ls -l"),
        Request(b"", Channel(2, "session"), "subsystem", {"name": "netconf"}),
        Request(b"", None, "tcpip-forward", {"host": "", "port": 1}),
    ):
        assert guard.inspect(frame) is ALLOW
        assert frame.channel is None or not frame.channel.watch_input
    data = ChannelInput(b"x", Channel(3, "session"), b"x")
    assert guard.inspect(data) is ALLOW


# --- scp


def scp(*rules: Rule, command: str = "scp -t /srv/in/") -> Flow:
    flow = Flow(*rules, command=command)
    if " -t" in command:
        flow.target(b"\0")
    else:
        flow.client(b"\0")
    flow.to_client = flow.to_target = b""
    return flow


@pytest.mark.parametrize("mode", ["4755", "2755", "06711"])
def test_scp_makes_no_file_that_runs_as_another_unless_that_is_allowed(mode: str) -> None:
    """OpenSSH's scp gives a file the whole mode that its record says."""
    line = f"C{mode} 2 a\n".encode()
    flow = scp(deny("admin.privilege"), allow("transfer", "read", "write"))
    flow.client(line)
    assert flow.to_target == b""
    assert flow.to_client.startswith(b"\x01hoopgate: ")
    flow.client(b"C0755 2 a\n")
    assert flow.to_target == b"C0755 2 a\n"
    granted = scp(allow("transfer", "read", "write", "admin.privilege"))
    granted.client(line)
    assert granted.to_target == line


def test_a_file_of_scp_is_judged_by_the_name_that_it_will_have() -> None:
    flow = scp(deny("transfer.in", of=("*.exe",)), allow(*FILES, of=("/srv/in/*",)))
    flow.client(b"C0644 2 a.exe\n")
    assert flow.to_target == b""
    assert flow.to_client == b"\x01hoopgate: PUT on /srv/in/a.exe is denied [denied].\n"
    assert b"[denied]" in flow.stderr
    flow.client(b"C0644 2 a\n")
    flow.target(b"\0")
    flow.client(b"hi\0")
    flow.target(b"\0")
    assert flow.to_target == b"C0644 2 a\nhi\0"
    (told,) = flow.told("transfer")
    assert (told["via"], told["path"], told["size"], told["whole"]) == ("scp", "/srv/in/a", 2, True)


@pytest.mark.parametrize(
    ("command", "line", "name"),
    [
        ("scp -t /srv/in/", b"C0644 0 f\n", "/srv/in/f"),
        ("scp -t /srv/in", b"C0644 0 f\n", "/srv/in or /srv/in/f"),
        ("scp -d -t /srv/in", b"C0644 0 f\n", "/srv/in/f"),
        ("scp -t f", b"C0644 0 f\n", "~/f or ~/f/f"),
        ("scp -t .", b"C0644 0 f\n", "~/f"),
        ("scp -t ~/x/", b"C0644 0 f\n", "~/x/f"),
        ("scp -t ~bob/x/", b"C0644 0 f\n", "*/f"),
        ("scp -t /srv/../x/", b"C0644 0 f\n", "*/f"),
        ("scp -t /srv/*/", b"C0644 0 f\n", "*/f"),
        ("scp -r -t /srv/in", b"D0755 0 d\n", "/srv/in or /srv/in/d"),
        ("scp -f /srv/out/f", b"C0644 0 f\n", "/srv/out/f"),
        ("scp -f /srv/out/*.txt", b"C0644 0 f.txt\n", "/srv/out/f.txt"),
        ("scp -f /srv/*/f", b"C0644 0 f\n", "*/f"),
        ("scp -f f", b"C0644 0 f\n", "~/f"),
        ("scp -f /srv/out/f", b"C0644 0 other\n", "*/other"),
        ("scp -f a/f b/f", b"C0644 0 f\n", "~/a/f or ~/b/f"),
        ("scp -r -f /srv/out/d/", b"D0755 0 d\n", "/srv/out/d"),
    ],
)
def test_names_of_scp(command: str, line: bytes, name: str) -> None:
    flow = scp(deny(), ALL, command=command)
    (flow.client if " -t" in command else flow.target)(line)
    (told,) = flow.told("statement")
    assert told["text"].partition(" ")[2].partition(" ")[2] == name


def test_the_home_directory_of_scp_may_be_anybodys() -> None:
    flow = scp(deny("transfer.in", of=("/home/*/.ssh/*",)), ALL, command="scp -t .ssh/")
    flow.client(b"C0644 5 authorized_keys\n")
    assert flow.to_target == b""
    flow = scp(deny("transfer.in", of=("/home/*/.ssh/*",)), allow(*FILES, of=("~/*",)), command="scp -t x/")
    flow.client(b"C0644 5 f\n")
    assert flow.to_target == b"C0644 5 f\n"


def test_a_download_by_scp_is_refused_to_both() -> None:
    flow = scp(deny("transfer.out", of=("*secret*",)), ALL, command="scp -f /srv/secret")
    flow.target(b"C0644 5 secret\n")
    assert flow.to_client == flow.to_target == b"\x01hoopgate: GET on /srv/secret is denied [denied].\n"


def test_scp_says_a_files_size_first() -> None:
    flow = scp(allow(*FILES, max_size=10))
    flow.client(b"C0644 11 f\n")
    assert b"over the 10 bytes" in flow.to_client
    assert flow.to_target == b""
    flow.client(b"C0644 10 f\n")
    assert flow.to_target == b"C0644 10 f\n"


@pytest.mark.parametrize("command", ["scp -t /srv/in/", "scp -f /srv/in/f"])
def test_a_held_file_of_scp_waits(command: str) -> None:
    flow = scp(hold("transfer"), ALL, command=command)
    source = flow.client if " -t" in command else flow.target
    source(b"C0644 5 f\n")
    assert flow.held is not None
    assert flow.to_client == flow.to_target == b""
    flow.deny()
    assert b"approval 7 was denied" in flow.to_client
    flow.to_client = flow.to_target = b""
    source(b"C0644 5 f\n")
    flow.approve()
    assert b"C0644 5 f\n" in (flow.to_target, flow.to_client)


def test_garbage_of_scp_ends_the_channel() -> None:
    flow = scp(ALL)
    flow.client(b"hello\n")
    assert flow.blocked is not None
    flow.client(b"C0644 5 f\n")
    assert flow.to_target == b""


# --- others


@pytest.mark.parametrize(
    ("command", "via", "direction"),
    [
        ("rsync --server -logDtpr . /srv/in", "rsync", "in"),
        ("rsync --server --sender -logDtpr . /srv/out", "rsync", "out"),
        ("git-upload-pack /srv/x.git", "git", "out"),
        ("git-receive-pack /srv/x.git", "git", "in"),
    ],
)
def test_of_other_protocols_the_bytes_are_told(command: str, via: str, direction: str) -> None:
    flow = Flow(ALL, command=command)
    flow.client(b"abc")
    flow.target(b"de")
    assert (flow.to_target, flow.to_client) == (b"abc", b"de")
    flow.end()
    flow.guard.closed("over")
    (told,) = flow.told("transfer")
    assert (told["via"], told["direction"], told["bytes"]) == (via, direction, {"in": 3, "out": 2})
    assert "sha256" not in told


def test_a_server_of_sftp_that_is_run_as_a_command_is_read_too() -> None:
    flow = Flow(deny("transfer.in"), ALL, command="/usr/lib/openssh/sftp-server")
    flow.client(packets.init(3))
    flow.target(packets.version_reply(3, []))
    flow.to_client = flow.to_target = b""
    assert flow.code(flow.put("x")) == DENIED
