"""Every error names whose fault it is: ours, the peer's, the policy's, the operator's or the client's login."""

from __future__ import annotations


class HoopgateError(Exception):
    """The root of every error that hoopgate raises on purpose."""


class LocalProtocolError(HoopgateError):
    """Our own code asked a codec for something the protocol does not allow: a bug of ours."""


class RemoteProtocolError(HoopgateError):
    """The peer sent bytes that the protocol does not allow; it ends that connection alone.

    ``sqlstate`` is the five-character code to answer with, where the protocol has one (PostgreSQL manual,
    appendix A).
    """

    def __init__(self, message: str, sqlstate: str = "08P01") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class PolicyError(HoopgateError):
    """A rule forbids it. ``rule`` is the rule's name in the configuration, ``hint`` what the person can do next."""

    def __init__(self, message: str, *, rule: str, hint: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.hint = hint


class AuthenticationError(HoopgateError):
    """A login failed. ``str(error)`` may be shown to the client: it never holds a token or why a key was wrong.

    ``detail`` is for our log alone.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ConfigError(HoopgateError):
    """One mistake in the configuration: ``where`` is ``file:line`` or ``file: key.path``, ``remedy`` what to write."""

    def __init__(self, message: str, *, where: str, remedy: str) -> None:
        super().__init__(f"{where}: {message}. {remedy}")
        self.message = message
        self.where = where
        self.remedy = remedy


class LimitError(HoopgateError):
    """A limit of the configuration was met. ``limit`` is its key, such as ``limits.statement``."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(f"{message} ({limit})")
        self.limit = limit


class CatalogueError(HoopgateError):
    """What a target's database holds is not known now, so nothing that masks concern may pass."""


class SecretError(HoopgateError):
    """A secret reference could not be resolved. Names the reference, never the value."""


class RecordingError(HoopgateError):
    """The recorder cannot write: the session must end (fail closed)."""


class MaskingError(HoopgateError):
    """Rows cannot be masked, so they must not pass."""


class QuestionError(HoopgateError):
    """The client's own session could not be asked.

    ``aborted``: its transaction has failed, and nothing runs on it before that has ended.
    """

    def __init__(self, message: str, *, aborted: bool = False) -> None:
        super().__init__(message)
        self.aborted = aborted


class UpstreamError(HoopgateError):
    """The target could not be reached or refused our login; the text is fit for the client.

    ``unavailable``: this host cannot serve now, another of the target's may.
    """

    def __init__(self, message: str, *, credential_refused: bool = False, unavailable: bool = False) -> None:
        super().__init__(message)
        self.credential_refused = credential_refused
        self.unavailable = unavailable
