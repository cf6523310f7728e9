"""The options of COPY as its statement gives them (manual, COPY)."""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from hoopgate.codecs.postgresql.copy_rows import CopyFormat, CopyOptions

_FORMATS: Final[dict[str, CopyFormat]] = {"text": "text", "csv": "csv", "binary": "binary"}
_OUTPUT: Final = frozenset({"format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"})
_INPUT: Final = _OUTPUT | {
    "default", "force_not_null", "force_null", "freeze", "log_verbosity", "on_error", "reject_limit"
}  # fmt: skip
_HEADER: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}

Options = dict[str, Any]


class UnknownOptionError(ValueError):
    """An option, or a value of one, that this release does not know; its text is a sentence for the author."""


def output_options(node: dict[str, Any]) -> tuple[CopyOptions, str]:
    """The options of a CopyStmt TO, and its ENCODING, empty for client_encoding. Raises UnknownOptionError."""
    options = _options(node, _OUTPUT)
    # Quotes around more fields than asked for are the same CSV; which positions the names have is not known.
    quoted = bool(options.get("force_quote", {}))
    return _common(options, header=_header(options), quoted=quoted), _text(options.get("encoding"))


def input_options(node: dict[str, Any]) -> tuple[CopyOptions, str]:
    """The same of a CopyStmt FROM. HEADER is not told: a row more is looked at, and none is missed."""
    options = _options(node, _INPUT)
    return evolve(_common(options), force_not_null="force_not_null" in options), _text(options.get("encoding"))


def _common(options: Options, *, header: bool = False, quoted: bool = False) -> CopyOptions:
    return CopyOptions(
        format=_format(options),
        delimiter=_marker(options, "delimiter"),
        null=_marker(options, "null"),
        quote=_marker(options, "quote"),
        escape=_marker(options, "escape"),
        header=header,
        force_quote_all=quoted,
    )


def _options(node: dict[str, Any], known: frozenset[str]) -> Options:
    """The options by name. A repeated one is an error of PostgreSQL's, so the last will do."""
    found: Options = {}
    for option in node.get("options", ()):
        element = option["DefElem"]
        if element["defname"] not in known:
            raise UnknownOptionError(f"the gateway does not know COPY's option {element['defname']}")
        found[element["defname"]] = element.get("arg", {"Boolean": {"boolval": True}})
    return found


def _format(options: Options) -> CopyFormat:
    name = _text(options["format"]) if "format" in options else "text"
    if name not in _FORMATS:
        raise UnknownOptionError(f"the gateway does not know COPY's format {name}")
    return _FORMATS[name]


def _marker(options: Options, name: str) -> bytes | None:
    if name not in options:
        return None
    text = _text(options[name])
    if not text.isascii():
        raise UnknownOptionError(f"COPY's {name} must be ASCII where columns are masked")
    return text.encode()


def _text(value: Any) -> str:
    return str(value.get("String", {}).get("sval", "")) if isinstance(value, dict) else ""


def _header(options: Options) -> bool:
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
