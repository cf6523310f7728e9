"""``twistd hoopgate -c FILE``: options, the service, signals and readiness."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

from hoopgate.boot import Boot
from hoopgate.compiled import core, require_whole_core
from hoopgate.config.load import load
from hoopgate.config.mistakes import ConfigErrors
from hoopgate.config.model import Config
from hoopgate.logs import JsonObserver
from hoopgate.plugins import import_built_in
from hoopgate.transport import Tickets
from hoopgate.workers.crew import Crew
from hoopgate.workers.line import Line
from hoopgate.workers.nursery import plant
from hoopgate.workers.post import worker_count
from hoopgate.workers.process import settle
from hoopgate.workers.rebirth import forget_reactor
from hoopgate.workers.worker import work

log = Logger()
DEFAULT_CONFIG = "/etc/hoopgate/hoopgate.toml"


class Options(usage.Options):
    """The command line of ``twistd hoopgate``."""

    synopsis = "[-c FILE]"
    longdesc = "A Layer 7 access gateway. Check a configuration first with: hoopgate check -c FILE"
    optParameters = [["config", "c", DEFAULT_CONFIG, "The configuration (TOML)."]]  # noqa: N815 - Twisted's name


class GatewayService(Service):
    """Starts the gateway with the reactor, reloads on SIGHUP, drains when told to stop."""

    name = "hoopgate"

    def __init__(self, config: Config, reactor: Any = None, *, log_to: TextIO | LogFile | None = None) -> None:
        """``log_to`` gets structured log lines; None: twistd's own choice stays."""
        self._config = config
        self._log_to = log_to
        self._given_reactor = reactor
        self.boot: Boot | None = None
        self.started: Deferred[None] | None = None
        self._observer: JsonObserver | None = None
        self._reloading = DeferredLock()
        self._tickets: dict[str, Tickets] = {}

    @property
    def _reactor(self) -> Any:
        if self._given_reactor is None:
            from twisted.internet import reactor  # only now: twistd chooses which one is installed

            self._given_reactor = reactor
        return self._given_reactor

    def setServiceParent(self, parent: Any) -> None:
        """Become a part of twistd's application; its log is ours from the first line on."""
        if self._log_to is not None and isinstance(parent, Componentized):
            self._observer = JsonObserver(self._log_to)
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        # before a pid file invites anybody to send one: the default action would end the process
        signal.signal(signal.SIGHUP, self._hang_up)
        crew = self._crew()
        self.boot = Boot(self._config, self._reactor, crew=crew, tickets=self._tickets)
        self.started = Deferred.fromCoroutine(self._start(self.boot))
        self.started.addErrback(self._not_started)

    def _crew(self) -> Crew | None:
        """The other workers, if there are to be any. It forks, so it comes before threads and a running reactor."""
        count = worker_count(self._config)
        if count == 1:
            return None
        import_built_in()
        self._tickets = {listener.name: Tickets() for listener in self._config.listeners if listener.tls is not None}
        end = plant(self._become, lambda: forget_reactor(self._log_to))
        return Crew(self._reactor, Line(self._reactor, end), count, self._write_log)

    def _become(self, number: int, end: socket.socket) -> None:
        work(self._config, number, end, self._tickets)

    def _write_log(self, line: str) -> None:
        """A line of a worker's log: to where ours goes."""
        if self._observer is not None:
            self._observer.write(line)
            return
        said = json.loads(line)  # twistd was told to log elsewhere, in another form
        log.emit(
            LogLevel.lookupByName(said["level"]), "worker {worker}: {text}", worker=said["worker"], text=said["message"]
        )

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        notify("STOPPING=1")
        return Deferred.fromCoroutine(self._stop())

    async def _start(self, boot: Boot) -> None:
        require_whole_core()
        await boot.up()
        settle()
        notify(f"READY=1\nSTATUS=serving policy {self._config.version[:12]}")
        log.info("hoopgate is ready: policy version {version}, core: {core}", version=self._config.version, core=core())

    async def _stop(self) -> None:
        if self.started is not None:
            await self.started
        if self.boot is not None:
            await self.boot.down()

    def _hang_up(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        """One after the other: each answers for the file as it found it."""
        self._reloading.run(lambda: Deferred.fromCoroutine(self._reloaded()))

    async def _reloaded(self) -> None:
        if self.boot is None or not self.running:
            return
        notify("RELOADING=1\nMONOTONIC_USEC=" + str(int(time.monotonic() * 1e6)))
        result = await self.boot.reload()
        notify("READY=1\nSTATUS=" + ("reloaded" if result.ok else "the new configuration was refused"))

    def _not_started(self, failure: Failure) -> None:
        log.critical("hoopgate cannot start: {error}", error=failure.getErrorMessage())
        if not isinstance(failure.value, Exception) or not hasattr(failure.value, "remedy"):
            log.failure("why it cannot start", failure)
        # twistd itself would end with 0; supervisors must see that the start failed
        self._reactor.addSystemEventTrigger("after", "shutdown", _exit_failed)
        if self._reactor.running:
            self._reactor.stop()
        else:
            self._reactor.callWhenRunning(self._reactor.stop)


def makeService(options: Any) -> GatewayService:
    """Load the configuration and make the service; a mistake in it ends the process with 1 and names every one.

    Not by a UsageError: twistd catches none here, and after one in the options it would end with 0.
    """
    path = Path(options["config"]).resolve()
    try:
        config = load(path)
    except ConfigErrors as errors:
        lines = "\n".join(f"  {error}" for error in errors.errors)
        raise SystemExit(f"hoopgate: {path} cannot be used:\n{lines}") from None
    except OSError as error:
        raise SystemExit(f"hoopgate: {path} cannot be read: {error.strerror}. Give one with -c FILE.") from None
    return GatewayService(config, log_to=_log_to(getattr(options, "parent", None)))


def _log_to(twistd: Any) -> TextIO | LogFile | None:
    """Where twistd was told to log: its ``--logfile``, or standard output. ``--logger`` and ``--syslog`` stand."""
    if twistd is None or twistd.get("logger") or twistd.get("syslog"):
        return None
    name = twistd.get("logfile") or ("-" if twistd.get("nodaemon") else "twistd.log")
    if name == "-":
        return sys.stdout
    # tokens and statements are kept out of it, addresses and names are not
    return LogFile.fromFullPath(name, defaultMode=0o600)  # type: ignore[no-any-return]


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where it does not ask."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError as error:
            log.warn("systemd does not listen at NOTIFY_SOCKET: {error}", error=error.strerror)


def _exit_failed() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
