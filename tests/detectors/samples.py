"""Secrets of every kind, none of them anybody's, and text that only resembles them."""

from __future__ import annotations

import base64
import json
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _checked(prefix: str, body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return prefix + body + digits


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


JWT = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part({'sub': 'alice'})}.c2lnbmF0dXJl"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY\n-----END EC PRIVATE KEY-----"

SECRETS: dict[str, tuple[str, ...]] = {
    "card": (
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444", "378282246310005",
        "3782 822463 10005", "6011111111111117", "3530111333300000", "2223003122003222", "30569309025904",
        "6205500000000000004", "4222222222222",
    ),
    "iban": ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "gb82west12345698765432", "NO9386011117947"),
    "email": ("alice@example.com", "o'brien+x@mail.example.co.uk", "jürgen@büro.example"),
    "us-ssn": ("123-45-6789",),
    "private-key": (KEY, KEY.replace("\n", "\\n"), KEY.replace("EC ", "")),
    "jwt": (JWT,),
    "url-password": ("postgres://app:hunter2@", "https://:t0k3n@"),
    "aws-access-key": ("AKIAIOSFODNN7EXAMPLE",),
    "github-token": (_checked("ghp_", "abcdefghijklmnopqrstuvwxyz0123"),),
    "github-fine-token": ("github_pat_" + "a" * 22 + "_" + "B9" * 29 + "x",),
    "npm-token": (_checked("npm_", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"),),
    "gitlab-token": ("glpat-" + "x1" * 10,),
    "pypi-token": ("pypi-AgEIcHlwaS5vcmc" + "a-" * 30,),
    "slack-token": ("xoxb-" + "1234567890-abcdef",),
    "stripe-key": ("sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",),
    "google-key": ("AIza" + "Sy" * 17 + "1",),
    "google-oauth": ("GOCSPX-" + "ab" * 14,),
    "openai-key": ("sk-proj-" + "a1" * 10 + "T3BlbkFJ" + "b2" * 10,),
    "anthropic-key": ("sk-ant-api03-" + "x-" * 20,),
    "sendgrid-key": ("SG." + "a" * 22 + "." + "b" * 43,),
    "vault-token": ("hvs." + "CAES" * 8,),
    "digitalocean-token": ("dop_v1_" + "0f" * 32,),
    "hoopgate-token": ("hgt_" + "a1" * 27,),
    "age-key": ("AGE-SECRET-KEY-1" + "QPZRY9X8" * 7 + "GF",),
}  # fmt: skip

HARMLESS = (
    "", "order 4111111111111112", "4111111111111111 1".replace(" ", ""), "0.4111111111111111", "a4111111111111111f",
    "1234567890123", "2024-05-01 12:34:56.123456+00", "DE89370400440532013001", "XX12 is no country's 3456 7890 1234",
    "not@home", "a@b", "user.@example", "ghp_" + "a" * 36, "npm_" + "Z" * 36, "eyJhYmMi.eyJk.x",
    "000-12-3456", "123-45-67890", "9123-45-6789", "https://example.com/a:b@c", "AKIAIOSFODNN7EXAMPLE1",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----", "sk-learn", "xoxo", "00000000000000000000",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "10.0.0.1:5432", "+49 30 1234567", "SG.short.x", "glpat-short",
)  # fmt: skip
