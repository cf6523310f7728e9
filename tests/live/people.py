"""An identity provider for the tests: the development issuer's tokens and keys, served by a thread, minted here."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hoopgate.development.idp import DevelopmentIssuer, Person

PEOPLE = (
    Person("ada", email="ada@example.com", groups=("analysts",)),
    Person("grace", email="grace@example.com", groups=("analysts", "approvers")),
    Person("edsger", email="edsger@example.com", groups=("approvers",)),
    # the same human as grace, under another subject
    Person("grace-too", email="grace@example.com", groups=("approvers",)),
    Person("scout", subject="ada", email="ada@example.com", groups=("agents",), claims={"act": {"sub": "scout"}}),
    Person("visitor", email="visitor@example.com", groups=("visitors",)),
    Person("operator", email="operator@example.com", groups=("operators",)),
)


class _Time:
    @staticmethod
    def seconds() -> float:
        return time.time()


class People:
    """``token(name)`` mints at once; ``url`` serves discovery and keys until ``stop``."""

    def __init__(self) -> None:
        self.issuer = DevelopmentIssuer(_Time(), PEOPLE)  # type: ignore[arg-type]
        documents = {
            "/.well-known/openid-configuration": self.issuer.metadata,
            "/jwks": self.issuer.jwks,
        }

        class Documents(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                make = documents.get(self.path)
                body = json.dumps(make()).encode() if make else b"{}"
                self.send_response(200 if make else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        self.url = self.issuer.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def token(self, name: str, *, lifetime: float | None = None, **claims: Any) -> str:
        return self.issuer.token(name, lifetime=lifetime, **claims)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
