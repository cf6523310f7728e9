"""The options of COPY TO STDOUT as its statement gives them (manual, COPY)."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.codecs.postgresql.copy_rows import CopyFormat, CopyOptions

_FORMATS: Final[dict[str, CopyFormat]] = {"text": "text", "csv": "csv", "binary": "binary"}
_KNOWN: Final = frozenset({"format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"})
_HEADER: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


class UnknownOptionError(ValueError):
    """An option, or a value of one, that this release does not know; its text is a sentence for the author."""


def copy_options(node: dict[str, Any]) -> tuple[CopyOptions, str]:
    """The options of a CopyStmt, and its ENCODING, empty for client_encoding. Raises UnknownOptionError."""
    options = _options(node)
    found = CopyOptions(
        format=_format(options),
        delimiter=_marker(options, "delimiter"),
        null=_marker(options, "null"),
        quote=_marker(options, "quote"),
        escape=_marker(options, "escape"),
        header=_header(options),
        # Quotes around more fields than asked for are the same CSV; which positions the names have is not known.
        force_quote_all=bool(options.get("force_quote", {})),
    )
    return found, _text(options.get("encoding"))


def _options(node: dict[str, Any]) -> dict[str, Any]:
    """The options by name. A repeated one is an error of PostgreSQL's, so the last will do."""
    found: dict[str, Any] = {}
    for option in node.get("options", ()):
        element = option["DefElem"]
        if element["defname"] not in _KNOWN:
            raise UnknownOptionError(f"the gateway does not know COPY's option {element['defname']}")
        found[element["defname"]] = element.get("arg", {"Boolean": {"boolval": True}})
    return found


def _format(options: dict[str, Any]) -> CopyFormat:
    name = _text(options["format"]) if "format" in options else "text"
    if name not in _FORMATS:
        raise UnknownOptionError(f"the gateway does not know COPY's format {name}")
    return _FORMATS[name]


def _marker(options: dict[str, Any], name: str) -> bytes | None:
    if name not in options:
        return None
    text = _text(options[name])
    if not text.isascii():
        raise UnknownOptionError(f"COPY's {name} must be ASCII where columns are masked")
    return text.encode()


def _text(value: Any) -> str:
    return str(value.get("String", {}).get("sval", "")) if isinstance(value, dict) else ""


def _header(options: dict[str, Any]) -> bool:
    """Whether a header line comes first: taken for one, a line of data would pass unmasked, so only the forms that
    PostgreSQL knows count (source, ``commands/copy.c``: defGetCopyHeaderOption)."""
    value = options.get("header", {"Boolean": {}})
    if "Boolean" in value:
        return bool(value["Boolean"].get("boolval"))
    if "Integer" in value:
        word = str(value["Integer"].get("ival", 0))
    else:
        word = _text(value).lower()
    if word not in _HEADER:
        raise UnknownOptionError("the gateway does not know this value of COPY's HEADER")
    return _HEADER[word]
