from __future__ import annotations

import pytest
import torch

from bench.approaches.multitask.keypoint_config import LocatorNetwork
from bench.approaches.multitask.locator import Locator
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

SIZES = {"sagittal_size": (64, 48), "axial_size": (48, 64)}
COUNTS = {SAGITTAL_T2: (2, 5), SAGITTAL_T1: (4, 5), AXIAL_T2: (7, 2)}


def network(**changes) -> Locator:
    torch.manual_seed(0)
    return Locator(LocatorNetwork(backbone="test_resnet", hidden=(16,), axial_hidden=(16,), **{**SIZES, **changes}))


def frames() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    sizes = {kind: SIZES["axial_size" if kind == AXIAL_T2 else "sagittal_size"] for kind in COUNTS}
    return {kind: torch.rand(count, 3, *sizes[kind]) for kind, (count, _) in COUNTS.items()}


@pytest.mark.parametrize("head", ["mlp", "heatmap"])
@pytest.mark.parametrize(("sharing", "backbones"), [("one", 1), ("plane", 2), ("kind", 3)])
def test_every_kind_has_its_points_whatever_shares_a_backbone(head: str, sharing: str, backbones: int) -> None:
    model = network(head=head, sharing=sharing)
    assert len(model.encoders) == backbones
    found = model(frames())
    assert {kind: tuple(points.shape) for kind, points in found.items()} == {
        kind: (count, points, 2) for kind, (count, points) in COUNTS.items()
    }


@pytest.mark.parametrize("head", ["mlp", "heatmap"])
def test_unknown_points_teach_nothing(head: str) -> None:
    model, images = network(head=head), frames()
    points = {kind: torch.full((count, number, 2), torch.nan) for kind, (count, number) in COUNTS.items()}
    losses, _ = model.loss(images, points)
    assert float(losses["loss"].detach()) == 0
    losses["loss"].backward()
    assert all(one.grad is None or not one.grad.any() for one in model.parameters())
    points[AXIAL_T2][0, 1] = 0.3
    losses, _ = model.loss(images, points)
    losses["loss"].backward()
    grads = {name: head.last.weight.grad if head_is_mlp(head) else None for name, head in model.heads.items()}
    assert float(losses["loss"].detach()) > 0
    if all(one is not None for one in grads.values()):
        assert grads["axial"].any()
        assert not grads["t1"].any()
        assert grads["axial"].reshape(2, 2, -1)[0].any().item() is False  # the right recess is unknown


def head_is_mlp(head: torch.nn.Module) -> bool:
    return hasattr(head, "last")


def test_a_batch_without_any_image_has_a_loss_of_zero() -> None:
    losses, found = network().loss({}, {})
    assert float(losses["loss"].detach()) == 0
    assert found == {}
    losses["loss"].backward()


def test_the_loss_of_the_regression_is_in_squared_pixels_and_starts_at_the_middle() -> None:
    model = network(head="mlp")
    for head in model.heads.values():
        torch.nn.init.zeros_(head.last.weight)
        torch.nn.init.zeros_(head.last.bias)
    points = {AXIAL_T2: torch.full((7, 2, 2), 0.75)}
    losses, found = model.loss({AXIAL_T2: frames()[AXIAL_T2]}, points)
    torch.testing.assert_close(found[AXIAL_T2], torch.full((7, 2, 2), 0.5))
    assert float(losses["loss"]) == pytest.approx((16**2 + 12**2) / 2)  # a quarter of 64 and of 48 pixels
    assert float(losses["distance"]) == pytest.approx(14)


def test_one_study_is_enough_for_batch_norms() -> None:
    model = network(head="mlp").train()
    one = {kind: images[:1] for kind, images in frames().items()}
    points = {kind: torch.full((1, COUNTS[kind][1], 2), 0.4) for kind in one}
    losses, _ = model.loss(one, points)
    assert torch.isfinite(losses["loss"])


def test_a_localiser_can_learn_to_find_a_dot() -> None:
    model = network(head="heatmap", map_loss=0.3).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    random = torch.Generator().manual_seed(0)

    def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        images = torch.rand(16, 3, 48, 64, generator=random) * 0.2
        places = torch.rand(16, 2, 2, generator=random) * 0.8 + 0.1
        for row, pair in enumerate(places):
            for channel, (x, y) in enumerate(pair):
                images[row, 2 * channel, int(y * 48) - 2 : int(y * 48) + 3, int(x * 64) - 2 : int(x * 64) + 3] = 1
        return {AXIAL_T2: images}, {AXIAL_T2: places}

    for _ in range(60):
        losses, _ = model.loss(*batch())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert float(losses["distance"]) < 5
