"""One call of the API as values, read strictly: what is not understood is refused, not ignored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from attrs import field, frozen

from hoopgate.console.problems import Problem, bad_request
from hoopgate.identity.strict import json_object
from hoopgate.interfaces import Identity

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_FIELDS: Final = 100  # of a form or a query


@frozen
class Call:
    """``path`` holds the pattern's variables; ``identity`` is None only on routes that need no bearer token."""

    path: Mapping[str, str]
    query_string: str
    content_type: str
    body: bytes = field(repr=False)
    caller: Identity | None

    @property
    def identity(self) -> Identity:
        assert self.caller is not None
        return self.caller

    def query(self, *known: str) -> dict[str, str]:
        """The query's parameters. Raises Problem for any that is not ``known`` or comes twice."""
        pairs = _pairs(self.query_string, "query")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise bad_request("a query parameter occurs twice")
        _only(found, known, "query parameter")
        return found

    def json(self, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> dict[str, Any]:
        """The body's JSON object. Raises Problem for another media type, unknown or missing members."""
        self._expect(JSON)
        try:
            found = json_object(self.body)
        except ValueError as error:
            raise bad_request(f"the body is not a JSON object: {error}") from None
        wanted = tuple(required)
        _only(found, (*wanted, *optional), "member")
        missing = [name for name in wanted if name not in found]
        if missing:
            raise bad_request(f"the body lacks {', '.join(missing)}")
        return found

    def form(self) -> dict[str, list[str]]:
        """The body's form, every value of every name."""
        self._expect(FORM)
        try:
            text = self.body.decode("ascii")
        except UnicodeDecodeError:
            raise bad_request("a form is percent-encoded ASCII") from None
        found: dict[str, list[str]] = {}
        for name, value in _pairs(text, "form"):
            found.setdefault(name, []).append(value)
        return found

    def _expect(self, media_type: str) -> None:
        given, _, parameters = self.content_type.partition(";")
        charset = parameters.strip().lower().replace('"', "")
        if given.strip().lower() != media_type or charset not in ("", "charset=utf-8"):
            raise Problem(
                415, "media-type", "Another media type is needed", f"send {media_type}", {"Accept": media_type}
            )


@frozen
class Answer:
    """``body`` is JSON values, or None for an empty answer."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)


View = Callable[[Call], Coroutine[Any, Any, Answer]]


def text_of(values: Mapping[str, Any], name: str, default: str = "") -> str:
    """A member that must be a string."""
    value = values.get(name, default)
    if not isinstance(value, str):
        raise bad_request(f"{name} must be a string")
    return value


def number_of(values: Mapping[str, Any], name: str) -> float:
    """A member that must be a number."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad_request(f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:
        raise bad_request(f"{name} is out of range") from None


def count_of(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A query parameter that must be a whole number from 0 to ``most``."""
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise bad_request(f"{name} must be a whole number")
    if int(text) > most:
        raise bad_request(f"{name} is at most {most}")
    return int(text)


def _pairs(text: str, what: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_FIELDS
        )
    except (ValueError, UnicodeDecodeError):
        raise bad_request(f"the {what} is malformed") from None


def _only(found: Mapping[str, object], known: Iterable[str], what: str) -> None:
    names = set(known)
    unknown = sorted(str(name)[:40] for name in found if name not in names)
    if unknown:
        raise bad_request(f"unknown {what} {', '.join(unknown[:5])}; known: {', '.join(sorted(names)) or 'none'}")
