"""What tells a secret from text of the same shape: check digits, registered lengths, checksums within tokens.

Each check takes the data and the span ``start:end`` that a pattern matched, and returns the end of what is really the
secret, or 0 if it is none.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable
from typing import Final

Check = Callable[[bytes, int, int], int]

_DIGITS: Final = b"0123456789"
_HEX: Final = b"0123456789abcdefABCDEF"
_WORD: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# SWIFT's IBAN registry: length by country.
_IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


def apart(data: bytes, start: int, end: int) -> int:
    """A token that no letter, digit or underscore touches."""
    if start and data[start - 1] in _WORD:
        return 0
    return 0 if end < len(data) and data[end] in _WORD else end


def card(data: bytes, start: int, end: int) -> int:
    """A payment card's number (ISO/IEC 7812): an issuer's range, a length that it uses, Luhn's check digit.

    Not within a longer number, a decimal fraction or hexadecimal digits.
    """
    if start and data[start - 1] in _HEX:
        return 0
    if end < len(data) and data[end] in _HEX:
        return 0
    if start > 1 and data[start - 1] == 0x2E and data[start - 2] in _DIGITS:
        return 0
    if end + 1 < len(data) and data[end] == 0x2E and data[end + 1] in _DIGITS:
        return 0
    digits = bytes([byte for byte in data[start:end] if byte in _DIGITS])
    return end if _issued(digits) and _luhn(digits) else 0


def _issued(digits: bytes) -> bool:
    """American Express, Diners, Discover, JCB, Maestro, Mastercard, Mir, UnionPay, Visa."""
    size, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[:1] == b"4":
        return size in (13, 16, 19)
    if 51 <= two <= 55 or 2200 <= four <= 2204 or 2221 <= four <= 2720:
        return size == 16
    if two in (34, 37):
        return size == 15
    if two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305:
        return 14 <= size <= 19
    if 3528 <= four <= 3589 or four == 6011 or two in (62, 64, 65):
        return 16 <= size <= 19
    return two in (50, 56, 57, 58, 67, 63, 69) and size == 16


def _luhn(digits: bytes) -> bool:
    total = 0
    for place, byte in enumerate(reversed(digits)):
        value = byte - 0x30
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0 and digits.strip(b"0") != b""


def iban(data: bytes, start: int, end: int) -> int:
    """An account number (ISO 13616): its country's length, and 1 modulo 97."""
    if start and data[start - 1] in _WORD:
        return 0
    length = _IBAN_LENGTHS.get(data[start : start + 2].decode("ascii").upper(), 0)
    stop, found = start, ""
    while stop < end and len(found) < length:
        if data[stop] != 0x20:
            found += chr(data[stop])
        stop += 1
    if not length or len(found) < length or (stop < len(data) and data[stop] in _WORD):
        return 0
    turned = found[4:] + found[:4]
    return stop if int("".join(str(int(char, 36)) for char in turned)) % 97 == 1 else 0


def crc_token(data: bytes, start: int, end: int) -> int:
    """A token of GitHub's or npm's: behind ``_`` thirty characters, then their CRC-32 in six digits of base 62."""
    if not apart(data, start, end):
        return 0
    body, digits = data[end - 36 : end - 6], data[end - 6 : end]
    value = 0
    for digit in digits:
        value = value * 62 + _BASE62.index(digit)
    return end if value == zlib.crc32(body) else 0


def jwt(data: bytes, start: int, end: int) -> int:
    """A JSON Web Token (RFC 7519): the first part is the base64url of a JSON object with ``alg``."""
    head = data[start : data.index(b".", start)]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (ValueError, binascii.Error):
        return 0
    return end if isinstance(header, dict) and "alg" in header else 0


def private_key(data: bytes, start: int, end: int) -> int:
    """A PEM private key (RFC 7468): up to its END line, or as far as it could be one."""
    stop = data.find(b"-----END", start, end)
    close = data.find(b"-----", stop + 8, end) if stop >= 0 else -1
    return end if close < 0 else close + 5


def social_security(data: bytes, start: int, end: int) -> int:
    """A number of the US Social Security Administration, whose areas 000, 666 and 900 up are never given."""
    if not apart(data, start, end) or data[start - 1 : start] == b"-" or data[end : end + 1] == b"-":
        return 0
    area, group, serial = data[start : start + 3], data[start + 4 : start + 6], data[start + 7 : end]
    wrong = area in (b"000", b"666") or area >= b"900" or group == b"00" or serial == b"0000"
    return 0 if wrong else end


def address(data: bytes, start: int, end: int) -> int:
    """An e-mail address (RFC 5321): its local part neither begins nor ends with a dot, nor has two together."""
    local = data[start : data.index(b"@", start)]
    return 0 if local[-1:] == b"." or b".." in local else end


def always(data: bytes, start: int, end: int) -> int:
    """The pattern says all."""
    return end
