"""The reader against real shells: it never fails, never reads what they reject, and misses nothing that they run."""

# ruff: noqa: E501 - texts as they are

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from hoopgate.policy.shell.effects import operations
from hoopgate.policy.shell.text import DEPTH, PARTS
from tests.policy.shell.real import SHELLS, Place, accepted
from tests.policy.shell.test_evasions import _PLACE

SOUP = [
    "rm", "frob", "x", " ", ";", "\n", "'", '"', "\\", "$", "(", ")", "{ ", "}", "`", "<<E", "\nE\n", "&&", "||", "|", "&",
    "#", "$(", "$((", "))", "case x in ", "esac", "$'", "=", "a=", "[[ ", " ]]", "if ", "then ", "fi", "do ", "done",
    "for i in ", "while ", "! ", "$x", "${x:-", "${x", "}", '"$x"', ">y", "<y", "2>&1", "&>y", "<(", ";;", "echo ", "f() ",
    "f", "eval ", "\t", "*", "~", "a=(", "((", "<<<", "<<-E", '$"', "\\\n", "function ", "time ", "-", "1", "[", ",", "$@",
    "command ", "exec ", "'E'", " E", "rm x", "; rm x", "\nrm x",
]  # fmt: skip
SNIPPETS = [
    "echo $(rm x)", "if rm x; then frob; fi", "cat <<E\nrm x\nE\nfrob", "f() { rm x; }; f", "case x in x) rm x;; esac",
    "for i in a b; do rm $i; done", "echo `rm x`", "[[ a || b ]]", "echo ${x:-$(rm y)}", "(rm x)", "{ rm x; }",
    "echo 'a' \"b\" $'c' && rm x", "cat <<'E' <<F\nrm x\nE\nfrob\nF\nrm z", "echo a # rm\nrm x", "sh -c 'rm x'",
    'echo "$(cat <<E\nrm\nE\n)"', "x=$(rm y) frob", "echo $((1+$(rm x)))", "rm x > y 2>&1 &", "eval 'rm x'",
]  # fmt: skip
ANYTHING = some.one_of(
    some.text(max_size=60),
    some.lists(some.sampled_from(SOUP), max_size=14).map("".join),
    some.lists(some.sampled_from(SNIPPETS + SOUP), max_size=6).map("".join),
)


@given(ANYTHING)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_has_operations(text: str) -> None:
    assert operations(text)
    assert operations(text, "bash")
    assert operations(text, "other")[0].name == "unknown.text"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@given(ANYTHING)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_bash_rejects_is_not_read(text: str) -> None:
    if any(one.name == "unknown.text" for one in operations(text)):
        return
    assert accepted("bash", text), text


@given(some.lists(some.sampled_from(SNIPPETS + SOUP), min_size=1, max_size=7).map("".join))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_read_runs_nothing_else(text: str) -> None:
    found = operations(text)
    if any(one.effect == "unknown" for one in found):
        return
    told = {one.command.lower() for one in found}
    for shell in SHELLS:
        try:
            ran = _PLACE.ran(shell, text)
        except subprocess.TimeoutExpired:
            continue
        assert ran & {"rm", "frob"} <= told, (shell, text)


@pytest.mark.parametrize(
    "text",
    [
        "echo a\0b", "echo a\rb", "echo \x1b[2J", "echo \x7f", "echo \udcff", "echo 'a", 'echo "a', "echo `a", "echo $(a",
        "echo ${a", "if a; then b", "a ||", "a |", "&& a", ";; a", "cat <<E\na", "cat <<E", "echo )", "f() a", "case a in",
        "echo $'\\c?'", "echo $'\\0'", "a[1]=2", "echo ${a@P}", "echo ${!a}", "echo $[1]", "select a in b; do c; done",
        "coproc a", "((a))", "[[ a || b ]]", "[[ a > b ]]", "echo a &>b c", "echo <1-2>", "{a}>b c", "repeat 3 a", "echo @(a)",
        "echo a(b)", "cat <<'a b'\na b", "cat <<E\na\\\nE\nE", "echo \"${a:-'b'}\"", "echo $(a # b\n)", "a\\\nb", '$"a"', "-x", "+o",
    ],
)  # fmt: skip
def test_what_shells_read_differently_or_not_at_all_is_unknown(text: str) -> None:
    assert [one.name for one in operations(text)] == ["unknown.text"]


@pytest.mark.parametrize("text", ["((i=1))", "[[ a || b ]]", "[[ a < b ]]", "echo a &>b c", "[[ a =~ ^b$ ]]"])
def test_where_bash_alone_reads_more_is_understood(text: str) -> None:
    assert operations(text)[0].effect == "unknown"
    assert all(one.name != "unknown.text" for one in operations(text, "bash"))


def test_reading_is_bounded() -> None:
    assert operations("echo " + "a " * PARTS)[0].why == "it has too many parts"
    assert operations("$(" * (DEPTH + 1) + "a" + ")" * (DEPTH + 1))[0].why == "commands stand too deep in commands"
    assert operations("(" * 3000)[0].effect == "unknown"
    assert operations("a" * 200, longest=100)[0].why == "the command is longer than limits.command"
    deep = "x"
    for _ in range(12):
        deep = "sh -c '" + deep.replace("'", "'\\''") + "'" if len(deep) < 20_000 else deep
    assert operations(deep)[0].effect == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        'echo "' + "$x " * 30_000 + '"', "a;" * 60_000, "cat <<'E'\n" + "line\n" * 20_000 + "E", "`" * 100_000,
        "${" * 50_000, "echo " + "{a,b}" * 20_000, "\\" * 100_000, "$((" + "a+" * 40_000, "<" * 100_000, "'" * 100_000,
        "\n" * 120_000, "#" * 120_000, "echo " + "a" * 120_000, "x=" + "a=" * 50_000, "if " * 30_000, "echo '" + "a\n" * 50_000 + "'",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    operations(text, longest=1_000_000)
    assert time.process_time() - started < 1


def test_places_of_stubs_work(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    assert Place(tmp_path).ran(SHELLS[0], "rm x; unheard-of; frob") == {"rm", "frob"}
