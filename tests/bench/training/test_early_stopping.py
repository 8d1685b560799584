from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.training.early_stopping import Monitor, PlateauRate
from bench.training.schedule import EarlyStopping, Plateau


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("patience", "min_delta"), [(0, 0.0), (2, 0.0), (1, 0.3)])
def test_a_plateau_is_torchs(mode, patience, min_delta) -> None:
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.5, patience=patience, threshold=min_delta, threshold_mode="abs", eps=0.0
    )
    plateau = PlateauRate(Plateau(mode=mode, patience=patience, min_delta=min_delta))
    for epoch, value in enumerate(np.random.default_rng(0).normal(size=40).cumsum(), start=1):
        reference.step(float(value))
        plateau = json_copy(plateau)
        plateau.update({"loss": float(value)}, epoch)
        assert plateau.scale == optimizer.param_groups[0]["lr"]
    assert plateau.scale < 1


def json_copy(plateau: PlateauRate) -> PlateauRate:
    copy = PlateauRate(plateau.config)
    copy.restore(json.loads(json.dumps(plateau.state())))
    return copy


def test_patience_counts_epochs_since_the_best() -> None:
    monitor = Monitor(EarlyStopping(mode="max", patience=2, min_delta=0.1))
    better = [monitor.update({"loss": value}, epoch) for epoch, value in enumerate((1.0, 1.05, 1.2, 1.2, 1.0), start=1)]
    assert better == [True, False, True, False, False]
    assert (monitor.best, monitor.best_epoch, monitor.exhausted) == (1.2, 3, True)


def test_infinity_is_no_best() -> None:
    with pytest.raises(BenchError, match="is inf in epoch 7"):
        Monitor(EarlyStopping(mode="max")).update({"loss": float("inf")}, 7)
