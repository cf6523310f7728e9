"""The process that parses long statements: ``python -m hoopgate.policy.sql.worker MEMORY SECONDS``.

Reads requests from standard input and writes an answer to each to standard output. Both are a length of four bytes,
big-endian, then that many bytes: a request is one byte, ``w`` where nothing may be left out and else ``s``, and the
statement in UTF-8; an answer is one byte for its kind and the rest,
``+`` and the JSON tree, ``*`` and the tree of a condensed text, or ``-`` and the reason. Whoever starts it kills it
when it is late; the limits here are for when nobody does.
"""

from __future__ import annotations

import resource
import struct
import sys
from typing import BinaryIO, Final

from hoopgate.policy.sql.condense import condense
from hoopgate.policy.sql.tree import Unparsable, parse_json

ANSWER: Final = 2 * 1024 * 1024
"""Bytes of a tree that is worth sending: reading more would stall the gateway for a tenth of a second."""

SHORT: Final = b"s"
WHOLE: Final = b"w"
_STACK: Final = 96 * 1024 * 1024  # libpg_query writes JSON recursively; Linux keeps 128 MiB free for a stack
_LENGTH: Final = struct.Struct(">I")


def answer(request: bytes) -> bytes:
    """The answer to one request, without its length."""
    try:
        text = request[1:].decode()
        short = text if request[:1] == WHOLE else condense(text)
        tree = parse_json(short)
        if len(tree) > ANSWER:
            return b"-the statement is too complex to judge; send it in smaller parts"
        return (b"+" if short is text else b"*") + tree
    except Unparsable as error:
        return b"-" + error.reason.encode(errors="replace")
    except (MemoryError, RecursionError):
        return b"-the statement takes too much memory to judge"


def serve(requests: BinaryIO, answers: BinaryIO, seconds: float) -> None:
    """Answer until the input ends."""
    while True:
        head = requests.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        length = _LENGTH.unpack(head)[0]
        request = requests.read(length)
        if len(request) < length:
            return
        _allow_seconds(seconds)
        reply = answer(request)
        answers.write(_LENGTH.pack(len(reply)) + reply)
        answers.flush()


def _allow_seconds(seconds: float) -> None:
    """CPU time for one more request; going over is SIGXCPU, and the end."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _bound(memory: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    stack = _STACK if hard == resource.RLIM_INFINITY else min(hard, _STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    _bound(memory)
    serve(sys.stdin.buffer, sys.stdout.buffer, seconds)


if __name__ == "__main__":
    main()
