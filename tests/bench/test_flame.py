"""Stacks become pictures that say nothing of the machine they come from."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from tests.bench.flame import PATHS, SHOWN, frame, hottest, stacks
from tests.bench.gateways import SOURCE
from tests.bench.picture import draw
from tests.bench.workloads import Sizes, workloads

COLLAPSED = """\
<module> (<string>:1);run (twisted/scripts/twistd.py:33);_SignalReactorMixin.mainLoop (/x/twisted/internet/base.py:700);Lane.received (/home/me/hoopgate/lane.py:20);CPyDef_framer___Framer___feed (hoopgate_core__mypyc.cpython-311-x86_64-linux-gnu.so) 30
<module> (<string>:1);_SignalReactorMixin.mainLoop (twisted/internet/base.py:700);Lane.received (/home/me/hoopgate/lane.py:20);__send (libc-2.36.so) 60
_SignalReactorMixin.mainLoop (twisted/internet/base.py:700);Lane.received (/home/me/hoopgate/lane.py) 10
_SignalReactorMixin.mainLoop (twisted/internet/base.py:700);doPoll (twisted/internet/epollreactor.py:2);epoll_wait (libc.so.6) 70
_bootstrap (threading.py:900);Condition.wait (threading.py:1) 7
nonsense
"""  # noqa: E501


def test_frames_are_module_and_function() -> None:
    assert frame("feed (/home/me/checkout/hoopgate/codecs/postgresql/framer.py:12)") == (
        "hoopgate.codecs.postgresql.framer:feed"
    )
    assert frame("doRead (/venv/lib/python3.11/site-packages/twisted/internet/tcp.py)") == "twisted.internet.tcp:doRead"
    assert frame("sha256 (/usr/lib/python3.11/hashlib.py:1)") == "hashlib:sha256"
    assert frame("__libc_recv (libc.so.6)") == "libc:__libc_recv"
    assert frame("CPyDef_lane___Lane___received (hoopgate_core__mypyc.so)") == "compiled:lane.Lane.received"


def test_stacks_begin_below_the_reactors_loop() -> None:
    assert stacks(COLLAPSED) == {
        ("hoopgate.lane:Lane.received", "compiled:framer.Framer.feed"): 30,
        ("hoopgate.lane:Lane.received", "libc:__send"): 60,
        ("hoopgate.lane:Lane.received",): 10,
    }


def test_the_hottest_come_first() -> None:
    lines = list(hottest(stacks(COLLAPSED)))
    assert lines[1].split() == ["60.0%", "60.0%", "libc:__send"]
    assert " 10.0% 100.0% hoopgate.lane:Lane.received" in lines


def test_a_picture_names_frames_and_no_place() -> None:
    picture = draw(stacks(COLLAPSED), "a < b")
    root = ElementTree.fromstring(picture)
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "libc:__send: 60.0%" in titles
    assert "all: 100.0%" in titles
    assert "/home" not in picture
    assert "a &lt; b" in picture


def test_every_path_has_its_workload() -> None:
    known = {each.name: each.peers for each in workloads(Sizes())}
    assert all(peer in known[workload] for workload, peer in PATHS.values())
    assert set(SHOWN) <= set(PATHS)


def test_kept_pictures_are_small_and_say_nothing_of_a_machine() -> None:
    for path in (SOURCE / "docs" / "performance").glob("*.svg"):
        text = path.read_text()
        assert len(text) < 300_000, path
        assert not re.search(r"/(home|root|opt|usr|tmp|var|work)/", text), path
