"""PostgreSQL's client encodings as Python codecs (manual, "Character Set Support")."""

from __future__ import annotations

from typing import Final

_CODECS: Final = {
    "UTF8": "utf-8", "UNICODE": "utf-8", "SQLASCII": "utf-8", "LATIN1": "iso8859-1", "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3", "LATIN4": "iso8859-4", "LATIN5": "iso8859-9", "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13", "LATIN8": "iso8859-14", "LATIN9": "iso8859-15", "LATIN10": "iso8859-16",
    "ISO88595": "iso8859-5", "ISO88596": "iso8859-6", "ISO88597": "iso8859-7", "ISO88598": "iso8859-8",
    "KOI8R": "koi8-r", "KOI8U": "koi8-u", "WIN866": "cp866", "WIN874": "cp874", "WIN1250": "cp1250",
    "WIN1251": "cp1251", "WIN1252": "cp1252", "WIN1253": "cp1253", "WIN1254": "cp1254", "WIN1255": "cp1255",
    "WIN1256": "cp1256", "WIN1257": "cp1257", "WIN1258": "cp1258", "EUCJP": "euc_jp", "EUCKR": "euc_kr",
    "EUCCN": "gb2312", "SJIS": "cp932", "BIG5": "cp950", "GBK": "cp936", "GB18030": "gb18030", "UHC": "cp949",
    "JOHAB": "johab", "EUCJIS2004": "euc_jis_2004",
}  # fmt: skip


def codec(client_encoding: str) -> str | None:
    """The Python codec of a PostgreSQL encoding name; None where there is none (then nothing can be judged).

    SQL_ASCII is no encoding: its text is taken as UTF-8, and text that is not is refused by the caller. SHIFT_JIS_2004
    is left out: Python reads its bytes 5C and 7E as a yen sign and an overline, the server as backslash and tilde.
    """
    return _CODECS.get("".join(c for c in client_encoding.upper() if c.isalnum()))
