"""What happens when a canary is seen: the session ends, and people are told."""

from __future__ import annotations

from typing import Any, Final

from twisted.logger import Logger

log = Logger()
FOUND: Final = "an answer held a value that nobody has business with"


def alarm(session: Any, name: str) -> None:
    """End the session that read canary ``name``; the log, its recording and the metrics say so."""
    log.critical(
        "canary {canary}: session {session} of {subject} on {target} has read it, and is ended",
        canary=name,
        session=session.id,
        subject=session.identity.subject,
        target=session.target.name,
    )
    session.event("canary", canary=name)
    session.gateway.metrics.canaries.value += 1
    session.end(FOUND, rule=f"canary.{name}")
