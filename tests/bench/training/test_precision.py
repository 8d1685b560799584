from __future__ import annotations

import pytest
import torch

from bench.errors import UsageError
from bench.training.precision import autocast, float32, loss_scaler


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_coordinates_keep_their_precision_in_a_float32_region(precision) -> None:
    """The mean position under a softmax, on a map of 512 columns: exact to 0.01 px within, off by pixels outside."""
    torch.manual_seed(0)
    centres = (torch.arange(512) + 0.5) / 512
    weights = (10 * torch.randn(64, 512)).softmax(dim=1)
    exact = weights.double() @ centres.double()
    with autocast("cpu", precision):
        coarse = weights @ centres[:, None]
        with float32("cpu"):
            fine = weights.float() @ centres[:, None]
        assert torch.mm(weights, centres[:, None]).dtype is coarse.dtype  # the region has ended
    assert fine.dtype is torch.float32
    assert coarse.dtype is not torch.float32
    assert (fine[:, 0] - exact).abs().max() * 512 < 0.01
    assert (coarse[:, 0] - exact).abs().max() * 512 > (0.5 if precision == "bf16" else 0.05)


@pytest.mark.parametrize("device", ["meta", torch.device("meta"), "cpu", "cpu:0"])
def test_regions_exist_on_any_device(device) -> None:
    with autocast(device, "bf16"), float32(device):
        result = torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)
    assert result.dtype is torch.float32


def test_only_fp16_scales_its_loss() -> None:
    scales = {precision: loss_scaler("cpu", precision).is_enabled() for precision in ("fp32", "bf16", "fp16")}
    assert scales == {"fp32": False, "bf16": False, "fp16": True}


def test_an_unknown_precision_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'fp8'.*bf16, fp16, fp32"):
        autocast("cpu", "fp8")
