"""The one visible place that builds every part of the gateway, wires them together in order, and takes them down.

Each worker does so for itself. What there is once for all of them, the state directory's lock, the API, the admin
listener, tidying the store and watching over the others, worker 0 does.
"""

from __future__ import annotations

import os
import secrets as chance
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from hoopgate import plugins
from hoopgate.admin import Health, admin_site
from hoopgate.approvals import Approvals
from hoopgate.compiled import core
from hoopgate.config.load import loads, read
from hoopgate.config.model import Config, Rule, Target
from hoopgate.config.status import PidFile, Reload, Status, WorkerStatus, write_status
from hoopgate.console.api import Api
from hoopgate.console.reach import Reach
from hoopgate.console.site import listen as listen_api
from hoopgate.console.views import Rooms
from hoopgate.console.watch import Watch
from hoopgate.errors import HoopgateError, SecretError
from hoopgate.gateway import Gateway
from hoopgate.grants import Grants
from hoopgate.guards.order import guards
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.device_login import DeviceLogins
from hoopgate.identity.fetch import Fetcher
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.identity.tokens import GatewayTokens
from hoopgate.inference import Inference
from hoopgate.interfaces import Identity
from hoopgate.kept_keys import kept_key, private_directory
from hoopgate.listeners import Listeners
from hoopgate.metrics import Metrics
from hoopgate.policy.engine import Engine
from hoopgate.policy.rules import issuer_names, place_mismatch, who_mismatch
from hoopgate.policy.sql.parser import Parser
from hoopgate.protocols.postgresql.derived import DerivedKeys
from hoopgate.protocols.ssh.entrances import TARGET_CA, USER_CA, Entrances, authority, end_unregistered
from hoopgate.secrets import Secrets, secret_sources
from hoopgate.stores.feed import ChangeFeed
from hoopgate.stores.housekeeping import Housekeeping
from hoopgate.transport import Network, Tickets
from hoopgate.upstream import Upstream
from hoopgate.workers.aftermath import RESTARTED, Aftermath
from hoopgate.workers.crew import Crew, Orders
from hoopgate.workers.post import Post, share
from hoopgate.workers.process import raise_file_limit

log = Logger()
KEY_FILE = "token-key"  # in the state directory, where the configuration names none
KEY_SIZE = 32  # bytes, at least


