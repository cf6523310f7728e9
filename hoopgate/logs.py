"""Structured logs: one JSON object a line, one observer, no secrets.

Secrets are kept out where they arise; this is the belt: fields with secret names are dropped, statements lose their
literals, and whatever looks like a JWT, a token of ours, a private key or a password in a URL is replaced.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from hoopgate.recorders.fields import SECRET_NAMES, STATEMENT_NAMES
from hoopgate.recorders.redact import strip_literals

REDACTED: Final = "[redacted]"

_SECRETS: Final = re.compile(
    r"""
      eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}  # JWT, JWE (RFC 7519, 7516)
    | hgt_[A-Za-z0-9_-]{4,}                                             # the gateway's own tokens
    | -----BEGIN\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY-----[^-]*+(?:-----END\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY-----)?
    | (?i:\b(?:bearer|basic)\ +)[A-Za-z0-9._~+/=-]{8,}                  # RFC 6750, 7617
    | (?<=://)[^\s/@:'"]{0,200}:[^\s/@'"]{1,200}(?=@)                   # user:password@ in a URL
    | (?i:\bpassw(?:or)?d\s{0,3}[=:]\s{0,3})(?:'[^']*+'|"[^"]*+"|[^\s'",;&]+)
    """,
    re.VERBOSE,
)
_PLAIN: Final = re.compile(r"(?:[^{}]|\{[a-z_]+\})*")  # a format of names alone
_LONGEST: Final = 8192  # characters of one value
_DEPTH: Final = 4


def redact(text: str) -> str:
    """Replace whatever looks like a secret."""
    return _SECRETS.sub(REDACTED, text) if _suspicious(text) else text


def _suspicious(text: str) -> bool:
    """Whether ``_SECRETS`` may match at all: several words of it cost less than one run, and most lines have none."""
    if not text.isascii():  # where case is ignored, letters of other alphabets stand for s, k and i
        return True
    lower = text.lower()
    return (
        "eyJ" in text
        or "hgt_" in text
        or "-----BEGIN " in text
        or "bearer" in lower
        or "basic" in lower
        or "passw" in lower
        or ("://" in text and "@" in text)
    )


def clean(name: str, value: Any, depth: int = _DEPTH) -> Any:
    """A field as it may be logged: JSON types only, bounded, without secrets and literals."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if name.lower() in SECRET_NAMES:
        return REDACTED
    if isinstance(value, str):
        return _cut(strip_literals(value[:_LONGEST]) if name in STATEMENT_NAMES else value)
    if depth and isinstance(value, dict):
        return {str(key): clean(str(key), inner, depth - 1) for key, inner in list(value.items())[:100]}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [clean(name, inner, depth - 1) for inner in list(value)[:100]]
    return _cut(str(value))


def _cut(text: str) -> str:
    """At most 8192 characters, redacted before the cut, which could take away what a secret is known by."""
    text = redact(text[: 2 * _LONGEST])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


class Out(Protocol):
    """What lines are written to: a text file, or as much of one as is needed."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


@implementer(ILogObserver)
class JsonObserver:
    """Writes each event of ``level`` or above to ``out``.

    ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, then the event's own fields; ``failure`` holds a
    traceback without values of variables.
    """

    def __init__(self, out: Out, level: LogLevel = LogLevel.info, **always: Any) -> None:
        """``always`` are fields of each line."""
        self._out = out
        self._level = level
        self._always = always

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if level < self._level:
            return
        try:
            line = json.dumps({**structured(event), **self._always}, ensure_ascii=False, default=str)
        except (ValueError, TypeError, RecursionError) as error:
            line = json.dumps({"level": "error", "message": f"a log event cannot be written: {type(error).__name__}"})
        self.write(line.encode("utf-8", "backslashreplace").decode() + "\n")

    def write(self, line: str) -> None:
        """A whole line, of this process or of another that has no log of its own."""
        self._out.write(line)
        self._out.flush()


def structured(event: LogEvent) -> dict[str, Any]:
    """An event as the object that is written."""
    cleaned = {name: clean(name, value) for name, value in event.items() if _is_own(name)}
    level = event.get("log_level", LogLevel.info)
    out: dict[str, Any] = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds"),
        "level": level.name,
        "logger": event.get("log_namespace", ""),
        "message": _message(event, cleaned),
    }
    out |= {name: value for name, value in cleaned.items() if name not in out}
    failure = event.get("log_failure")
    if failure is not None:
        out["failure"] = _cut(failure.getTraceback())
    return out


def _is_own(name: str) -> bool:
    return not name.startswith(("log_", "_")) and name not in DROPPED


# What twisted.python.log adds to each event.
_LEGACY: Final = frozenset({"time", "system", "isError", "message", "format", "failure", "why", "printed"})
DROPPED: Final = _LEGACY | {"parameters", "raw", "args"}
"""Fields of these names are not logged, nor may messages mention them."""


def _message(event: LogEvent, cleaned: dict[str, Any]) -> str:
    """The event's text, made of the cleaned fields, so that a format cannot bring back what was taken out."""
    if isinstance(event.get("log_format"), str):
        # twisted.python.log.msg, and what was printed
        legacy: dict[str, str] = {name: str(event[name]) for name in ("log_text", "log_io") if name in event}
        text = _formatted(event["log_format"], cleaned | legacy)
    else:
        text = formatEvent(event)
    return _cut(text)


def _formatted(log_format: str, values: dict[str, Any]) -> str:
    """As Twisted formats, which takes a while; most formats only name fields."""
    if _PLAIN.fullmatch(log_format):
        with suppress(KeyError):  # Twisted tells of a missing field in words
            return log_format.format_map(values)
    return formatEvent({"log_format": log_format, **values})


def begin(out: TextIO = sys.stdout, level: LogLevel = LogLevel.info) -> JsonObserver:
    """Make the JSON observer the process's only one."""
    observer = JsonObserver(out, level)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    return observer


def observer() -> JsonObserver:
    """For ``twistd --logger hoopgate.logs.observer``."""
    return JsonObserver(sys.stdout)
