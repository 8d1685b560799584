from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.approaches.sequence.config import Network
from bench.approaches.sequence.model import SequenceNet, cell_positions
from bench.approaches.sequence.scan_config import Preparation
from bench.approaches.sequence.scans import Scans
from bench.approaches.sequence.slice_choice import KINDS
from bench.approaches.sequence.slice_encoder import sinusoidal
from bench.errors import UsageError
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, SAGITTAL_T1


def scans_of(preparation: Preparation, studies: int = 2, seed: int = 0) -> dict[str, Scans]:
    generator = torch.Generator().manual_seed(seed)
    scans = {}
    for kind in KINDS:
        scan = preparation.scan(kind)
        maps = torch.zeros(studies, scan.slices, 3, 3)
        axes = ((0, 1), (1, -1)) if kind == AXIAL_T2 else ((1, 1), (2, -1))
        for column, (axis, sign) in enumerate(axes):
            maps[:, :, axis, column] = 40.0 * sign
        along = torch.linspace(-20, 20, scan.slices)
        maps[:, :, 2 if kind == AXIAL_T2 else 0, 2] = along
        images = torch.rand(studies, scan.slices, *scan.size, generator=generator)
        scans[kind] = Scans(images, torch.ones(studies, scan.slices, dtype=torch.bool), maps)
    return scans


def without(scans: dict[str, Scans], *kinds: str) -> dict[str, Scans]:
    blank = {
        kind: Scans(torch.zeros_like(one.images), torch.zeros_like(one.present), torch.zeros_like(one.maps))
        for kind, one in scans.items()
        if kind in kinds
    }
    return {**scans, **blank}


@pytest.fixture
def smoke(config_of):
    return config_of()


def network(config) -> SequenceNet:
    torch.manual_seed(0)
    return SequenceNet(config.network, config.preparation).eval()


def changed(model: SequenceNet) -> SequenceNet:
    """With heads that are not 0, so that what they see makes a difference."""
    for head in model.queries.outer:
        torch.nn.init.normal_(head[-1].weight)
    return model


@pytest.mark.parametrize("overrides", [(), ("network.pooling=mean", "network.cells=0", "training.marked_loss=0")])
def test_an_untrained_network_predicts_the_class_prior(config_of, overrides) -> None:
    config = config_of(*overrides)
    grades = np.random.default_rng(0).integers(-1, 3, (30, 25)).astype(np.int8)
    model = network(config)
    model.start_at_prior(grades)
    if model.queries is None:
        torch.nn.init.zeros_(model.classifier.weight)
        torch.nn.init.zeros_(model.classifier.bias)
    said = model(scans_of(config.preparation)).logits.softmax(dim=2)[0]
    np.testing.assert_allclose(said.detach(), prior_probabilities(grades), atol=1e-5)


def test_what_an_absent_slice_holds_makes_no_difference(smoke) -> None:
    model = changed(network(smoke))
    scans = scans_of(smoke.preparation)
    one = scans[AXIAL_T2]
    present = one.present.clone()
    present[:, 6:] = False
    noise = one.images.clone()
    noise[:, 6:] = 0.5
    first = model({**scans, AXIAL_T2: replace(one, present=present)})
    second = model({**scans, AXIAL_T2: replace(one, present=present, images=noise)})
    assert torch.equal(first.logits, second.logits)
    assert not first.slices[AXIAL_T2][:, :, 6:].any()
    assert not torch.allclose(first.logits, model(scans).logits)


@pytest.mark.parametrize("missing", [(AXIAL_T2,), (SAGITTAL_T1,), (KINDS[0],), KINDS[:2], KINDS])
@pytest.mark.parametrize("pooling", ["queries", "mean"])
def test_any_type_of_scan_may_be_missing(config_of, missing, pooling) -> None:
    mean = ("network.pooling=mean", "network.cells=0", "training.marked_loss=0")
    config = config_of(*(mean if pooling == "mean" else ()))
    graded = network(config)(without(scans_of(config.preparation), *missing))
    assert torch.isfinite(graded.logits).all()
    for kind in KINDS:
        assert bool(graded.slices[kind].any()) == (kind not in missing)


