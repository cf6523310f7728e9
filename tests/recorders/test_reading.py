"""Reading back: formats, following a live recording, decoding, replay, export, the guard."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from hoopgate.codecs.postgresql import messages
from hoopgate.frames import Notice, Phase, Reply, Statement
from hoopgate.guards.record import Record
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.recorders import format as layout
from hoopgate.recorders import places, reader
from hoopgate.recorders.chain import Chain
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.export import export
from hoopgate.recorders.format import FileHead, Kind, Malformed
from hoopgate.recorders.heads import MARK, V2, RecordHead
from hoopgate.recorders.items import Copied, Done, Happened, Heading, Item, Omitted, Row, Said
from hoopgate.recorders.messages import NotUnderstoodError, Oversized, Splitter, Whole
from hoopgate.recorders.replay import Player
from hoopgate.recorders.shown import safe, safe_lines, table
from hoopgate.recorders.summary import statements, summarize
from hoopgate.verdicts import ALLOW
from tests.recorders.fakes import KEY, FakeSession, make_recording, small_recording
from tests.recorders.story import COPY, DELETE, DROP, SELECT, column, told

ids = st.text(alphabet="0123456789abcdefghijklmnopqrstuvwxyz-", min_size=26, max_size=40)
u63 = st.integers(0, (1 << 63) - 1)
s63 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(ids, st.integers(0, 1 << 63), st.binary(min_size=16, max_size=16))
def test_file_head_round_trip(session: str, started: int, key: bytes) -> None:
    head = FileHead(session, started, key)
    assert layout.unpack_file_head(layout.pack_file_head(head)) == head


@given(st.sampled_from(list(Kind)), st.integers(0, layout.MAX_PAYLOAD // 2), st.integers(0, 1 << 19), u63, s63)
def test_record_head_round_trip(kind: Kind, events: int, data: int, elapsed: int, wall: int) -> None:
    chain = Chain(KEY)
    packed = MARK + chain.record(kind, b"e" * events, b"d" * data, elapsed, wall)[: V2.head_size - 1]
    assert V2.intact(packed)
    assert V2.unpack(packed) == RecordHead(kind, events, data, elapsed, wall)


@given(st.integers(0, 3), st.integers(0, V2.head_size - 1), st.integers(1, 255))
def test_damaged_record_head_is_never_taken(kind: int, at: int, flip: int) -> None:
    packed = bytearray(MARK + Chain(KEY).record(kind, b"", b"", 7, -7))
    packed[at] ^= flip
    with pytest.raises(Malformed):
        V2.unpack(bytes(packed))


def test_sizes_in_the_reference() -> None:
    assert (layout.FILE_HEAD_SIZE, V2.head_size, layout.TAG_SIZE, layout.CHECKPOINT_SIZE) == (76, 30, 8, 112)
    assert layout.END_TAIL_SIZE == 100
    chain = Chain(KEY)
    chain.record(0, b"", b"", 0, 0)
    assert (chain.size, len(chain.tag())) == (V2.overhead, layout.TAG_SIZE)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.text(max_size=20))), max_size=8)
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_: list[bytes | dict[str, str]]
) -> None:
    recording = make_recording(tmp_path_factory.mktemp("round"))
    for each in given_:
        recording.data(1, each) if isinstance(each, bytes) else recording.event("given", {"fields": each})
    recording.close("done")
    read = [r for r in reader.read(recording.path) if r.kind in (Kind.FROM_TARGET, Kind.EVENT)][1:]
    assert len(read) == len(given_)
    for record, each in zip(read, given_, strict=True):
        if isinstance(each, bytes):
            assert record.payload == each
        else:
            assert set(record.event()["fields"]) == set(each)


def test_live_recording_can_be_read_and_followed(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.data(0, b"one")
    assert [r.payload for r in reader.read(recording.path)][-1] == b"one"
    assert summarize(recording.path).reason is None  # type: ignore[union-attr]
    seen: list[bytes] = []
    caught_up = threading.Event()

    def sleep(seconds: float) -> None:
        caught_up.set()
        threading.Event().wait(0.01)

    def run() -> None:
        seen.extend(r.payload for r in reader.follow(recording.path, sleep=sleep) if r.kind is Kind.FROM_CLIENT)

    thread = threading.Thread(target=run)
    thread.start()
    assert caught_up.wait(10)
    for number in range(100):
        recording.data(0, b"%d" % number)
    recording.close("done")
    thread.join(10)
    assert seen == [b"one", *(b"%d" % number for number in range(100))]


def test_incomplete_tail_is_waited_for(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    whole, half = path.read_bytes(), path.with_suffix(".half")
    cut = len(whole) - 100
    half.write_bytes(whole[:cut])

    def more(seconds: float) -> None:
        half.write_bytes(whole[: half.stat().st_size + 1])

    assert [r.offset for r in reader.follow(half, sleep=more)] == [r.offset for r in reader.read(path)]


def test_ending_is_found_from_the_tail(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    end = reader.ending(path)
    assert end is not None
    assert end.event()["reason"] == "client left"
    for cut in range(1, 120):
        path.with_suffix(".cut").write_bytes(path.read_bytes()[:-cut])
        assert reader.ending(path.with_suffix(".cut")) is None


def items(path: Path) -> list[Item]:
    return list(conversation(reader.read(path)))


def test_conversation(tmp_path: Path) -> None:
    found = items(told(tmp_path))
    assert [item.kind for item in found if isinstance(item, Happened)] == [
        "open", "login", "statement", "result", "statement", "refused",
        "statement", "held", "decided", "result", "statement", "result", "end",
    ]  # fmt: skip
    assert [item.values for item in found if isinstance(item, Row)] == [
        ("Zoë", "\x00\x01"),
        (None, "****1111"),
    ]
    assert [item.tag for item in found if isinstance(item, Done)] == ["SELECT 2", "DELETE 12", "COPY 1"]
    assert [item.names for item in found if isinstance(item, Heading)] == [("name", "card")]
    assert [item.fields["C"] for item in found if isinstance(item, Said)] == ["42501"]
    assert [item.data for item in found if isinstance(item, Copied)] == [b"1\tAda\n"]
    assert not [item for item in found if isinstance(item, Omitted)]


def recorded(directory: Path, *data: bytes) -> list[Item]:
    recording = make_recording(directory)
    for each in data:
        recording.data(1, each)
    recording.close("done")
    return items(recording.path)[1:-1]


def test_message_over_a_mebibyte_is_passed_over(tmp_path: Path) -> None:
    huge = messages.data_row([bytes(5_000_000)])
    found = recorded(tmp_path, messages.row_description([column("a")]) + huge + messages.command_complete("SELECT 1"))
    assert isinstance(found[0], Heading)
    assert isinstance(found[1], Omitted)
    assert isinstance(found[2], Done)


def test_rows_described_before_they_were_bound_are_presumed(tmp_path: Path) -> None:
    description = messages.row_description([column("a")])
    found = recorded(
        tmp_path, description, messages.bind_complete(), messages.data_row([b"x"]), messages.data_row([b"y"])
    )
    assert [item.presumed for item in found if isinstance(item, Heading)] == [False, True]
    found = recorded(tmp_path / "2", messages.data_row([b"x", b"y"]))
    assert [item.names for item in found if isinstance(item, Heading)] == [("column 1", "column 2")]


def test_bytes_that_are_no_messages_are_said_to_be_so(tmp_path: Path) -> None:
    found = recorded(tmp_path, b"X\x00\x00\x00\x01", messages.command_complete("SELECT 1"))
    assert [type(item) for item in found] == [Omitted]


def test_client_encoding_is_followed(tmp_path: Path) -> None:
    rows = messages.row_description([column("a")]) + messages.data_row([b"\xe9"])
    found = recorded(tmp_path, messages.parameter_status("client_encoding", "LATIN1") + rows)
    assert [item.values for item in found if isinstance(item, Row)] == [("é",)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=10), st.data())
def test_splitter_gives_the_same_however_bytes_arrive(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(messages.message(b"d", body) for body in bodies)
    splitter, found = Splitter(limit=200), []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        found += splitter.feed(stream[at : at + size])
        at += size
    expected = [
        Oversized(b"d", len(body) + 5) if len(body) + 5 > 200 else Whole(messages.message(b"d", body))
        for body in bodies
    ]
    assert found == expected


def test_splitter_refuses_a_length_that_cannot_be() -> None:
    with pytest.raises(NotUnderstoodError):
        list(Splitter().feed(b"d\x00\x00\x00\x03"))


def test_statements_with_their_outcomes(tmp_path: Path) -> None:
    found = list(statements(told(tmp_path)))
    assert [one.text for one in found] == [SELECT, DROP, DELETE, COPY]
    assert [one.verdict for one in found] == ["allow", "refused", "hold", "allow"]
    assert [one.rows for one in found] == [2, None, 12, 1]
    assert found[0].parameters == ["7"]
    assert found[1].reason == "tables stay"
    assert found[2].approval["by"] == ["grace@example.com"]
    assert found[2].ended is not None
    assert found[2].ended - found[2].at > 29


def test_refusal_of_what_was_never_told_as_a_statement(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.event("statement", {"text": SELECT, "phase": "simple", "verdict": "allow", "rule": "r"})
    recording.event("refused", {"text": DROP, "phase": "prepare", "rule": "no-drop", "reason": "no"})
    recording.event("refused", {"phase": "simple", "rule": "limits.statement", "reason": "too long"})
    recording.close("done")
    assert [(one.text, one.verdict, one.rule) for one in statements(recording.path)] == [
        (SELECT, "allow", "r"), (DROP, "refused", "no-drop"), ("", "refused", "limits.statement"),
    ]  # fmt: skip


def test_many_statements_are_not_kept(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for number in range(3000):
        recording.event("statement", {"text": f"SELECT {number}", "verdict": "allow"})
    recording.close("done")
    assert sum(1 for _ in statements(recording.path)) == 3000


def test_summary_of_a_whole_and_of_a_cut_recording_agree(tmp_path: Path) -> None:
    whole, cut = summarize(told(tmp_path / "a")), summarize(told(tmp_path / "b", close=False))
    assert whole is not None
    assert cut is not None
    assert (whole.statements, whole.refused, whole.held) == (cut.statements, cut.refused, cut.held) == (4, 1, 1)
    assert (whole.sent, whole.received) == (cut.sent, cut.received)
    assert whole.reason == "the client ended the session"
    assert cut.reason is None
    assert whole.who == "ada@example.com"


def played(path: Path, **options: object) -> tuple[list[str], list[float]]:
    lines: list[str] = []
    pauses: list[float] = []
    Player(lines.append, pauses.append, **options).play(conversation(reader.read(path)))  # type: ignore[arg-type]
    return lines, pauses


def test_replay_keeps_time(tmp_path: Path) -> None:
    path = told(tmp_path)
    lines, pauses = played(path, speed=None)
    assert pauses == []
    assert "name | card" in lines
    assert "Zoë  | \\x00\\x01" in lines
    assert "(SELECT 2)" in lines
    assert "ERROR: tables stay \\x1b[31m (42501)" in lines
    assert lines[-1].endswith("end: the client ended the session")
    assert abs(sum(played(path, speed=2.0)[1]) - 92.5 / 2) < 0.01
    assert max(played(path, speed=1.0, max_idle=1.0)[1]) == 1.0


def test_replay_shows_as_many_rows_as_asked(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.data(1, messages.row_description([column("n")]))
    for number in range(500):
        recording.data(1, messages.data_row([b"%d" % number]))
    recording.data(1, messages.command_complete("SELECT 500"))
    recording.close("done")
    lines, _ = played(recording.path, speed=None, max_rows=250)
    assert "249" in lines
    assert "250" not in lines
    assert "… 250 more rows" in lines


def test_export_as_sql_runs_only_what_ran(tmp_path: Path) -> None:
    lines = list(export(told(tmp_path), "sql"))
    assert f"{SELECT};" in lines
    assert "-- $1 = 7" in lines
    assert f"-- {DROP}" in lines
    assert f"{DELETE};" in lines
    assert not [line for line in lines if line.startswith("DROP")]


def test_export_as_sql_cannot_be_broken_out_of(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    text = "DROP TABLE a -- \r\nDROP TABLE b"
    recording.event("statement", {"text": text, "verdict": "deny", "rule": "x\nDROP TABLE c"})
    recording.event("statement", {"text": "SELECT 1 -- c", "verdict": "allow", "parameters": ["x\nDROP TABLE d"]})
    recording.close("bye\nDROP TABLE e")
    lines = "\n".join(export(recording.path, "sql")).replace("\r", "\n").split("\n")
    assert not [line for line in lines if line.startswith("DROP")]
    assert lines[-2:] == ["SELECT 1 -- c", ";"]


def test_export_as_json_and_text(tmp_path: Path) -> None:
    path = told(tmp_path)
    objects = [json.loads(line) for line in export(path, "json")]
    assert [one["type"] for one in objects].count("row") == 2
    assert objects[-1]["reason"] == "the client ended the session"
    assert "(DELETE 12)" in list(export(path, "text"))


def test_nothing_drives_the_readers_terminal() -> None:
    hostile = "a\x1b]0;x\x07\x9b31m\u202eb\r\n"
    assert safe(hostile) == "a\\x1b]0;x\\x07\\x9b31m\\u202eb\\r\\n"
    assert safe_lines("a\tb\n\x1b") == "a\tb\n\\x1b"
    assert all("\x1b" not in line for line in table([hostile], [[hostile], [None]]))


def test_recordings_are_found_by_id_and_by_prefix(tmp_path: Path) -> None:
    one = small_recording(tmp_path, FakeSession(id="a" * 26))
    two = small_recording(tmp_path, FakeSession(id="a" * 25 + "b"))
    (one.parent / "stray.hgr").write_bytes(b"")
    (one.parent / f"{'c' * 26}.hgr").symlink_to(one)
    assert list(places.recordings(tmp_path)) == [one, two]
    assert places.find(tmp_path, "a" * 26) == one
    assert places.find(tmp_path, "a" * 5) is None
    assert places.find(tmp_path, "zz") is None


def test_guard_tells_results_and_changes_nothing() -> None:
    session = FakeSession()
    guard = Record().open(session)
    assert verifyObject(IGuardFactory, Record())
    assert verifyObject(IGuard, guard)
    statement = Statement(b"", SELECT, Phase.SIMPLE)
    statement.number = 7
    assert guard.inspect(Reply(b"", statement, "SELECT 2")) is ALLOW
    assert guard.inspect(Reply(b"", None, "BEGIN")) is ALLOW
    assert guard.inspect(Notice(b"", {"C": "42P01"}, statement, True)) is ALLOW
    assert guard.inspect(Notice(b"", {"C": "01000"}, statement, False)) is ALLOW
    assert [json.loads(payload) for payload in session.payloads] == [
        {"event": "result", "of": 7, "tag": "SELECT 2", "rows": 2},
        {"event": "result", "of": 0, "tag": "BEGIN"},
        {"event": "result", "of": 7, "tag": "", "sqlstate": "42P01"},
    ]
    assert session.events == []
    assert guard.wants == {Reply, Notice}
