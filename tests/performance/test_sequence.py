"""What sequence's preparation costs per slice, and its loading beside a training step, on one thread.

``pytest tests/performance/test_sequence.py --benchmark-enable -s`` prints the figures and holds them to their limits;
without ``--benchmark-enable`` they are not measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from bench import plugins
from bench.approaches.sequence import ScanSequence
from bench.approaches.sequence.fitting import Examples, StudyBatches, sequence_loss
from bench.approaches.sequence.model import SequenceNet
from bench.approaches.sequence.prepare import Readers, prepare_studies, study_file, write_study
from bench.approaches.sequence.slice_choice import KINDS, choose_slices
from bench.data.load import open_dataset
from bench.datasets.phantom import Phantom, build
from bench.jobs import config as configuration
from bench.testing import make_context
from bench.training.precision import autocast, settle

STUDIES, ROUNDS = 12, 3
LEAST_SLICES_PER_SECOND = 100
MOST_LOADING = 0.1

pytestmark = pytest.mark.benchmark(group="sequence")


@pytest.fixture(scope="module")
def opened(one_thread, tmp_path_factory):
    """Studies of the default phantom's size, on one thread."""
    root = tmp_path_factory.mktemp("small")
    build(root / "data", preset="small", studies=STUDIES, seed=1, jobs=2)
    return open_dataset(Phantom(), root / "data", cache=root / "cache", jobs=2, progress=lambda *_: None)


def load_config(preset: str):
    _, text = configuration.resolve(plugins.find("approaches", "sequence"), ScanSequence.Config, preset=preset)
    return ScanSequence.Config.model_validate_json(text)


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_slices_are_prepared_fast(opened, tmp_path, benchmark, preset: str) -> None:
    config = load_config(preset).preparation
    readers = Readers(opened.volumes, config)
    studies = opened.cohort.studies
    count = sum(len(choose_slices(study, kind, config.scan(kind))) for study in studies for kind in KINDS)

    def prepare() -> None:
        for study in studies:
            write_study(study_file(tmp_path, study.study_id), study, readers)

    prepare()
    speed = count / np.median([seconds(prepare) for _ in range(ROUNDS)])
    benchmark.pedantic(prepare, rounds=1)
    print(f"\n{preset}: {speed:.0f} slices per second and core (median of {ROUNDS} rounds of {count} slices)")
    assert speed >= LEAST_SLICES_PER_SECOND


def test_loading_takes_a_tenth_of_a_training_step(opened, tmp_path, benchmark) -> None:
    config = load_config("quick")
    context = make_context(tmp_path, opened.volumes)
    precision = "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    folder = context.shared("slices", config.preparation, opened.cohort, prepare_studies)
    batches = StudyBatches(Examples.of(opened.cohort, folder, config, context), config, seed=0)
    model = settle(SequenceNet(config.network, config.preparation), "cpu").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss = sequence_loss(config)
    ready = [batch for batch, _ in batches.epoch(1)]

    def train() -> None:
        for batch in ready:
            with autocast("cpu", precision):
                value = loss(model, batch)["loss"]
            value.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    train()
    loading, training = [], []
    for number in range(2, 2 + ROUNDS):
        loading.append(seconds(partial(list, batches.epoch(number))))
        training.append(seconds(train))
    benchmark.pedantic(partial(list, batches.epoch(1)), rounds=1)
    share = np.median(loading) / np.median(training)
    print(f"\nloading and augmentation: {share:.3f} of a step (median of {ROUNDS} epochs of {STUDIES} studies)")
    assert share <= MOST_LOADING