def test_attention_of_each_type_of_scan_sums_to_one(smoke) -> None:
    graded = network(smoke)(scans_of(smoke.preparation))
    for kind in KINDS:
        np.testing.assert_allclose(graded.slices[kind].sum(dim=2).detach(), 1, atol=1e-4)


def test_absent_scans_are_zeros_that_take_part_without_masks(config_of) -> None:
    config = config_of("network.masked=false")
    model = changed(network(config))
    scans = without(scans_of(config.preparation), SAGITTAL_T1)
    brighter = {**scans, SAGITTAL_T1: replace(scans[SAGITTAL_T1], images=scans[SAGITTAL_T1].images + 0.5)}
    assert not torch.allclose(model(scans).logits, model(brighter).logits)


def test_a_query_follows_its_place_in_the_patient(smoke) -> None:
    model = network(smoke)
    for projection in model.queries.keys:
        torch.nn.init.zeros_(projection.weight)
        torch.nn.init.zeros_(projection.bias)
    graded = model(scans_of(smoke.preparation))
    tokens = graded.tokens[SAGITTAL_T1]
    mean_x = graded.targets[SAGITTAL_T1].exp() @ tokens.positions[..., :1]  # (B, 25, 1)
    left, right = mean_x[0, 5:10, 0], mean_x[0, 10:15, 0]
    assert (left > 8).all()
    assert (right < -8).all()


def test_cells_lie_in_the_middle_of_their_part_of_the_image() -> None:
    maps = torch.zeros(1, 1, 3, 3)
    maps[0, 0, 1, 0], maps[0, 0, 2, 1], maps[0, 0, 0, 2] = 20.0, -30.0, 7.0
    places = cell_positions(maps, 3, 2)
    assert places.shape == (1, 6, 3)
    np.testing.assert_allclose(places[0, 0], [7, -10, 20], atol=1e-5)
    np.testing.assert_allclose(places[0, 5], [7, 10, -20], atol=1e-5)


def test_one_backbone_with_batch_norms_refuses_images_of_two_sizes(config_of) -> None:
    config = config_of("network.separate=false")
    with pytest.raises(UsageError, match=r"2 sizes.*set network\.separate"):
        network(config)


def test_the_place_embedding_is_that_of_the_transformer() -> None:
    encoding = sinusoidal(5, 6)
    assert encoding[3, 0] == pytest.approx(np.sin(3))
    assert encoding[3, 3] == pytest.approx(np.cos(3 / 10000 ** (2 / 6)))


def test_gradients_reach_every_part(smoke) -> None:
    model = changed(network(smoke)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # timm lets residual branches begin at 0
            torch.nn.init.ones_(module.weight)
    model(scans_of(smoke.preparation)).logits.square().sum().backward()
    still = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert still == ["queries.missing"]  # of a type of scan that is absent


def published_parameters() -> int:
    """The layout of the published notebook, counted by hand."""

    def linear(wide: int, narrow: int) -> int:
        return wide * narrow + narrow

    width = 384
    backbone = 6_947_584  # timm densenet121 without its classifier, one input channel
    projections = linear(512, 96) + linear(1024, 96) + linear(1024, 192)
    joined = 2 * linear(width, width)
    attention = 4 * linear(width, width)
    layer = attention + linear(width, 4 * width) + linear(4 * width, width) + 2 * 2 * width
    return backbone + projections + joined + attention + 8 * layer + 2 * width + linear(width, 75)


def test_paper_has_the_published_network(config_of) -> None:
    config = config_of("network.pretrained=false", preset="paper")
    model = network(config)
    assert sum(one.numel() for one in model.parameters()) == published_parameters() == 22_404_427
    assert isinstance(config.network, Network)


def test_quick_is_small(config_of) -> None:
    assert sum(one.numel() for one in network(config_of(preset="quick")).parameters()) < 1e6
