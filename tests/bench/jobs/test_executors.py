from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.jobs.executors import LocalExecutor, choose_slots, choose_spare
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.result import JobRecord

JOB = Job("mil", "quick", "{}", "toy", "data", "d" * 64, 5, "f" * 64, 0)


def plan(orders: int, *, slots: int, threads: int, spare: int, gpus: int = 0) -> list[tuple[int, int]]:
    """(How many run beside each other, threads) of every job in turn."""
    order = Order(JOB, Path("runs"), Path("cache"), "cpu", "fp32", threads, slots, "bench run")
    executor = LocalExecutor(slots=slots, threads=threads, spare=spare, gpus=gpus)
    return [(one.beside, one.threads) for one in executor.plan([order] * orders)]


def test_full_rounds_share_the_threads_evenly() -> None:
    assert plan(4, slots=2, threads=2, spare=1) == [(2, 1)] * 4
    assert plan(8, slots=4, threads=8, spare=2) == [(4, 2)] * 8


def test_a_job_left_over_joins_the_first_round() -> None:
    assert plan(5, slots=2, threads=2, spare=1) == [(3, 1)] * 3 + [(2, 1)] * 2
    assert plan(10, slots=8, threads=8, spare=4) == [(10, 1)] * 10


def test_without_room_to_spare_a_single_one_goes_first_and_has_all_threads() -> None:
    assert plan(5, slots=2, threads=2, spare=0) == [(1, 2)] + [(2, 1)] * 4


def test_many_left_over_make_a_round_of_their_own() -> None:
    assert plan(15, slots=8, threads=8, spare=4) == [(8, 1)] * 15


def test_one_job_has_all_threads() -> None:
    assert plan(1, slots=1, threads=8, spare=0) == [(1, 8)]


def test_a_job_that_goes_on_keeps_its_threads(tmp_path: Path) -> None:
    """Without this, a killed run that leaves one job of two would end it with other last digits."""
    order = Order(JOB, tmp_path, Path("cache"), "cpu", "fp32", 2, 2, "bench run")
    executor = LocalExecutor(slots=2, threads=2, spare=0)
    assert [one.threads for one in executor.plan([order])] == [2]
    order.files.path.mkdir(parents=True)
    for begun, kept in ((1, 1), (2, 2), (64, 2)):
        JobRecord(job=JOB, fingerprint={}, threads=begun).write(order.files.job)
        assert [one.threads for one in executor.plan([order])] == [kept]
        assert [one.threads for one in executor.plan([replace(order, force=True)])] == [2], "it begins anew"
    order.files.job.write_text("{")
    assert [one.threads for one in executor.plan([order])] == [2]
    JobRecord(job=JOB, fingerprint={}, threads=1).write(order.files.job)
    order.files.done.touch()
    assert [one.threads for one in executor.plan([order])] == [2], "what is done and made anew begins anew"


def test_one_job_a_gpu() -> None:
    assert plan(3, slots=2, threads=8, spare=0, gpus=2) == [(2, 4)] * 3


def test_how_many_run_at_once() -> None:
    assert choose_slots(None, 5, gpus=0, cores=2) == 2
    assert choose_slots(None, 1, gpus=0, cores=8) == 1
    assert choose_slots(None, 5, gpus=4, cores=64) == 4
    assert choose_slots(3, 5, gpus=0, cores=2) == 3
    with pytest.raises(UsageError, match="--jobs 0"):
        choose_slots(0, 5, gpus=0, cores=2)


def test_only_the_default_on_a_cpu_crowds_the_first_round() -> None:
    assert choose_spare(None, 2, gpus=0) == 1
    assert choose_spare(None, 1, gpus=0) == 0
    assert choose_spare(2, 2, gpus=0) == 0
    assert choose_spare(None, 2, gpus=2) == 0
