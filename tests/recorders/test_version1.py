"""Recordings that were written by the first version are read, verified and replayed as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopgate.codecs.postgresql import messages
from hoopgate.recorders import reader
from hoopgate.recorders.export import export
from hoopgate.recorders.fields import text_name
from hoopgate.recorders.format import Kind
from hoopgate.recorders.summary import statements, summarize
from hoopgate.recorders.verify import verify
from tests.recorders.fakes import KEY, SESSION_ID
from tests.recorders.version1 import Version1

PUBLIC = KEY.public_key()


def old(path: Path, *, end: bool = True) -> Path:
    written = Version1()
    written.event("open", session=SESSION_ID, subject="ada", target="shop", role="app_ro")
    written.checkpoint()
    written.event("statement", text="SELECT 1", phase="simple", verdict="allow", rule="readers")
    written.event("statement", text="SELECT 2", phase="simple", verdict="allow", rule="readers")
    written.record(0, messages.query("SELECT 1"))
    written.event("result", of=text_name("SELECT 2"), tag="SELECT 7", rows=7)
    written.event("result", of=text_name("SELECT 1"), tag="SELECT 1", rows=1)
    written.record(1, messages.command_complete("SELECT 1"))
    if end:
        written.end(reason="client left", bytes=[14, 14], events={"open": 1, "statement": 2, "result": 2}, seconds=1.0)
    return written.write(path)


def test_it_is_read(tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    records = list(reader.read(path))
    assert [record.kind for record in records] == [2, 3, 2, 2, 0, 2, 2, 1, 4]
    assert (records[4].payload, records[4].elapsed, records[4].wall) == (messages.query("SELECT 1"), 4000, -1)
    assert list(reader.follow(path)) == records
    end = reader.ending(path)
    assert end is not None
    assert end.event()["reason"] == "client left"


def test_results_find_their_statements_by_digest(tmp_path: Path) -> None:
    found = list(statements(old(tmp_path / "old")))
    assert [(one.text, one.rows) for one in found] == [("SELECT 1", 1), ("SELECT 2", 7)]


@pytest.mark.parametrize("end", [True, False])
def test_it_is_summarized_and_exported(tmp_path: Path, end: bool) -> None:
    path = old(tmp_path / "old", end=end)
    summary = summarize(path)
    assert summary is not None
    assert (summary.statements, summary.sent, summary.received) == (2, 14, 14)
    assert "SELECT 2;" in list(export(path, "sql"))
    assert "(SELECT 1)" in list(export(path, "text"))


def test_it_is_verified(tmp_path: Path) -> None:
    report = verify(old(tmp_path / "old"), PUBLIC)
    assert report.ok
    assert report.proven == report.size
    report = verify(old(tmp_path / "cut", end=False), PUBLIC)
    assert report.truncated
    assert report.proven > 0


def test_its_damage_is_named_exactly(tmp_path: Path) -> None:
    good = old(tmp_path / "old").read_bytes()
    changed = tmp_path / "changed"
    for offset in range(0, len(good), 3):
        changed.write_bytes(good[:offset] + bytes((good[offset] ^ 1 << offset % 8,)) + good[offset + 1 :])
        report = verify(changed, PUBLIC)
        assert (report.ok, report.first_bad_offset, report.exact) == (False, offset, True)


def test_zeros_behind_it_are_damage(tmp_path: Path) -> None:
    """It was never laid out beforehand."""
    path = old(tmp_path / "old", end=False)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(4096))
    report = verify(path, PUBLIC)
    assert (report.ok, report.truncated, report.first_bad_offset) == (False, False, size)
    assert [record.kind for record in list(reader.read(old(tmp_path / "again", end=False)))][-1] is Kind.FROM_TARGET
