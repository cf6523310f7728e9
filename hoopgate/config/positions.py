"""On which line a TOML document has each key. ``tomllib`` reads values but forgets where they stood.

The scanner runs only over text that ``tomllib`` has already accepted, so it checks nothing: it walks keys,
brackets and strings, and notes a line number for each key and each item of an array (TOML 1.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hoopgate.config.mistakes import Trail

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")  # a number, boolean or date: it ends where its container goes on


def locate(text: str) -> dict[Trail, int]:
    """Line numbers, from 1, by trail; ``text`` must be valid TOML."""
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.counted_to = 0
        self.line = 1
        self.lines: dict[Trail, int] = {}
        self.counts: dict[Trail, int] = {}  # arrays of tables: how many items so far

    def document(self) -> None:
        table: Trail = ()
        self.skip()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip()

    def header(self) -> Trail:
        array = self.text.startswith("[[", self.at)
        line = self.here()
        self.at += 2 if array else 1
        keys = list(self.keys())
        self.at += 2 if array else 1
        trail: Trail = ()
        for key in keys[:-1]:
            self.lines.setdefault((*trail, key), line)
            trail = self.last((*trail, key))
        trail = (*trail, keys[-1])
        if array:
            index = self.counts.get(trail, 0)
            self.counts[trail] = index + 1
            self.lines.setdefault(trail, line)
            trail = (*trail, index)
        self.lines[trail] = line
        return trail

    def last(self, trail: Trail) -> Trail:
        """A header that goes through an array of tables means its last item."""
        count = self.counts.get(trail, 0)
        return (*trail, count - 1) if count else trail

    def pair(self, table: Trail) -> None:
        line = self.here()
        trail = table
        for key in self.keys():
            trail = (*trail, key)
            self.lines.setdefault(trail, line)
        self.at += 1  # the equals sign
        self.skip()
        self.value(trail)

    def keys(self) -> Iterator[str]:
        """The parts of a dotted key; stands behind it afterwards."""
        while True:
            self.skip()
            found = _BARE_KEY.match(self.text, self.at)
            if found:
                self.at = found.end()
                yield found.group()
            else:
                yield self.string()
            self.skip()
            if self.text[self.at] != ".":
                return
            self.at += 1

    def value(self, trail: Trail) -> None:
        first = self.text[self.at]
        if first == "[":
            self.array(trail)
        elif first == "{":
            self.inline_table(trail)
        elif first in "\"'":
            self.string()
        else:
            found = _PLAIN.match(self.text, self.at)
            self.at = found.end() if found else self.at + 1

    def array(self, trail: Trail) -> None:
        self.at += 1
        self.skip()
        index = 0
        while self.text[self.at] != "]":
            self.lines[(*trail, index)] = self.here()
            self.value((*trail, index))
            self.comma()
            index += 1
        self.at += 1

    def inline_table(self, trail: Trail) -> None:
        self.at += 1
        self.skip()
        while self.text[self.at] != "}":
            self.pair(trail)
            self.comma()
        self.at += 1

    def comma(self) -> None:
        self.skip()
        if self.text[self.at] == ",":
            self.at += 1
            self.skip()

    def string(self) -> str:
        """A quoted string; its text is only needed for keys, which are of one line."""
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise ValueError("not TOML")
        self.at = found.end()
        quoted = found.group()
        return quoted[1:-1] if quoted[0] == "'" or "\\" not in quoted else _unescape(quoted[1:-1])

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        if found:
            self.at = found.end()

    def here(self) -> int:
        self.line += self.text.count("\n", self.counted_to, self.at)
        self.counted_to = self.at
        return self.line


_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)


def _unescape(text: str) -> str:
    def char(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2) or found.group(3)
        return chr(int(code, 16)) if code else _SHORT.get(found.group(4), found.group(4))

    return _ESCAPE.sub(char, text)
