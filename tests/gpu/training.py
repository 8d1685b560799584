"""A training batch of random images for each network, with the approach's own loss and learning rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.approach import Approach, NetworkUse, StudyCounts
from bench.approaches.mil.bags import CONDITION_STREAMS, STREAMS
from bench.approaches.mil.location_networks import (
    AXIAL_NEIGHBOURS,
    RECESSES,
    SAGITTAL_NEIGHBOURS,
    SLICES,
    LocationNetworks,
)
from bench.approaches.mil.model import SeverityNet
from bench.approaches.mil.point_stage import _loss as point_loss
from bench.approaches.mil.severity import Batch as BagBatch
from bench.approaches.mil.severity import condition_sets, grade_loss
from bench.approaches.mil.slice_stage import StackBatch, slice_loss
from bench.approaches.multitask.classifier import Classifier
from bench.approaches.multitask.forecast import FRAMES
from bench.approaches.multitask.locator import CHANNELS, Locator
from bench.approaches.multitask.superres import PixelShuffleNet
from bench.approaches.multitask.superres_stage import restoration_loss
from bench.approaches.multitask.views import POINTS_PER_VIEW
from bench.approaches.sequence.fitting import sequence_loss
from bench.approaches.sequence.scans import Scans
from bench.approaches.sequence.slice_choice import KINDS
from bench.approaches.sequence.variation import Batch as ScanBatch
from bench.targets import TARGETS
from bench.training.losses import study_loss
from bench.training.schedule import Schedule

Loss = Callable[[nn.Module, Any], Mapping[str, Tensor]]
Training = tuple[Any, Loss, Schedule]  # a batch, its loss, and the rates


def training_of(
    approach: Approach, use: NetworkUse, network: nn.Module, number: int, samples: int, device: str
) -> Training:
    """Of a network, the ``number``-th that the approach's forecast tells."""
    torch.manual_seed(0)
    config: Any = approach.config
    if isinstance(network, Classifier):
        return _crops(network, int(use.name.rpartition(" ")[2]), samples, device)  # "classifier at 128"
    if isinstance(network, Locator):
        images = {
            kind: _images(samples * count, CHANNELS, network.size(kind), device) for kind, count in FRAMES.items()
        }
        points = {kind: torch.rand(len(one), POINTS_PER_VIEW[kind], 2, device=device) for kind, one in images.items()}
        schedule = (config.classifier if config.training == "one_loop" else config.keypoints).schedule
        return (images, points), lambda model, batch: model.loss(*batch)[0], schedule  # type: ignore[operator]
    if isinstance(network, PixelShuffleNet):
        plan = config.superres.network
        return _images(samples, 1, (plan.patch, plan.patch), device), restoration_loss, plan.schedule
    if hasattr(config, "preparation"):
        return _scans(config, samples, device)
    keys = list(LocationNetworks(config.location).keys(0))
    if isinstance(network, SeverityNet):
        return _bags(config.severity, number - len(keys), samples, device)
    return _location(LocationNetworks(config.location), number, samples, device)


def _images(count: int, channels: int, size: tuple[int, int], device: str) -> Tensor:
    return torch.rand(count, channels, *size, device=device)


def _grades(samples: int, device: str) -> Tensor:
    return torch.randint(0, 3, (samples, len(TARGETS)), device=device)


def _crops(network: Classifier, size: int, samples: int, device: str) -> Training:
    images, present = {}, {}
    for stream in network.streams:
        present[stream.name] = np.zeros((samples, len(TARGETS)), dtype=bool)
        present[stream.name][:, list(stream.targets)] = True
        images[stream.name] = _images(samples * len(stream.targets), CHANNELS, (size, size), device)

    def loss(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        images, grades = batch
        return {"loss": study_loss(model(images, present), grades, average=network.config.loss)}

    return (images, _grades(samples, device)), loss, network.config.schedule


def _scans(config: Any, samples: int, device: str) -> Training:
    scans = {}
    for kind in KINDS:
        scan = config.preparation.scan(kind)
        present = torch.ones(samples, scan.slices, dtype=torch.bool, device=device)
        maps = torch.eye(3, device=device).expand(samples, scan.slices, 3, 3) * 30  # mm
        scans[kind] = Scans(_images(samples, scan.slices, scan.size, device), present, maps)
    points = 30 * torch.randn(samples, len(TARGETS), 3, device=device)
    return ScanBatch(scans, _grades(samples, device), points), sequence_loss(config), config.training.schedule


def _bags(config: Any, number: int, samples: int, device: str) -> Training:
    sets = condition_sets(config)
    plan, conditions = config.networks[number // len(sets)], sets[number % len(sets)]
    images, marked, grades = {}, {}, {}
    for one in conditions:
        for name in CONDITION_STREAMS[one]:
            bags = samples * len(STREAMS[name].targets)
            images[name] = _images(bags, config.bag, getattr(config.windows, name).size, device)
            marked[name] = torch.randint(0, config.bag, (bags,), device=device)
        grades[one] = torch.randint(0, 3, (bags,), device=device)
    loss: Any = grade_loss(config, dict.fromkeys(conditions, 1.5))
    return BagBatch(images, marked, grades), loss, plan.schedule


def _location(networks: LocationNetworks, number: int, samples: int, device: str) -> Training:
    key = list(networks.keys(0))[number]
    if key.kind == SLICES:
        plan = networks.config.all_depth[key.number]
        targets = len(networks.structures[key.part].views[0].targets)
        depth = plan.depth if plan.pooling == "volume" else min(plan.depth, StudyCounts(1, 1).sagittal_slices)
        batch = StackBatch(
            _images(samples, depth, plan.size, device),
            torch.ones(samples, depth, dtype=torch.bool, device=device),
            torch.randint(0, depth, (samples, targets), device=device),
            torch.rand(samples, targets, 3, device=device),
        )
        return batch, slice_loss, plan.schedule
    config = networks.point_config(key)
    channels = 2 * (AXIAL_NEIGHBOURS if key.part == RECESSES else SAGITTAL_NEIGHBOURS) + 1
    points = torch.rand(samples, networks.points(key.part), 2, device=device)
    return (_images(samples, channels, config.size, device), points), point_loss, config.schedule
