"""Slice selection of `multitask`: features per second, and one fold's ensemble at the competition's size.

``pytest tests/performance/test_selection.py --benchmark-enable -s`` prints the figures and holds them to their limits.
The features of the ensemble's training are drawn, not computed.
"""

from __future__ import annotations

import resource
import time
from statistics import median

import numpy as np
import pytest

from bench.approaches.multitask.selection.config import FeatureConfig, SelectionConfig
from bench.approaches.multitask.selection.ensemble import Ensemble
from bench.approaches.multitask.selection.texture import blocks, slice_features

LEAST_SLICES_PER_S, MOST_SECONDS, MOST_GB = 150, 30 * 60, 8
STUDIES = 1580  # four of five folds of 1,975
SLICES = {"canal": 17, "foramen": 34, "axial": 30}  # per study: of one stack, of both sides, of five levels

pytestmark = [pytest.mark.benchmark(group="selection"), pytest.mark.usefixtures("measured")]


def test_features_of_150_slices_per_second_and_core() -> None:
    images = np.random.default_rng(0).random((20, 16, 16), dtype=np.float32).repeat(16, axis=1).repeat(16, axis=2)
    rates = []
    for _ in range(7):
        started = time.process_time()
        for image in images:
            slice_features(image, FeatureConfig())
        rates.append(len(images) / (time.process_time() - started))
    print(f"\n{median(rates):.0f} slices of 256 x 256 per CPU second (median of 7)")
    assert median(rates) >= LEAST_SLICES_PER_S


def test_one_fold_of_1975_studies_trains_within_half_an_hour_and_8_gb() -> None:
    random = np.random.default_rng(0)
    width = 2 * sum(blocks(FeatureConfig()).values()) + 6
    started = time.process_time()
    for group, per_study in SLICES.items():
        groups = np.repeat(np.arange(STUDIES), per_study)
        marked = random.random(len(groups)) < 0.15
        matrix = random.normal(size=(len(groups), width)).astype(np.float32)
        matrix[marked, :20] += 0.7
        before = time.process_time()
        assert Ensemble.fit(matrix, marked, groups, SelectionConfig(), 0).trained
        print(f"\n{group}: {len(groups)} slices, {time.process_time() - before:.0f} CPU s", end="")
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nall three ensembles {spent:.0f} CPU s, {peak:.1f} GB")
    assert spent <= MOST_SECONDS
    assert peak <= MOST_GB