class Boot:
    """Starts and stops one gateway process. ``reactor`` is its clock and network.

    Worker 0 of several has a ``crew``, the others each a ``post``; who is alone has neither.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        *,
        crew: Crew | None = None,
        post: Post | None = None,
        tickets: Mapping[str, Tickets] | None = None,
    ) -> None:
        """``tickets``: by listener, what all workers resume TLS sessions with."""
        self._tickets = tickets or {}
        self._crew = crew
        self._post = post
        self._number = post.number if post is not None else 0
        self._of = post.of if post is not None else crew.of if crew is not None else 1
        self._first = share(config, self._of)
        self._reactor = reactor
        self._downs: list[Callable[[], Any]] = []  # how to take down what is up, last first
        self._reloads: list[Callable[[Config], None]] = []
        self.gateway: Gateway | None = None
        self._listeners: Listeners | None = None  # clients'
        self._inner_ports: list[Any] = []  # of the API and of the admin listener
        self.health = Health()
        self._last_reload: Reload | None = None

    @property
    def config(self) -> Config:
        """The configuration in force: one for all parts, and another for all parts at once."""
        return self._first if self.gateway is None else self.gateway.config

    async def up(self) -> Gateway:
        """Build and start everything. What fails leaves nothing listening; the caller stops the process."""
        config, reactor = self.config, self._reactor
        raise_file_limit()
        network = Network(reactor)
        if self._number == 0:
            self._state_directory(config.gateway.state)
        secrets = Secrets(secret_sources(reactor), reactor, ttl=config.limits.secret_ttl)
        metrics = Metrics(target.name for target in config.targets)
        store, feed, node = await self._store(config)
        tokens, authenticator = await self._identity(config, secrets, store)
        parser = Parser(reactor, config.limits)
        self._downs.append(parser.close)
        in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        gateway = self.gateway = Gateway(
            clock=reactor,
            config=config,
            parser=parser,
            make_engine=lambda changed: Engine(changed, parser, reactor),
            authenticator=authenticator,
            approvals=Approvals(store, feed, reactor, node=node, limits=lambda: self.config.limits),
            grants=Grants(store, feed, reactor, lambda: self.config, self._concerns),
            recorder=await self._recorder(config, secrets, metrics),
            store=store,
            feed=feed,
            upstream=await self._upstream(network, secrets, in_thread),
            metrics=metrics,
            guards=guards(config, secrets, Inference(reactor), in_thread),
            node=node,
            worker=self._number,
            forward_cancel=self._forward_cancel(),
            tell_defined=self._tell_defined(),
        )
        await self._start(gateway)
        listeners = await self._listen(gateway, network, secrets)
        if self._number == 0:
            await self._listen_inside(gateway, secrets, tokens, listeners)
            await self._lead(gateway, listeners)
        self.health.ready = True
        return gateway

    async def _identity(self, config: Config, secrets: Secrets, store: Any) -> tuple[GatewayTokens, Authenticator]:
        reactor = self._reactor
        key, fetcher = await _token_key(config, secrets), Fetcher(reactor, secrets.get)
        tokens = GatewayTokens(store, key, reactor, longest=config.api.token_lifetime)
        authenticator = Authenticator(config.issuers, fetcher, tokens, reactor, config.limits)
        user_ca = await authority(config, config.ssh.user_ca, USER_CA, secrets.get)
        self._entrances = Entrances(
            secrets.get,
            UserCertificates(store, key, user_ca, reactor, lambda: self.config.ssh.certificate_lifetime),
            DeviceLogins(fetcher, authenticator, reactor, lambda: self.config.limits),
        )
        self._reloads.append(lambda changed: setattr(secrets, "ttl", changed.limits.secret_ttl))
        self._reloads.append(lambda changed: secrets.clear())
        self._reloads.append(lambda changed: setattr(tokens, "longest", changed.api.token_lifetime))
        self._reloads.append(lambda changed: setattr(authenticator, "limits", changed.limits))
        return tokens, authenticator

    async def _upstream(self, network: Network, secrets: Secrets, in_thread: Any) -> Upstream:
        upstream = Upstream(network, secrets, self._derived_keys(in_thread), in_thread)
        upstream.user_ca = await authority(self.config, self.config.ssh.target_ca, TARGET_CA, secrets.get)
        return upstream

    def _derived_keys(self, in_thread: Any) -> DerivedKeys:
        derived = DerivedKeys(in_thread, self._reactor, self.config.limits)
        self._reloads.append(lambda changed: derived.reload(changed.limits))
        return derived

    async def _start(self, gateway: Gateway) -> None:
        """Set in motion what watches: the feed first, so that what depends on it misses nothing."""
        await gateway.feed.start()
        self._downs.append(gateway.feed.stop)
        await gateway.grants.start()
        self._downs.append(gateway.grants.stop)
        await gateway.approvals.stale(gateway.config.version)
        metrics = gateway.metrics
        metrics.half_open.set_function(lambda: gateway.doors.open)
        metrics.holds_pending.set_function(lambda: sum(each.holding for each in gateway.sessions.values()))
        gateway.reloaded.append(partial(end_unregistered, gateway))
        gateway.start()
        self._downs.append(gateway.stop)

    async def _lead(self, gateway: Gateway, listeners: Listeners) -> None:
        """Worker 0's last steps: bring the others up, then say that we serve. Raises CrewError."""
        aftermath, crew = self._aftermath, self._crew
        if crew is not None:
            crew.line.entrust(self._pid.lock)
            crew.cancel = gateway.cancel_own
            crew.defined = gateway.defined_elsewhere
            crew.died = lambda number: Deferred.fromCoroutine(aftermath.clear_up(number, gateway.recorder))
            await crew.start(Orders({each.name: listeners.port(each) for each in gateway.config.listeners}))
            crew.changed = self._write_status_if_possible
            self.health.notes["workers"] = crew.finding
        self._write_status()
        aftermath.seal(gateway.recorder, aftermath.left, RESTARTED)

    def _tell_defined(self) -> Callable[[str, str], None] | None:
        if self._post is not None:
            return self._post.tell_defined
        return self._crew.tell_defined if self._crew is not None else None

    def _forward_cancel(self) -> Callable[[int, int, bytes], None] | None:
        if self._post is not None:
            return self._post.forward_cancel
        return self._crew.pass_on if self._crew is not None else None

    async def down(self) -> None:
        """Close doors, drain, and take down part by part."""
        self.health.ready = False
        listeners = self._listeners
        if listeners is not None:
            await _waited_for(listeners.close())
        others = self._crew.stop(self.config.limits.drain) if self._crew is not None else succeed(None)
        if self.gateway is not None:
            # the API and the admin listener stay: what is held can still be decided, and somebody may watch
            await self.gateway.drain()
            await self.gateway.upstream.settled()
        await others
        if listeners is not None:
            listeners.stop_renewing()
        await _waited_for([port.stopListening() for port in self._inner_ports])
        self._inner_ports.clear()
        while self._downs:
            try:
                await _waited(self._downs.pop()())
            except Exception:
                log.failure("a part did not stop")

    def hurry(self) -> None:
        """End all sessions now: nobody is there any more who could tell this process of a revocation."""
        if self._listeners is not None:
            self._listeners.close()
        if self.gateway is not None:
            self.gateway.closing = True
            self.gateway.stop()

    async def reload(self) -> Reload:
        """Take the file anew: all of it and in all workers, or nothing."""
        try:
            text = read(self.config.path)
            changed = self.take(text)
            if self._crew is not None:
                await self._crew.reload(text, changed.version)
            result = Reload(self._reactor.seconds(), True)
            log.info("configuration reloaded: policy version {version}", version=changed.version)
        except (HoopgateError, OSError) as error:
            errors = tuple(str(each) for each in getattr(error, "errors", ())) or (str(error),)
            result = Reload(self._reactor.seconds(), False, errors)
            log.error("the configuration was not reloaded: {errors}", errors="; ".join(errors))
        except Exception as error:
            result = Reload(
                self._reactor.seconds(), False, (f"the gateway failed: {type(error).__name__}; see its log",)
            )
            log.failure("a reload failed by a fault of the gateway")
        self._last_reload = result
        if self._listeners is not None:
            self._listeners.renew()
        self._write_status_if_possible()
        return result

    def take(self, text: str) -> Config:
        """Take this text as the configuration in this process. Raises ConfigError and the like, changing nothing."""
        changed = share(loads(text, self.config.path, tried=self._number > 0), self._of)
        if self.gateway is None:
            raise HoopgateError("the gateway is not up yet")
        self.gateway.reload(changed)
        for take in self._reloads:
            take(changed)
        return changed

    # --- parts

    def _state_directory(self, state: Path) -> None:
        private_directory(state)
        self._pid = PidFile(state)
        self._pid.acquire()
        self._downs.append(self._pid.release)

    async def _store(self, config: Config) -> tuple[Any, ChangeFeed, str]:
        """The store, its changes, and this process's name in it."""
        name = config.store.kind
        factory = plugins.load_plugins("hoopgate.stores", [name])[name]
        store = plugins.make("hoopgate.stores", name, factory, config, self._reactor)
        await store.start()
        self._downs.append(store.close)
        node = f"{config.gateway.name}/{self._number}"
        housekeeping = Housekeeping(store, self._reactor, node, tidies=self._number == 0)
        aftermath = self._aftermath = Aftermath(store, self._reactor, f"{config.gateway.name}/")
        self._downs.append(aftermath.stop)
        if self._number == 0:
            await aftermath.restarted()
        left = await housekeeping.start()
        self._downs.append(housekeeping.stop)
        if left:
            log.warn("{left} requests for approval were interrupted by the restart", left=left)
        return store, ChangeFeed(store, self._reactor), node

    async def _recorder(self, config: Config, secrets: Secrets, metrics: Metrics) -> Any:
        name = config.recorder.kind
        factory = plugins.load_plugins("hoopgate.recorders", [name])[name]
        recorder = plugins.make("hoopgate.recorders", name, factory, config, secrets, self._reactor)
        if hasattr(recorder, "observe"):
            recorder.observe = metrics.appends.observe
        if hasattr(recorder, "start"):
            await recorder.start()
        return recorder

    async def _listen(self, gateway: Gateway, network: Network, secrets: Secrets) -> Listeners:
        """To clients."""
        given = self._post.ports if self._post is not None else None
        listeners = self._listeners = Listeners(
            self._reactor, network, secrets, self._entrances, self._tickets, shared=self._of > 1, given=given
        )
        await listeners.open(gateway)
        return listeners

    async def _listen_inside(
        self, gateway: Gateway, secrets: Secrets, tokens: GatewayTokens, listeners: Listeners
    ) -> None:
        """The API and the admin listener."""
        reactor, store = self._reactor, gateway.store
        watch = Watch(store, gateway.feed, reactor)
        people = (gateway.approvals, gateway.grants, gateway.authenticator, tokens)
        reach = Reach(partial(_may_open, gateway), listeners.port, self._entrances.known_hosts)
        rooms = Rooms(store, *people, watch, reactor, lambda: self.config, reach, self._entrances.certificates)
        api = await listen_api(reactor, lambda: self.config, secrets.get, Api(rooms), keep=listeners.presented.append)
        self._inner_ports.append(api)
        if not self.config.admin.enabled:
            return
        self.health.checks["store"] = lambda: "the store does not answer" if gateway.feed.blind else ""
        site = admin_site(gateway.metrics, self.health, self._workers, self._crew)
        admin = self.config.admin
        self._inner_ports.append(self._reactor.listenTCP(admin.port, site, interface=admin.address))

    def _concerns(self, rule: Rule, identity: Identity, target: Target) -> bool:
        """Whether a rule is about this identity on this target, whatever the role and the statement."""
        who = who_mismatch(rule.who, identity, issuer_names(self.config))
        return not who and not place_mismatch(evolve(rule.what, role=()), target, "")

    def _workers(self) -> tuple[WorkerStatus, ...]:
        sessions = 0 if self.gateway is None else len(self.gateway.sessions)
        own = WorkerStatus(self._number, os.getpid(), self.config.version, "serving", core(), sessions)
        return (own, *(self._crew.report() if self._crew is not None else ()))

    def _write_status(self) -> None:
        workers = self._crew.report() if self._crew is not None else ()
        status = Status(os.getpid(), self.config.version, self._last_reload, workers)
        write_status(self.config.gateway.state, status)

    def _write_status_if_possible(self) -> None:
        try:
            self._write_status()
        except OSError as error:
            log.error("status.json cannot be written: {error}", error=error.strerror)


def _may_open(gateway: Gateway, identity: Identity, target: Target, role: str) -> bool:
    return gateway.engine.access(identity, target, role, gateway.grants_of(identity)).then != "deny"


async def _token_key(config: Config, secrets: Secrets) -> bytes:
    """The key of the gateway's own tokens: the configured one, or one made once and kept in the state directory."""
    if config.gateway.token_key is not None:
        key, where = await secrets.get(config.gateway.token_key), str(config.gateway.token_key)
    else:
        path = config.gateway.state / KEY_FILE
        key, where = kept_key(path, lambda: chance.token_bytes(KEY_SIZE)), str(path)
    if len(key) < KEY_SIZE:
        raise SecretError(f"{where} has {len(key)} bytes, a key of tokens has {KEY_SIZE}: restore or replace it")
    return key


async def _waited(result: Any) -> Any:
    return await result if isinstance(result, Deferred) else result


async def _waited_for(results: Iterable[Any]) -> None:
    for result in results:
        await _waited(result)
