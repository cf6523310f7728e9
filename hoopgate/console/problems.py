"""Errors of the API as problem documents (RFC 9457): one place says which of our errors is which status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, frozen

from hoopgate.errors import AuthenticationError, HoopgateError, LimitError, SecretError
from hoopgate.grants import ScopeError
from hoopgate.identity.keys import UnreachableIssuerError
from hoopgate.stores.records import AlreadyVotedError, NoSuchRecordError, RequestClosedError, StoreError
from hoopgate.voting import DigestMismatchError, NotEligibleError, ReasonError

MEDIA_TYPE: Final = "application/problem+json"


@frozen
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that says what went wrong. ``name`` is the last part of its ``type``, ``more`` further members."""

    status: int
    name: str
    title: str
    detail: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    more: Mapping[str, Any] = field(factory=dict)

    def body(self) -> dict[str, Any]:
        known = {"type": f"urn:hoopgate:problem:{self.name}", "title": self.title, "status": self.status}
        return {**known, **({"detail": self.detail} if self.detail else {}), **self.more}


def bad_request(detail: str) -> Problem:
    return Problem(400, "bad-request", "The request is malformed", detail)


def not_found() -> Problem:
    return Problem(404, "not-found", "There is nothing here")


def too_many(detail: str) -> Problem:
    return Problem(429, "too-many", "Too many at once", detail, {"Retry-After": "5"})


def unauthorized(detail: str) -> Problem:
    """RFC 6750, section 3: a request without a token is told the scheme and nothing more."""
    challenge = 'Bearer realm="hoopgate"' + (', error="invalid_token"' if detail else "")
    return Problem(
        401,
        "unauthorized",
        "A valid bearer token is needed",
        detail or "none was sent",
        {"WWW-Authenticate": challenge},
    )


def _closed(error: RequestClosedError) -> Problem:
    return Problem(409, "request-closed", "The request has ended", str(error), more={"state": error.state})


def _limit(error: LimitError) -> Problem:
    if error.limit == "limits.grant":
        return Problem(422, "limit", "A limit of the configuration was met", str(error), more={"limit": error.limit})
    return Problem(429, "limit", "A limit of the configuration was met", str(error), more={"limit": error.limit})


def _unavailable(error: HoopgateError) -> Problem:
    return Problem(503, "unavailable", "The gateway cannot do this now", str(error), {"Retry-After": "5"})


def _refused(status: int, name: str, title: str) -> Callable[[Any], Problem]:
    return lambda error: Problem(status, name, title, str(error))


# The first class that fits decides, so a subclass stands before its base.
_PROBLEMS: Final[tuple[tuple[type[Exception], Callable[[Any], Problem]], ...]] = (
    (UnreachableIssuerError, _unavailable),
    (AuthenticationError, lambda error: unauthorized(str(error))),
    (NoSuchRecordError, lambda error: not_found()),
    (RequestClosedError, _closed),
    (AlreadyVotedError, _refused(409, "already-voted", "One vote each")),
    (StoreError, lambda error: Problem(503, "store", "The store does not answer", headers={"Retry-After": "5"})),
    (SecretError, _unavailable),
    (NotEligibleError, _refused(403, "not-eligible", "You may not decide this")),
    (DigestMismatchError, _refused(409, "digest-mismatch", "This is not what you saw")),
    (ReasonError, _refused(422, "reason", "A fitting reason is needed")),
    (ScopeError, _refused(422, "scope", "This cannot be granted")),
    (LimitError, _limit),
)


def problem_of(error: Exception) -> Problem | None:
    """The problem document for an error of ours; None for one that is a bug."""
    if isinstance(error, Problem):
        return error
    return next((make(error) for kind, make in _PROBLEMS if isinstance(error, kind)), None)
