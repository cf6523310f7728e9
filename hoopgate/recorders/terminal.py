"""A recorded terminal's output on another: what the one was told to draw, and nothing else that it was told to do.

Whoever typed, or whatever wrote into the recorded terminal, must not drive the terminal of the person who watches: no
clipboard, no titles, no answers typed back, no files. What draws passes (ECMA-48; XTerm Control Sequences): text, line
ends, colours, cursor, erasing, scrolling, the alternate screen.
"""

from __future__ import annotations

import codecs
from typing import Final

import re2

_DRAWN: Final = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgrsu")  # finals of CSI that move, erase, insert, scroll
_MODES: Final = frozenset({"1", "6", "7", "12", "25", "47", "1047", "1048", "1049"})  # DEC's that only draw
_PASSED: Final = frozenset("\a\b\t\n\v\f\r")
_SIMPLE: Final = frozenset("78DEHMc=>")  # of ESC: cursor kept and restored, lines, tabs, reset, keypad
_LONGEST: Final = 4096  # characters of a sequence that is awaited; a longer one is text

# One whole escape sequence at the start, or (with ``more``) what may become one.
_SEQUENCE: Final = re2.compile(
    r"(?s)^\x1b(?:"
    r"\[(?P<private>[<-?]?)(?P<parameters>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|[\]PX^_].*?(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC, to their terminator
    r"|(?P<charset>[()*+][0-9A-Za-z])"
    r"|(?P<simple>[0-9=>A-OQ-WYZ\\a-z])"
    r")"
)
_UNFINISHED: Final = re2.compile(r"(?s)^\x1b(?:\[[0-?]*[ -/]*|[\]PX^_].*|[()*+])?$")


class Screen:
    """Feeds of one terminal's output, in pieces that may end anywhere, to text that is safe to write to another.

    ``draws`` False leaves out also what draws: what remains is text in lines.
    """

    def __init__(self, *, draws: bool = True) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._draws = draws
        self._rest = ""

    def feed(self, data: bytes) -> str:
        """What may be drawn of it."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        shown: list[str] = []
        at = 0
        while at < len(text):
            escape = text.find("\x1b", at)
            if escape < 0:
                escape = len(text)
            shown.append(_plain(text[at:escape]))
            if escape == len(text):
                break
            taken = self._sequence(text[escape : escape + _LONGEST], shown)
            if not taken:
                self._rest = text[escape:]
                break
            at = escape + taken
        return "".join(shown)

    def _sequence(self, text: str, shown: list[str]) -> int:
        """How many characters a sequence at the start has: 0 where its end is still to come."""
        found = _SEQUENCE.match(text)
        if found is None:
            return 0 if len(text) < _LONGEST and _UNFINISHED.match(text) else 1
        if found["final"] is not None:
            drawn = _draws(found["private"], found["parameters"], found["between"], found["final"])
        else:
            drawn = found["charset"] is not None or found["simple"] in _SIMPLE
        if drawn and self._draws:
            shown.append(found[0])
        return len(found[0])


def _draws(private: str, parameters: str, between: str, final: str) -> bool:
    if between:
        return False
    if private == "?" and final in "hl":
        return all(mode in _MODES for mode in parameters.split(";"))
    if private:
        return False
    return final == "m" or final in _DRAWN or (final in "hl" and parameters == "4")


def _plain(text: str) -> str:
    """Without control characters but those that move along; C1 controls are sequences of their own."""
    if text.isprintable():
        return text
    return "".join(character for character in text if character in _PASSED or not _controls(character))


def _controls(character: str) -> bool:
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0
