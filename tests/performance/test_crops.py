"""How many slices of real sizes one core reads from the cache and cuts per second, on which forecasts of reading rest.

``pytest tests/performance/test_crops.py --benchmark-enable -s`` prints the figures, of images of 224 to 1024 pixels
that lie in memory.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import pytest

from bench.data.load import open_dataset
from bench.datasets.phantom import Phantom, build
from bench.training.crops import CropReader, Crops
from bench.training.forecast.devices import SLICES_PER_S

STUDIES, BATCHES, TOGETHER, SLICES, ROUNDS = 12, 30, 4, 3, 5
NOISE = 3  # machines differ by so much

pytestmark = [pytest.mark.benchmark(group="reading"), pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("full")
    build(root / "data", preset="full", studies=STUDIES, seed=101, jobs=2)
    return open_dataset(Phantom(), root / "data", cache=root / "cache", jobs=2, progress=lambda *_: None)


@pytest.mark.parametrize("size", [64, 128, 256, 384])
def test_one_core_reads_as_many_slices_as_forecasts_assume(opened, size: int, benchmark) -> None:
    series = [one for study in opened.cohort.studies for one in study.series]
    reader = CropReader(opened.volumes, (size, size))
    random = np.random.default_rng(0)

    def read() -> None:
        """Crops of the inner two thirds of a series' width and height, in a few neighbouring slices."""
        chosen = [series[index] for index in random.integers(len(series), size=TOGETHER)]
        first = np.array([random.integers(max(1, len(one) - SLICES)) for one in chosen])
        last = np.array([len(one) - 1 for one in chosen])
        slices = np.minimum(first[:, None] + np.arange(SLICES), last[:, None])
        extent = np.array([[one.shapes[0][1] / 2, one.shapes[0][0] / 2] for one in chosen])
        matrices = np.zeros((TOGETHER, 2, 3))
        matrices[:, 0, 0], matrices[:, 1, 1] = extent.T * 2 / 3
        matrices[:, :, 2] = extent
        reader.read(Crops(np.array([one.series_id for one in chosen]), slices, matrices))

    read()
    rates = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(BATCHES):
            read()
        rates.append(BATCHES * TOGETHER * SLICES / (time.process_time() - started))
    benchmark.pedantic(read, rounds=ROUNDS)
    print(f"\n{size} x {size}: {median(rates):.0f} slices per CPU second (median of {ROUNDS})")
    assert median(rates) >= SLICES_PER_S / NOISE
