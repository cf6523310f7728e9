"""Records as the API shows them: JSON values, without what the viewer has no business with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hoopgate.config.model import Listener, Target
from hoopgate.interfaces import Identity
from hoopgate.stores.records import Request, SessionRecord
from hoopgate.voting import owns, refusal

LISTED: Final = 4000  # characters of one approval in a list
_ITEMS: Final = 50  # of one array in it


def approval(request: Request, viewer: Identity) -> dict[str, Any]:
    """A held statement, whole: an approver must see exactly what will run."""
    return {
        **_common(request, viewer),
        "session": request.session,
        "target": request.target,
        "digest": request.digest,
        "policy_version": request.policy_version,
        **request.details,
        "cut": False,
    }


def approval_in_list(request: Request, viewer: Identity) -> dict[str, Any]:
    """The same as one of many: what is long is cut, and then there is no digest, for nobody may approve unread text.

    Else whoever has a few long statements held would make every list too long to be fetched.
    """
    whole = approval(request, viewer)
    left = [LISTED]
    listed = {name: _cut(value, left) for name, value in whole.items()}
    cut = listed != whole
    return {**listed, "cut": cut, **({"digest": ""} if cut else {})}


def _cut(value: Any, left: list[int]) -> Any:
    """The value, or as much of it as is ``left``, in characters; a sign of cutting stands at its end."""
    if isinstance(value, list):
        return [_cut(each, left) for each in value[:_ITEMS]]
    if isinstance(value, dict):
        return {name: _cut(each, left) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    room = max(0, left[0])
    left[0] -= len(value)
    return value if len(value) <= room else value[:room] + "…"


def grant(request: Request, viewer: Identity) -> dict[str, Any]:
    return {
        **_common(request, viewer),
        "scope": request.scope,
        "seconds": request.seconds,
        "ends": request.ends,
        "reason": request.details.get("reason", ""),
    }


def session(record: SessionRecord) -> dict[str, Any]:
    """A live session; what it runs is nobody's to see here."""
    return {
        "id": record.id,
        "identity": record.identity.key,
        "person": record.identity.person,
        "chain": list(record.identity.chain),
        "target": record.target,
        "role": record.role,
        "protocol": record.protocol,
        "client": record.client,
        "started": record.started,
        "node": record.node,
    }


def whoami(identity: Identity, grants: frozenset[str], operator: bool) -> dict[str, Any]:
    return {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "person": identity.person,
        "groups": sorted(identity.groups),
        "scopes": sorted(identity.scopes),
        "chain": list(identity.chain),
        "expires": identity.expires,
        "token_id": identity.token_id or None,
        "targets": list(identity.targets),
        "grants": sorted(grants),
        "operator": operator,
    }


def target(known: Target, roles: Sequence[str]) -> dict[str, Any]:
    return {"name": known.name, "protocol": known.protocol, "roles": list(roles)}


def listener(known: Listener, port: int, host_keys: Sequence[str]) -> dict[str, Any]:
    """``host_keys``: what it shows to clients of SSH, as OpenSSH writes public keys."""
    return {
        "name": known.name,
        "protocol": known.protocol,
        "port": port,
        "plaintext": known.plaintext,
        "host_keys": list(host_keys),
    }


def _common(request: Request, viewer: Identity) -> dict[str, Any]:
    refused = refusal(request, viewer)
    return {
        "id": request.id,
        "state": request.state,
        "requester": request.requester.key,
        "requester_person": request.requester.person,
        "chain": list(request.requester.chain),
        "rule": request.rule,
        "requires": [{"groups": list(each.groups), "count": max(1, each.count)} for each in request.requirements],
        "votes": [
            {"by": vote.key, "approve": vote.approve, "reason": vote.reason, "at": vote.at} for vote in request.votes
        ],
        "created": request.created,
        "expires": request.expires,
        "decided": request.decided,
        "decided_by": list(request.by),
        "end_reason": request.reason,
        "own": owns(request, viewer),
        "may_decide": refused is None and request.state == "pending",
    }
