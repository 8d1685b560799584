"""The loss of stage 2."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench import plugins
from bench.approaches.mil import MIL
from bench.approaches.mil.model import Grades
from bench.approaches.mil.severity import Batch, grade_loss
from bench.jobs import config as configuration
from bench.training.losses import mean_class_weight

PLUGIN = plugins.find("approaches", "mil")
CONDITION, STREAM = "subarticular", "side_axial"


class Told(nn.Module):
    """Grades with the logits that stand in place of the images."""

    def forward(self, images: dict[str, torch.Tensor]) -> dict[str, Grades]:
        logits = images[STREAM]
        return {CONDITION: Grades(logits, {STREAM: logits}, {}, {STREAM: torch.zeros(len(logits), 3)})}


def losses_of(ablation: str | None, logits: torch.Tensor, grades: torch.Tensor, size: int) -> list[float]:
    """The loss of the grades of each batch."""
    _, text = configuration.resolve(PLUGIN, MIL.Config, preset="quick", ablation=ablation)
    weights = {CONDITION: mean_class_weight(grades.numpy())}
    loss: Any = grade_loss(MIL.Config.model_validate_json(text).severity, weights)
    nowhere = torch.full((size,), -1)
    batches = zip(logits.split(size), grades.split(size), strict=True)
    return [
        float(loss(Told(), Batch({STREAM: one}, {STREAM: nowhere}, {CONDITION: true}))[CONDITION])
        for one, true in batches
    ]


def test_a_severe_label_weighs_as_much_in_any_batch_if_weighted_over_the_data_set() -> None:
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    grades = torch.tensor([0] * 9 + [1] + [0, 0, 0, 0, 0, 1, 1, 2, 2, 2])
    (whole,) = losses_of(None, logits, grades, 20)
    by_batch, over_data = (losses_of(one, logits, grades, 10) for one in (None, "weights-over-data-set"))
    assert abs(sum(over_data) / 2 - whole) < 1e-6
    assert abs(sum(by_batch) / 2 - whole) > 1e-3
    torch.testing.assert_close(torch.tensor(over_data[0] / by_batch[0]), torch.tensor(11 / 32 * 2))
