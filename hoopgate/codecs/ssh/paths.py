"""Names of files as SFTP and scp give them, taken apart without asking anybody.

Only the target knows where a symbolic link leads. So what is found here is a name's plain meaning, and whoever decides
by names has to ask the target (REALPATH), or to take a name for any that it could be.
"""

from __future__ import annotations


def shown(path: bytes) -> str:
    """As text: UTF-8, with surrogates where it is none."""
    return path.decode("utf-8", "surrogateescape")


def raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def normal(path: str, start: str = "") -> str:
    """Without ``.``, ``..``, empty parts and a slash at the end.

    A relative name stands behind ``start`` where that is given, and else stays relative: ``..`` that it begins with
    are kept. The result is never empty: ``"."`` is what a relative name may come to.
    """
    whole = path if path.startswith("/") or not start else f"{start}/{path}"
    absolute = whole.startswith("/")
    parts: list[str] = []
    for part in whole.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".", "..") or (part == ".." and not absolute):
            parts.append(part)
    return ("/" if absolute else "") + "/".join(parts) or "."


def joined(directory: str, name: str) -> str:
    """``name`` in ``directory``; both normal, the name relative."""
    if name == ".":
        return directory
    return name if directory == "." else f"{directory.rstrip('/')}/{name}"


def parent(path: str) -> str:
    """The directory of a normal path: of ``/`` and ``.`` themselves."""
    head, slash, _ = path.rpartition("/")
    return (head or "/") if slash else "."


def base(path: str) -> str:
    """The last part of a normal path."""
    return path.rpartition("/")[2]


def plain_name(name: str) -> bool:
    """Whether it is the name of something in a directory, and leads nowhere else."""
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name
