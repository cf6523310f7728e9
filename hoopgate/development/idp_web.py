"""DEVELOPMENT ONLY: the development provider's web resources."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_plus, urlsplit

from twisted.web.resource import Resource
from twisted.web.server import Request

from hoopgate.development.idp_grants import GrantError
from hoopgate.identity.urls import is_loopback_host

if TYPE_CHECKING:
    from hoopgate.development.idp import DevelopmentIssuer

MARK = "DEVELOPMENT - whoever reaches this provider can be anybody - never use it in production"

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>DEVELOPMENT sign-in</title>
<style>body{{font:1rem system-ui;max-width:40rem;margin:0 auto;padding:1rem}}
.mark{{background:#b00020;color:#fff;font-weight:bold;padding:1rem;border:4px dashed #fff;outline:4px solid #b00020}}
button,input{{font:inherit;padding:.5rem;margin:.25rem 0}}</style></head>
<body><p class="mark" role="alert">{mark}</p>{body}<p class="mark">{mark}</p></body></html>"""


def _page(body: str) -> bytes:
    return _PAGE.format(mark=MARK, body=body).encode()


def _json(request: Request, value: Any, status: int = 200) -> bytes:
    request.setResponseCode(status)
    request.setHeader("Content-Type", "application/json")
    return json.dumps(value, indent=1).encode() + b"\n"


def _field(request: Request, name: str) -> str:
    values: list[bytes] = request.args.get(name.encode(), []) if request.args else []
    return values[0].decode("utf-8", "replace") if len(values) == 1 else ""


class _Guarded(Resource):
    """Refuses who is not on this machine, or was led here by a foreign page (DNS rebinding, forged forms)."""

    isLeaf = True  # noqa: N815 - twisted's word

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        Resource.__init__(self)
        self.issuer = issuer

    def render(self, request: Request) -> bytes:
        request.setHeader("X-Hoopgate-Development", MARK)
        request.setHeader("Cache-Control", "no-store")
        request.setHeader("X-Frame-Options", "DENY")
        request.setHeader(
            "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
        )
        if not self._is_local(request):
            request.setResponseCode(403)
            return _page("<p>Only this machine may use it, and only under its own address.</p>")
        answer: bytes = Resource.render(self, request)
        return answer

    def _is_local(self, request: Request) -> bool:
        peer = getattr(request.getClientAddress(), "host", "")
        host = urlsplit("//" + (request.getHeader("host") or "")).hostname or ""
        origin = request.getHeader("origin")
        own = origin is None or urlsplit(origin).netloc == request.getHeader("host")
        return is_loopback_host(peer) and is_loopback_host(host) and own


class Root(Resource):
    """Everything under the issuer's URL."""

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        Resource.__init__(self)
        known = Resource()
        known.putChild(b"openid-configuration", _Document(issuer, issuer.metadata))
        self.putChild(b"", _Front(issuer))
        self.putChild(b".well-known", known)
        self.putChild(b"jwks", _Document(issuer, issuer.jwks))
        self.putChild(b"token", _Token(issuer))
        self.putChild(b"device_authorization", _DeviceAuthorization(issuer))
        self.putChild(b"device", _DevicePage(issuer))
        self.putChild(b"persona", _Persona(issuer))


class _Document(_Guarded):
    def __init__(self, issuer: DevelopmentIssuer, make: Any) -> None:
        super().__init__(issuer)
        self._make = make

    def render_GET(self, request: Request) -> bytes:
        return _json(request, self._make())


class _Front(_Guarded):
    def render_GET(self, request: Request) -> bytes:
        people = "".join(
            f"<li><b>{escape(person.name)}</b>: {escape(', '.join(person.groups) or 'no groups')}</li>"
            for person in self.issuer.people.values()
        )
        return _page(f"<h1>Development identity provider</h1><p>It vouches for:</p><ul>{people}</ul>")


