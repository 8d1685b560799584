"""What MIL's second stage costs beside the same network on tensors that are ready, in one run on one thread.

``pytest tests/performance/test_mil.py --benchmark-enable -s`` prints the figures and holds them to their limits;
without ``--benchmark-enable`` they are not measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch

from bench.approaches.mil.bag_reader import BagReader
from bench.approaches.mil.model import SeverityNet
from bench.approaches.mil.severity import BagBatches, condition_sets, grade_loss, train_severity
from bench.approaches.mil.slice_errors import ASSUMED, KINDS
from bench.data.keypoints import read_keypoints
from bench.training.precision import autocast, settle

STUDIES = 24
ROUNDS = 5
ERRORS = dict.fromkeys(KINDS, ASSUMED)

pytestmark = pytest.mark.benchmark(group="mil")


@pytest.fixture(scope="module")
def job(job_of):
    """Studies, settings of stage 2 and a context on one thread."""
    cohort, config, context = job_of("mil")
    return cohort, config.severity, context


def parts(job):
    """The network, its training data and one step on a batch, in a bare loop."""
    cohort, config, context = job
    (conditions,) = condition_sets(config)
    torch.manual_seed(0)
    network = settle(SeverityNet(config, config.networks[0], conditions), "cpu").train()
    reader = BagReader(cohort.studies, read_keypoints(cohort, lambda *_: None), config, network.streams, context)
    batches = BagBatches(reader, cohort.grades, ERRORS, conditions, batch_size=config.schedule.batch_size, seed=0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    loss = grade_loss(config, {})

    def step(batch) -> None:
        with autocast("cpu", context.precision):
            value = loss(network, batch)["loss"]
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return batches, step


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def test_reading_a_batch_takes_a_tenth_of_a_training_step(job, benchmark) -> None:
    batches, step = parts(job)
    ready = [batch for batch, _ in batches.epoch(1)]
    step(ready[0])
    reading, training = [], []
    for number in range(2, 2 + ROUNDS):
        reading.append(seconds(partial(list, batches.epoch(number))))
        training.append(seconds(lambda: [step(batch) for batch in ready]))
    benchmark.pedantic(lambda: next(iter(batches.epoch(1))), rounds=ROUNDS)
    ratio = np.median(reading) / np.median(training)
    print(f"\nfrom cache to batch: {ratio:.3f} of the training step (median of {ROUNDS} epochs of {STUDIES} studies)")
    assert ratio <= 0.1


def test_an_epoch_runs_at_nine_tenths_of_a_bare_loop(job, benchmark) -> None:
    cohort, config, context = job
    batches, step = parts(job)
    ready = [batch for batch, _ in islice(batches.epoch(1), len(batches))]
    step(ready[0])
    keypoints = read_keypoints(cohort, lambda *_: None)
    (conditions,) = condition_sets(config)
    ratios: list[float] = []

    def epochs(count: int) -> float:
        """Seconds of training this many epochs as the approach does, checkpoints and all."""
        schedule = config.schedule.model_copy(update={"epochs": count})
        short = config.model_copy(update={"schedule": schedule})
        for file in context.resume.glob("*"):
            file.unlink()
        return seconds(
            lambda: train_severity(cohort.studies, keypoints, cohort.grades, ERRORS, short, 0, conditions, context)
        )

    for _ in range(ROUNDS):
        bare = seconds(lambda: [step(batch) for batch in ready])
        ratios.append(bare / ((epochs(3) - epochs(1)) / 2))  # setting up is no part of an epoch
    benchmark.pedantic(lambda: step(ready[0]), rounds=ROUNDS)
    print(f"\nstage 2 trains at {np.median(ratios):.3f} of a bare loop on ready tensors (median of {ROUNDS} pairs)")
    assert np.median(ratios) >= 0.9
