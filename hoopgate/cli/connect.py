"""``hoopgate connect``: a way to a target over standard input and output, or over a local port."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click

from hoopgate.cli.problems import EXIT_CODES
from hoopgate.cli.tunnel import PORT, Asked, run


@click.command(epilog=EXIT_CODES)
@click.argument("target")
@click.argument("port", type=click.IntRange(1, 65535), default=PORT, required=False)
@click.option("--gate", metavar="HOST:PORT", default="", help="The gateway's CONNECT listener.")
@click.option("--ca", metavar="FILE", default="", help="PEM file with the only authorities to trust.")
@click.option(
    "--listen", metavar="PLACE", default="", help="Serve 127.0.0.1:PORT (0: any free one) or a Unix socket's path."
)
def connect(target: str, port: int, gate: str, ca: str, listen: str) -> None:
    """Reach TARGET through the gateway's one TLS port, with the token that is found.

    As ssh's ProxyCommand: hoopgate connect %h %p

    PORT may be given for tools that always do; it changes nothing. Where HOOPGATE_GATE (gate in cli.toml) and --gate
    are missing, the API is asked where the port is.

    \b
    ssh -o ProxyCommand='hoopgate connect %h %p' deploy@web uptime
    hoopgate connect shop --listen 127.0.0.1:5432
    """
    asked = Asked(target, port, gate, ca)
    if not listen:
        sys.exit(run(asked))
    _listen(listen, asked)


def _listen(place: str, asked: Asked) -> None:
    from hoopgate.cli import forward

    listening = forward.listen(place)
    click.echo(forward.name_of(listening))
    try:
        forward.serve(listening, asked)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        listening.close()
        if place.startswith("/"):
            with suppress(FileNotFoundError):
                Path(place).unlink()
