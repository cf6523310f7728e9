"""Where the time goes: flame graphs of the main paths. ``python -m tests.bench.flame [--only PATH]``.

py-spy samples the gateway's first process while a workload runs, native frames included, and the stacks are drawn as
SVG. With ``--top`` the functions that take most are printed as well. The gateway has one processor to itself and all
others share the rest: py-spy counts time, and a process that waits for its turn would seem to work. What the kernel
does for a system call counts as that call's.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from hoopgate.development.accounts import fresh_directory
from tests.bench.gateways import SOURCE
from tests.bench.peers import Peer
from tests.bench.picture import draw
from tests.bench.processes import family
from tests.bench.result import FailedRunError
from tests.bench.stage import Stage, staged
from tests.bench.workloads import Sizes, Workload, workloads

OUT = SOURCE / "docs" / "performance"
RATE = 400  # samples a second
LOGINS = 1.0  # seconds of a load before the sampling
PROCESSORS = sorted(os.sched_getaffinity(0))
# path -> the workload that walks it, and the gateway it walks through
PATHS = {
    "select": ("point select, simple, 8 clients", "hoopgate"),
    "select-prepared": ("point select, prepared, 8 clients", "hoopgate"),
    "select-rules": ("point select, simple, 8 clients", "hoopgate, rules"),
    "scan": ("scan, text", "hoopgate"),
    "scan-masked": ("scan, text", "hoopgate, masking"),
    "copy-masked": ("COPY OUT, text", "hoopgate, masking"),
    "copy-in": ("COPY IN", "hoopgate"),
    "connections": ("connections", "hoopgate"),
    "connections-tls": ("TLS: connections, resumed", "hoopgate"),
}
SHOWN = ("select", "select-prepared", "scan-masked", "copy-masked", "connections-tls")  # those that the docs show
Stacks = dict[tuple[str, ...], int]  # from the outermost frame to the innermost -> samples

PYTHON = re.compile(r"^(?P<function>.+) \((?P<path>[^()]+\.py)(:\d+)?\)$")
NATIVE = re.compile(r"^(?P<function>.+) \((?P<library>[^()]+)\)$")
COMPILED = re.compile(r"^CPyDef_(?P<name>\w+)$")


def frame(text: str) -> str:
    """``module:function`` of one of py-spy's frames, without the places of this machine."""
    found = PYTHON.match(text)
    if found:
        return f"{_module(found['path'])}:{found['function']}"
    found = NATIVE.match(text)
    if not found:
        return text
    compiled = COMPILED.match(found["function"])
    if compiled:
        return "compiled:" + compiled["name"].replace("___", ".")
    library = Path(found["library"]).name.partition(".")[0].partition("-")[0]
    if found["function"].startswith("0x"):
        return library  # its symbols were stripped
    return f"{library}:{found['function'].partition('@')[0].partition('(')[0]}"


def _module(path: str) -> str:
    """Dotted, from the package on: wherever it is installed."""
    parts = Path(path).with_suffix("").parts
    for root in ("hoopgate", "twisted"):
        if root in parts:
            return ".".join(parts[len(parts) - 1 - parts[::-1].index(root) :])
    return parts[-1]


def stacks(collapsed: str) -> Stacks:
    """py-spy's raw format: frames by ``;``, then a blank and the number of samples."""
    found: Stacks = collections.Counter()
    for line in collapsed.splitlines():
        frames, _, count = line.rpartition(" ")
        if count.isdigit():
            names = tuple(name for name in map(frame, frames.split(";")) if not _EVALUATION.search(name))
            if names and not _idle(names):
                found[_from_reactor(names)] += int(count)
    return found


def _idle(names: tuple[str, ...]) -> bool:
    """Waiting for events, or for work in a thread that has none."""
    return (
        names[-1].endswith((":epoll_wait", "EPollReactor.doPoll", ":clock_nanosleep"))
        or "threading:Condition.wait" in names
    )


