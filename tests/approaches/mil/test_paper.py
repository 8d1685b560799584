"""Every network of the preset ``paper`` at full size, on the meta device: sizes without memory or weights."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from bench import plugins
from bench.approaches.mil.bags import CONDITION_STREAMS
from bench.approaches.mil.config import MILConfig
from bench.approaches.mil.location_networks import LocationNetworks, build_point_network, slice_network
from bench.approaches.mil.model import SeverityNet
from bench.jobs import config as configuration
from bench.training.losses import marked_slice_loss, severity_loss

PLUGIN = plugins.find("approaches", "mil")
# Published parameter counts in millions, with the classifier of 1,000 classes and three input channels.
PUBLISHED = {
    "convnext_base": 88.59,
    "convnext_small": 50.22,
    "tf_efficientnetv2_l": 118.52,
    "tf_efficientnetv2_s": 21.46,
}


def resolved(preset: str, ablation: str | None = None) -> MILConfig:
    _, text = configuration.resolve(PLUGIN, MILConfig, preset=preset, ablation=ablation)
    return MILConfig.model_validate_json(text)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def paper() -> MILConfig:
    return resolved("paper")


def bare(config):
    return config.model_copy(update={"pretrained": False})


def timm_body(name: str, channels: int) -> int:
    """Parameters of timm's own network with its classifier taken away and its stem's channels counted anew."""
    network = timm.create_model(name)
    assert parameters(network) / 1e6 == pytest.approx(PUBLISHED[name.partition(".")[0]], abs=0.01)
    stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    return parameters(network) - parameters(network.get_classifier()) - stem.weight.numel() // 3 * (3 - channels)


def convnext_3d(widths: tuple[int, ...], depths: tuple[int, ...], heads: int, outputs: int) -> int:
    """Counted by hand from the description."""
    stem = widths[0] // 2
    total = (1 * 1 * 2 * 2 * stem + stem) + 2 * stem
    before = stem
    for width, blocks in zip(widths, depths, strict=True):
        total += 2 * before + before * width * 8 + width
        block = (2 * 7 * 7 * width + width) + 2 * width + (width * 4 * width + 4 * width) + (4 * width * width + width)
        total += blocks * block
        before = width
    return total + 2 * before + heads * (before * outputs + outputs)


def test_the_three_variants_of_the_3d_convnext(paper) -> None:
    variants = paper.location.all_depth
    assert [(one.predicts, one.widths[0], one.affine is not None) for one in variants] == [
        ("slice", 64, False),
        ("slice", 128, True),
        ("point", 128, True),
    ]
    for points in (5, 10):  # canal, foramina
        for one in variants:
            with torch.device("meta"):
                network = slice_network(one, points)
                outputs = network(torch.empty(2, 32, 384, 384))
            last = 32 if one.predicts == "slice" else 3
            assert outputs.shape == (2, points, last)
            assert parameters(network) == convnext_3d(one.widths, one.depths, points, last)


@pytest.mark.slow
def test_the_point_networks(paper) -> None:
    location = paper.location
    networks = [(one, 3, points) for one in location.all_sagittal for points in (5, 10)]
    networks += [(one, 1, 2) for one in location.all_axial]
    for one, channels, points in networks:
        with torch.device("meta"):
            network = build_point_network(bare(one), axial=channels == 1, points=points)
            assert network(torch.empty(1, channels, *one.size)).shape == (1, points, 2)
            features = network.encoder.num_features
            expected = timm_body(one.backbone, channels) + points * (2 * features + 2)
        assert parameters(network) == expected


def mil_parameters(features: int) -> int:
    """Two-layer bi-LSTM of half width each way, and two attentions."""
    half = features // 2
    lstm = sum(2 * 4 * half * (features + half + 2) for _ in range(2))
    return lstm + 2 * (features + 1)


@pytest.mark.slow
def test_the_severity_networks(paper) -> None:
    severity = paper.severity
    assert [one.schedule.epochs for one in severity.networks] == [7, 14]
    for one in severity.networks:
        for condition, streams in CONDITION_STREAMS.items():
            sizes = {name: getattr(severity.windows, name).size for name in streams}
            with torch.device("meta"):
                network = SeverityNet(severity, bare(one), (condition,))
                images = {name: torch.empty(5, 5, *size) for name, size in sizes.items()}
                assert network(images)[condition].logits.shape == (5, 3)
                body = timm_body(one.backbone, 1)
            features = next(iter(network.encoders.values())).num_features
            streams_total = len(streams) * (body + mil_parameters(features))
            heads = (len(streams) * features * 3 + 3) + (features * 3 + 3)
            assert parameters(network) == streams_total + heads


def test_the_ensemble_has_the_write_up_s_85_networks(paper) -> None:
    networks = LocationNetworks(paper.location)
    keys = [key for split in range(paper.location.splits) for key in networks.keys(split)]
    stage_one = [sum(key[1:3] == wanted for key in keys) for wanted in (
        ("canal", "depth"), ("foramina", "depth"), ("canal", "points"), ("foramina", "points"), ("recesses", "points")
    )]  # fmt: skip
    assert stage_one == [15, 15, 10, 10, 5]
    # Stage 1 has its five splits in each fold here; stage 2 has 2 encoders x 3 conditions in each of the five folds.
    assert len(keys) == 55
    assert len(paper.severity.networks) * len(CONDITION_STREAMS) * 5 == 30


@pytest.mark.slow
def test_one_training_step_on_a_bag_of_real_size(paper) -> None:
    torch.manual_seed(0)
    network = SeverityNet(paper.severity, bare(paper.severity.networks[0]), ("subarticular",)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    before = network.heads["subarticular"].weight.detach().clone()
    grades = network({"side_axial": torch.rand(1, 5, 256, 256)})["subarticular"]
    loss = severity_loss(grades.logits, torch.tensor([2]))
    loss = loss + marked_slice_loss(grades.marked["side_axial"], torch.tensor([1]))
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert not torch.equal(before, network.heads["subarticular"].weight)
    assert all(parameter.grad is not None for parameter in network.encoders.parameters())


@pytest.mark.parametrize("name", sorted(configuration.ablations(PLUGIN)))
def test_every_ablation_builds_its_networks(name: str) -> None:
    config = resolved("paper" if name.startswith("paper-") else "quick", name)
    plain = resolved("paper" if name.startswith("paper-") else "quick")
    assert config.location == plain.location, "ablations of stage 2 share one stage 1"
    assert config.severity != plain.severity
    severity = config.severity
    conditions = tuple(CONDITION_STREAMS) if severity.joint else ("foraminal",)
    with torch.device("meta"):
        network = SeverityNet(severity, bare(severity.networks[0]), conditions)
        images = {
            stream: torch.empty(10, severity.bag, *getattr(severity.windows, stream).size) for stream in network.streams
        }
        assert all(grades.logits.shape == (10, 3) for grades in network(images).values())
