"""Fixed values of PostgreSQL's own types, in text and in binary (source, ``catalog/pg_type.dat`` and ``adt/*send``)."""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class Fixed:
    text: bytes
    binary: bytes


def _zeros(text: str, size: int) -> Fixed:
    return Fixed(text.encode("ascii"), b"\0" * size)


_EMPTY_RANGE: Final = Fixed(b"empty", b"\x01")  # RANGE_EMPTY
_EMPTY_MULTIRANGE: Final = Fixed(b"{}", b"\0" * 4)

FIXED: Final[dict[int, Fixed]] = {
    16: Fixed(b"f", b"\0"),  # bool
    17: Fixed(b"\\x2a2a2a2a", b"****"),  # bytea
    18: Fixed(b"*", b"*"),  # "char"
    20: _zeros("0", 8),  # int8
    21: _zeros("0", 2),  # int2
    23: _zeros("0", 4),  # int4
    26: _zeros("0", 4),  # oid
    114: Fixed(b"{}", b"{}"),  # json
    142: Fixed(b"****", b"****"),  # xml: content, not a document
    600: _zeros("(0,0)", 16),  # point
    650: Fixed(b"0.0.0.0/32", b"\x02\x20\x01\x04\0\0\0\0"),  # cidr: family, bits, is_cidr, length, address
    700: _zeros("0", 4),  # float4
    701: _zeros("0", 8),  # float8
    774: _zeros("00:00:00:00:00:00:00:00", 8),  # macaddr8
    790: _zeros("$0.00", 8),  # money
    829: _zeros("00:00:00:00:00:00", 6),  # macaddr
    869: Fixed(b"0.0.0.0", b"\x02\x20\0\x04\0\0\0\0"),  # inet
    1082: _zeros("2000-01-01", 4),  # date: days since 2000-01-01
    1083: _zeros("00:00:00", 8),  # time
    1114: _zeros("2000-01-01 00:00:00", 8),  # timestamp: microseconds since 2000-01-01
    1184: _zeros("2000-01-01 00:00:00+00", 8),  # timestamptz
    1186: _zeros("00:00:00", 16),  # interval
    1266: _zeros("00:00:00+00", 12),  # timetz
    1562: _zeros("", 4),  # varbit
    1700: _zeros("0", 8),  # numeric: no digits, weight, sign, scale
    2950: _zeros("00000000-0000-0000-0000-000000000000", 16),  # uuid
    3614: _zeros("", 4),  # tsvector
    3802: Fixed(b"{}", b"\x01{}"),  # jsonb: version, text
    3904: _EMPTY_RANGE,  # int4range
    3906: _EMPTY_RANGE,  # numrange
    3908: _EMPTY_RANGE,  # tsrange
    3910: _EMPTY_RANGE,  # tstzrange
    3912: _EMPTY_RANGE,  # daterange
    3926: _EMPTY_RANGE,  # int8range
    4451: _EMPTY_MULTIRANGE,  # int4multirange
    4532: _EMPTY_MULTIRANGE,  # nummultirange
    4533: _EMPTY_MULTIRANGE,  # tsmultirange
    4534: _EMPTY_MULTIRANGE,  # tstzmultirange
    4535: _EMPTY_MULTIRANGE,  # datemultirange
    4536: _EMPTY_MULTIRANGE,  # int8multirange
}

ARRAYS: Final[dict[int, int]] = {
    143: 142, 199: 114, 651: 650, 775: 774, 791: 790, 1000: 16, 1001: 17, 1002: 18, 1003: 19, 1005: 21,
    1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1017: 600, 1021: 700, 1022: 701, 1028: 26, 1040: 829,
    1041: 869, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1187: 1186, 1231: 1700, 1270: 1266, 1561: 1560,
    1563: 1562, 2951: 2950, 3643: 3614, 3807: 3802, 3905: 3904, 3907: 3906, 3909: 3908, 3911: 3910, 3913: 3912,
    3927: 3926,
}  # fmt: skip
"""Array types and the types of their elements: an empty array is valid for each."""
