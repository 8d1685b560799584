from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench import plugins
from bench.approaches.sequence.config import Network, SequenceConfig
from bench.approaches.sequence.model import SequenceNet
from bench.jobs import config as configuration
from bench.training.parameter_groups import longest

PLUGIN = plugins.find("approaches", "sequence")


@pytest.mark.parametrize("preset", list(configuration.presets(PLUGIN)))
def test_every_preset_is_valid(config_of, preset) -> None:
    assert isinstance(config_of(preset=preset), SequenceConfig)


@pytest.mark.parametrize("ablation", list(configuration.ablations(PLUGIN)))
def test_every_ablation_changes_quick(config_of, ablation) -> None:
    assert config_of(preset="quick", ablation=ablation) != config_of(preset="quick")


def test_as_published_differs_from_quick_only_in_the_causes(config_of) -> None:
    quick, published = config_of(preset="quick"), config_of(preset="as-published")
    assert published.preparation == quick.preparation
    differing = {name for name, value in published.network if value != getattr(quick.network, name)}
    assert differing == {"cells", "type_embedding", "position_embedding", "masked", "pooling", "prior_bias"}
    assert published.training.schedule.epochs == quick.training.schedule.epochs
    assert published.training.schedule.batch_size == quick.training.schedule.batch_size
    assert not published.training.marked_loss
    assert published.training.order == "arbitrary"
    assert published.training.each_slice


def test_paper_has_no_auxiliary_loss_and_ten_slices(config_of) -> None:
    paper = config_of(preset="paper")
    assert not paper.training.marked_loss
    scans = paper.preparation.sagittal_t1, paper.preparation.sagittal_t2, paper.preparation.axial_t2
    assert {(scan.slices, scan.size) for scan in scans} == {(10, (224, 224))}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"widths": (1, 2)}, "3 scales and 2 widths"),
        ({"heads": 7}, "384, which 7 heads do not divide"),
        ({"cells": 8}, "cells = 8 needs pooling = 'queries'"),
    ],
)
def test_a_network_that_does_not_fit_says_why(wrong, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Network(**wrong)


def test_the_mean_has_no_attention_to_draw(config_of) -> None:
    with pytest.raises(Exception, match="marked_loss needs pooling = 'queries'"):
        config_of("network.pooling=mean", "network.cells=0")


@pytest.mark.parametrize("name", ["quick", "as-published", *configuration.ablations(PLUGIN)])
def test_every_group_of_rates_has_parameters_of_the_network(config_of, name) -> None:
    presets = configuration.presets(PLUGIN)
    config = config_of(preset=name) if name in presets else config_of(preset="quick", ablation=name)
    model = SequenceNet(config.network, config.preparation)
    groups = config.training.schedule.groups
    taken = {longest(parameter, groups) for parameter, _ in model.named_parameters()}
    assert set(groups) <= taken
