"""The API's routes, and the one resource that serves them: path and method, bearer token, view, JSON answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from hoopgate.console.call import JSON, Answer, Call, View
from hoopgate.console.problems import MEDIA_TYPE, Problem, bad_request, not_found, problem_of, unauthorized
from hoopgate.console.views import Rooms, Views
from hoopgate.interfaces import Identity

# The answers are JSON for programs: a browser may neither run, frame, sniff nor keep them. No CORS header is ever
# sent, so no page of another origin can read one (Fetch standard, section 3.2).
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "hoopgate",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LONGEST_SEGMENT: Final = 128


@frozen
class Route:
    """``pattern`` as in ``/v1/approvals/{id}``. Only ``bearer=False`` is served without a token."""

    method: str
    pattern: str
    view: View
    bearer: bool = True

    def match(self, segments: list[str]) -> dict[str, str] | None:
        wanted = self.pattern.split("/")[1:]
        if len(wanted) != len(segments):
            return None
        pairs = list(zip(wanted, segments, strict=True))
        if any(name != given for name, given in pairs if not name.startswith("{")):
            return None
        return {name[1:-1]: given for name, given in pairs if name.startswith("{")}


def routes(views: Views) -> tuple[Route, ...]:
    """In order: the first that matches serves."""
    return (
        Route("POST", "/v1/token", views.exchange, bearer=False),
        Route("POST", "/v1/token/revoke", views.revoke_token),
        Route("GET", "/v1/whoami", views.whoami),
        Route("GET", "/v1/targets", views.targets),
        Route("GET", "/v1/approvals", views.approvals),
        Route("GET", "/v1/approvals/watch", views.watch_approvals),
        Route("GET", "/v1/approvals/{id}", views.approval),
        Route("POST", "/v1/approvals/{id}/approve", views.approve),
        Route("POST", "/v1/approvals/{id}/deny", views.deny),
        Route("GET", "/v1/grants", views.grants),
        Route("POST", "/v1/grants", views.request_grant),
        Route("GET", "/v1/grants/{id}", views.grant),
        Route("POST", "/v1/grants/{id}/approve", views.approve_grant),
        Route("POST", "/v1/grants/{id}/deny", views.deny_grant),
        Route("POST", "/v1/grants/{id}/revoke", views.revoke_grant),
        Route("POST", "/v1/ssh/certificate", views.certificate),
        Route("GET", "/v1/sessions", views.sessions),
        Route("POST", "/v1/sessions/{id}/end", views.end_session),
    )


class Api(Resource):
    """The whole API as one leaf: nothing is served that no route names."""

    isLeaf = True  # noqa: N815 - twisted.web's name
    log = Logger()

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rooms = rooms
        self._routes = routes(Views(rooms))

    def render(self, request: Request) -> int:
        """Answer later; a client that leaves cancels what is done for it."""
        serving = Deferred.fromCoroutine(self._serve(request))
        gone = request.notifyFinish()
        gone.addErrback(lambda _: serving.cancel())
        serving.addErrback(self._broken)
        serving.addCallback(lambda answer: None if answer is None else send(request, answer))
        return NOT_DONE_YET

    async def _serve(self, request: Request) -> Answer | Problem:
        try:
            return await self._answer(request)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return problem

    async def _answer(self, request: Request) -> Answer:
        path, _, query = _target(request)
        route, variables = self._route(request.method.decode("ascii", "replace"), path)
        caller = await self._caller(request) if route.bearer else None
        content_type = _one_header(request, "Content-Type")
        body = request.content.read() if request.content is not None else b""
        return await route.view(Call(variables, query, content_type, body, caller))

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        segments = path.split("/")[1:]
        if any(len(segment) > _LONGEST_SEGMENT for segment in segments):
            raise not_found()
        matches = [(route, found) for route in self._routes if (found := route.match(segments)) is not None]
        for route, found in matches:
            if route.method == method:
                return route, found
        if not matches:
            raise not_found()
        allowed = ", ".join(sorted({route.method for route, _ in matches}))
        raise Problem(405, "method", "This method is not served here", f"use {allowed}", {"Allow": allowed})

    async def _caller(self, request: Request) -> Identity:
        scheme, _, token = _one_header(request, "Authorization").partition(" ")
        token = token.strip()
        if not scheme:
            raise unauthorized("")
        if scheme.lower() != "bearer" or not token or not token.isascii() or not token.isprintable():
            raise unauthorized("send Authorization: Bearer and one token")
        if len(token) > self._rooms.config().limits.token:
            raise unauthorized("the token is too long")
        identity = await self._rooms.authenticator.authenticate(token)
        cast(Any, request).trusted()
        return identity

    def _broken(self, failure: Failure) -> Problem | None:
        if isinstance(failure.value, CancelledError):
            return None
        self.log.failure("a call of the API failed", failure)
        return Problem(500, "internal", "The gateway failed", "see its log")


def send(request: Any, answer: Answer | Problem) -> None:
    """Write the whole answer and finish."""
    media_type, body = JSON, b""
    if isinstance(answer, Problem):
        media_type = MEDIA_TYPE
    value = answer.body() if isinstance(answer, Problem) else answer.body
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    request.setResponseCode(answer.status)
    for name, text in {**HEADERS, **answer.headers, "Content-Type": media_type}.items():
        request.setHeader(name, text)
    request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()


def _target(request: Request) -> tuple[str, str, str]:
    """Path and query of an origin-form target (RFC 9112, section 3.2.1); ids need no escapes, so none is undone."""
    try:
        path, mark, query = request.uri.decode("ascii").partition("?")
    except UnicodeDecodeError:
        raise bad_request("the path is not ASCII") from None
    return path, mark, query


def _one_header(request: Request, name: str) -> str:
    """The header's only value, or "". Two values could mean one thing to us and another to a proxy before us."""
    values = request.requestHeaders.getRawHeaders(name) or []
    if len(values) > 1:
        raise bad_request(f"{name} occurs twice")
    return str(values[0]) if values else ""
