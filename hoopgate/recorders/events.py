"""The events of each statement, encoded without a dictionary: what the recording's ``later`` takes.

An event is one JSON object in UTF-8, its kind in ``event``. What repeats is encoded once: the beginning for each
decision (:func:`statement_prefix`), the text for each text, the end of a result for each tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring
from typing import Any, Final

from hoopgate.frames import Parameter, Phase
from hoopgate.recorders.fields import BUDGET, prepared
from hoopgate.recorders.format import pack_event, unpack_event
from hoopgate.recorders.redact import recordable, redact_statement

_SIMPLE: Final = Phase.SIMPLE
_BIND: Final = Phase.BIND
_EXECUTE: Final = Phase.EXECUTE
_KEPT_TEXTS: Final = 1024
_KEPT_NEW: Final = 64  # texts told once: few, since those with literals never come again and would only fill the caches
_LONGEST_KEPT: Final = 1024  # characters of a text
_KEPT_TAGS: Final = 256
_AROUND: Final = 6  # bytes of a Query beside its text: type, length, NUL

_texts: dict[str, bytes] = {}
_new_texts: dict[str, bytes] = {}
_tags: dict[str, bytes] = {}


def statement_prefix(verdict: str, rule: str, effects: Iterable[str], risk: Any = None) -> bytes:
    """How the ``statement`` events of one decision begin; made once and kept beside it."""
    fields: dict[str, Any] = {"verdict": verdict, "rule": rule, "effects": sorted(effects)}
    if risk:
        fields["risk"] = risk
    return pack_event("statement", prepared(fields))[:-1]


def statement_event(
    prefix: bytes, text: str, number: int, phase: Phase, parameters: Sequence[Parameter] | None = None
) -> bytes:
    """A ``statement`` event: ``text`` as the client sent it (its password literals are hidden here), ``number``
    its place in the session, from 1 on; parameters in binary are shown in hexadecimal."""
    shown = _texts.get(text)
    if shown is None:
        if len(text) > _LONGEST_KEPT:
            return _long(prefix, text, number, phase, parameters)
        shown = _again(text) if text in _new_texts else _shown(text)
    if phase is _SIMPLE:
        said = b',"phase":"simple","number":'
    elif phase is _BIND:
        said = b',"phase":"bind","number":'
    elif phase is _EXECUTE:
        said = b',"phase":"execute","number":'
    else:
        said = b',"phase":"%s","number":' % phase.value.encode()
    if not parameters:
        return b"".join((prefix, said, str(number).encode(), shown))
    values = _values(parameters)
    if values is None:
        return _long(prefix, text, number, phase, parameters)
    return b"".join((prefix, said, str(number).encode(), b',"parameters":', values, shown))


def respelled_event(number: int, text: str) -> bytes:
    """A ``respelled`` event: in which words the statement with this number goes to the target."""
    shown = _texts.get(text)
    if shown is None:
        if len(text) > _LONGEST_KEPT:
            return pack_event("respelled", prepared({"of": number, "text": redact_statement(text)}))
        shown = _again(text) if text in _new_texts else _shown(text)
    return b"".join((b'{"event":"respelled","of":', str(number).encode(), shown))


def result_event(number: int, tag: str, sqlstate: str = "") -> bytes:
    """A ``result`` event of the statement with this number (0: of none that is known).

    ``tag`` is the command tag, whose last word is the number of rows where it is a number.
    """
    if sqlstate:
        return pack_event("result", prepared({"of": number, "tag": tag, "sqlstate": sqlstate}))
    end = _tags.get(tag)
    if end is None:
        end = _tag(tag)
    return b"".join((b'{"event":"result","of":', str(number).encode(), end))


def recordable_query(raw: bytes, text: str) -> bytes:
    """A whole ``Query`` message as it may be recorded; ``text`` is what was read from it. What was told a moment ago
    without hiding anything is not searched again."""
    if len(raw) == len(text) + _AROUND and (text in _new_texts or text in _texts) and text.isascii():
        return raw
    return recordable(raw)


def _shown(text: str) -> bytes:
    """The event's end with this text. Kept unless it hides a secret, which must not stay in memory here."""
    redacted = redact_statement(text)
    if redacted.isascii() and redacted.isprintable() and '"' not in redacted and "\\" not in redacted:
        shown = b"".join((b',"text":"', redacted.encode(), b'"}'))  # as most are
    else:
        shown = b',"text":%s}' % encode_basestring(redacted).encode("utf-8", "backslashreplace")
    if redacted is text:
        if len(_new_texts) >= _KEPT_NEW:
            _new_texts.clear()
        _new_texts[text] = shown
    return shown


def _again(text: str) -> bytes:
    """The same of a text that is told a second time, and so perhaps a third."""
    shown = _new_texts.pop(text)
    if len(_texts) >= _KEPT_TEXTS:
        _texts.clear()
    _texts[text] = shown
    return shown


def _values(parameters: Sequence[Parameter]) -> bytes | None:
    """A JSON array; None where it may be too long to be told whole."""
    size = 0
    shown: list[str] = []
    for parameter in parameters:
        value = parameter.value
        if value is None:
            shown.append("null")
            continue
        size += 2 * len(value)
        shown.append(f'"{value.hex()}"' if parameter.format else encode_basestring(value.decode("utf-8", "replace")))
    return None if size + 8 * len(shown) > BUDGET // 2 else f"[{','.join(shown)}]".encode()


def _long(prefix: bytes, text: str, number: int, phase: Phase, parameters: Sequence[Parameter] | None) -> bytes:
    """The same where something is long, and may have to be cut."""
    fields: dict[str, Any] = {**unpack_event(prefix + b"}"), "phase": phase.value, "number": number, "text": text}
    if parameters:
        fields["parameters"] = [
            None if p.value is None else p.value.hex() if p.format else p.value.decode("utf-8", "replace")
            for p in parameters
        ]
    return pack_event(str(fields.pop("event")), prepared(fields))


def _tag(tag: str) -> bytes:
    fields: dict[str, Any] = {"tag": tag}
    rows = tag.rpartition(" ")[2]
    if rows.isascii() and rows.isdigit():
        fields["rows"] = int(rows)
    end = b"," + pack_event("result", prepared(fields)).removeprefix(b'{"event":"result",')
    if len(tag) <= 64:
        if len(_tags) >= _KEPT_TAGS:
            _tags.clear()
        _tags[tag] = end
    return end
