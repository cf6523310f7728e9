"""Where the command line finds recordings, and which of them a list wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import click
from attrs import frozen

from hoopgate.config.load import ConfigErrors, load
from hoopgate.recorders import places
from hoopgate.recorders.file import recordings_directory
from hoopgate.recorders.format import Malformed
from hoopgate.recorders.summary import Summary, summarize

_AGE = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@frozen
class Recordings:
    """``directory`` is asked for only when it is needed: a file can be read without any configuration."""

    directory: Callable[[], Path]

    def find(self, session: str) -> Path:
        """A file's path, a session's id, or the beginning of one that fits no other."""
        path = Path(session)
        if path.is_file():
            return path
        found = places.find(self.directory(), session)
        if found is None:
            raise click.ClickException(f"no recording, or more than one, is called {session} in {self.directory()}")
        return found


def directory_of(config: Path) -> Path:
    """The directory that the configuration names."""
    try:
        return recordings_directory(load(config))
    except ConfigErrors as error:
        raise click.UsageError(f"{config} has mistakes; run: hoopgate check -c {config}") from error
    except OSError as error:
        raise click.UsageError(f"{config} cannot be read ({error.strerror}); give --config or --directory") from error


@frozen
class Wanted:
    """What a list shows. ``target`` and ``identity`` are globs; times are epoch seconds."""

    target: str = "*"
    identity: str = "*"
    since: float | None = None
    until: float | None = None
    refused: bool = False

    def fits(self, summary: Summary) -> bool:
        """Identity is person, subject or ``issuer|subject``; a session that overlaps the time counts."""
        names = (summary.person, summary.subject, f"{summary.issuer}|{summary.subject}")
        return (
            fnmatchcase(summary.target, self.target)
            and any(fnmatchcase(name, self.identity) for name in names)
            and (self.since is None or summary.started + summary.seconds >= self.since)
            and (self.until is None or summary.started < self.until)
            and (not self.refused or summary.refused > 0)
        )


def summaries(directory: Path, wanted: Wanted) -> Iterator[Summary]:
    """Oldest first; what cannot be read is told on standard error and passed over."""
    for path in places.recordings(directory):
        try:
            summary = summarize(path)
        except (Malformed, OSError) as error:
            click.echo(f"{path}: {error}", err=True)
            continue
        if summary is not None and wanted.fits(summary):
            yield summary


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """``2026-11-07``, ``2026-11-07T10:00`` (UTC unless it says otherwise), or an age such as ``2h`` or ``7d``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        if age := _AGE.fullmatch(text):
            return datetime.now(UTC).timestamp() - int(age[1]) * _SECONDS[age[2]]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time; write 2026-11-07T10:00 or an age such as 2h", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Speed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A factor above 0, or ``max``; gives None for ``max``."""

    name = "factor|max"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        text = str(value)
        if text == "max":
            return None
        try:
            factor = float(text.removesuffix("x"))
        except ValueError:
            factor = 0.0
        if not 0 < factor < 1e6:
            self.fail(f"{text!r} is no speed; write 2, 0.5 or max", param, ctx)
        return factor


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """Seconds, or ``500ms``, ``1s``, ``2m``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)?", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration; write 1s or 500ms", param, ctx)
        return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}[match[2]]
