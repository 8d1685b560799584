"""The preset ``gpu``: what it takes on a T4 and the competition's data, by the forecast."""

from __future__ import annotations

import pytest

from tests.approaches.gpu_budget import Budget


@pytest.mark.slow
def test_five_folds_fit_a_t4() -> None:
    Budget.of("multitask").check()
