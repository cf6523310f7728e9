"""Each spelling of a denied command runs it in a real shell, and is denied; honest commands are understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hoopgate.config.model import Config, Host, Role, Target, What
from hoopgate.policy.engine import Decision, Subject
from hoopgate.policy.shell.effects import operations
from tests.policy.samples import config, engine, person, rule
from tests.policy.shell.corpus import EVASIONS, HONEST
from tests.policy.shell.real import SHELLS, Place

SERVER = Target("server", "ssh", (Host("server"),), roles=(Role("app", "app"), Role("root", "root")))
BASH = Target("server", "ssh", (Host("server"),), roles=(Role("app", "app"),), shell="bash")
LIBERAL = rule(
    "liberal",
    "allow",
    what=What(effect=("session", "read", "write", "transfer", "execute.program", "execute.environment")),
)


def policy(*rules: object, target: Target = SERVER) -> Config:
    from attrs import evolve

    return evolve(config(*rules), targets=(target,))  # type: ignore[arg-type]


def decide(text: str, *rules: object, target: Target = SERVER) -> Decision:
    found = policy(*(rules or (LIBERAL,)), target=target)
    return engine(found).decide_now(Subject(person(), target, "app"), text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("shells"))


@pytest.mark.parametrize(("shells", "text"), EVASIONS, ids=[text for _, text in EVASIONS])
def test_an_evasion_takes_effect_and_is_denied(place: Place, shells: str, text: str) -> None:
    for shell in shells.split():
        if shell in SHELLS:
            assert "rm" in place.ran(shell, text), f"{shell} does not run it"
    assert decide(text).then == "deny"


@pytest.mark.parametrize(("shells", "text"), EVASIONS, ids=[text for _, text in EVASIONS])
def test_it_is_denied_where_bash_alone_reads_it(shells: str, text: str) -> None:
    if "bash" in shells.split():
        assert decide(text, target=BASH).then == "deny"


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_command_is_understood(text: str) -> None:
    assert [one for one in operations(text) if one.effect == "unknown"] == []


def test_an_empty_command_does_nothing() -> None:
    for text in ("", "  ", "# nothing", "\n\n"):
        assert decide(text).then == "allow"


# -- spellings that nobody wrote down

_LETTERS = some.sampled_from(
    ["{}", "\\{}", "'{}'", '"{}"', "''{}", '{}""', "$'{}'", "{}\\\n", "${{nothing}}{}", "$(echo {})"]
)
_BEFORE = some.sampled_from(
    ["", "true;", "true&&", "false||", "true|", "\n", "x=1 ", ">a ", "! ", "command ", "env ", "{ ", "( "]
)
_AFTER = {"{ ": ";}", "( ": ")"}


@given(some.lists(_LETTERS, min_size=2, max_size=2), _BEFORE, some.sampled_from([" rmfile", "\trmfile", ""]))
@settings(max_examples=120, deadline=None)
def test_no_spelling_of_a_denied_command_is_allowed(letters: list[str], before: str, rest: str) -> None:
    name = "".join(form.format(letter) for form, letter in zip(letters, "rm", strict=True))
    text = before + name + rest + _AFTER.get(before, "")
    runs = any("rm" in _PLACE.ran(shell, text) for shell in SHELLS)
    assert not runs or decide(text).then == "deny", text


class _Lazy:
    """A place that is made once it is needed, since hypothesis and fixtures do not mix."""

    def __init__(self) -> None:
        self._place: Place | None = None

    def ran(self, shell: str, text: str) -> set[str]:
        if self._place is None:
            import tempfile

            self._place = Place(Path(tempfile.mkdtemp(prefix="hoopgate-shells-")))
        return self._place.ran(shell, text)


_PLACE = _Lazy()
