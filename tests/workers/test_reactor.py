"""A worker's reactor is its own: nothing that was imported before the fork may have kept the supervisor's."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from twisted.internet import epollreactor
epollreactor.install()
from twisted.internet import reactor as first
from twisted.scripts import twistd  # as twistd has it before it asks for us
import hoopgate.service
from hoopgate import plugins
plugins.import_built_in()
from hoopgate.workers.rebirth import forget_reactor, fresh_reactor
forget_reactor(None)
second = fresh_reactor()
from twisted.internet import reactor
assert reactor is second is not first
assert first._poller.closed and not second._poller.closed
keepers = [
    f"{name}.{key}"
    for name, module in list(sys.modules.items())
    for key, value in list(vars(module).items())
    if value is first and name != "__main__"
]
print(keepers)
"""


def test_no_module_keeps_the_one_before() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
