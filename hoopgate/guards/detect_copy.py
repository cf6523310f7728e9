"""How a COPY OUT that no mask judged writes its rows."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from hoopgate.codecs.postgresql.copy import CopyOptions, unmaskable
from hoopgate.frames import Columns
from hoopgate.guards.mask_plans import MULTIBYTE_WITH_ASCII
from hoopgate.policy.sql.copying import UnknownOptionError, output_options
from hoopgate.policy.sql.parser import Parsed, Unparsable


def options_of(parser: Any, frame: Columns, encoding: str) -> CopyOptions | None:
    """The options of the one COPY TO STDOUT in the statement that ``frame`` answers.

    None if its rows cannot be edited: several in one message, options that leave open where fields end, or a text that
    only the worker process may parse. ``encoding``: the client's, as a Python codec.
    """
    if frame.statement is None:
        return None
    try:
        parsed = parser.parse(frame.statement.text)
        if not isinstance(parsed, Parsed):
            return None
        copies = [each["CopyStmt"] for each in parsed.statements if "CopyStmt" in each]
        if len(copies) != 1:
            return None
        options, named = output_options(copies[0])
    except (Unparsable, UnknownOptionError):
        return None
    if options.format != "binary" and not named and encoding in MULTIBYTE_WITH_ASCII:
        return None
    options = evolve(options, encoding=named or "UTF8")
    return None if unmaskable(options) else options
