"""A data folder that is a level or two off is recognised, and the right one named."""

from __future__ import annotations

import re

import pytest

from bench.data.folder import check_folder
from bench.data.validate import check
from bench.errors import DataError
from bench.targets import TARGET_NAMES


@pytest.fixture
def whole(data):
    data.study(1)
    data.tables([1], TARGET_NAMES)
    return data.root


def move_down(root, *names):
    """Move all that is in a folder into one below it, and return that."""
    entries = list(root.iterdir())
    inner = root.joinpath(*names)
    inner.mkdir(parents=True)
    for entry in entries:
        entry.rename(inner / entry.name)
    return inner


@pytest.mark.parametrize("names", [("rsna",), ("input", "rsna")])
def test_the_folder_above_names_the_right_one(whole, names):
    inner = move_down(whole, *names)
    words = f"{whole} is not the folder of the data, but {inner} is: pass that one."
    with pytest.raises(DataError, match=re.escape(words)):
        check_folder(whole)
    with pytest.raises(DataError, match=re.escape(words)):
        check(whole, jobs=1, progress=lambda *_: None, known_faults={})
    check_folder(inner)


@pytest.mark.parametrize("below", ["train_images", "train_images/1"])
def test_the_folder_below_names_the_right_one(whole, below):
    with pytest.raises(DataError, match=re.escape(f"but {whole} is: pass that one")):
        check_folder(whole / below)


def test_two_data_folders_below_are_not_guessed_between(data, whole):
    inner = move_down(whole, "a")
    (whole / "b").mkdir()
    (whole / "b" / "train_images").mkdir()
    (whole / "b" / "train_series_descriptions.csv").write_bytes((inner / "train_series_descriptions.csv").read_bytes())
    check_folder(whole)


def test_a_folder_that_lacks_a_part_is_not_searched(whole):
    move_down(whole / "train_images", "deep")
    check_folder(whole)


def test_any_other_tree_is_left_alone(data):
    data.study(1)
    (data.root / "train_images").rename(data.root / "images")
    check_folder(data.root)
    assert check(data.root, jobs=1, progress=lambda *_: None, known_faults={}).layout == "own"
