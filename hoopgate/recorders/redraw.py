"""One channel of an SSH session drawn again on a terminal, in its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hoopgate.recorders.items import Flowed, Item
from hoopgate.recorders.terminal import Screen

RESET = "\x1b[0m\x1b[?25h\x1b[?1049l"  # colours off, the cursor visible, back from the alternate screen


class Redrawing:
    """Writes to ``out`` what channel ``number`` showed; ``speed`` and ``max_idle`` as of :class:`~.replay.Player`."""

    def __init__(
        self,
        number: int,
        out: Callable[[str], None],
        sleep: Callable[[float], None],
        *,
        speed: float | None,
        max_idle: float | None,
    ) -> None:
        self._number = number
        self._out = out
        self._sleep = sleep
        self._speed = speed
        self._max_idle = max_idle
        self._screens = {"output": Screen(), "error": Screen()}

    def play(self, items: Iterable[Item], *, begin: float, pty: bool) -> None:
        """Everything; ``begin``: when the channel began, in seconds; without a ``pty`` lines end as files' do."""
        now = begin
        try:
            for item in items:
                if not isinstance(item, Flowed) or item.number != self._number or item.stream == "input":
                    continue
                self._wait(item.at - now)
                now = max(now, item.at)
                text = self._screens[item.stream].feed(item.data)
                self._out(text if pty else text.replace("\n", "\r\n"))
        finally:
            self._out(RESET)

    def _wait(self, idle: float) -> None:
        if self._speed is None or idle <= 0:
            return
        pause = idle / self._speed
        self._sleep(pause if self._max_idle is None else min(pause, self._max_idle))
