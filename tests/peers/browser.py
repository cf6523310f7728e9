"""A person in front of the development provider's page."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener


def be_person(address: str, person: str) -> str:
    """Open the page, choose the person ("": refuse); the page that answers. Blocks."""
    browser = build_opener(ProxyHandler({}))
    with browser.open(address, timeout=10) as response:
        page = response.read().decode()
    assert "DEVELOPMENT" in page
    code = parse_qs(urlsplit(address).query)["user_code"][0]
    body = urlencode({"user_code": code, "person": person}).encode()
    with browser.open(address.partition("?")[0], body, timeout=10) as response:
        answer: str = response.read().decode()
    return answer
