"""Values that name something outside the file: where a secret lies, where a target is reached."""

from __future__ import annotations

from attrs import field, frozen

from hoopgate.config.kinds import Port


@frozen
class SecretRef:
    """``scheme:rest`` (``env:NAME``, ``file:/path``, ``systemd:name``); the scheme picks the secret-source plugin."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


@frozen
class Host:
    """``name:port`` or a Unix socket directory. ``given``: the file names the port."""

    name: str
    port: Port = 5432
    given: bool = field(default=True, eq=False)

    @property
    def is_socket(self) -> bool:
        return self.name.startswith("/")
