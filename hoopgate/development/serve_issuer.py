"""``python -m hoopgate.development.serve_issuer PORT``: the development identity provider in a process of its own."""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.logger import globalLogBeginner, textFileLogObserver

from hoopgate.development.idp import DevelopmentIssuer

# A demo may run all day, and its tokens are made once.
LIFETIME = 24 * 3600.0


def serve(port: int) -> None:
    """Serve on loopback until told to stop by SIGTERM."""
    from twisted.internet import reactor as installed

    reactor = cast(Any, installed)
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    DevelopmentIssuer(reactor, lifetime=LIFETIME).listen(reactor, port)
    reactor.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
