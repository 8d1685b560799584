"""How often the network is used, for a forecast of what a job costs."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from bench.approach import NetworkUse, StudyCounts

from .config import SequenceConfig
from .model import SequenceNet
from .scan_config import Preparation
from .scans import Scans
from .slice_choice import KINDS

_KEPT_MB = 1024


def network_uses(config: SequenceConfig, studies: StudyCounts) -> list[NetworkUse]:
    """The network, as if every study had as many slices of every type of scan as are taken at most."""
    schedule, preparation = config.training.schedule, config.preparation
    scans = [preparation.scan(kind) for kind in KINDS]
    slices = sum(scan.slices for scan in scans)
    held_out = studies.train / config.training.hold_out if schedule.early_stopping is not None else 0.0
    bare = config.network.model_copy(update={"pretrained": False})
    pixels = sum(scan.slices * scan.size[0] * scan.size[1] for scan in scans)
    return [
        NetworkUse(
            name="sequence",
            build=partial(SequenceNet, bare, preparation),
            forward=partial(_forward_scans, preparation),
            batch_size=schedule.batch_size,
            images=slices,
            trained=(studies.train - held_out) * schedule.epochs,
            evaluated=held_out * schedule.epochs,
            predicted=studies.graded * (2 if config.training.mirror_prediction else 1),
            averaged=schedule.average > 0,
            kept_mb=_KEPT_MB,
            shared_mb=(studies.train + studies.graded) * pixels / 2**20,
        )
    ]


def _forward_scans(preparation: Preparation, network: SequenceNet, samples: int) -> Tensor:
    """Complete studies through the network."""
    scans, features, cells = {}, [], {}
    for kind in KINDS:
        scan = preparation.scan(kind)
        images = torch.zeros(samples, scan.slices, *scan.size)
        present = torch.ones(samples, scan.slices, dtype=torch.bool)
        scans[kind] = Scans(images, present, torch.zeros(samples, scan.slices, 3, 3))
        vectors, found = network.features[network.plane_of[kind]](images.flatten(0, 1))
        features.append(vectors.unflatten(0, (samples, scan.slices)))
        if found is not None:
            cells[kind] = found.unflatten(0, (samples, scan.slices))
    return network.graded(scans, torch.cat(features, dim=1), cells).logits
