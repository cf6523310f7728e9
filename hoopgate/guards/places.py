"""Where a session looks for names without a schema: asked of the session itself, again after whatever may move it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.errors import QuestionError
from hoopgate.policy.sql.moving import EVERYWHERE
from hoopgate.verdicts import Block, Verdict

if TYPE_CHECKING:
    from hoopgate.session import Rows

SCHEMAS: Final = "SELECT s FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) s"
_NOWHERE: Final[frozenset[str]] = frozenset()  # the same for all sessions: each empty set takes 216 bytes


class Places:
    """What one session answered last. ``schemas``: None where it has to be asked first.

    ``unsettled``: something may be undone without any statement of the session, so that :meth:`settle` has to look
    before the next one.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        session.places = self  # for other guards: the masks' asks no question of its own
        self.schemas: tuple[str, ...] | None = None
        self.unsettled = False
        self._tentative = False  # the schemas were asked for where a failure would undo what they are
        self._moved = False  # something moved them since no transaction was open, so that its end may move them back
        self._seen = _NOWHERE  # schemas in which it ever looked

    def settle(self) -> None:
        """Another statement comes."""
        session = self._session
        if self._tentative:
            self._tentative, self.schemas = False, None
        # With all answered and no transaction open, implicit ones included, what moved them cannot be undone any more.
        if self._moved and not session.running and session.transaction == "I" and not session.tentative:
            self._moved = False
        self.unsettled = self._moved

    def move(self) -> None:
        """What runs now may move them."""
        self.schemas = None
        self._moved = self.unsettled = True

    def end(self) -> None:
        """A transaction ends, or goes back to a savepoint: what moved them in it may be undone."""
        if self._moved:
            self.schemas = None

    def ask(self, then: Callable[[], Verdict | Deferred[Verdict]]) -> Deferred[Verdict]:
        """Ask where names are looked for, then go on. Without an answer no rule could meet what is named: refuse."""

        def located(rows: Rows) -> Verdict | Deferred[Verdict]:
            self.schemas = tuple(name for (name,) in rows if name is not None)
            self._seen = self._seen.union(self.schemas)
            self._tentative = bool(self._session.tentative)
            self.unsettled = self._tentative or self._moved
            return then()

        return self._asked(SCHEMAS, located)

    def ask_everywhere(
        self, made: Iterable[str], then: Callable[[tuple[str, ...]], Verdict | Deferred[Verdict]]
    ) -> Deferred[Verdict]:
        """For a message that may turn names elsewhere in its course: all places where they may then be.

        ``made`` are schemas that it makes itself. Fires ``then`` with them, sorted.
        """

        def located(rows: Rows) -> Verdict | Deferred[Verdict]:
            self.schemas = None
            return then(tuple(sorted({*made, *self._seen, *(name for (name,) in rows if name is not None)})))

        return self._asked(EVERYWHERE, located)

    def _asked(self, question: str, located: Callable[[Any], Verdict | Deferred[Verdict]]) -> Deferred[Verdict]:
        answer: Deferred[Any] = self._session.ask(question)
        return answer.addCallbacks(located, _unlocated)


def _unlocated(failure: Failure) -> Verdict:
    error = failure.value
    if not isinstance(error, QuestionError):
        failure.raiseException()
    elif error.aborted:
        reason = "current transaction is aborted, commands ignored until end of transaction block"
        return Block(reason, rule="protocol.transaction", sqlstate="25P02")
    return Block(f"names cannot be judged: {error}", rule="protocol.search_path", sqlstate="57014")
