"""Plugins are found by entry point, verified, and stop the start when they cannot be used."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from attrs import frozen
from twisted.internet import reactor
from zope.interface.verify import verifyObject

from hoopgate import plugins
from hoopgate.config.load import loads
from hoopgate.frames import Phase, Statement
from hoopgate.interfaces import IGuard, IGuardFactory, ISecretSource
from hoopgate.plugins import PluginError, load_plugins, make, names
from hoopgate.policy.operations import Operation
from hoopgate.verdicts import ALLOW, Block
from tests.config.files import MINIMAL
from tests.house.places import ROOT, run

EXAMPLE = ROOT / "docs" / "examples" / "guard_business_hours"
WEDNESDAY = 1_763_510_400.0  # 2025-11-19 00:00 UTC


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """``installed(name, value, code)``: a distribution with that entry point, and its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay(name, value, code="", group="hoopgate.guards", distribution="third-party"):
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
        module = value.partition(":")[0]
        if code:
            (tmp_path / f"{module}.py").write_text(code)
            monkeypatch.delitem(sys.modules, module, raising=False)
        importlib.invalidate_caches()

    return lay


GOOD = """
from zope.interface import implementer
from hoopgate.interfaces import IGuardFactory
@implementer(IGuardFactory)
class Factory:
    def __init__(self, options): self.options = options
    def open(self, session): return None
def function(options): return Factory(options)
def crooked(options): return object()
def raising(options): raise KeyError("colour")
value = 3
@implementer(IGuardFactory)
class Short: pass
class Silent:
    def __init__(self, options): pass
    def open(self, session): return None
"""


@pytest.mark.parametrize("value", ["third:Factory", "third:function"])
def test_a_third_party_is_equal_to_our_own(installed, value):
    installed("mine", value, GOOD)
    assert names("hoopgate.guards") == ("mine",)
    factory = load_plugins("hoopgate.guards", ["mine"])["mine"]
    assert make("hoopgate.guards", "mine", factory, {"a": 1}).options == {"a": 1}


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ("third:Factory", "import nothing_like_this", "cannot load: ModuleNotFoundError"),
        ("third:Factory", "def", "cannot load: SyntaxError"),
        ("third:Factory", "raise SystemExit(0)", "cannot load: SystemExit: 0"),
        ("third:Missing", GOOD, "cannot load: AttributeError"),
        ("third:value", GOOD, "is not callable"),
        ("third:Short", GOOD, "open"),
        ("third:Silent", GOOD, "IGuardFactory"),
    ],
)
def test_a_plugin_that_cannot_load_stops_the_start(installed, value, code, says):
    installed("mine", value, code)
    with pytest.raises(PluginError, match=says) as caught:
        load_plugins("hoopgate.guards")
    assert "'mine' of third-party" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"), [("third:crooked", "does not do what it must"), ("third:raising", "cannot start: KeyError")]
)
def test_what_a_factory_makes_is_verified_too(installed, value, says):
    installed("mine", value, GOOD)
    factory = load_plugins("hoopgate.guards")["mine"]
    with pytest.raises(PluginError, match=says):
        make("hoopgate.guards", "mine", factory, {})


def test_one_that_is_not_installed():
    with pytest.raises(PluginError, match="no plugin 'nobody' is installed; there is env, file, systemd"):
        load_plugins("hoopgate.secrets", ["nobody"])


def test_nobody_takes_the_name_of_our_own(installed):
    installed("file", "third:Factory", GOOD, group="hoopgate.secrets", distribution="sly")
    with pytest.raises(PluginError, match=r"'file' is claimed by hoopgate .* and sly"):
        load_plugins("hoopgate.secrets", ["file"])


def test_our_own_entry_points_listed_again_count_once(installed):
    installed("file", "hoopgate.secrets.file:factory", group="hoopgate.secrets", distribution="hoopgate-again")
    assert set(load_plugins("hoopgate.secrets")) == {"env", "file", "systemd"}


@pytest.mark.parametrize("group", sorted(plugins.BUILT_IN))
def test_our_own_load_and_are_what_the_package_declares(group):
    if group != "hoopgate.detectors":  # which need others' packages: tests/detectors
        assert set(load_plugins(group)) == set(plugins.BUILT_IN[group])
    declared = (ROOT / "setup.cfg").read_text()
    for name, value in plugins.BUILT_IN[group].items():
        assert f"    {name} = {value}\n" in declared


def test_our_own_secret_sources_provide_the_interface():
    for name, factory in load_plugins("hoopgate.secrets").items():
        verifyObject(ISecretSource, make("hoopgate.secrets", name, factory, reactor))


@frozen
class Decision:
    operations: tuple[Operation, ...]


@frozen
class Session:
    decision: Decision | None


@pytest.fixture(scope="module")
def business_hours(tmp_path_factory):
    """The documentation's example, installed by pip into a directory of its own."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / EXAMPLE.name  # a copy: a build leaves its traces beside the source
    source.mkdir()
    for path in EXAMPLE.iterdir():
        if path.is_file():
            (source / path.name).write_bytes(path.read_bytes())
    command = ["pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(target)]
    if _has_setuptools_77():
        command.append("--no-build-isolation")  # needs no registry
    done = run(*command, str(source))
    if done.returncode and "--no-build-isolation" not in command:
        pytest.skip(f"pip cannot install the example here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return target


def _has_setuptools_77() -> bool:
    try:
        import setuptools
    except ImportError:
        return False
    return int(setuptools.__version__.partition(".")[0]) >= 77


def test_the_third_party_guard_of_the_docs_is_installed_and_used(business_hours: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(business_hours))
    importlib.invalidate_caches()
    config = loads(
        MINIMAL + '[guards]\nenabled = ["business_hours"]\n'
        '[guards.options.business_hours]\ntimezone = "UTC"\nhours = [9, 17]\n'
    )
    factory = load_plugins("hoopgate.guards", config.guards)["business_hours"]
    made = make("hoopgate.guards", "business_hours", factory, config.guard_options["business_hours"])
    verifyObject(IGuardFactory, made)
    assert Path(sys.modules[factory.__module__].__file__).is_relative_to(business_hours)

    def judged(hour, effect):
        guard = factory({"hours": [9, 17]}, lambda: WEDNESDAY + hour * 3600).open(
            Session(Decision((Operation(effect, "X"),)) if effect else None)
        )
        verifyObject(IGuard, guard)
        frame = Statement(b"", "text", Phase.SIMPLE)
        assert type(frame) in guard.wants
        return guard.inspect(frame)

    assert judged(10, "delete") is ALLOW
    assert judged(8.9, "read") is ALLOW
    assert isinstance(judged(8.9, "delete"), Block)
    assert isinstance(judged(17, "unknown"), Block)
    assert isinstance(judged(10 + 3 * 24, "write"), Block)  # Saturday
    refusal = judged(20, None)  # nobody judged it before: closed
    assert isinstance(refusal, Block)
    assert (refusal.rule, refusal.hint) == ("business-hours", "Come back between 9 and 17 o'clock, UTC.")
    with pytest.raises(PluginError, match="unknown options: colour"):
        make("hoopgate.guards", "business_hours", factory, {"colour": "red"})
