"""Which files the names of SFTP requests mean: asked of the target where a rule depends on it.

Only the target knows where links lead. It is asked by REALPATH on the client's own channel, as the same account, right
before the request goes; a name that it cannot tell may be any. What is moved at the target between question and request
is not seen, and a server whose REALPATH does not follow links tells no more than the name itself does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen
from twisted.internet.defer import Deferred

from hoopgate.codecs.ssh import paths
from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import raw, shown
from hoopgate.codecs.ssh.sftp_packets import Attributes, Request
from hoopgate.guards.file_wishes import ITSELF, NAMING, RENAMES
from hoopgate.policy.files import path, some
from hoopgate.policy.operations import Object

Ask = Callable[[int, bytes], Deferred[bytes | Attributes | None]]


@frozen
class Found:
    """What a request's paths mean. ``tree``: the first is a directory, or may be one."""

    first: tuple[Object, ...] = ()
    second: tuple[Object, ...] = ()
    tree: bool = True


_NOTHING: Final = Found()


class Names:
    """Of one channel. ``ask`` answers with what the target says to REALPATH or LSTAT, None for an error."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._start: str | None = None  # where relative names begin: "" where the target does not say

    @property
    def known(self) -> bool:
        """The start is, as far as it ever will be."""
        return self._start is not None

    async def learn(self) -> None:
        """Ask for the start."""
        found = await self._absolute(".")
        self._start = found or ""

    def taken(self, request: Request) -> Found:
        """What the names plainly say."""
        if request.name in NAMING or not request.known:
            return _NOTHING
        return Found(self._things(request.path), self._things(request.second) if request.second else ())

    async def asked(self, request: Request) -> Found:
        """What the target says they mean."""
        if request.name in NAMING or not request.known or not request.path:
            return self.taken(request)
        if request.name == "symlink":
            # Who takes which of the two for the link is not agreed: each may be, and the other one then leads from
            # where that stands.
            one, other = shown(request.path), shown(request.second)
            return Found(await self._link_ends(one, other), await self._link_ends(other, one))
        itself = request.name in ITSELF
        first = (await self._one(shown(request.path), itself),)
        second = (await self._one(shown(request.second), itself),) if request.second else ()
        return Found(first, second, await self._may_be_directory(request) if request.name in RENAMES else True)

    def handled(self, name: str) -> Object:
        """A file that was opened by this name."""
        return self._named(name) if name.startswith("/") else some(f"*/{name}")

    # --- within

    async def _may_be_directory(self, request: Request) -> bool:
        answer = await self._ask(packets.LSTAT, request.path)
        return not isinstance(answer, Attributes) or answer.directory is not False

    async def _link_ends(self, text: str, link: str) -> tuple[Object, ...]:
        found = [await self._one(text, itself=True), await self._one(text, itself=False)]
        if not text.startswith("/"):
            beside = paths.joined(paths.parent(paths.normal(link, self._start or "")), text)
            found += [await self._one(beside, itself=False)]
        return tuple(dict.fromkeys(found))

    async def _one(self, text: str, itself: bool) -> Object:
        plain = text.rstrip("/") or "/"
        last = plain.rpartition("/")[2]
        if not itself or last in ("", ".", ".."):
            found = await self._absolute(text)
            if found is not None:
                return self._named(found)
        if last in ("", ".", ".."):
            return some("*")
        inside = await self._absolute(plain[: -len(last)] or ".")
        if inside is None:
            return some(f"*/{last.translate(_SIGNS)}")  # nobody knows where it is
        return self._named(paths.joined(inside, last))

    async def _absolute(self, text: str) -> str | None:
        answer = await self._ask(packets.REALPATH, raw(text))
        if not isinstance(answer, bytes) or not answer.startswith(b"/") or b"/../" in answer + b"/":
            return None
        return paths.normal(shown(answer))

    def _things(self, data: bytes) -> tuple[Object, ...]:
        return (self._named(paths.normal(shown(data), self._start or "")),)

    def _named(self, name: str) -> Object:
        start = self._start
        if not start or start == "/":
            return path(name)
        if name == start:
            return path(name, "~")
        return path(name, f"~{name[len(start) :]}" if name.startswith(f"{start}/") else "")


_SIGNS: Final = str.maketrans("*?[", "???")
