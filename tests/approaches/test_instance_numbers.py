"""The same images under other instance numbers: what is learnt and predicted stays the same to the bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from bench import plugins
from bench.data.load import Opened, open_dataset
from bench.datasets.phantom import Phantom, build
from bench.jobs import config as configuration
from bench.testing import make_context

STUDIES = 6
POINTS = "train_label_coordinates.csv"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "data"
    build(folder, preset="tiny", studies=STUDIES, seed=1)
    return folder


@pytest.fixture(scope="module")
def renumbered(original: Path) -> Path:
    """Every other series with its numbers in reverse, the others with shuffled ones, in files, names and points."""
    folder, random = original.parent / "renumbered", np.random.default_rng(0)
    shutil.copytree(original, folder)
    points = pd.read_csv(folder / POINTS)
    before = points["instance_number"].copy()
    for place, series in enumerate(sorted((folder / "train_images").glob("*/*"))):
        files = sorted(series.glob("*.dcm"), key=lambda path: int(path.stem))
        numbers = [int(path.stem) for path in files]
        others = numbers[::-1] if place % 2 else random.permutation(numbers).tolist()
        images = [pydicom.dcmread(path) for path in files]
        for image, number in zip(images, others, strict=True):
            image.InstanceNumber = number
            image.save_as(series / f"{number}.dcm")
        own = points["series_id"] == int(series.name)
        points.loc[own, "instance_number"] = before[own].map(dict(zip(numbers, others, strict=True)))
    points.to_csv(folder / POINTS, index=False)
    return folder


def opened(folder: Path) -> Opened:
    cache = folder.parent / f"{folder.name}-cache"
    return open_dataset(Phantom(), folder, cache=cache, jobs=1, progress=lambda *_: None)


def predicted(name: str, data: Opened, work: Path) -> np.ndarray:
    """(2, 25, 3) of the last two studies, learnt from the others."""
    kind = plugins.load("approaches", name)
    _, text = configuration.resolve(plugins.find("approaches", name), kind.Config, preset="smoke")
    approach = kind(kind.Config.model_validate_json(text))
    context = make_context(work, data.volumes, all_studies=data.cohort)
    ids = data.cohort.study_ids
    approach.fit(data.cohort.subset(ids[:-2]), context)
    return approach.predict(data.cohort.subset(ids[-2:]).hidden(), context).probabilities


@pytest.mark.parametrize("name", ["multitask", "sequence"])
def test_instance_numbers_make_no_difference(original: Path, renumbered: Path, tmp_path: Path, name: str) -> None:
    first, second = opened(original), opened(renumbered)
    pairs = [
        (one.instance_numbers, other.instance_numbers)
        for study, again in zip(first.cohort.studies, second.cohort.studies, strict=True)
        for one, other in zip(study.series, again.series, strict=True)
    ]
    assert sum(not np.array_equal(*pair) for pair in pairs) > len(pairs) / 2
    before, after = predicted(name, first, tmp_path / "first"), predicted(name, second, tmp_path / "second")
    np.testing.assert_array_equal(before, after)
