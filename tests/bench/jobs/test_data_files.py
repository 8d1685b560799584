from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.jobs.data_files import data_files
from bench.plugins import Plugin


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def of_folder(folder: Path) -> list[str]:
    plugin = Plugin("approaches", "mine", "test", folder)
    return [path.relative_to(folder).as_posix() for path in data_files(plugin.sources(), folder)]


def of_file(file: Path) -> list[str]:
    return sorted(os.path.relpath(path, file.parent) for path in data_files([file], None))


FOLDER = {
    "__init__.py": "",
    "settings.json": "{}",
    "weights/net.safetensors": "",
    "atlas.npy": "",
    "deep/inner/vocabulary.txt": "",
    "quick.toml": "",
    "ablations/small.toml": "",
    "deep/lookup.toml": "",
    "README.md": "",
    "notes.ipynb": "",
}


def test_every_file_of_a_folder_but_presets_and_words(tmp_path: Path) -> None:
    found = ["atlas.npy", "deep/inner/vocabulary.txt", "deep/lookup.toml", "settings.json", "weights/net.safetensors"]
    assert of_folder(write(tmp_path, FOLDER)) == found


@pytest.mark.parametrize(
    ("code", "added"),
    [
        ("x = open(here / 'quick.toml')", {"quick.toml", "ablations/small.toml"}),
        ("def f(name):\n    return f'{name}.md'", {"README.md"}),
        ("'''Reads README.md and quick.toml.'''  # or notes.ipynb", set()),
    ],
)
def test_they_count_where_the_code_names_them(tmp_path: Path, code: str, added: set[str]) -> None:
    plain = set(of_folder(write(tmp_path, FOLDER)))
    (tmp_path / "__init__.py").write_text(code)
    assert set(of_folder(tmp_path)) - plain == added


@pytest.mark.parametrize(
    "aside",
    [".venv/lib/x.py", "venv/x.json", "node_modules/x/y.json", "__pycache__/x.bin", ".git/config", ".hidden",
     "env/lib/site-packages/x.json", "a/site-packages/x.json", "mine.egg-info/x", "runs/toy/result.json",
     "out/toy-1/folds-2-0a1b2c3d/labels.csv", "train_images/1/2/3.dcm", "code.pyc"],
)  # fmt: skip
def test_what_lies_in_the_folder_but_is_no_part_of_it(tmp_path: Path, aside: str) -> None:
    before = of_folder(write(tmp_path, FOLDER))
    assert of_folder(write(tmp_path, {aside: "x"})) == before
    assert Plugin("approaches", "mine", "test", tmp_path).sources() == [tmp_path / "__init__.py"]


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG", "conda-meta/history"])
def test_environments_and_caches_of_any_name(tmp_path: Path, mark: str) -> None:
    before = of_folder(write(tmp_path, FOLDER))
    assert of_folder(write(tmp_path, {f"mine311/{mark}": "", "mine311/lib/x.json": ""})) == before


def test_links_are_followed_once_and_pipes_are_not_opened(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", {"net.bin": "1"})
    folder = write(tmp_path / "mine", {"__init__.py": ""})
    (folder / "weights").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder)
    (folder / "broken").symlink_to(folder / "absent")
    os.mkfifo(folder / "pipe")
    assert of_folder(folder) == ["weights/net.bin"]


def test_single_file_counts_what_its_strings_name(tmp_path: Path) -> None:
    absolute = tmp_path / "elsewhere" / "big.pth"
    write(tmp_path, {"elsewhere/big.pth": "", "project/settings.json": "{}", "project/other.json": "{}"})
    write(tmp_path, {"project/weights/deep/net.pt": "", "project/weights/unnamed.pt": "", "data/up.csv": ""})
    file = tmp_path / "project" / "mine.py"
    file.write_text(
        f"'''Not other.json.'''\nHERE = Path(__file__).parent\na = HERE / 'settings.json'\n"
        f"b = HERE / 'weights' / 'deep' / 'net.pt'\nc = {str(absolute)!r}\nd = HERE / '../data/up.csv'\n"
        f"e = '/proc/cpuinfo', '', '.', '..', '/', 'x' * 9, {'y' * 5000!r}, 'a\\0b', '~nobody-here/x', 'mine.py'\n"
    )
    assert of_file(file) == ["../data/up.csv", "../elsewhere/big.pth", "settings.json", "weights/deep/net.pt"]
