"""What each route of the API does. Every view is a coroutine from a Call to an Answer; errors are raised.

Who may do what: people see and withdraw what is their own; members of approver groups see and decide the requests
that ask for their groups; members of ``api.operators`` besides see every live session and every grant, end sessions
and revoke grants and tokens. Nobody else sees a statement of another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from hoopgate.approvals import Approvals
from hoopgate.config.model import Config
from hoopgate.console import shapes
from hoopgate.console.call import Answer, Call, count_of, number_of, text_of
from hoopgate.console.problems import Problem, bad_request
from hoopgate.console.reach import Reach
from hoopgate.console.ssh import issue_certificate
from hoopgate.console.watch import Watch
from hoopgate.errors import AuthenticationError
from hoopgate.grants import Grants, is_operator
from hoopgate.identity.exchange import OAuthError, exchange
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.identity.tokens import GatewayTokens
from hoopgate.interfaces import IAuthenticator, Identity, IStore
from hoopgate.stores.records import STATES, Audience, NoSuchRecordError, SessionRecord, State
from hoopgate.voting import checked_reason, is_own, person_of

LONGEST_WAIT: Final = 30  # seconds of a long poll
_WAIT: Final = 25


@frozen(eq=False)
class Rooms:
    """Everything the views reach; ``config()`` is what is in force now."""

    store: IStore
    approvals: Approvals
    grants: Grants
    authenticator: IAuthenticator
    tokens: GatewayTokens
    watch: Watch
    clock: IReactorTime
    config: Callable[[], Config]
    reach: Reach
    certificates: UserCertificates


class Views:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    # --- tokens

    async def exchange(self, call: Call) -> Answer:
        """RFC 8693. The answer's shape, errors included, is RFC 6749's and not a problem document's."""
        known = [target.name for target in self._rooms.config().targets]
        try:
            found = await exchange(call.form(), self._rooms.authenticator, self._rooms.tokens, known_targets=known)
        except OAuthError as error:
            return Answer(error.body(), error.status)
        except Problem as error:
            return Answer({"error": "invalid_request", "error_description": error.detail}, error.status)
        return Answer(found)

    async def revoke_token(self, call: Call) -> Answer:
        """RFC 7009, and by ``token_id`` besides. A token that is not known is as good as revoked."""
        form = call.form()
        if sorted(form) not in (["token"], ["token_id"], ["token", "token_type_hint"]):
            raise bad_request("send either token or token_id")
        if any(len(values) > 1 for values in form.values()):
            raise bad_request("send each parameter once")
        token_id = form["token_id"][0] if "token_id" in form else await self._id_of(form["token"][0])
        if token_id and await self._may_revoke(call.identity, token_id):
            await self._rooms.tokens.revoke(token_id, reason="revoked over the API", by=call.identity.key)
        return Answer({})

    async def _id_of(self, token: str) -> str:
        try:
            return (await self._rooms.tokens.verify(token)).token_id
        except AuthenticationError:
            return ""

    async def _may_revoke(self, caller: Identity, token_id: str) -> bool:
        record = await self._rooms.store.token_by_id(token_id)
        if record is None:
            return False
        if caller.targets and caller.token_id != token_id:
            return False
        own = f"{record.identity['issuer']}|{record.identity['subject']}" == caller.key
        reaches = not caller.chain or list(caller.chain) == list(record.identity["chain"])
        return (own and reaches) or is_operator(self._rooms.config(), caller)

    async def whoami(self, call: Call) -> Answer:
        caller = call.identity
        call.query()
        operator = is_operator(self._rooms.config(), caller)
        return Answer(shapes.whoami(caller, self._rooms.grants.active(caller), operator))

    async def targets(self, call: Call) -> Answer:
        """What the caller may open now, and where the gateway is reached for it."""
        call.query()
        config, reach = self._rooms.config(), self._rooms.reach
        return Answer(
            {
                "targets": [shapes.target(each, roles) for each, roles in reach.targets(config, call.identity)],
                "listeners": [
                    shapes.listener(each, reach.port(each), reach.host_keys(each)) for each in config.listeners
                ],
            }
        )

    async def certificate(self, call: Call) -> Answer:
        rooms = self._rooms
        return await issue_certificate(call, rooms.certificates, rooms.config(), rooms.reach)

    # --- approvals

    async def approvals(self, call: Call) -> Answer:
        states, limit = self._listing(call)
        found = await self._rooms.approvals.list(call.identity, states, limit + 1)
        return Answer(
            {
                "approvals": [shapes.approval_in_list(each, call.identity) for each in found[:limit]],
                "more": len(found) > limit,
                "sequence": await self._rooms.store.latest(),
            }
        )

    async def approval(self, call: Call) -> Answer:
        call.query()
        known = await self._rooms.approvals.get(call.path["id"], call.identity)
        return Answer(shapes.approval(known, call.identity))

    async def approve(self, call: Call) -> Answer:
        body = call.json(required=("digest",), optional=("reason",))
        decided = await self._rooms.approvals.decide(
            call.identity, call.path["id"], True, text_of(body, "reason"), text_of(body, "digest")
        )
        return Answer(shapes.approval(decided, call.identity))

    async def deny(self, call: Call) -> Answer:
        body = call.json(required=("reason",))
        decided = await self._rooms.approvals.decide(call.identity, call.path["id"], False, text_of(body, "reason"))
        return Answer(shapes.approval(decided, call.identity))

    async def watch_approvals(self, call: Call) -> Answer:
        query = call.query("since", "seconds")
        seconds = count_of(query, "seconds", _WAIT, LONGEST_WAIT)
        if "since" not in query:
            return await self._pending(call.identity, await self._rooms.store.latest())
        since = count_of(query, "since", 0, 2**53)
        news = await self._rooms.watch.news(call.identity, since, seconds)
        if news.requests is None:
            return await self._pending(call.identity, news.sequence)
        shown = [shapes.approval_in_list(each, call.identity) for each in news.requests]
        return Answer({"sequence": news.sequence, "approvals": shown})

    async def _pending(self, viewer: Identity, sequence: int) -> Answer:
        """Where a watcher begins: what waits now. Read after ``sequence``, so that nothing falls between."""
        most = self._rooms.config().limits.request_rows
        found = await self._rooms.approvals.list(viewer, ("pending",), most)
        return Answer({"sequence": sequence, "approvals": [shapes.approval_in_list(each, viewer) for each in found]})

    # --- grants

    async def grants(self, call: Call) -> Answer:
        states, limit = self._listing(call)
        found = await self._rooms.grants.list(call.identity, states, limit + 1)
        shown = [shapes.grant(each, call.identity) for each in found[:limit]]
        return Answer({"grants": shown, "more": len(found) > limit})

    async def request_grant(self, call: Call) -> Answer:
        body = call.json(required=("scope", "seconds", "reason"))
        asked = await self._rooms.grants.request(
            call.identity, text_of(body, "scope"), number_of(body, "seconds"), text_of(body, "reason")
        )
        return Answer(shapes.grant(asked, call.identity), 201, {"Location": f"/v1/grants/{asked.id}"})

    async def grant(self, call: Call) -> Answer:
        call.query()
        return Answer(shapes.grant(await self._rooms.grants.get(call.path["id"], call.identity), call.identity))

    async def approve_grant(self, call: Call) -> Answer:
        return await self._decide_grant(call, True, call.json(optional=("reason",)))

    async def deny_grant(self, call: Call) -> Answer:
        return await self._decide_grant(call, False, call.json(required=("reason",)))

    async def _decide_grant(self, call: Call, approve: bool, body: dict[str, Any]) -> Answer:
        decided = await self._rooms.grants.decide(call.identity, call.path["id"], approve, text_of(body, "reason"))
        return Answer(shapes.grant(decided, call.identity))

    async def revoke_grant(self, call: Call) -> Answer:
        reason = text_of(call.json(required=("reason",)), "reason")
        return Answer(
            shapes.grant(await self._rooms.grants.revoke(call.identity, call.path["id"], reason), call.identity)
        )

    # --- sessions

    async def sessions(self, call: Call) -> Answer:
        most = self._rooms.config().limits.request_rows
        limit = count_of(call.query("limit"), "limit", most, most)
        caller = call.identity
        everybody = is_operator(self._rooms.config(), caller)
        audience = None if everybody else Audience(caller.key, person_of(caller), frozenset())
        found = await self._rooms.store.sessions(audience=audience, live=True, limit=limit + 1)
        shown = [shapes.session(each) for each in found[:limit] if self._may_see(caller, each)]
        return Answer({"sessions": shown, "more": len(found) > limit})

    async def end_session(self, call: Call) -> Answer:
        reason = checked_reason(text_of(call.json(required=("reason",)), "reason"), required=True)
        caller = call.identity
        known = await self._rooms.store.session(call.path["id"])
        if known is None or not self._may_see(caller, known):
            raise NoSuchRecordError("there is no such session")
        if caller.targets and known.target not in caller.targets:
            raise NoSuchRecordError("there is no such session")
        asked = await self._rooms.store.end_session(known.id, self._rooms.clock.seconds(), reason, caller.key)
        if not asked:
            raise Problem(409, "session-ended", "The session has ended already", known.reason)
        return Answer({"id": known.id, "ending": True}, 202)

    def _may_see(self, caller: Identity, record: SessionRecord) -> bool:
        return is_own(record.identity, caller) or is_operator(self._rooms.config(), caller)

    # --- what several share

    def _listing(self, call: Call) -> tuple[tuple[State, ...], int]:
        query = call.query("state", "limit")
        most = self._rooms.config().limits.request_rows
        limit = count_of(query, "limit", min(100, most), most)
        wanted = query.get("state", "")
        states = tuple(state for state in STATES if state == wanted)
        if wanted and not states:
            raise bad_request(f"state is one of {', '.join(STATES)}")
        return states, limit
