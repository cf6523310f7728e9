"""How detectors look at rows: once at a run of them, and at cells only where there may be something."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from hoopgate.codecs.postgresql.rows import RowEditor, splicer
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Detector
from hoopgate.errors import LocalProtocolError
from hoopgate.frames import Column, Columns
from hoopgate.guards.detect_plans import Watch
from hoopgate.transforms import Constant

TEXT, INT8, JSON = 25, 20, 114


def columns(*types: int, format: int = 0) -> list[Column]:
    return [Column(f"c{at}", 0, 0, type_oid, -1, -1, format) for at, type_oid in enumerate(types)]


def row(*cells: bytes | None) -> bytes:
    body = struct.pack("!h", len(cells))
    for cell in cells:
        body += struct.pack("!i", -1) if cell is None else struct.pack("!i", len(cell)) + cell
    return b"D" + struct.pack("!i", len(body) + 4) + body


def editor(plan: Plan) -> RowEditor:
    return splicer(plan, Columns(b"", (), None), 1 << 20)


def watch(*find: str) -> Watch:
    return Watch([Detector(name="d", find=find)], {})


def test_rows_in_which_nothing_is_found_pass_as_they_came() -> None:
    looking = watch("card", "email")
    edit = editor(looking.plan(columns(TEXT, TEXT), {}, "utf-8"))
    run = row(b"Ada", None) + row(b"4111111111111112", b"x")
    assert edit.splice_run(run) is run
    assert not looking.take()


def test_what_is_found_is_hidden_and_counted() -> None:
    looking = watch("card", "email")
    edit = editor(looking.plan(columns(TEXT, TEXT), {}, "utf-8"))
    assert edit.splice_run(row(b"to a@b.cd", b"4111111111111111")) == row(b"to ****", b"****")
    assert looking.take() == {"email": 1, "card": 1}
    assert not looking.take()


def test_types_whose_bytes_do_not_show_it_are_always_looked_at() -> None:
    edit = editor(watch("card").plan(columns(INT8, format=1), {}, "utf-8"))
    assert edit.splice_run(row((4111111111111111).to_bytes(8, "big"))) == row(bytes(8))


def test_escapes_in_json_are_seen_through() -> None:
    edit = editor(watch("card").plan(columns(JSON), {}, "utf-8"))
    assert edit.splice_run(row(rb'{"a": "\u0034111111111111111"}')) == row(b'{"a": "****"}')


def test_masks_go_first_and_stay_where_nothing_is_found() -> None:
    masks = Plan((Constant(b"#"), None, None))
    joined = masks.joined(watch("card").plan(columns(TEXT, TEXT, INT8), {}, "utf-8"))
    edit = editor(joined)
    assert edit.splice_run(row(b"secret", b"plain", b"1")) == row(b"#", b"plain", b"1")
    assert edit.splice_run(row(b"4111111111111111", b"4111111111111111", b"1")) == row(b"#", b"****", b"1")


def test_two_detectors_each_show_their_own_value() -> None:
    looking = Watch([Detector(name="a", find=("card",), value="[card]"), Detector(name="b", find=("email",))], {})
    edit = editor(looking.plan(columns(TEXT), {}, "utf-8"))
    assert edit.splice_run(row(b"4111111111111111 a@b.cd")) == row(b"[card] ****")


def test_plans_of_other_widths_do_not_join() -> None:
    with pytest.raises(LocalProtocolError, match="differ in their columns"):
        Plan((None,)).joined(Plan((None, None)))


class Names:
    """A detector as a third party would write one."""

    def find(self, text: str) -> list[tuple[int, int, str]]:
        return [(at, at + 3, "person") for at in range(len(text) - 2) if text[at : at + 3] in ("Adä", "Bob")]


def test_plugged_detectors_look_at_text() -> None:
    looking = Watch([Detector(name="names", plugin="names", value="<name>")], {"names": Names()})
    tally: Counter[str] = Counter()
    edit = editor(looking.slow_plan(columns(TEXT, JSON), {}, "utf-8", tally))
    assert edit.splice_run(row("héllo Adä, and Bob".encode(), b'{"who": "Bob Smith"}')) == row(
        "héllo <name>, and <name>".encode(), b'{"who": "<name> Smith"}'
    )
    assert tally == {"person": 3}
    assert not looking.take()
