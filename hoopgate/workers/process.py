"""What each process of the gateway sets for itself: how many files it may open, and when its collector looks around."""

from __future__ import annotations

import gc
import resource
from typing import Final

COLLECT: Final = (10_000, 10, 10)  # objects made and not freed until the collector looks at them, then generations


def raise_file_limit() -> None:
    """Take as many file descriptors as the system allows: a session needs three, and shells give 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle() -> None:
    """Take what is there after the start out of the collector's sight, and let it look less often.

    It stays for as long as the process does, and looking through it again and again costs some microseconds a
    transaction; what sessions leave is freed by its counts of references, and in cycles only now and then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
