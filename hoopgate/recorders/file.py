"""The plugin ``file``: a :class:`FileRecorder` out of the configuration, its key from the secret source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgate.config.model import Config
from hoopgate.errors import RecordingError
from hoopgate.interfaces import IRecorder
from hoopgate.recorders import places, seal
from hoopgate.recorders.keys import load_private_key, own_key
from hoopgate.recorders.spool import FileRecorder, FileRecording, unobserved

OWN_KEY = "recorder-key.pem"


def recordings_directory(config: Config) -> Path:
    """Where this configuration keeps its recordings."""
    return config.recorder.directory or config.gateway.state / "recordings"


@implementer(IRecorder)
class ConfiguredRecorder:
    """``recorder.key``, or a key of our own kept in the state directory, signs.

    ``observe`` may be set before :meth:`start`: it then hears of each append's duration in nanoseconds.
    """

    def __init__(self, config: Config, secrets: Any, clock: IReactorTime) -> None:
        self._config = config
        self._secrets = secrets
        self._clock = clock
        self._recorder: FileRecorder | None = None
        self.observe: Callable[[int], None] = unobserved
        places.prepare(recordings_directory(config))

    def start(self) -> Deferred[None]:
        """Fetch the key. Fails with SecretError or RecordingError."""
        reference = self._config.recorder.key
        if reference is None:
            self._use(own_key(self._config.gateway.state / OWN_KEY))
            return succeed(None)
        fetched: Deferred[bytes] = self._secrets.get(reference)
        return fetched.addCallback(lambda pem: self._use(load_private_key(pem)))

    def open(self, session: Any) -> FileRecording:
        """Open a session's recording. Raises RecordingError."""
        if self._recorder is None:
            raise RecordingError("the recorder has not been started")
        return self._recorder.open(session)

    def seal(self, session: str, started: float, reason: str) -> bool:
        """Give the recording of a session whose process died its end; False where it has one or is not here.

        Blocks, and belongs in a thread. Raises RecordingError and OSError.
        """
        if self._recorder is None:
            raise RecordingError("the recorder has not been started")
        path = seal.find(self._recorder.directory, session, started)
        return path is not None and seal.seal(path, self._recorder.key, reason, self._clock.seconds())

    def _use(self, key: Any) -> None:
        config = self._config
        self._recorder = FileRecorder(
            recordings_directory(config), key, self._clock, config.limits,
            append=config.recorder.append, observe=self._observed,
        )  # fmt: skip

    def _observed(self, nanoseconds: int) -> None:
        self.observe(nanoseconds)


def factory(config: Config, secrets: Any, reactor: IReactorTime) -> ConfiguredRecorder:
    """The entry point ``hoopgate.recorders: file``."""
    return ConfiguredRecorder(config, secrets, reactor)
