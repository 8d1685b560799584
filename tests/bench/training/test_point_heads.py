from __future__ import annotations

import pytest
import torch

from bench.training.point_heads import HeatmapPoints, cell_centres, heatmap_loss, mean_positions, point_network


@pytest.mark.parametrize("head", ["pooled", "heatmap"])
def test_points_lie_within_the_image(head: str) -> None:
    network = point_network(head, "test_resnet", channels=3, points=5, image_size=(64, 48))
    points = network(torch.rand(2, 3, 64, 48))
    assert points.shape == (2, 5, 2)
    assert ((points > 0) & (points < 1)).all()


def test_a_map_s_cells_have_their_centres_and_weights_that_sum_to_one() -> None:
    torch.manual_seed(0)
    network = HeatmapPoints("test_resnet", channels=1, points=1).eval()
    weights, centres = network.head.heatmaps(network.encoder(torch.rand(1, 1, 64, 64)))
    assert centres.shape == (16 * 16, 2)
    torch.testing.assert_close(centres[0], torch.tensor([1 / 32, 1 / 32]))
    torch.testing.assert_close(centres[1], torch.tensor([3 / 32, 1 / 32]))  # x runs first
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


def test_the_map_loss_is_least_at_the_point() -> None:
    axis = (torch.arange(20) + 0.5) / 20
    centres = torch.stack([axis.repeat(20), axis.repeat_interleave(20)], dim=1)

    def at(x: float, y: float) -> torch.Tensor:
        return (-(centres - torch.tensor([x, y])).square().sum(1) / 0.002).softmax(0)[None, None]

    true = torch.tensor([[[0.3, 0.7]]])
    assert heatmap_loss(at(0.3, 0.7), centres, true) < heatmap_loss(at(0.4, 0.7), centres, true)
    assert heatmap_loss(at(0.3, 0.7), centres, true * float("nan")) == 0


@pytest.mark.parametrize("head", ["pooled", "heatmap"])
def test_unknown_points_add_nothing_to_the_loss(head: str) -> None:
    torch.manual_seed(0)
    network = point_network(head, "test_resnet", channels=1, points=2, map_loss=0.5)
    images, points = torch.rand(2, 1, 64, 64), torch.rand(2, 2, 2)
    points[:, 1] = float("nan")
    loss = network.loss(images, points)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    nothing = network.loss(images, torch.full_like(points, float("nan")))["loss"]
    assert nothing == 0


def test_cells_run_over_x_first() -> None:
    centres = cell_centres(torch.Size((2, 4)), torch.zeros(1))
    assert centres[:5].tolist() == [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.875, 0.25], [0.125, 0.75]]


def autocast() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def test_mean_positions_are_as_exact_under_bf16_as_without() -> None:
    torch.manual_seed(0)
    weights = (3 * torch.randn(4, 5, 32 * 32)).softmax(dim=2)
    centres = cell_centres(torch.Size((32, 32)), weights)
    exact = weights @ centres
    with autocast():
        points = mean_positions(weights, centres)
        rounded = weights @ centres
    assert points.dtype == torch.float32
    assert 512 * (points - exact).abs().max() < 0.05
    assert 512 * (rounded - exact).abs().max() > 0.2  # else this test would show nothing


def test_heads_compute_coordinates_in_float32_under_bf16() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 64, 64)
    pooled = point_network("pooled", "test_resnet", channels=1, points=5).eval()
    features = 5 * pooled.encoder(images)
    maps = point_network("heatmap", "test_resnet", channels=1, points=5).eval()
    maps.head.maps[-1].weight.data *= 100  # peaks as clear as a trained network's
    states = []
    maps.head.maps[-2].register_forward_hook(lambda _module, _inputs, output: states.append(output))
    with autocast():
        pooled_points, map_points = pooled.head(features), maps(images)
    assert pooled_points.dtype == map_points.dtype == torch.float32
    assert 512 * (pooled_points - pooled.head(features)).abs().max() < 0.05
    logits = maps.head.maps[-1](states[0].float())  # what the backbone computed in bf16, from there on in fp32
    exact = logits.flatten(2).softmax(dim=2) @ cell_centres(logits.shape[-2:], logits)
    assert 512 * (map_points - exact).abs().max() < 0.05
