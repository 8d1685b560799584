"""What the pages of the project show: fenced blocks, by language, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SHELL = ("", "sh", "bash", "shell", "console")


def pages() -> list[Path]:
    """Every Markdown page of the project."""
    found = CHECKOUT.rglob("*.md")
    own = (path for path in found if not any(part.startswith(".") or part == "venv" for part in _parts(path)))
    return sorted(own)


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block of a page, in order."""
    found: list[tuple[str, str]] = []
    language, lines = None, []
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = re.match(r"\s*```(.*)", line)
        if fence is None:
            lines.append(line)
        elif language is None:
            language, lines = fence[1].strip(), []
        else:
            found.append((language, "\n".join(lines) + "\n"))
            language = None
    assert language is None, f"{page}: a fenced block has no end"
    return found


def commands(page: Path) -> list[str]:
    """The commands of a page's shell blocks, in order, without comments."""
    text = "\n".join(block for language, block in blocks(page) if language in SHELL)
    parts = (part for line in text.replace("\\\n", " ").splitlines() for part in line.split("&&"))
    bare = (re.sub(r"(^|\s)#.*", "", part).strip() for part in parts)
    return [command for command in bare if command]


def _parts(path: Path) -> tuple[str, ...]:
    return path.relative_to(CHECKOUT).parts


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests with `page` run once per page, tests with `shown` once per command of any page."""
    if "page" in metafunc.fixturenames:
        every = pages()
        metafunc.parametrize("page", every, ids=[str(page.relative_to(CHECKOUT)) for page in every])
    if "shown" in metafunc.fixturenames:
        every_command = sorted({command for page in pages() for command in commands(page)})
        metafunc.parametrize("shown", every_command)


@pytest.fixture
def commands_of() -> Callable[[Path], list[str]]:
    return commands


@pytest.fixture
def blocks_of() -> Callable[[Path], list[tuple[str, str]]]:
    return blocks


@pytest.fixture
def all_pages() -> list[Path]:
    return pages()
