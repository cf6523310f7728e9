"""Whether recordings in a directory may be mapped into memory.

A copy into a mapping cannot fail, it can only kill the process (SIGBUS). So the filesystem must keep its word: bytes
once written as zeros can be written again without new room on the disk. Those that copy on write (btrfs, ZFS) do not,
nor do network filesystems; what is not known here is not mapped.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Final

FILESYSTEMS: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def hindrance(directory: Path, mounts: Path = _MOUNTS) -> str:
    """Why recordings in ``directory`` are not mapped; "" if they are."""
    try:
        found = filesystem(directory.stat().st_dev, mounts.read_text("utf-8", "replace"))
        if found not in FILESYSTEMS:
            return f"its filesystem is {found or 'not known'}"
        _try(directory)
    except OSError as error:
        return f"a trial failed: {error.strerror}"
    return ""


def filesystem(device: int, mountinfo: str) -> str:
    """The type of the filesystem with this device number; "" if it is not mounted under it.

    ``mountinfo`` is /proc/PID/mountinfo (proc(5)): the third field is major:minor, the first behind `` - `` the type.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) > 2 and words[2] == wanted and rest:
            return rest.split(" ")[0]
    return ""


def _try(directory: Path) -> None:
    """Write, map, change, read again. Raises OSError."""
    with tempfile.TemporaryFile(dir=directory) as file:
        os.pwrite(file.fileno(), bytes(mmap.PAGESIZE), 0)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_SHARED) as mapping:
            mapping[1] = 1
        if os.pread(file.fileno(), 2, 0) != b"\x00\x01":
            raise OSError(0, "what is mapped is not what is read")
