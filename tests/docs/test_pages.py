"""What the pages show is true: examples work; commands, links, anchors and paths exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from bench.cli import group
from bench.testing import check_contract

ROOT = Path(__file__).parents[2]
# Commands of other programs by how they begin, and why no test runs them. A `bench` command is never listed here.
NOT_RUN = {
    "python3 -m venv .venv": "makes an environment; `.ci/run` does it before each merge",
    ". .venv/bin/activate": "the same",
    "pip install -e": "the same; needs a package index",
    "pytest -n auto --dist loadfile": "runs these tests",
    "pytest -m slow tests/": "runs slow tests",
    "pytest tests/performance": "a benchmark, which measures and asserts nothing",
}
README_LINES = 120


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_the_readmes_approach_keeps_the_contract(tmp_path: Path, session_cache: Path, blocks_of: Callable) -> None:
    (code,) = (text for language, text in blocks_of(ROOT / "README.md") if language == "python")
    path = tmp_path / "brightness.py"
    path.write_text(code)
    check_contract("brightness", tmp_path / "work", paths=[path], cache=session_cache)


def test_every_other_python_block_runs(page: Path, blocks_of: Callable) -> None:
    if page == ROOT / "README.md":
        return  # above
    for language, text in blocks_of(page):
        assert language in ("", "python"), f"{page} has a block of {language}: no test knows what to do with it"
        if language == "python":
            exec(compile(text, str(page), "exec"), {"__name__": "page"})


def test_every_command_is_understood(shown: str) -> None:
    if not shown.startswith("bench "):
        assert any(shown.startswith(start) for start in NOT_RUN), f"no test runs {shown!r}, and no reason is given"
        for word in shlex.split(shown):
            assert not word.startswith("tests/") or (ROOT / word).exists(), word
        return
    words = shlex.split(shown)[1:]
    command: click.Command = group
    context = click.Context(group)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, shown
        command = found
    command.make_context("bench", words)


def test_what_is_not_run_is_still_shown(all_pages: list[Path], commands_of: Callable) -> None:
    shown = {command for page in all_pages for command in commands_of(page)}
    assert [start for start in NOT_RUN if not any(command.startswith(start) for command in shown)] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere, or to an anchor that is not there."""
    broken = []
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if link.startswith(("http:", "https:")):
            continue
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title, `of` mine\n")
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](#one) [b](other.md#a-title-of-mine) [c](#two) [d](other.md#gone) [e](gone.md)\n")
    assert broken_links(page) == ["#two", "other.md#gone", "gone.md"]


def test_the_citation_is_complete() -> None:
    import tomllib

    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    keys = re.findall(r"^([a-z-]+):", text, flags=re.MULTILINE)
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(keys)
    assert len(keys) == len(set(keys))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.search(rf"^version: {re.escape(project['version'])}$", text, flags=re.MULTILINE)
    assert re.search(rf"^license: {re.escape(project['license'])}$", text, flags=re.MULTILINE)


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


@pytest.mark.parametrize("name", ["CONTRIBUTING.md"])
def test_every_path_named_exists(name: str) -> None:
    paths = paths_in((ROOT / name).read_text(encoding="utf-8"))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), f"{name} names {path}, which does not exist"
