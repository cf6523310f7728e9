"""A gateway's door over wires of memory, and a client that says at it whatever a test wants."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from attrs import define, evolve, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.conch import ClientTransport, HostKey
from hoopgate.conch.fields import Fields, string
from hoopgate.config.load import loads
from hoopgate.config.model import Config
from hoopgate.doors import Doors
from hoopgate.errors import AuthenticationError
from hoopgate.identity.device_login import DeviceLogins
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.interfaces import Identity
from hoopgate.protocols.ssh.client import ClientConnection, Entrance
from hoopgate.protocols.ssh.turns import Turns
from hoopgate.session import Session
from tests.config.files import MINIMAL
from tests.identity.issuers import NOW, MemoryStore, clock_at

URL = "https://id.example.com"
ADA = Identity(URL, "ada", groups=frozenset({"ops"}), claims={"exp": NOW + 3600})
HOST_KEY = HostKey(Key(Ed25519PrivateKey.generate()))
KEY = Ed25519PrivateKey.generate()
CONFIG = (
    MINIMAL
    + """
[[listener]]
name = "gate"
protocol = "ssh"
port = 2222
logins = ["password", "keyboard-interactive", "certificate", "publickey"]

[[target]]
name = "web"
protocol = "ssh"
hosts = ["web1"]
trust_first_use = true
[target.role.root]
password = "env:P"
[target.role.deploy]
password = "env:P"
"""
)
REQUEST, FAILURE, SUCCESS, BANNER, PK_OK, INFO, ANSWER = 50, 51, 52, 53, 60, 60, 61


class Wire:
    """One end's ITransport. What is written arrives as the test pumps."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.sent: list[bytes] = []
        self.closing = self.gone = self.aborted = self.paused = False

    def write(self, data: bytes) -> None:
        if not self.closing:
            self.sent.append(bytes(data))

    def getPeer(self) -> Any:
        return SimpleNamespace(host=self.host, port=4711)

    def loseConnection(self) -> None:
        self.closing = True

    def abortConnection(self) -> None:
        self.closing = self.aborted = True

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def registerProducer(self, producer: Any, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...


class Client(ClientTransport):
    """``said``: (number, payload) of what came over the service; ``ended``: the DISCONNECT's words."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.said: list[tuple[int, bytes]] = []
        self.secure = False

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        return succeed(True)

    def connectionSecure(self) -> None:
        self.secure = True

    @property
    def ended(self) -> str:
        return "" if self.finished is None else self.finished[1]


class Speaker:
    """The client's service: hears everything, says nothing by itself."""

    def __init__(self, client: Client, name: bytes = b"ssh-userauth") -> None:
        self.name = name
        self.transport: Any = None
        self._client = client

    def serviceStarted(self) -> None: ...

    def serviceStopped(self) -> None: ...

    def packetReceived(self, number: int, payload: bytes) -> None:
        self._client.said.append((number, payload))


@define
class House:
    """A gateway as far as a login needs it."""

    config: Config = field(factory=lambda: loads(CONFIG))
    clock: Clock = field(factory=clock_at)
    closing: bool = False
    feed: Any = field(factory=lambda: SimpleNamespace(blind=False))
    sessions: dict[str, Session] = field(factory=dict)
    store: MemoryStore = field(factory=MemoryStore)
    doors: Doors = field(init=False)
    tokens: dict[str, Any] = field(factory=lambda: {"good": ADA})
    failures: list[str] = field(factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(factory=list)
    relays: list[Any] = field(factory=list)
    opened_as: list[Session] = field(factory=list)
    denies: str = ""
    target_fails: Exception | None = None
    metrics: Any = field(factory=lambda: SimpleNamespace(connected=lambda name, seconds: None))
    recorder: Any = field(init=False)
    engine: Any = field(init=False)
    authenticator: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.doors = Doors(lambda: self.config.limits)
        self.recorder = SimpleNamespace(
            open=lambda session: SimpleNamespace(event=self._event, close=lambda reason: None)
        )
        self.engine = SimpleNamespace(access=self._access)
        self.authenticator = SimpleNamespace(authenticate=self._authenticate)

    def _event(self, kind: str, fields: dict[str, Any]) -> None:
        self.events.append((kind, fields))

    def _access(self, *arguments: Any) -> Any:
        then = "deny" if self.denies else "allow"
        return SimpleNamespace(then=then, reason=self.denies, rule="no-entry", hint="Ask for a grant.")

    def _authenticate(self, token: str) -> Deferred[Identity]:
        known = self.tokens.get(token)
        if isinstance(known, Deferred):
            return known
        return succeed(known) if known is not None else fail(AuthenticationError("the token is not valid"))

    def grants_of(self, identity: Identity) -> frozenset[str]:
        return frozenset()

    def login_issuer(self, listener: Any) -> Any:
        return self.config.issuers[0]

    def login_failed(self, address: str, error: AuthenticationError) -> None:
        self.failures.append(error.detail or str(error))

    def access_denied(self, *arguments: Any) -> None:
        self.failures.append("access denied")

    def opened(self, session: Session) -> None:
        self.sessions[session.id] = session
        self.opened_as.append(session)

    def ended(self, session: Session) -> None:
        self.sessions.pop(session.id, None)

    def sessions_store_opened(self, session: Session) -> Deferred[None]:
        return succeed(None)

    def open_guards(self, session: Session) -> tuple[Any, ...]:
        return ()

    def observe(self, session: Session, kind: str, fields: dict[str, Any]) -> None: ...

    def connect(self, session: Session, role: Any) -> Deferred[Any]:
        if self.target_fails is not None:
            return fail(self.target_fails)
        return succeed(SimpleNamespace(role=role.name, terminate=lambda: None))


class Relay:
    """What would relay: it only takes the service's place."""

    name = b"ssh-connection"

    def __init__(self, session: Session, client: Any, target: Any, chain: Any, *, leave: Any) -> None:
        self.session = session
        self.client = client
        self.got: list[tuple[int, bytes]] = []
        self.lost = False

    def start(self) -> None:
        self.client.setService(self)

    def serviceStarted(self) -> None: ...

    def serviceStopped(self) -> None: ...

    def packetReceived(self, number: int, payload: bytes) -> None:
        self.got.append((number, payload))

    def client_lost(self) -> None:
        self.lost = True


class Web:
    """An issuer that is not there, unless ``answers`` has some."""

    def __init__(self) -> None:
        self.document: bytes | None = None
        self.answers: list[tuple[int, bytes]] = []
        self.forms: list[dict[str, str]] = []

    def __call__(self, url: str) -> Deferred[bytes]:
        return succeed(self.document) if self.document is not None else fail(ValueError("nobody is there"))

    def trusting(self, ca: Any) -> Any:
        return self

    def post(self, url: str, form: Any, ca: Any = None) -> Deferred[tuple[int, bytes]]:
        self.forms.append(dict(form))
        return succeed(self.answers.pop(0))


class Door:
    """One gateway, and as many connections to it as a test opens."""

    def __init__(self, **config: Any) -> None:
        self.house = House()
        if config:
            self.house.config = evolve(self.house.config, **config)
        house: Any = self.house
        self.web = Web()
        self.ca = Ed25519PrivateKey.generate()
        self.certificates = UserCertificates(house.store, bytes(32), self.ca, house.clock, lambda: 3600.0)
        self.devices = DeviceLogins(self.web, house.authenticator, house.clock, lambda: self.house.config.limits)
        listener = next(each for each in self.house.config.listeners if each.protocol == "ssh")
        self.relays: list[Relay] = []
        turns = Turns(house.clock, lambda: self.house.config.limits.ssh_key_exchanges)
        self.entrance = Entrance(
            house, listener, (HOST_KEY,), self.certificates, self.devices, house.connect, self._relay, turns
        )

    def _relay(self, *arguments: Any, **more: Any) -> Relay:
        relay = Relay(*arguments, **more)
        self.relays.append(relay)
        return relay

    def limits(self, **changes: Any) -> None:
        self.house.config = evolve(self.house.config, limits=evolve(self.house.config.limits, **changes))

    def knock(self, *, host: str = "192.0.2.7", tunnel: Any = None, login: bool = True) -> Visit:
        """A connection, its key exchange done; with ``login`` ssh-userauth runs."""
        return Visit(self, host, tunnel, login=login)


class Visit:
    def __init__(self, door: Door, host: str, tunnel: Any, *, login: bool) -> None:
        self.door = door
        self.clock = door.house.clock
        self.server = ClientConnection(door.entrance, tunnel)
        self.client = Client(self.clock)
        self.ends: tuple[tuple[Any, Wire], tuple[Any, Wire]] = (
            (self.server, Wire(host)),
            (self.client, Wire("gate")),
        )
        for protocol, wire in self.ends:
            protocol.makeConnection(wire)
        self.pump()
        if login:
            self.client.requestService(Speaker(self.client))
            self.pump()

    @property
    def said(self) -> list[tuple[int, bytes]]:
        return self.client.said

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.client.said]

    @property
    def gone(self) -> bool:
        return self.ends[0][1].gone

    def pump(self) -> None:
        """Carry everything to and fro until nothing moves."""
        moving = True
        while moving:
            moving = False
            for (_, wire), (other, peer) in (self.ends, self.ends[::-1]):
                while wire.sent and not peer.gone and not peer.paused:
                    moving = True
                    other.dataReceived(wire.sent.pop(0))
                if wire.closing and not wire.gone:
                    moving = True
                    self.hang_up()

    def hang_up(self) -> None:
        for (_, wire), (other, peer) in (self.ends, self.ends[::-1]):
            while wire.sent and not peer.gone and not wire.aborted:
                other.dataReceived(wire.sent.pop(0))
        for protocol, wire in self.ends:
            if not wire.gone:
                wire.gone = wire.closing = True
                protocol.connectionLost(Failure(ConnectionDone()))

    def send(self, number: int, payload: bytes = b"") -> None:
        self.client.sendPacket(number, payload)
        self.pump()

    def ask(
        self, method: bytes, rest: bytes = b"", *, user: bytes = b"web", service: bytes = b"ssh-connection"
    ) -> None:
        """USERAUTH_REQUEST."""
        self.send(REQUEST, string(user) + string(service) + string(method) + rest)

    def password(self, token: bytes, **more: Any) -> None:
        self.ask(b"password", b"\0" + string(token), **more)
        self.wait()

    def wait(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        self.pump()

    def banners(self) -> str:
        return "".join(Fields(payload).string().decode() for number, payload in self.said if number == BANNER)

    def methods(self) -> list[str]:
        """Of the last failure."""
        payload = next(payload for number, payload in reversed(self.said) if number == FAILURE)
        return Fields(payload).string().decode().split(",")
