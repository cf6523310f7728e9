"""A workload's token is found where its platform puts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hoopgate.identity.workload import WorkloadError, WorkloadToken, workload_token

GITHUB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://actions.example.com/token?api-version=2.0",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret",
}


class Platform:
    def __init__(self, status: int = 200, answer: dict[str, Any] | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._answer = status, {"value": "github-token"} if answer is None else answer

    def __call__(self, url: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append((url, dict(headers)))
        return self._answer


def find(environ: dict[str, str], *files: Path, platform: Platform | None = None) -> WorkloadToken | None:
    return workload_token(environ, "hoop gate", platform or Platform(), files)


def test_nothing_is_found_where_nothing_is() -> None:
    assert find({}) is None


def test_the_environment_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    environ = GITHUB | {"HOOPGATE_TOKEN": "from-env", "HOOPGATE_TOKEN_FILE": str(file)}
    platform = Platform()
    found = find(environ, file, platform=platform)
    assert found == WorkloadToken("from-env", "HOOPGATE_TOKEN")
    assert platform.asked == []
    del environ["HOOPGATE_TOKEN"]
    found = find(environ, file)
    assert found is not None
    assert found.token == "from-file"


def test_github_is_asked_for_our_audience() -> None:
    platform = Platform()
    assert find(GITHUB, platform=platform) == WorkloadToken("github-token", "GitHub Actions")
    assert platform.asked == [
        (
            "https://actions.example.com/token?api-version=2.0&audience=hoop%20gate",
            {"Authorization": "Bearer request-secret"},
        )
    ]


def test_githubs_address_alone_is_not_enough() -> None:
    assert find({"ACTIONS_ID_TOKEN_REQUEST_URL": GITHUB["ACTIONS_ID_TOKEN_REQUEST_URL"]}) is None


@pytest.mark.parametrize(("status", "answer"), [(403, {}), (200, {}), (200, {"value": 5}), (200, {"value": "a b"})])
def test_github_without_a_token(status: int, answer: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match="GitHub"):
        find(GITHUB, platform=Platform(status, answer))


def test_kubernetes_files_are_tried_in_turn(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_text("second-token")
    assert find({}, first, second) == WorkloadToken("second-token", f"Kubernetes ({second})")
    first.write_text("first-token")
    found = find({}, first, second)
    assert found is not None
    assert found.token == "first-token"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"two words", b"a\nb", b"\xff\xfe", b"x" * 70_000, b"tok\x00en"])
def test_a_named_file_without_a_token_is_an_error_not_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(WorkloadError, match="HOOPGATE_TOKEN_FILE"):
        find({"HOOPGATE_TOKEN_FILE": str(file)})


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_named_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkloadError):
        find({"HOOPGATE_TOKEN_FILE": str(tmp_path / name)})


def test_no_representation_shows_the_token() -> None:
    assert "from-env" not in repr(find({"HOOPGATE_TOKEN": "from-env"}))
