"""What the README shows is true: its example is a working plug-in; its commands, links and paths exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from bench.cli import group
from bench.testing import check_contract

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in ROOT.rglob("*.md") if not {".venv", "venv"} & set(path.relative_to(ROOT).parts))


def commands() -> list[str]:
    blocks = re.findall(
        r"```\n(.*?)```", "\n".join(page.read_text(encoding="utf-8") for page in PAGES), flags=re.DOTALL
    )
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return sorted({line for line in lines if line.startswith("bench ")})


def test_the_example_approach_keeps_the_contract(tmp_path: Path, session_cache: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert code is not None
    path = tmp_path / "uniform.py"
    path.write_text(code.group(1))
    check_contract("uniform", tmp_path / "work", paths=[path], cache=session_cache)


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = group
    context = click.Context(group)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    command.make_context("bench", words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


# Folders of a store or of the competition's data, and files that a reader makes: they are not in the repository.
ELSEWHERE = {"runs", "replaced", "stages", "train_images"}
TOP_LEVEL = {path.name for path in ROOT.iterdir() if path.is_dir()} - ELSEWHERE


def paths_in(text: str) -> list[str]:
    """Words in backticks that look like a path of the repository: a folder alone, or what is in a top-level folder."""
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    words = [word for part in quoted for word in part.split()]
    folders = {word for word in words if re.fullmatch(r"[\w.-]+/", word) and word.rstrip("/") not in ELSEWHERE}
    return sorted(folders | {word for word in words if "/" in word and word.partition("/")[0] in TOP_LEVEL})


def test_paths_are_recognised() -> None:
    text = (
        "`bench/approach.py`, `pytest tests/performance -s`, `tests/`, `replaced/`, `a/b`, `.ci/run`\n```\nbench/x\n```"
    )
    assert paths_in(text) == [".ci/run", "bench/approach.py", "tests/", "tests/performance"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_path_named_exists(name: str) -> None:
    paths = paths_in((ROOT / name).read_text(encoding="utf-8"))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), f"{name} names {path}, which does not exist"
