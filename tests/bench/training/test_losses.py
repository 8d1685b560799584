from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from bench.targets import CONDITIONS, TARGETS
from bench.training.losses import marked_slice_loss, mean_class_weight, point_loss, severity_loss, study_loss


def test_severity_loss_is_the_weighted_log_loss_of_the_labels_that_are_there() -> None:
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    grades = torch.randint(-1, 3, (40,), generator=torch.Generator().manual_seed(1))
    known = grades >= 0
    weights = np.array([1, 2, 4])[grades[known].numpy()]
    expected = log_loss(
        grades[known].numpy(), logits[known].softmax(1).numpy(), sample_weight=weights, labels=[0, 1, 2]
    )
    assert float(severity_loss(logits, grades)) == pytest.approx(expected, rel=1e-5)


def test_with_the_mean_weight_of_all_labels_batches_add_up_to_the_loss_of_all() -> None:
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    grades = torch.tensor([0, 0, 0, 1] * 5 + [2, 1, -1, 0] * 5)  # batches of other shares of severe labels
    mean_weight = mean_class_weight(grades.numpy().astype(np.int8))
    assert mean_weight == pytest.approx((20 * 1 + 10 * 2 + 5 * 4) / 35)
    halves = [severity_loss(logits[i : i + 20], grades[i : i + 20], mean_weight=mean_weight) for i in (0, 20)]
    pooled = (20 * halves[0] + 15 * halves[1]) / 35
    torch.testing.assert_close(pooled, severity_loss(logits, grades))
    assert severity_loss(logits[20:], grades[20:]) != halves[1]


def test_the_mean_weight_of_no_label_is_that_of_a_mild_one() -> None:
    assert mean_class_weight(np.full((2, 5), -1, np.int8)) == 1


def test_nothing_known_costs_nothing_and_can_be_differentiated() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    points = torch.randn(2, 5, 2, requires_grad=True)
    unknown = torch.full((4,), -1)
    loss = severity_loss(logits, unknown) + marked_slice_loss(logits, unknown)
    loss = loss + severity_loss(logits, unknown, mean_weight=1.5)
    for kind in ("l1", "squared", "huber"):
        loss = loss + point_loss(points, torch.full((2, 5, 2), float("nan")), kind=kind)
    studies = torch.randn(2, 25, 3, requires_grad=True)
    for average in ("label", "target", "condition"):
        loss = loss + study_loss(studies, torch.full((2, 25), -1), average=average)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert not points.grad.any()
    assert not studies.grad.any()


def test_point_loss_is_the_mean_over_known_coordinates() -> None:
    true = torch.tensor([[[0.5, 0.5], [float("nan"), float("nan")]]])
    assert float(point_loss(torch.tensor([[[0.6, 0.8], [9.0, 9.0]]]), true)) == pytest.approx(0.2)


def test_marked_slice_loss_ignores_bags_without_a_mark() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0, 0.0], [5.0, 1.0, 2.0, 3.0]])
    assert float(marked_slice_loss(scores, torch.tensor([2, -1]))) == pytest.approx(np.log(4))


def test_point_losses_are_torchs_on_the_known_coordinates() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, true = (3 * torch.randn(6, 5, 2, generator=generator) for _ in range(2))
    known = torch.rand(6, 5, generator=generator) < 0.6
    missing = torch.where(known[..., None], true, float("nan"))
    pair = predicted[known], true[known]
    references = {
        "l1": torch.nn.functional.l1_loss(*pair),
        "squared": torch.nn.functional.mse_loss(*pair),
        "huber": torch.nn.functional.huber_loss(*pair, delta=1.5),
    }
    for kind, reference in references.items():
        torch.testing.assert_close(point_loss(predicted, missing, kind=kind, delta=1.5), reference)


@pytest.mark.parametrize("average", ["label", "target", "condition"])
def test_study_loss_is_the_mean_of_its_groups_severity_losses(average) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 25, 3, generator=generator)
    grades = torch.randint(-1, 3, (6, 25), generator=generator)
    grades[:, 3] = -1  # a target without any label
    groups = {
        "label": [list(range(25))],
        "target": [[index] for index in range(25) if index != 3],
        "condition": [[i for i, target in enumerate(TARGETS) if target.condition == one] for one in CONDITIONS],
    }[average]
    parts = [severity_loss(logits[:, one].flatten(0, 1), grades[:, one].flatten()) for one in groups]
    torch.testing.assert_close(study_loss(logits, grades, average=average), torch.stack(parts).mean())


def test_a_whole_condition_may_be_missing() -> None:
    logits, grades = torch.randn(2, 25, 3), torch.full((2, 25), -1)
    grades[:, :5] = 1
    expected = severity_loss(logits[:, :5].flatten(0, 1), grades[:, :5].flatten())
    torch.testing.assert_close(study_loss(logits, grades), expected)


def test_a_loss_first_called_in_inference_mode_can_be_trained_later() -> None:
    weights = (1.5, 2.5, 3.5)  # of no other test: made here for the first time
    logits, grades = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, -1])
    with torch.inference_mode():
        severity_loss(logits, grades, weights=weights)
    severity_loss(logits, grades, weights=weights).backward()
    assert logits.grad.any()
