from __future__ import annotations

import pytest
import torch

from bench.approaches.sequence.attention_loss import attention_loss
from bench.approaches.sequence.model import Graded
from bench.approaches.sequence.slice_choice import KINDS
from bench.approaches.sequence.target_queries import Tokens, gaussian

SLICES, CELLS = 4, 3


def graded_at(where: torch.Tensor, known: float = 1.0) -> Graded:
    """Everything attends to tokens (T,) with these weights; tokens lie 10 mm apart along x, slices along z."""
    x = torch.arange(CELLS).repeat(SLICES) * 10.0
    z = torch.arange(SLICES).repeat_interleave(CELLS) * 20.0
    positions = torch.stack([x, torch.zeros_like(x), z], dim=1)[None]
    present = torch.ones(1, SLICES * CELLS, dtype=torch.bool)
    tokens = {kind: Tokens(torch.zeros(1, SLICES * CELLS, 2), positions, present) for kind in KINDS}
    log = where.clamp(min=1e-12).log()
    unused = torch.full((1, 5, SLICES * CELLS), -27.0)
    levels = {kind: log.expand(1, 5, -1) if kind == KINDS[0] else unused for kind in KINDS}
    targets = {kind: log.expand(1, 25, -1) for kind in KINDS}
    slices = {kind: where.unflatten(0, (SLICES, CELLS)).sum(dim=1).expand(1, 25, -1) for kind in KINDS}
    return Graded(torch.zeros(1, 25, 3), tokens, levels, targets, slices)


def at(slice_index: int, cell: int) -> torch.Tensor:
    where = torch.full((SLICES * CELLS,), 1e-4)
    where[slice_index * CELLS + cell] = 1.0
    return where / where.sum()


def points(x: float, z: float) -> torch.Tensor:
    return torch.tensor([x, 0.0, z]).expand(1, 25, 3).clone()


def losses(marked) -> list[float]:
    """Of attention on the marked cell, beside it on the marked slice, and on another slice."""
    places = (1, 1), (1, 2), (2, 1)
    return [float(attention_loss(graded_at(at(*one)), points(10, 20), marked)) for one in places]


def test_attention_at_the_point_costs_less_than_elsewhere() -> None:
    there, beside, other = losses("point")
    assert there < beside
    assert there < other


def test_with_slice_the_place_on_it_makes_no_difference() -> None:
    there, beside, other = losses("slice")
    assert there == pytest.approx(beside, abs=1e-4)
    assert other > there + 1


def test_unknown_points_and_points_out_of_view_count_for_nothing() -> None:
    graded = graded_at(at(0, 0))
    assert attention_loss(graded, points(torch.nan, 20), "point") == 0
    assert attention_loss(graded, points(10, 500), "point") == 0
    some = points(10, 20)
    some[0, 1:] = torch.nan
    assert float(attention_loss(graded_at(at(1, 1)), some, "point")) == pytest.approx(
        float(attention_loss(graded_at(at(1, 1)), points(10, 20), "point")), rel=1e-4
    )


def test_the_product_form_of_the_gaussian_is_the_gaussian() -> None:
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(2, 7, 3, generator=generator) * 30
    centres = torch.randn(2, 4, 2, 3, generator=generator) * 30
    spreads = torch.rand(4, 2, 3, generator=generator) * 10 + 2
    offset = (positions[:, None, None] - centres[:, :, :, None]) / spreads[:, :, None]
    expected = -0.5 * offset.square().sum(dim=-1)
    torch.testing.assert_close(gaussian(positions, centres, spreads), expected, rtol=1e-3, atol=0.05)
