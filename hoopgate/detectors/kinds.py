"""The kinds of values that detectors know: their patterns, what checks them, and how they begin.

Patterns are RE2's (linear time) over bytes; ASCII means itself in every client_encoding that a mask can be in.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from hoopgate.detectors.checks import (
    Check,
    address,
    always,
    apart,
    card,
    crc_token,
    iban,
    jwt,
    private_key,
    social_security,
)

_TOKEN: Final = rb"[A-Za-z0-9_.+/=%-]"


@frozen
class Kind:
    """One kind.

    ``pattern`` finds candidates, ``check`` says which of them are. ``opening`` matches every beginning of a candidate
    (as far as more data may decide what it is): a stream keeps such an end back. ``endless``: what a candidate goes on
    with, where it has no bound. ``family`` is another name for it and its like.
    """

    name: str
    family: str
    pattern: bytes
    opening: bytes
    check: Check = apart
    endless: bytes = b""
    says: str = ""


def _token(name: str, prefix: bytes, body: bytes, says: str, check: Check = apart) -> Kind:
    """A token with a prefix: it begins as any word does."""
    endless = _TOKEN if body.endswith((b",}", b"*")) else b""
    return Kind(name, "secrets", prefix + body, _TOKEN + b"+", check, endless, says)


_GROUPED: Final = (
    rb"[0-9]{13,19}"
    rb"|[0-9]{4}(?: [0-9]{4}){2} [0-9]{1,4}(?: [0-9]{3})?|[0-9]{4}(?:-[0-9]{4}){2}-[0-9]{1,4}(?:-[0-9]{3})?"
    rb"|[0-9]{4} [0-9]{6} [0-9]{4,5}|[0-9]{4}-[0-9]{6}-[0-9]{4,5}"
)

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "card", "financial", _GROUPED, rb"[0-9](?:[ -]?[0-9]){0,21}[ .-]?", card,
            says="payment cards: issuer's range, length, Luhn's digit; together or in groups",
        ),
        Kind(
            "iban", "financial", rb"[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}",
            rb"[A-Za-z]{1,2}(?:[0-9]{1,2}(?: ?[A-Za-z0-9]){0,30} ?)?", iban,
            says="account numbers: country's length, check digits modulo 97",
        ),
        Kind(
            "email", "personal",
            rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]*"
            rb"@(?:[A-Za-z0-9\x80-\xff-]+\.)+[A-Za-z\x80-\xff]{2,}",
            rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]*"
            rb"(?:@[A-Za-z0-9.\x80-\xff-]*)?",
            address, says="e-mail addresses",
        ),
        Kind(
            "us-ssn", "personal", rb"[0-9]{3}-[0-9]{2}-[0-9]{4}", rb"[0-9]{1,3}(?:-[0-9]{0,2}(?:-[0-9]{0,4}-?)?)?",
            social_security, says="US Social Security numbers, with their hyphens",
        ),
        Kind(
            "private-key", "secrets",
            rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.()<>@_-]*",
            rb"-{1,5}|-----(?:B|BE|BEG|BEGI|BEGIN|BEGIN [A-Z0-9 -]*)"
            rb"|-----BEGIN [A-Z0-9 ]+-----[A-Za-z0-9+/=\s\\:,.()<>@_-]*",
            private_key, rb"[A-Za-z0-9+/=\s\\:,.()<>@_-]", "private keys in PEM and PGP armour",
        ),
        _token(
            "jwt", rb"", rb"eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*", "JSON Web Tokens", jwt
        ),
        Kind(
            "url-password", "secrets", rb"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>]*:[^\s/@\"'<>]+@",
            rb"[A-Za-z][A-Za-z0-9+.-]*(?::(?:/(?:/[^\s/@\"'<>]*)?)?)?", always,
            says="URLs with a password in them, up to the @",
        ),
        _token("aws-access-key", rb"(?:AKIA|ASIA|AROA|AIDA)", rb"[A-Z2-7]{16}", "AWS access key ids"),
        _token("github-token", rb"gh[pousr]_", rb"[A-Za-z0-9]{36}", "GitHub tokens, with their checksum", crc_token),
        _token("github-fine-token", rb"github_pat_", rb"[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", "GitHub fine-grained tokens"),
        _token("npm-token", rb"npm_", rb"[A-Za-z0-9]{36}", "npm tokens, with their checksum", crc_token),
        _token("gitlab-token", rb"gl(?:pat|dt|rt|cbt|ptt|ft|agent|oas|soat)-", rb"[A-Za-z0-9_-]{20,}", "GitLab tokens"),
        _token("pypi-token", rb"pypi-AgEIcHlwaS5vcmc", rb"[A-Za-z0-9_-]{50,}", "PyPI tokens"),
        _token("slack-token", rb"xox[abeoprs]-", rb"[A-Za-z0-9-]{10,}", "Slack tokens"),
        _token("stripe-key", rb"(?:sk|rk)_(?:live|test)_", rb"[A-Za-z0-9]{16,}", "Stripe secret keys"),
        _token("google-key", rb"AIza", rb"[A-Za-z0-9_-]{35}", "Google API keys"),
        _token("google-oauth", rb"(?:ya29\.|GOCSPX-)", rb"[A-Za-z0-9_-]{20,}", "Google OAuth secrets"),
        _token("openai-key", rb"sk-", rb"[A-Za-z0-9_-]{16,}T3BlbkFJ[A-Za-z0-9_-]{16,}", "OpenAI keys"),
        _token("anthropic-key", rb"sk-ant-", rb"[A-Za-z0-9_-]{24,}", "Anthropic keys"),
        _token("sendgrid-key", rb"SG\.", rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "SendGrid keys"),
        _token("vault-token", rb"hv[sbr]\.", rb"[A-Za-z0-9_-]{24,}", "HashiCorp Vault tokens"),
        _token("digitalocean-token", rb"do[opr]_v1_", rb"[a-f0-9]{64}", "DigitalOcean tokens"),
        _token("hoopgate-token", rb"hgt_", rb"[A-Za-z0-9]{54}", "this gateway's own tokens"),
        _token("age-key", rb"AGE-SECRET-KEY-1", rb"[02-9AC-HJ-NP-Z]{58}", "age secret keys"),
    )
}  # fmt: skip

FAMILIES: Final = {
    family: tuple(kind.name for kind in KINDS.values() if kind.family == family)
    for family in ("financial", "personal", "secrets")
}
"""Names that stand for several kinds."""


def chosen(names: tuple[str, ...]) -> tuple[Kind, ...]:
    """The kinds that ``names``, of kinds or families, stand for, each once. Raises KeyError for an unknown name."""
    found: dict[str, Kind] = {}
    for name in names:
        for kind in FAMILIES.get(name, (name,)):
            found[kind] = KINDS[kind]
    return tuple(found.values())
