from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from bench.training.losses import marked_slice_loss, point_loss, severity_loss


def test_severity_loss_is_the_weighted_log_loss_of_the_labels_that_are_there() -> None:
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    grades = torch.randint(-1, 3, (40,), generator=torch.Generator().manual_seed(1))
    known = grades >= 0
    weights = np.array([1, 2, 4])[grades[known].numpy()]
    expected = log_loss(
        grades[known].numpy(), logits[known].softmax(1).numpy(), sample_weight=weights, labels=[0, 1, 2]
    )
    assert float(severity_loss(logits, grades)) == pytest.approx(expected, rel=1e-5)


def test_nothing_known_costs_nothing_and_can_be_differentiated() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    points = torch.randn(2, 5, 2, requires_grad=True)
    loss = severity_loss(logits, torch.full((4,), -1)) + marked_slice_loss(logits, torch.full((4,), -1))
    loss = loss + point_loss(points, torch.full((2, 5, 2), float("nan")))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert not points.grad.any()


def test_point_loss_is_the_mean_over_known_coordinates() -> None:
    true = torch.tensor([[[0.5, 0.5], [float("nan"), float("nan")]]])
    assert float(point_loss(torch.tensor([[[0.6, 0.8], [9.0, 9.0]]]), true)) == pytest.approx(0.2)


def test_marked_slice_loss_ignores_bags_without_a_mark() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0, 0.0], [5.0, 1.0, 2.0, 3.0]])
    assert float(marked_slice_loss(scores, torch.tensor([2, -1]))) == pytest.approx(np.log(4))
