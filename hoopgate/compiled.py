"""Which of two builds of the core runs: compiled ahead of time by mypyc, or the same sources interpreted.

The modules listed here carry every message and every row. Where a C compiler is at hand when hoopgate is installed,
``setup.py`` compiles them together, as one group; everywhere else Python runs the very same files. Both behave alike.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hoopgate.errors import HoopgateError

MODULES: Final = (
    "hoopgate.catalogue.sure",
    "hoopgate.chain",
    "hoopgate.codecs.postgresql.answers",
    "hoopgate.codecs.postgresql.backend",
    "hoopgate.codecs.postgresql.backend_parsers",
    "hoopgate.codecs.postgresql.conversation",
    "hoopgate.codecs.postgresql.copy",
    "hoopgate.codecs.postgresql.copy_binary",
    "hoopgate.codecs.postgresql.copy_csv",
    "hoopgate.codecs.postgresql.copy_input",
    "hoopgate.codecs.postgresql.copy_rows",
    "hoopgate.codecs.postgresql.copy_text",
    "hoopgate.codecs.postgresql.encodings",
    "hoopgate.codecs.postgresql.fields",
    "hoopgate.codecs.postgresql.framer",
    "hoopgate.codecs.postgresql.frontend",
    "hoopgate.codecs.postgresql.messages",
    "hoopgate.codecs.postgresql.names",
    "hoopgate.codecs.postgresql.outgoing",
    "hoopgate.codecs.postgresql.owed",
    "hoopgate.codecs.postgresql.question",
    "hoopgate.codecs.postgresql.reading",
    "hoopgate.codecs.postgresql.requests",
    "hoopgate.codecs.postgresql.reworded",
    "hoopgate.codecs.postgresql.rows",
    "hoopgate.codecs.postgresql.splice",
    "hoopgate.codecs.seek",
    "hoopgate.codecs.ssh.backlog",
    "hoopgate.codecs.ssh.channels",
    "hoopgate.codecs.ssh.connection",
    "hoopgate.codecs.ssh.messages",
    "hoopgate.codecs.ssh.sending",
    "hoopgate.conch.ciphers",
    "hoopgate.conch.fields",
    "hoopgate.conch.packets",
    "hoopgate.frames",
    "hoopgate.guards.copy_check",
    "hoopgate.guards.mask",
    "hoopgate.guards.mask_judged",
    "hoopgate.guards.mask_known",
    "hoopgate.guards.mask_memory",
    "hoopgate.guards.mask_moved",
    "hoopgate.guards.mask_plans",
    "hoopgate.guards.mask_reworded",
    "hoopgate.guards.mask_writes",
    "hoopgate.guards.places",
    "hoopgate.guards.printed",
    "hoopgate.guards.record",
    "hoopgate.guards.statements",
    "hoopgate.guards.witness",
    "hoopgate.guards.write_back",
    "hoopgate.holders",
    "hoopgate.inference",
    "hoopgate.lane",
    "hoopgate.masks",
    "hoopgate.pauser",
    "hoopgate.policy.engine",
    "hoopgate.policy.lineage.remembered",
    "hoopgate.policy.memory",
    "hoopgate.policy.ruling",
    "hoopgate.policy.sql.condense",
    "hoopgate.policy.sql.shape",
    "hoopgate.policy.standing",
    "hoopgate.protocols.postgresql.lanes",
    "hoopgate.protocols.postgresql.relay",
    "hoopgate.protocols.ssh.lanes",
    "hoopgate.protocols.ssh.relay",
    "hoopgate.protocols.ssh.wires",
    "hoopgate.recorders.chain",
    "hoopgate.recorders.credentials",
    "hoopgate.recorders.events",
    "hoopgate.recorders.fields",
    "hoopgate.recorders.recording",
    "hoopgate.recorders.redact",
    "hoopgate.recorders.spoolfile",
    "hoopgate.session",
    "hoopgate.transforms",
    "hoopgate.transport.endpoint",
    "hoopgate.transport.poller",
    "hoopgate.transport.sending",
    "hoopgate.transport.stream",
    "hoopgate.transport.tls",
    "hoopgate.wire",
)

NOTE: Final = Path(__file__).with_name("core.txt")  # setup.py's word on why it compiled nothing
"""Written at install, beside this file; absent where the sources run from a checkout."""


class BuildError(HoopgateError):
    """Some modules of the core are compiled and some are not: the installation is damaged."""


def compiled_modules() -> tuple[str, ...]:
    """Those of MODULES that are, or would be, imported from an extension module."""
    return tuple([name for name in MODULES if _origin(name).endswith(tuple(EXTENSION_SUFFIXES))])


def core() -> str:
    """One line: ``compiled``, ``interpreted (why; see docs/howto/install.md)`` or ``mixed (...)``."""
    count = len(compiled_modules())
    if count == len(MODULES):
        return "compiled"
    if count:
        return f"mixed ({count} of its {len(MODULES)} modules are compiled: install hoopgate again)"
    return f"interpreted ({_reason()}; see docs/howto/install.md)"


def require_whole_core() -> None:
    """Raises BuildError where only a part of the core is compiled: its modules then stem from different sources."""
    found = core()
    if found.startswith("mixed"):
        raise BuildError(f"the core is {found}")


def _origin(name: str) -> str:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded.__file__ or ""
    spec = find_spec(name)
    return (spec.origin or "") if spec is not None else ""


def _reason() -> str:
    try:
        return NOTE.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "the sources of a checkout"
