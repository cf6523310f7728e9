"""Why a connection is ended."""

from __future__ import annotations


class RefusedError(Exception):
    """Ends the connection: the reason's code (RFC 4253, section 11.1) and words for the peer."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(code, words)
        self.code = code
        self.words = words
