"""A target that costs next to nothing: ``python -m tests.bench.replay PORT UPSTREAM``.

It passes everything on to a real server, but what that once answered to a scan it says again by itself, out of memory.
So the gateway before it is the bottleneck, and not the server. Each session is a process, so that none waits for
another's lock.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from tests.bench.wire import message

SCAN = "SELECT * FROM people ORDER BY id LIMIT 20000"
ASKED = message(b"Q", SCAN.encode() + b"\0")
READY = b"Z\0\0\0\5I"
CHUNK = 1 << 18

answers: list[bytes] = []  # of this session: the one, once there is


def serve(port: int, upstream: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    while True:
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            session(client, upstream)
            os._exit(0)
        client.close()


def session(client: socket.socket, upstream: int) -> None:
    target = socket.create_connection(("127.0.0.1", upstream))
    for each in (client, target):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=passed, args=(target, client), daemon=True).start()
    try:
        while data := client.recv(CHUNK):
            if data == ASKED and answers:
                client.sendall(answers[0])
            else:
                target.sendall(data)
    except ConnectionError:
        pass  # the gateway left in the midst of something
    finally:
        target.shutdown(socket.SHUT_WR)


def passed(target: socket.socket, client: socket.socket) -> None:
    """Answers, of which the last whole one that is long is kept."""
    kept: list[bytes] = []
    try:
        while data := target.recv(CHUNK):
            client.sendall(data)
            kept.append(data)
            if data.endswith(READY):
                whole = b"".join(kept)
                kept.clear()
                if len(whole) > CHUNK and not answers:
                    answers.append(whole)
    except OSError:
        pass  # one of them left
    finally:
        client.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
