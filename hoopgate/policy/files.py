"""Files that move and change over SFTP, scp and their like, as operations: the same words as for commands.

What makes one name mean another file's content (RENAME, links) must not give what the rules do not. Beside the write it
therefore is, and with ``gains``, reading what is read under the new name, and writing what was written under the old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from hoopgate.config.model import Rule
from hoopgate.policy.engine import Decision, Engine, Subject
from hoopgate.policy.globs import covers, meet
from hoopgate.policy.operations import Object, Operation, whole
from hoopgate.policy.verdict import SEVERITY

VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "get": ("transfer.out", "read"),
    "put": ("transfer.in", "write"),
    "list": ("read",),
    "stat": ("read",),
    "readlink": ("read",),
    "mkdir": ("write",),
    "truncate": ("write",),
    "rename": ("write",),
    "link": ("write",),
    "setstat": ("write.mode",),
    "setuid": ("admin.privilege",),
    "remove": ("delete",),
    "rmdir": ("delete",),
    "realpath": ("session",),
    "other": ("unknown.channel",),
}
"""The effects of each thing that is done with files."""

FILE_BY_FILE: Final = Operation("session", "SCP", why="its files are judged one by one")
"""What a client asks for that then names the files."""


@frozen
class Gain:
    """Doing ``verb`` with ``old`` is judged too where the rules are laxer with ``new``. ``tree``: these are
    directories, or may be, and it is about what is in them."""

    verb: str
    old: Object
    new: Object
    tree: bool = False


@frozen
class Wish:
    """What somebody wants to do with files, in a few words (``text``) and in those of the policy."""

    text: str
    operations: tuple[Operation, ...]
    gains: tuple[Gain, ...] = ()

    @property
    def quiet(self) -> bool:
        """It only looks, as clients do all the time."""
        return all(operation.effect in ("read", "session") for operation in self.operations)


def path(name: str, also: str = "") -> Object:
    """A file by its own name. ``also``: the same below the home directory (``~/x``)."""
    return Object("", name, "path", also)


def some(pattern: str) -> Object:
    """A file that nobody knows by more than a glob."""
    return Object("", pattern, "file")


ANY: Final = some("*")


def below(thing: Object) -> tuple[Object, ...]:
    """It, and whatever is in it."""
    pattern = thing.name.translate(_ESCAPED) if thing.kind == "path" else thing.name
    also = f"{thing.also.translate(_ESCAPED)}/**" if thing.also else ""
    return thing, Object("", f"{pattern.rstrip('/')}/**", "file", also)


# what a name has of a glob's signs stands for any character
_ESCAPED: Final = str.maketrans("*?[", "???")


def does(verb: str, things: Sequence[Object], why: str = "") -> tuple[Operation, ...]:
    """What ``verb`` does to these files."""
    return tuple(_operation(effect, verb, things, why) for effect in VERBS[verb])


def _operation(effect: str, verb: str, things: Sequence[Object], why: str = "") -> Operation:
    kind, _, part = effect.partition(".")
    found: Any = kind
    return Operation(found, verb.upper(), tuple(things), None, why, part)


def renaming(text: str, old: Object, new: Object, *, tree: bool) -> Wish:
    """``tree``: it is a directory, or may be one."""
    before, after = (below(old), below(new)) if tree else ((old,), (new,))
    operations = (_operation("delete", "rename", before), *does("rename", after))
    return Wish(text, operations, (*_gains("get", old, new, tree), *_gains("put", new, old, tree)))


def linking(text: str, first: Sequence[Object], second: Sequence[Object], *, tree: bool) -> Wish:
    """One of both becomes another name of the other. Which of them depends on client and server (symlinks)."""
    gains = [
        gain
        for verb in ("get", "put")
        for one in first
        for other in second
        for gain in (*_gains(verb, one, other, tree), *_gains(verb, other, one, tree))
    ]
    return Wish(text, does("link", (*first, *second)), tuple(gains))


def _gains(verb: str, old: Object, new: Object, tree: bool) -> tuple[Gain, ...]:
    found = (Gain(verb, old, new),)
    return (*found, Gain(verb, below(old)[1], below(new)[1], tree=True)) if tree else found


def decide(engine: Engine, subject: Subject, wish: Wish) -> Decision:
    """The policy's word on the whole wish."""
    operations = list(wish.operations)
    for gain in wish.gains:
        old, new = (does(gain.verb, (thing,), "by another name") for thing in (gain.old, gain.new))
        if gain.tree:
            laxer = _differ(engine, subject, gain)
        else:
            laxer = _severity(engine, subject, old) > _severity(engine, subject, new)
        if laxer:
            operations += old
    return engine.decide_operations(subject, tuple(operations))


def _severity(engine: Engine, subject: Subject, found: tuple[Operation, ...]) -> int:
    return SEVERITY[engine.decide_operations(subject, found).then]


def _differ(engine: Engine, subject: Subject, gain: Gain) -> bool:
    """May a rule mean something in one directory, and not what has the same place in the other?"""
    effects = VERBS[gain.verb]
    for rule in _rules(engine, subject):
        what = rule.what
        if what.effect and not any(effect in what.effect or whole(effect) in what.effect for effect in effects):
            continue
        if what.object_labels:
            return True
        for glob in what.object:
            if glob.startswith("*") and "/" not in glob:
                continue  # about a file's own name: *.exe
            found = _relations(glob, gain.old)
            if _PARTLY in found or found != _relations(glob, gain.new):
                return True
    return False


def _relations(glob: str, thing: Object) -> tuple[int, ...]:
    names = (thing.name, thing.also)
    return tuple(_WHOLLY if covers(glob, name) else _PARTLY if meet(glob, name) else 0 for name in names if name)


_PARTLY: Final = 1
_WHOLLY: Final = 2


def _rules(engine: Engine, subject: Subject) -> tuple[Rule, ...]:
    scope = engine.scope(subject.identity, subject.target, subject.role, subject.grants)
    return (*scope.rules, *scope.dormant)


def by_path(engine: Engine, subject: Subject) -> bool:
    """Whether it depends on a file's name what may be done with it."""
    return any(
        (rule.what.object or rule.what.object_labels) and _about_files(rule.what.effect)
        for rule in _rules(engine, subject)
    )


def _about_files(effects: Sequence[str]) -> bool:
    kinds = {whole(effect) for found in VERBS.values() for effect in found}
    return not effects or any(whole(effect) in kinds for effect in effects)


def most(engine: Engine, subject: Subject, verb: str, thing: Object) -> tuple[int | None, str]:
    """How many bytes the file may have (None: any number), and the rule that says so."""
    rules = {rule.name: rule.max_size for rule in engine.config.rules if rule.max_size is not None}
    if not rules:
        return None, ""
    found = [engine.decide_operation(subject, each).rule for each in does(verb, (thing,))]
    return min(((rules[name], name) for name in found if name in rules), default=(None, ""))
