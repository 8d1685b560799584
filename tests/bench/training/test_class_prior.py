from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bench.metric.prior import prior_probabilities
from bench.targets import indices
from bench.training.class_prior import (
    add_level_bias,
    condition_log_prior,
    constant_head,
    level_log_priors,
    start_level_bias,
)


@pytest.fixture
def grades() -> np.ndarray:
    return np.random.default_rng(0).choice([-1, 0, 1, 2], size=(40, 25)).astype(np.int8)


def test_a_level_bias_starts_at_the_class_prior_of_its_condition_and_level(grades) -> None:
    bias = nn.Parameter(torch.zeros(2, 5, 3))
    start_level_bias(bias, grades, ("foraminal", "spinal"))
    prior = torch.from_numpy(prior_probabilities(grades)).float()
    torch.testing.assert_close(bias[0].softmax(dim=1), prior[list(indices("foraminal", "right"))])
    torch.testing.assert_close(bias[1].softmax(dim=1), prior[list(indices("spinal"))])
    torch.testing.assert_close(
        bias.double().detach(), level_log_priors(grades, ("foraminal", "spinal")), atol=1e-6, rtol=0
    )


def test_a_level_bias_runs_over_levels_first() -> None:
    bias = torch.arange(15.0).reshape(5, 3)
    logits = add_level_bias(torch.zeros(10, 3), bias)  # two sides of one study
    torch.testing.assert_close(logits[:5], bias)
    torch.testing.assert_close(logits[5:], bias)


def test_a_constant_head_gives_the_prior_whatever_goes_in(grades) -> None:
    head = nn.Linear(4, 3)
    constant_head(head, condition_log_prior(grades, "subarticular"))
    prior = prior_probabilities(grades)[list(indices("subarticular"))].mean(axis=0)
    np.testing.assert_allclose(head(torch.randn(6, 4)).softmax(dim=1).detach(), np.tile(prior, (6, 1)), atol=1e-6)
    constant_head(head)
    assert (head(torch.randn(6, 4)) == 0).all()
