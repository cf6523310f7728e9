"""Attacks as text: what each sends, line by line, over one or two raw sessions.

A file holds attacks, each a paragraph: ``# title``, then ``@`` flags, then lines. Each line is tried by itself, unless
the flag ``@steps`` says that they are sent one after the other. A line is one simple query unless it begins with a
backslash:

====================  =================================================================================
``\\x SQL``            Parse, Bind, Describe, Execute, Sync, with results as text; ``\\xb``: in binary
``\\x[a|b] SQL``       the same with the parameters ``a`` and ``b``; ``\\N`` is NULL
``\\parse NAME SQL``   Parse and Sync
``\\bind K NAME``      Bind the portal ``K``, and no Sync; ``-`` is the name of no letters, as below
``\\run K ROWS``       Describe and Execute it, and no Sync
``\\close P K``        Close of a portal, or with ``S`` of a statement; ``\\sync``: Sync
``\\send TEXT``        a simple query whose answer is not awaited
``\\2 LINE``           the line, on a second session
``\\in DATA``          data for a COPY that waits, then CopyDone (``\\n`` and ``\\t`` are understood)
``\\call OID TEXT``    FunctionCall with arguments as text
``[16] LINE``         only where the server's major version is at least 16
====================  =================================================================================

Flags: ``@probe``: the only thing that tells is declared inference (which rows, how many, in which order), so with
``reading = "output"`` values alone are looked for; ``@commits``: not wrapped in a transaction; ``@undo SQL``: run by
the superuser behind it; ``@server 18``: the least major version; ``@needs NAME``: an extension, or ``xml``;
``@alone``: as written, not again by the extended protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

LEAST = re.compile(r"\[(\d+)\] ")
CASES = Path(__file__).parent / "cases"
HONEST = Path(__file__).parent / "honest"


@define
class Attack:
    title: str
    kind: str  # the file's name
    lines: list[str] = field(factory=list)
    flags: dict[str, str] = field(factory=dict)
    undo: list[str] = field(factory=list)

    def tries(self) -> list[Attack]:
        """What is sent in one go, and judged by itself."""
        if "steps" in self.flags:
            return [self]
        return [self._alone(line) for line in self.lines]

    def _alone(self, line: str) -> Attack:
        if match := LEAST.match(line):
            flags = {**self.flags, "server": match[1]}
            return Attack(self.title, self.kind, [line[match.end() :]], flags, self.undo)
        return Attack(self.title, self.kind, [line], self.flags, self.undo)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.title}"

    @property
    def least(self) -> int:
        return int(self.flags.get("server", 0))

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(self.flags.get("needs", "").split())

    def extended(self, *, binary: bool) -> Attack | None:
        """The same by the extended protocol, or None where that is not another attack."""
        if "alone" in self.flags or any(line[0] == "\\" or ";" in line.rstrip(";") for line in self.lines):
            return None
        letter = "\\xb" if binary else "\\x"
        return Attack(self.title, self.kind, [f"{letter} {line}" for line in self.lines], self.flags, self.undo)


def statements(path: Path) -> list[Attack]:
    """A file of honest lines: each by itself, the first line tells where they come from."""
    found: list[str] = []
    for line in path.read_text().splitlines()[1:]:
        if line.startswith("    ") and found:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return [Attack(path.stem, "honest", [line]) for line in found]


def attacks(path: Path) -> Iterator[Attack]:
    current: Attack | None = None
    for line in path.read_text().splitlines():
        if line.startswith("# "):
            if current is not None:
                yield current
            current = Attack(line[2:], path.stem)
        elif current is None or not line or line.startswith("--"):
            continue
        elif line.startswith("@undo "):
            current.undo.append(line[6:])
        elif line.startswith("@"):
            name, _, value = line[1:].partition(" ")
            current.flags[name] = value
        elif line.startswith("    "):
            current.lines[-1] += "\n" + line
        else:
            current.lines.append(line)
    if current is not None:
        yield current


def corpus(*kinds: str) -> list[Attack]:
    """All attacks, or those of the files named, in the files' order."""
    return [one for path in sorted(CASES.glob("*.sql")) if not kinds or path.stem in kinds for one in attacks(path)]
