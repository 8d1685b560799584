from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from bench.errors import BenchError
from bench.training.sampling import Epochs, balanced_rows, class_balanced_draw, complete_rows


def orders(epochs: Epochs, number: int) -> list[list[int]]:
    return [rows.tolist() for rows, _ in epochs.epoch(number)]


def test_an_epoch_has_every_row_once_and_depends_on_its_number_alone() -> None:
    rows = np.arange(10, 33)
    epochs = Epochs(rows, batch_size=5, seed=3)
    first, third = orders(epochs, 1), orders(epochs, 3)
    assert sorted(chain(*first)) == rows.tolist()
    assert {len(batch) for batch in first} == {4, 5}
    assert len(first) == len(epochs) == 5
    assert first != third
    assert orders(Epochs(rows, batch_size=5, seed=3), 3) == third  # as after a kill
    assert orders(Epochs(rows, batch_size=5, seed=4), 3) != third


def test_a_curriculum_may_replace_the_rows() -> None:
    known = np.array([[True, True], [True, False], [True, True]])
    epochs = Epochs(complete_rows(known), batch_size=1, seed=0)
    assert sorted(chain(*orders(epochs, 1))) == [0, 2]
    epochs.rows = np.arange(3)
    assert sorted(chain(*orders(epochs, 2))) == [0, 1, 2]
    assert len(epochs) == 3


def test_a_balanced_subsample_gives_rare_classes_whole_and_shares_the_rest() -> None:
    classes = np.repeat([0, 1, 2, -1], [1000, 80, 10, 50])
    rows = balanced_rows(classes, 110, np.random.default_rng(0))
    assert np.bincount(classes[rows]).tolist() == [50, 50, 10]
    assert len(np.unique(rows)) == 110
    everything = balanced_rows(classes, 5000, np.random.default_rng(0))
    assert everything.tolist() == list(range(1090))
    with pytest.raises(BenchError, match="2 rows cannot hold 3 classes"):
        balanced_rows(classes, 2, np.random.default_rng(0))
    assert balanced_rows(np.full(4, -1), 2, np.random.default_rng(0)).tolist() == []


def test_a_balanced_draw_has_every_class_alike() -> None:
    classes = np.repeat([0, 1, 2, -1], [1000, 80, 10, 50])
    counts = np.bincount(classes[class_balanced_draw(classes, 3000, np.random.default_rng(0))])
    assert counts == pytest.approx([1000] * 3, abs=100)
    with pytest.raises(BenchError, match="none of 3 rows has a label"):
        class_balanced_draw(np.full(3, -1), 2, np.random.default_rng(0))
