"""What detectors cost: ``python -m tests.bench.detectors``. Nanoseconds a row of two text columns, in process."""

from __future__ import annotations

import struct
import sys
import timeit
from statistics import median

from hoopgate.codecs.postgresql.rows import RowEditor, splicer
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.compiled import core
from hoopgate.config.model import Detector
from hoopgate.detectors.canaries import Canaries
from hoopgate.detectors.kinds import FAMILIES
from hoopgate.frames import Column, Columns
from hoopgate.guards.detect_plans import Watch

ROWS, ROUNDS, TEXT = 600, 15, 25


def row(*cells: bytes) -> bytes:
    body = struct.pack("!h", len(cells)) + b"".join(struct.pack("!i", len(cell)) + cell for cell in cells)
    return b"D" + struct.pack("!i", len(body) + 4) + body


def run_of(every: int) -> bytes:
    """Rows of about 85 bytes; each ``every``-th holds an e-mail address (0: none)."""
    found = []
    for at in range(ROWS):
        what = b"mail to ada@example.com of it" if every and at % every == 0 else b"Order shipped to the customer"
        found.append(row(b"%d" % at, b"Ada Lovelace %d" % at, what, b"2024-05-01"))
    return b"".join(found)


def editor(plan: Plan) -> RowEditor:
    return splicer(plan, Columns(b"", (), None), 1 << 20)


def cost(edit: RowEditor, run: bytes) -> float:
    """Median nanoseconds a row."""
    return median(timeit.repeat(lambda: edit.splice_run(run), number=3, repeat=ROUNDS)) / 3 / ROWS * 1e9


def main() -> None:
    watch = Watch([Detector(name="all", find=tuple(FAMILIES))], {})
    columns = [Column(f"c{at}", 0, 0, TEXT if at in (1, 2) else 23, -1, -1, 0) for at in range(4)]
    looking, plain = editor(watch.plan(columns, {}, "utf-8")), editor(Plan((None,) * 4))
    canaries = Canaries({"one": b"a value that nobody has business with"})
    print(f"core: {core()}; {sys.version.split()[0]}; ns a row, median of {ROUNDS}")
    print(f"{'':34}{'nothing found':>15}{'1 row in 100':>15}{'every row':>15}")
    runs = [run_of(0), run_of(100), run_of(1)]
    for name, edit in (("no detector", plain), ("all kinds, two text columns", looking)):
        print(f"{name:34}" + "".join(f"{cost(edit, run):15.0f}" for run in runs))
    seconds = [median(timeit.repeat(lambda run=run: canaries.found(run), number=3, repeat=ROUNDS)) for run in runs]  # type: ignore[misc]
    print(f"{'a canary':34}" + "".join(f"{each / 3 / ROWS * 1e9:15.0f}" for each in seconds))


if __name__ == "__main__":
    main()
