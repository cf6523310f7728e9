"""Plugins: entry points say where they are, zope.interface what they must do, and one that fails stops the start.

Our own guards, recorders, stores and secret sources are looked up in the same way as third parties'. What an entry
point names is a *factory*: a callable that makes the plugin, either a class that implements the interface or a
function that returns something that provides it. It is called with

=====================  ==================================================  ==================
group                  called with                                         gives
=====================  ==================================================  ==================
``hoopgate.guards``    ``options`` (the table ``[guards.options.NAME]``)   ``IGuardFactory``
``hoopgate.detectors`` ``options`` (the detector's table ``options``)      ``IDetector``
``hoopgate.secrets``   ``reactor``                                         ``ISecretSource``
``hoopgate.recorders`` ``config``, ``secrets``, ``reactor``                ``IRecorder``
``hoopgate.stores``    ``config``, ``reactor``                             ``IStore``
=====================  ==================================================  ==================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zope.interface.exceptions import Invalid
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass, verifyObject

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import IDetector, IGuardFactory, IRecorder, ISecretSource, IStore

Factory = Callable[..., Any]

INTERFACES: dict[str, InterfaceClass] = {
    "hoopgate.detectors": IDetector,
    "hoopgate.guards": IGuardFactory,
    "hoopgate.recorders": IRecorder,
    "hoopgate.secrets": ISecretSource,
    "hoopgate.stores": IStore,
}

# Also entry points of the distribution; listed here so that a source tree works uninstalled, and so that nobody
# else's package can take these names.
BUILT_IN: dict[str, dict[str, str]] = {
    "hoopgate.detectors": {"presidio": "hoopgate.detectors.presidio:factory"},
    "hoopgate.guards": {},
    "hoopgate.recorders": {"file": "hoopgate.recorders.file:factory"},
    "hoopgate.secrets": {
        "env": "hoopgate.secrets.env:factory",
        "file": "hoopgate.secrets.file:factory",
        "systemd": "hoopgate.secrets.systemd:factory",
    },
    "hoopgate.stores": {"sqlite": "hoopgate.stores.sqlite:factory"},
}


class PluginError(HoopgateError):
    """A plugin cannot be used; the text names its group, its name, where it comes from, and why."""


def names(group: str) -> tuple[str, ...]:
    """The names that ``group`` has, sorted; nothing is imported."""
    return tuple(sorted({point.name for point in _points(group)}))


def load_plugins(group: str, wanted: Iterable[str] | None = None) -> dict[str, Factory]:
    """Load the plugins ``wanted`` (None: all) of ``group``; by name, in the order wanted.

    Raises :class:`PluginError` for one that is not installed, is claimed by two packages, cannot be imported or does
    not implement the group's interface.
    """
    found: dict[str, list[EntryPoint]] = {}
    for point in _points(group):
        found.setdefault(point.name, []).append(point)
    loaded = {}
    for name in sorted(found) if wanted is None else wanted:
        points = found.get(name, [])
        if not points:
            raise PluginError(
                f"{group}: no plugin {name!r} is installed; there is {', '.join(sorted(found)) or 'none'}"
            )
        if len(points) > 1:
            owners = " and ".join(_origin(point) for point in points)
            raise PluginError(f"{group}: {name!r} is claimed by {owners}; uninstall one")
        loaded[name] = _load(group, points[0])
    return loaded


def import_built_in() -> None:
    """Import our own plugins, so that processes that are forked later have them already.

    Not third parties', nor those that need others' packages: an import of theirs may begin threads, which no fork takes
    along.
    """
    for name, group in BUILT_IN.items():
        for value in group.values() if name != "hoopgate.detectors" else ():
            import_module(value.partition(":")[0])


def make(group: str, name: str, factory: Factory, *arguments: Any) -> Any:
    """Call a factory that :func:`load_plugins` gave, and verify what it made. Raises :class:`PluginError`."""
    try:
        made = factory(*arguments)
    except HoopgateError:
        raise
    except Exception as error:
        raise PluginError(f"{group}: {name!r} cannot start: {type(error).__name__}: {error}") from error
    try:
        verifyObject(INTERFACES[group], made)
    except Invalid as error:
        raise PluginError(f"{group}: {name!r} does not do what it must: {error}") from error
    return made


def _points(group: str) -> list[EntryPoint]:
    """Our own first; the same entry again (our own distribution's, or a path listed twice) counts once."""
    own = [EntryPoint(name, value, group) for name, value in BUILT_IN[group].items()]
    seen = {(point.name, point.value) for point in own}
    others = []
    for point in entry_points(group=group):
        if (point.name, point.value) not in seen:
            seen.add((point.name, point.value))
            others.append(point)
    return own + others


def _origin(point: EntryPoint) -> str:
    dist = getattr(point, "dist", None)
    return f"{dist.name if dist else 'hoopgate'} ({point.value})"


def _load(group: str, point: EntryPoint) -> Factory:
    try:
        factory = point.load()
    except (Exception, SystemExit) as error:  # an import runs code: whatever it raises must stop the start
        raise PluginError(
            f"{group}: {point.name!r} of {_origin(point)} cannot load: {type(error).__name__}: {error}"
        ) from error
    if not callable(factory):
        raise PluginError(f"{group}: {point.name!r} of {_origin(point)} is not callable: it must make the plugin")
    if isinstance(factory, type):
        try:
            verifyClass(INTERFACES[group], factory)
        except Invalid as error:
            raise PluginError(f"{group}: {point.name!r} of {_origin(point)}: {error}") from error
    return factory  # type: ignore[no-any-return]
