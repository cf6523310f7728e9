"""``hoopgate sessions``: list, show, replay, export and verify recordings, from the files alone."""

from __future__ import annotations

import functools
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgate.cli.check import DEFAULT
from hoopgate.cli.recordings import Duration, Moment, Recordings, Speed, Wanted, directory_of, summaries
from hoopgate.errors import SecretError
from hoopgate.recorders import reader
from hoopgate.recorders.asciicast import NoSuchChannelError, terminal
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.export import Format
from hoopgate.recorders.export import export as exported
from hoopgate.recorders.format import Malformed
from hoopgate.recorders.keys import load_public_key
from hoopgate.recorders.redraw import Redrawing
from hoopgate.recorders.replay import Player, moment
from hoopgate.recorders.shown import safe, safe_lines, table
from hoopgate.recorders.summary import Summary, Told, statements, summarize
from hoopgate.recorders.verify import Report, verify

BAD, TRUNCATED = 1, 3  # exit codes of `verify`
PUBLIC_KEY = "public-key.pem"

P = ParamSpec("P")
T = TypeVar("T")


def _reading(command: Callable[P, T]) -> Callable[P, T]:
    """Turn what a bad file raises into a message."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except Malformed as error:
            raise click.ClickException(f"byte {error.at}: {error}. Verify it: hoopgate sessions verify") from error
        except NoSuchChannelError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            sys.exit(0)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error

    return wrapped


@click.group()
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HOOPGATE_RECORDINGS",
    help="Where the recordings lie; without it the configuration says.",
)
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="HOOPGATE_CONFIG",
    default=DEFAULT,
    show_default=True,
    help="The gateway's configuration.",
)
@click.pass_context
def sessions(ctx: click.Context, directory: Path | None, config: Path) -> None:
    """List, show, replay, export and verify recorded sessions."""
    ctx.obj = Recordings(lambda: directory or directory_of(config))


@sessions.command("list")
@click.option("--target", default="*", help="Only targets that fit this glob.")
@click.option("--identity", default="*", help="Only people that fit: person, subject or issuer|subject.")
@click.option("--since", type=Moment(), help="Only what was open at or after this time (2026-11-07, 2h, 7d).")
@click.option("--until", type=Moment(), help="Only what began before this time.")
@click.option("--refused", is_flag=True, help="Only sessions in which something was refused.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
@_reading
def list_(recordings: Recordings, /, as_json: bool, **filters: Any) -> None:
    """List sessions, oldest first."""
    found = summaries(recordings.directory(), Wanted(**filters))
    if as_json:
        for summary in found:
            click.echo(json.dumps(summary.as_json()))
        return
    names = ("session", "started", "who", "target", "role", "seconds", "statements", "refused", "end")
    heading = True
    while rows := [_row(summary) for summary in itertools.islice(found, 100)]:
        for line in table(names, rows, heading=heading):
            click.echo(line)
        heading = False


def _row(summary: Summary) -> tuple[str, ...]:
    return (
        summary.session,
        moment(summary.started),
        summary.who,
        summary.target,
        summary.role,
        f"{summary.seconds:.1f}",
        str(summary.statements),
        str(summary.refused),
        "(no end: live or cut off)" if summary.reason is None else summary.reason,
    )


@sessions.command()
@click.argument("session")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
@_reading
def show(recordings: Recordings, session: str, as_json: bool) -> None:
    """Show one session: who, where, each statement with its verdict and outcome, the end."""
    path = recordings.find(session)
    summary = summarize(path)
    if summary is None:
        raise click.ClickException(f"{path} has no opening: it was cut off at once")
    if as_json:
        told = [statement.as_json() for statement in statements(path)]
        click.echo(json.dumps({**summary.as_json(), "statement_list": told}, indent=2, default=str))
        return
    for name, value in _facts(summary):
        click.echo(f"{name:<10} {safe(value)}")
    for statement in statements(path):
        click.echo("")
        _show_statement(statement)


def _facts(summary: Summary) -> list[tuple[str, str]]:
    end = "missing: the session is live, or the recording was cut off" if summary.reason is None else summary.reason
    facts = [
        ("session", summary.session),
        ("who", f"{summary.who} ({summary.issuer}|{summary.subject})"),
        ("through", " → ".join(summary.chain)),
        ("target", f"{summary.target} as {summary.role}"),
        ("from", summary.client),
        ("started", moment(summary.started)),
        ("lasted", f"{summary.seconds:.3f} s"),
        ("bytes", f"{summary.sent} to the target, {summary.received} to the client"),
        ("statements", f"{summary.statements}, {summary.refused} refused, {summary.held} held"),
        ("end", end),
        ("file", str(summary.path)),
    ]
    return [fact for fact in facts if fact[1]]


def _show_statement(told: Told) -> None:
    rule = f" by rule {told.rule}" if told.rule else ""
    click.echo(safe(f"[{told.at:10.3f}] {told.verdict or '?'}{rule}{': ' if told.reason else ''}{told.reason}"))
    for line in safe_lines(told.text).splitlines():
        click.echo(f"    {line}")
    for number, value in enumerate(told.parameters, 1):
        click.echo(f"    ${number} = {'NULL' if value is None else safe(str(value))}")
    if told.approval:
        by = ", ".join(map(str, told.approval.get("by", ()))) or "nobody"
        click.echo(
            safe(f"    approval {told.approval.get('id', '')}: {told.approval.get('status', 'pending')} by {by}")
        )
    outcome = [*told.tags, *([f"SQLSTATE {told.sqlstate}"] if told.sqlstate else [])]
    if outcome:
        took = f" after {told.ended - told.at:.3f} s" if told.ended is not None else ""
        click.echo(safe(f"    → {', '.join(outcome)}{took}"))


@sessions.command()
@click.argument("session")
@click.option("--speed", type=Speed(), default="1", show_default=True, help="2 plays twice as fast, max at once.")
@click.option("--max-idle", type=Duration(), help="The longest pause, such as 1s.")
@click.option("--max-rows", type=click.IntRange(0), default=1000, show_default=True, help="Rows of each result.")
@click.option("--follow", is_flag=True, help="Go on while the session is live.")
@click.option("--channel", type=click.IntRange(1), help="Draw this channel of an SSH session as its terminal did.")
@click.pass_obj
@_reading
def replay(
    recordings: Recordings,
    session: str,
    speed: float | None,
    max_idle: float | None,
    max_rows: int,
    follow: bool,
    channel: int | None,
) -> None:
    """Play a session again: statements, verdicts and results as the client saw them.

    With --channel a terminal is drawn as it was; what would do more than draw (titles, the clipboard, questions to
    your terminal) is left out.

    \b
    hoopgate sessions replay 01m82zb --speed 4 --max-idle 2s
    hoopgate sessions replay 01m82zb --channel 1
    """
    path = recordings.find(session)
    items = conversation(reader.follow(path) if follow else reader.read(path))
    if channel is None:
        Player(click.echo, time.sleep, speed=speed, max_idle=max_idle, max_rows=max_rows).play(items)
        return
    of = terminal(path, channel)
    drawn = Redrawing(
        channel, functools.partial(click.echo, nl=False, color=True), time.sleep, speed=speed, max_idle=max_idle
    )
    drawn.play(items, begin=of.at, pty=of.pty)


@sessions.command()
@click.argument("session")
@click.option("--format", "format_", type=click.Choice(get_args(Format)), default="text", show_default=True)
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", atomic=True), default="-", help="A file.")
@click.option("--channel", type=click.IntRange(1), help="Of asciicast: which; without it the first terminal.")
@click.option("--typed", is_flag=True, help="Of asciicast: with what was typed, where it was recorded.")
@click.pass_obj
@_reading
def export(
    recordings: Recordings, session: str, format_: Format, output: Any, channel: int | None, typed: bool
) -> None:
    """Export a session: its SQL, every item as JSON lines, the replay's text, or a terminal as asciicast v3.

    A file gets what was recorded, byte for byte; on a terminal control characters are shown as escapes.

    \b
    hoopgate sessions export 01m82zb --format json | jq .
    hoopgate sessions export 01m82zb --format asciicast -o session.cast
    """
    shown = safe_lines if output.isatty() else str
    for line in exported(recordings.find(session), format_, channel=channel, typed=typed):
        click.echo(shown(line), file=output)


@sessions.command("verify")
@click.argument("files", nargs=-1, required=True)
@click.option("--public-key", type=click.File("rb"), help="The recorder's public key (PEM).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
@_reading
def verify_(recordings: Recordings, files: tuple[str, ...], public_key: Any, as_json: bool) -> None:
    """Verify recordings offline: files, or ids of sessions.

    Exit status: 0 all are whole and unchanged, 1 something was changed (or the key is another), 3 an end is missing.
    """
    key = _public_key(recordings, public_key)
    worst = 0
    for name in files:
        path = recordings.find(name)
        report = verify(path, key)
        click.echo(json.dumps(_as_json(path, report)) if as_json else _line(path, report))
        code = 0 if report.ok else TRUNCATED if report.truncated else BAD
        worst = BAD if BAD in (worst, code) else max(worst, code)
    sys.exit(worst)


def _public_key(recordings: Recordings, given: Any) -> Ed25519PublicKey:
    if given is None:
        path = recordings.directory() / PUBLIC_KEY
        click.echo(f"using {path}: whoever can change the recordings can change it; keep a copy elsewhere", err=True)
        pem = path.read_bytes()
    else:
        pem = given.read()
    try:
        return load_public_key(pem)
    except SecretError as error:
        raise click.UsageError(str(error)) from error


def _as_json(path: Path, report: Report) -> dict[str, Any]:
    return {
        "file": str(path),
        "session": report.session,
        "ok": report.ok,
        "truncated": report.truncated,
        "reason": report.reason,
        "first_bad_byte": report.first_bad_offset,
        "exact": report.exact,
        "bad_range": report.bad_range,
        "proven_bytes": report.proven,
        "bytes": report.size,
        "records": report.records,
        "sealed": (report.end or {}).get("sealed"),
    }


def _sealed(report: Report) -> str:
    """What to add where the end was written afterwards."""
    sealed = (report.end or {}).get("sealed")
    if not isinstance(sealed, dict) or report.end is None:
        return ""
    proven, reason = sealed.get("proven", 0), safe(str(report.end.get("reason", "")))
    return f"; sealed afterwards ({reason}), {proven} bytes were signed before"


def _line(path: Path, report: Report) -> str:
    if report.ok:
        return f"{path}: OK, {report.records} records, {report.size} bytes, session {report.session}{_sealed(report)}"
    if report.truncated:
        return f"{path}: TRUNCATED at byte {report.size}: {report.reason}"
    where = f"first bad byte {report.first_bad_offset}"
    if not report.exact and report.bad_range is not None:
        where = f"first bad byte in {report.bad_range[0]}..{report.bad_range[1] - 1}"
    return f"{path}: BAD, {where}: {report.reason}"


@sessions.command("public-key")
@click.pass_obj
@_reading
def public_key(recordings: Recordings) -> None:
    """Print the recorder's public key (PEM), to be kept where the recordings are not."""
    click.echo((recordings.directory() / PUBLIC_KEY).read_text("ascii"), nl=False)
