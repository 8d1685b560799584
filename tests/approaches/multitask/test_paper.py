"""Every network of the preset ``paper``: counted by hand on the meta device, and one step of real size on the CPU."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from bench.approaches.multitask.classifier import Classifier
from bench.approaches.multitask.locator import Locator
from bench.errors import BenchError
from bench.jobs import config as configuration
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2
from bench.testing import make_context
from bench.training.losses import study_loss
from tests.approaches.multitask.conftest import PLUGIN, resolved
from tests.approaches.multitask.test_classifier import EVERY, OWN, crops

# Published parameter counts in millions, with the classifier of 1,000 classes.
PUBLISHED = {"densenet161": 28.68, "efficientnet_b1": 7.79}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def body(name: str) -> tuple[int, int]:
    """Parameters and features of timm's own network with its classifier taken away."""
    network = timm.create_model(name)
    assert parameters(network) / 1e6 == pytest.approx(PUBLISHED[name.partition(".")[0]], abs=0.01)
    return parameters(network) - parameters(network.get_classifier()), network.num_features


def head(features: int, sizes: tuple[int, ...], outputs: int) -> int:
    """Linear layers with batch norm, counted by hand."""
    total = 0
    for size in sizes:
        total += features * size + size + 2 * size
        features = size
    return total + features * outputs + outputs


@pytest.fixture(scope="module")
def paper():
    return resolved(preset="paper")


def bare(config):
    return config.model_copy(update={"pretrained": False})


def test_the_localiser_is_two_densenets_with_the_notebook_s_heads(paper) -> None:
    config = paper.keypoints.network
    with torch.device("meta"):
        network = Locator(bare(config))
        images = {SAGITTAL_T2: torch.empty(2, 3, 490, 275), SAGITTAL_T1: torch.empty(4, 3, 490, 275)}
        found = network({**images, AXIAL_T2: torch.empty(10, 3, 310, 250)})
        each, features = body(config.backbone)
    assert features == 2208
    assert {kind: tuple(points.shape) for kind, points in found.items()} == {
        SAGITTAL_T2: (2, 5, 2), SAGITTAL_T1: (4, 5, 2), AXIAL_T2: (10, 2, 2)
    }  # fmt: skip
    assert sorted(network.encoders) == ["axial", "sagittal"]
    heads = 2 * head(features, (1024, 512, 256), 10) + head(features, (1024, 512), 4)
    assert parameters(network) == 2 * each + heads


def test_the_classifier_is_three_efficientnets_with_25_heads(paper) -> None:
    config = paper.classifier
    with torch.device("meta"):
        network = Classifier(bare(config))
        each, features = body(config.backbone)
    assert features == 1280
    assert sorted(network.encoders) == ["axial", "t1", "t2"]
    assert len(network.heads) == 25
    assert parameters(network) == 3 * each + 25 * head(features, (512, 256), 3)
    assert [config.size_in(epoch) for epoch in (5, 10, 11, 16, 30)] == [64, 64, 128, 256, 256]


def test_the_notebook_s_rates_and_sizes(paper) -> None:
    for schedule in (paper.keypoints.schedule, paper.classifier.schedule):
        assert (schedule.learning_rate, schedule.weight_decay, schedule.clip) == (1e-4, 1e-2, 1.0)
        assert (schedule.batch_size, schedule.accumulate, schedule.epochs) == (4, 4, 30)
        assert (schedule.decay, schedule.plateau.factor, schedule.plateau.patience) == ("plateau", 0.5, 2)
    assert paper.training == "one_loop"
    assert not any(paper.defects.model_dump().values())
    assert paper.keypoints.curriculum.all_below == 1.2e6 / (4 * 25 * 2)
    assert paper.keypoints.curriculum.freeze_below == 5e3 / (4 * 25 * 2)


def test_missing_pretrained_weights_are_told_before_any_training(approach, odd, parts, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path, odd.volumes)
    monkeypatch.setattr(type(context), "stage", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(BenchError, match="no weights file"):
        approach(f"classifier.pretrained={tmp_path / 'none.safetensors'}").fit(parts[0], context)
    with pytest.raises(BenchError, match="no weights file"):
        approach(f"keypoints.network.pretrained={tmp_path / 'none.safetensors'}").fit(parts[0], context)


@pytest.mark.slow
def test_one_step_of_the_localiser_at_real_size(paper) -> None:
    torch.manual_seed(0)
    network = Locator(bare(paper.keypoints.network)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    before = {name: one.last.weight.detach().clone() for name, one in network.heads.items()}
    images = {SAGITTAL_T2: torch.rand(2, 3, 490, 275), SAGITTAL_T1: torch.rand(2, 3, 490, 275)}
    images[AXIAL_T2] = torch.rand(2, 3, 310, 250)
    points = {SAGITTAL_T2: torch.rand(2, 5, 2), SAGITTAL_T1: torch.rand(2, 5, 2), AXIAL_T2: torch.rand(2, 2, 2)}
    losses, _ = network.loss(images, points)
    losses["loss"].backward()
    optimizer.step()
    assert torch.isfinite(losses["loss"])
    assert all(not torch.equal(before[name], one.last.weight) for name, one in network.heads.items())
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.slow
def test_one_step_of_the_classifier_at_real_size(paper) -> None:
    torch.manual_seed(0)
    network = Classifier(bare(paper.classifier)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    images, there = crops(EVERY, OWN)
    large = {name: torch.rand(len(one), 3, 256, 256) for name, one in images.items()}
    loss = study_loss(network(large, there), torch.randint(0, 3, (2, 25)), average="target")
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", sorted(configuration.ablations(PLUGIN)))
def test_every_ablation_changes_something_and_builds_its_networks(name: str) -> None:
    plain, config = resolved(preset="quick"), resolved(preset="quick", ablation=name)
    assert config != plain
    with torch.device("meta"):
        Classifier(bare(config.classifier))
        Locator(bare(config.keypoints.network))
    if name not in ("whole-slices", "regression"):
        assert config.keypoints == plain.keypoints, "ablations of the classifier share one stage of localisers"
    assert config.selection == plain.selection