class _Persona(_Guarded):
    """``POST /persona/NAME`` answers with a token for NAME at once."""

    def render_POST(self, request: Request) -> bytes:
        name = "/".join(part.decode("utf-8", "replace") for part in request.postpath or [])
        if name not in self.issuer.people:
            return _json(request, {"error": "invalid_request", "error_description": "no such person"}, 404)
        return _json(request, {"access_token": self.issuer.token(name), "token_type": "Bearer"})


class _DeviceAuthorization(_Guarded):
    def render_POST(self, request: Request) -> bytes:
        if _field(request, "client_id") != self.issuer.audience:
            return _json(request, {"error": "invalid_client"}, 401)
        try:
            code, user_code, lifetime, interval = self.issuer.grants.start()
        except GrantError as error:
            return _json(request, {"error": str(error)}, 400)
        page = f"{self.issuer.url}/device"
        return _json(
            request,
            {
                "device_code": code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={quote(user_code)}",
                "expires_in": int(lifetime),
                "interval": interval if interval % 1 else int(interval),
            },
        )


class _DevicePage(_Guarded):
    def render_GET(self, request: Request) -> bytes:
        code = escape(_field(request, "user_code"), quote=True)
        buttons = "".join(
            f'<button name="person" value="{escape(name, quote=True)}">Be {escape(name)}</button> '
            for name in self.issuer.people
        )
        return _page(
            '<h1>A device wants to sign in</h1><form method="post"><label>Code shown on the device<br>'
            f'<input name="user_code" value="{code}" autocomplete="off" required></label><p>{buttons}'
            '<button name="person" value="">Refuse</button></p></form>'
        )

    def render_POST(self, request: Request) -> bytes:
        name = _field(request, "person")
        if name and name not in self.issuer.people:
            request.setResponseCode(400)
            return _page("<p>There is no such person.</p>")
        if not self.issuer.grants.decide(_field(request, "user_code"), name or None):
            request.setResponseCode(400)
            return _page("<p>No device waits with this code: it may have expired, or was decided before.</p>")
        return _page(f"<h1>{'Signed in' if name else 'Refused'}</h1><p>You may go back to the terminal.</p>")


class _Token(_Guarded):
    def render_POST(self, request: Request) -> bytes:
        try:
            return _json(request, self._grant(request))
        except GrantError as error:
            return _json(request, {"error": str(error)}, 401 if str(error) == "invalid_client" else 400)

    def _grant(self, request: Request) -> dict[str, Any]:
        kind = _field(request, "grant_type")
        if kind == "client_credentials":
            return self._answer(self._client(request), refresh=False)
        if _field(request, "client_id") != self.issuer.audience:
            raise GrantError("invalid_client")
        if kind == self.issuer.grants.DEVICE_CODE:
            return self._answer(self.issuer.grants.poll(_field(request, "device_code")), refresh=True)
        if kind == "refresh_token":
            return self._answer(self.issuer.grants.use_refresh(_field(request, "refresh_token")), refresh=True)
        raise GrantError("unsupported_grant_type")

    def _answer(self, name: str, *, refresh: bool) -> dict[str, Any]:
        token = self.issuer.token(name)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.issuer.lifetime)}
        if refresh:
            answer |= {"id_token": token, "refresh_token": self.issuer.grants.new_refresh(name)}
        return answer

    def _client(self, request: Request) -> str:
        """The workload that the request's client id and secret prove (RFC 6749, 2.3.1)."""
        name, secret = _field(request, "client_id"), _field(request, "client_secret")
        scheme, _, value = (request.getHeader("authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = b64decode(value, validate=True).decode("ascii").partition(":")
            except ValueError:
                raise GrantError("invalid_client") from None
            name, secret = unquote_plus(name), unquote_plus(secret)
        person = self.issuer.people.get(name)
        if person is None or not person.secret or not hmac.compare_digest(person.secret.encode(), secret.encode()):
            raise GrantError("invalid_client")
        return name