def _from_reactor(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without what every stack begins with: twistd, its runner and the reactor's calls down to the event."""
    inner = [place for place, name in enumerate(names) if name.endswith(_BEFORE)]
    return names[inner[-1] + 1 :] or names[-1:] if inner else names


_BEFORE = ("ReactorBase.mainLoop", "_SignalReactorMixin.mainLoop", ":callWithContext", "_PollLikeMixin._doReadOrWrite")


# The interpreter's own work, and what the compiler put in line: it counts as that of the function around it.
_EVALUATION = re.compile(
    r"^(python[\d.]*|pythoncapi_compat|object|call|ceval|CPy|getargsfast|\w+_ops|<.*):"
    r"|:CPyPy_|:_?PyEval_|:_?PyObject_(Vec|Fast|Make)?[cC]all|:_PyFunction_"
)


def hottest(found: Stacks, most: int = 40) -> Iterator[str]:
    """Share of the samples in which a function was on top, and in which it was anywhere."""
    total = sum(found.values()) or 1
    own: collections.Counter[str] = collections.Counter()
    within: collections.Counter[str] = collections.Counter()
    for names, count in found.items():
        if names:
            own[names[-1]] += count
        for name in set(names):
            within[name] += count
    yield f"{'own':>6} {'all':>6}"
    for name, count in own.most_common(most):
        yield f"{count / total:6.1%} {within[name] / total:6.1%} {name}"
    yield "by all:"
    for name, count in within.most_common(most):
        yield f"{own[name] / total:6.1%} {count / total:6.1%} {name}"


def py_spy() -> str:
    """Its path; installed by pip where it is missing."""
    beside = str(Path(sys.executable).parent)
    if shutil.which("py-spy", path=beside) is None:
        if importlib.util.find_spec("pip") is None:
            raise FailedRunError("py-spy is missing, and so is pip: install py-spy beside this Python")
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "py-spy"], check=True)
    return shutil.which("py-spy", path=beside) or "py-spy"


def sampled(stage: Stage, workload: Workload, before: Workload, name: str, seconds: float) -> Stacks:
    """Sample the gateway of that name while the workload runs over and over."""
    peer = stage.peer(name)
    if peer is None:
        raise FailedRunError(f"{name}: {stage.missing[name]}")
    before.run(peer)  # what is made once is made
    set_apart(peer.pids())
    done = threading.Event()
    load = threading.Thread(target=_load, args=(workload, peer, done))
    load.start()
    time.sleep(LOGINS)
    try:
        return _sample(peer.pids()[0], seconds)
    finally:
        done.set()
        load.join()


def _sample(pid: int, seconds: float) -> Stacks:
    with tempfile.NamedTemporaryFile() as out:
        command = [py_spy(), "record", "-p", str(pid), "-d", str(round(seconds)), "-r", str(RATE)]
        command += ["--function", "--native", "--format", "raw", "--output", out.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FailedRunError(f"py-spy: {done.stderr.strip()[-300:]}")
        return stacks(Path(out.name).read_text())


def set_apart(pids: list[int]) -> None:
    """Give these processes the first processor, and the others below us the rest; what they start inherits it."""
    first, *rest = PROCESSORS
    for pid in (os.getpid(), *family(os.getpid())):
        if rest:
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                os.sched_setaffinity(pid, {first} if pid in pids else rest)


def _load(workload: Workload, peer: Peer, done: threading.Event) -> None:
    while not done.is_set():
        workload.run(peer)
        peer.tidy()


def pictures(stage: Stage, wanted: Iterable[str], out: Path, *, seconds: float, top: bool = False) -> None:
    """Sample those of PATHS and write a picture of each."""
    # One run lasts longer than the sampling, so that logins are no part of a transaction's picture.
    work = {each.name: each for each in workloads(Sizes(seconds + 3, stage.rows, 64 << 20))}
    work |= {f"{each.name}, before": each for each in workloads(Sizes(0.5, stage.rows, 1 << 20))}
    for path in wanted:
        workload, name = PATHS[path]
        try:
            found = sampled(stage, work[workload], work[f"{workload}, before"], name, seconds)
        except FailedRunError as error:
            print(f"--- {path}: FAILED: {error}", file=sys.stderr)
            continue
        (out / f"flame-{path}.svg").write_text(draw(found, f"{workload}, through {name}"))
        print(f"--- {path}: {sum(found.values())} samples")
        if top:
            print("\n".join(hottest(found)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.flame", description=__doc__)
    parser.add_argument("--only", action="append", choices=[*PATHS, "all"], default=[])
    parser.add_argument("--seconds", type=float, default=8.0, help="of sampling, each")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--top", action="store_true", help="print the functions that take most")
    parser.add_argument("--no-compile", action="store_true", help="the interpreted core")
    parser.add_argument("--out", type=Path, default=OUT, help="directory for the pictures")
    options = parser.parse_args()
    wanted = list(PATHS) if "all" in options.only else options.only or SHOWN
    directory = fresh_directory(None, "hoopgate-flame-")
    directory.chmod(0o755)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with staged(directory, rows=options.rows, trees={}, compiled=not options.no_compile) as stage:
            pictures(stage, wanted, options.out, seconds=options.seconds, top=options.top)
    except FailedRunError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
