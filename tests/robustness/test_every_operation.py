"""A kill at every operation on files of a small job: the same command ends with the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import SmallRun
from .killing import KILLED, run_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="forks a process with threads")]
MOST = 2000


def test_a_kill_at_any_operation_changes_nothing(
    finished: SmallRun, prepared: SmallRun, place: Callable[[], Path]
) -> None:
    # Outcomes hold no paths, so that one finished run stands for all.
    expected = finished.outcome()
    for operation in range(1, MOST):
        run = prepared.copy(place())
        code = run_until(run.run, operation, run.root)
        assert code in (0, KILLED), f"operation {operation} of the first attempt raised"
        said = run.run()
        assert run.outcome() == expected, f"after a kill at operation {operation}: {said}"
        if code == 0:
            break
    assert 40 < operation < MOST - 1
    print(f"{operation - 1} crash points, outcomes byte-equal at each")


@pytest.mark.parametrize("seed", range(8))
def test_kills_one_after_the_other(
    finished: SmallRun, prepared: SmallRun, place: Callable[[], Path], seed: int
) -> None:
    """Every attempt is killed a few operations after the last, until one comes through."""
    run, attempts = prepared.copy(place()), 0
    while run_until(run.run, 5 + 7 * attempts + seed, run.root) == KILLED:
        attempts += 1
        assert attempts < 100
    assert attempts > 3
    assert run.run() == []
    assert run.outcome() == finished.outcome()
