"""How often each network of both stages is used, for a forecast of what a job costs."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bench.approach import NetworkUse, StudyCounts
from bench.targets import LEVELS

from .bags import CONDITION_STREAMS, STREAMS
from .config import MILConfig
from .location_networks import (
    AXIAL_NEIGHBOURS,
    RECESSES,
    SAGITTAL_NEIGHBOURS,
    SLICES,
    LocationNetworks,
    NetworkKey,
)
from .model import Grades, SeverityNet
from .severity import condition_sets
from .severity_config import Severity, SeverityNetwork
from .slice_stage import CPU_PRECISION

_SERIES_PER_BATCH, _SLICES_PER_BATCH, _STUDIES_PER_BATCH = 8, 32, 4  # in prediction


def network_uses(config: MILConfig, studies: StudyCounts) -> list[NetworkUse]:
    """Every network, as if every study had every series, point and label."""
    networks = LocationNetworks(config.location)
    uses = [
        _slice_network(networks, key, studies) if key.kind == SLICES else _point_network(networks, key, studies)
        for key in networks.keys(0)
    ]
    for number, network in enumerate(config.severity.networks):
        sets = condition_sets(config.severity)
        uses += [_severity_network(config.severity, network, number, conditions, studies) for conditions in sets]
    return uses


def _splits(networks: LocationNetworks, studies: StudyCounts) -> tuple[int, float, float]:
    """How many splits are trained, and how many studies each trains on and holds out."""
    config = networks.config
    left_out = studies.train / config.inner_folds
    return min(config.splits, config.inner_folds), studies.train - left_out, left_out


def _slice_network(networks: LocationNetworks, key: NetworkKey, studies: StudyCounts) -> NetworkUse:
    """Of stage 1a: a sample is a series in one of its views."""
    config, structure = networks.config.all_depth[key.number], networks.structures[key.part]
    splits, train, left_out = _splits(networks, studies)
    views = len(structure.views)
    # in prediction a symmetric structure's slices are shown in either order, if scores are asked for
    shown = views * (2 if structure.symmetric and config.predicts == "slice" else 1)
    present = min(config.depth, studies.sagittal_slices)
    # padded where one vector stands for the whole series
    depth = config.depth if config.pooling == "volume" else present
    return NetworkUse(
        name=f"{key.part} slices {key.number}",
        build=partial(networks.untrained, key),
        forward=partial(_forward_images, depth, config.size),
        batch_size=config.schedule.batch_size,
        images=present,
        trained=splits * train * views * config.schedule.epochs,
        evaluated=splits * left_out * shown,
        predicted=splits * studies.graded * shown,
        prediction_batch=_SERIES_PER_BATCH,
        count=splits,
        staged=True,
        on_disk=True,
        half_weights=networks.config.half_weights,
        averaged=config.schedule.average > 0,
        cpu_precision=CPU_PRECISION,
    )


def _point_network(networks: LocationNetworks, key: NetworkKey, studies: StudyCounts) -> NetworkUse:
    """Of stages 1b and 1c: a sample is a slice with its neighbours."""
    config, axial = networks.point_config(key), key.part == RECESSES
    splits, train, left_out = _splits(networks, studies)
    per_study = len(LEVELS) if axial else sum(len(outputs) for outputs in networks.first_outputs(key.part).values())
    channels = 2 * (AXIAL_NEIGHBOURS if axial else SAGITTAL_NEIGHBOURS) + 1
    return NetworkUse(
        name=f"{key.part} points {key.number}",
        build=partial(networks.untrained, key),
        forward=partial(_forward_images, channels, config.size),
        batch_size=config.schedule.batch_size,
        images=channels,
        trained=splits * train * per_study * config.schedule.epochs,
        evaluated=splits * left_out * per_study,
        predicted=splits * studies.graded * per_study,
        prediction_batch=_SLICES_PER_BATCH,
        count=splits,
        staged=True,
        on_disk=True,
        half_weights=networks.config.half_weights,
        averaged=config.schedule.average > 0,
    )


def _forward_images(channels: int, size: tuple[int, int], network: nn.Module, samples: int) -> Tensor:
    """Images (B, C, H, W), or series (B, D, H, W), through a network of stage 1."""
    output: Tensor = network(torch.zeros(samples, channels, *size))
    return output


def _severity_network(
    config: Severity, network: SeverityNetwork, number: int, conditions: tuple[str, ...], studies: StudyCounts
) -> NetworkUse:
    """Of stage 2: a sample is a study with all its bags."""
    bare = network.model_copy(update={"pretrained": False})
    streams = tuple(dict.fromkeys(name for one in conditions for name in CONDITION_STREAMS[one]))
    return NetworkUse(
        name=f"severity {number} {'+'.join(conditions)}",
        build=partial(SeverityNet, config, bare, conditions),
        forward=partial(_forward_bags, config, streams),
        batch_size=network.schedule.batch_size,
        images=sum(len(STREAMS[name].targets) for name in streams) * config.bag,
        trained=studies.train * network.schedule.epochs,
        predicted=studies.graded,
        prediction_batch=_STUDIES_PER_BATCH,
        averaged=network.schedule.average > 0,
        on_disk=True,
    )


def _forward_bags(
    config: Severity, streams: tuple[str, ...], network: SeverityNet, samples: int
) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """Bags (B * K, S, H, W) by stream through a network of stage 2; what it returns enters the losses."""
    bags = {
        name: torch.zeros(samples * len(STREAMS[name].targets), config.bag, *getattr(config.windows, name).size)
        for name in streams
    }
    graded: dict[str, Grades] = network(bags)
    return {one: (grades.logits, {**grades.streams}) for one, grades in graded.items()}
