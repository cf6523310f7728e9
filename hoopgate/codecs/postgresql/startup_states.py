"""What a client may say in the start-up phase, what we may say, and the one table of what may follow what."""

from __future__ import annotations

import enum
from typing import Final

from attrs import field, frozen

from hoopgate.codecs.postgresql.startup_packet import Cancel, GssRequest, SslRequest, Startup


@frozen
class Password:
    """The answer to a request for a cleartext password; never empty."""

    password: bytes = field(repr=False)


@frozen
class SaslInitial:
    """The client chose ``mechanism``, one that we offered; ``data`` is None where it sent no initial response."""

    mechanism: str
    data: bytes | None = field(repr=False)


@frozen
class SaslResponse:
    data: bytes = field(repr=False)


ServerEvent = SslRequest | GssRequest | Cancel | Startup | Password | SaslInitial | SaslResponse


class State(enum.Enum):
    START = enum.auto()
    SSL_ASKED = enum.auto()
    GSS_ASKED = enum.auto()
    SSL_REFUSED = enum.auto()
    GSS_REFUSED = enum.auto()
    SSL_ASKED_LAST = enum.auto()
    GSS_ASKED_LAST = enum.auto()
    SETTLED = enum.auto()  # encryption was agreed, or refused both ways
    NAMED = enum.auto()
    PASSWORD_ASKED = enum.auto()
    PASSWORD_GIVEN = enum.auto()
    SASL_ASKED = enum.auto()
    SASL_GIVEN = enum.auto()
    SASL_CONTINUED = enum.auto()
    SASL_FINISHED = enum.auto()
    DONE = enum.auto()
    CANCELLED = enum.auto()


class Say(enum.Enum):
    """What we said to the client."""

    REFUSE = "refused encryption"
    ACCEPT = "accepted encryption"
    ASK_PASSWORD = "asked for a password"  # noqa: S105 - no password
    ASK_SASL = "offered SASL"
    CONTINUE_SASL = "continued SASL"
    FINISH_SASL = "finished SASL"
    WELCOME = "welcomed"


S = State
# (state, what happened) -> next state. Each kind of encryption may be asked for once, the other one only after a
# refusal (ProcessStartupPacket); SSLRequest or GSSENCRequest inside TLS is an error.
TABLE: Final[dict[tuple[State, type | Say], State]] = {
    (S.START, SslRequest): S.SSL_ASKED,
    (S.START, GssRequest): S.GSS_ASKED,
    (S.START, Cancel): S.CANCELLED,
    (S.START, Startup): S.NAMED,
    (S.SSL_ASKED, Say.ACCEPT): S.SETTLED,
    (S.SSL_ASKED, Say.REFUSE): S.SSL_REFUSED,
    (S.GSS_ASKED, Say.REFUSE): S.GSS_REFUSED,
    (S.SSL_REFUSED, GssRequest): S.GSS_ASKED_LAST,
    (S.SSL_REFUSED, Cancel): S.CANCELLED,
    (S.SSL_REFUSED, Startup): S.NAMED,
    (S.GSS_REFUSED, SslRequest): S.SSL_ASKED_LAST,
    (S.GSS_REFUSED, Cancel): S.CANCELLED,
    (S.GSS_REFUSED, Startup): S.NAMED,
    (S.SSL_ASKED_LAST, Say.ACCEPT): S.SETTLED,
    (S.SSL_ASKED_LAST, Say.REFUSE): S.SETTLED,
    (S.GSS_ASKED_LAST, Say.REFUSE): S.SETTLED,
    (S.SETTLED, Cancel): S.CANCELLED,
    (S.SETTLED, Startup): S.NAMED,
    (S.NAMED, Say.ASK_PASSWORD): S.PASSWORD_ASKED,
    (S.NAMED, Say.ASK_SASL): S.SASL_ASKED,
    (S.NAMED, Say.WELCOME): S.DONE,
    (S.PASSWORD_ASKED, Password): S.PASSWORD_GIVEN,
    (S.PASSWORD_GIVEN, Say.WELCOME): S.DONE,
    (S.SASL_ASKED, SaslInitial): S.SASL_GIVEN,
    (S.SASL_GIVEN, Say.CONTINUE_SASL): S.SASL_CONTINUED,
    (S.SASL_GIVEN, Say.FINISH_SASL): S.SASL_FINISHED,
    (S.SASL_GIVEN, Say.WELCOME): S.DONE,
    (S.SASL_CONTINUED, SaslResponse): S.SASL_GIVEN,
    (S.SASL_FINISHED, Say.WELCOME): S.DONE,
}
