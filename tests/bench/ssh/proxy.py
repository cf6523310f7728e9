"""A peer: what a proxy is that somebody writes in an afternoon with asyncssh, which records nothing and asks nobody.

``python -m tests.bench.ssh.proxy PORT TARGET_PORT USER TARGET_KEY HOST_KEY CLIENT_KEY``
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import asyncssh


async def _serve(process: Any, connect: Any) -> None:
    async with await connect() as target:
        inner = await target.create_process(
            process.command, term_type=process.term_type, term_size=process.term_size, encoding=None,
            stdin=process.stdin, stdout=process.stdout, stderr=process.stderr,
        )  # fmt: skip
        done = await inner.wait()
        process.exit(done.exit_status or 0)


async def _main(port: int, target: int, user: str, key: str, host_key: str, client_key: str) -> None:
    def connect() -> Any:
        return asyncssh.connect("127.0.0.1", target, username=user, client_keys=[key], known_hosts=None, config=None)

    await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[host_key], authorized_client_keys=client_key + ".pub", encoding=None,
        process_factory=lambda process: _serve(process, connect), line_editor=False,
    )  # fmt: skip
    await asyncio.Event().wait()


if __name__ == "__main__":
    port, target, *rest = sys.argv[1:]
    asyncio.run(_main(int(port), int(target), *rest))
