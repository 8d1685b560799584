"""The networks of stage 1: what each is called, how it is built, and which of them form an ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch import nn

from bench.targets import LEVELS
from bench.training.point_heads import point_network
from bench.training.stored_network import StoredNetwork

from .convnext3d import DepthNet
from .location_config import DepthNetwork, Location, PointNetwork
from .structures import structures

# Beside canal and foramina: both in one network, and the recesses on axial slices.
SAGITTAL, RECESSES = "sagittal", "recesses"
SLICES, POINTS = "depth", "points"
SAGITTAL_NEIGHBOURS, AXIAL_NEIGHBOURS = 1, 0


class NetworkKey(NamedTuple):
    """Which network.

    Attributes:
        split: the inner split on whose training part it was trained.
        part: ``canal``, ``foramina``, ``sagittal`` (both) or ``recesses``.
        kind: ``depth`` (stage 1a, finds slices) or ``points`` (stages 1b and 1c).
        number: its place in the ensemble of the configuration.
    """

    split: int
    part: str
    kind: str
    number: int

    @property
    def name(self) -> str:
        """Name of its training stage and file, such as ``split0-canal-depth0``. Seeds depend on it."""
        return f"split{self.split}-{self.part}-{self.kind}{self.number}"


class LocationNetworks:
    """All networks of stage 1.

    Attributes:
        config: of stage 1.
        structures: canal and foramina.
        trained: the trained networks, on the disk; one that had nothing to learn from is absent.
    """

    def __init__(self, config: Location) -> None:
        self.config = config
        self.structures = structures(config.mirror)
        self.trained: dict[NetworkKey, StoredNetwork] = {}

    def keys(self, split: int) -> Iterator[NetworkKey]:
        """The networks of one split, in the order in which they are trained."""
        for part in self.structures:
            for number in range(len(self.config.all_depth)):
                yield NetworkKey(split, part, SLICES, number)
        for part in (SAGITTAL,) if self.config.joint else self.structures:
            for number in range(len(self.config.all_sagittal)):
                yield NetworkKey(split, part, POINTS, number)
        for number in range(len(self.config.all_axial)):
            yield NetworkKey(split, RECESSES, POINTS, number)

    def point_part(self, structure: str) -> str:
        """The part whose networks find the points of a structure."""
        return SAGITTAL if self.config.joint else structure

    def first_outputs(self, part: str) -> dict[str, list[int]]:
        """By structure, for each of its sides the first of the outputs of a network of stage 1b that are its levels'.

        Mirrored, both sides share their outputs.
        """
        outputs: dict[str, list[int]] = {}
        start = 0
        for name in self.structures if part == SAGITTAL else (part,):
            sides = len(self.structures[name].sides)
            outputs[name] = [start if self.config.mirror else start + len(LEVELS) * side for side in range(sides)]
            start = max(outputs[name]) + len(LEVELS)
        return outputs

    def points(self, part: str) -> int:
        """How many points a network of stage 1b or 1c finds on a slice."""
        if part == RECESSES:
            return 2
        return max(first for outputs in self.first_outputs(part).values() for first in outputs) + len(LEVELS)

    def point_config(self, key: NetworkKey) -> PointNetwork:
        """The configuration of a network of stage 1b or 1c."""
        return (self.config.all_axial if key.part == RECESSES else self.config.all_sagittal)[key.number]

    def slice_ensemble(self, structure: str, split: int | None = None) -> list[tuple[DepthNetwork, StoredNetwork]]:
        """The networks of stage 1a for a structure, of one split or of all."""
        return [
            (self.config.all_depth[key.number], model)
            for key, model in self.trained.items()
            if (key.part, key.kind) == (structure, SLICES) and split in (None, key.split)
        ]

    def point_ensemble(self, part: str, split: int | None = None) -> list[tuple[PointNetwork, StoredNetwork]]:
        """The networks of stage 1b or 1c for a part, of one split or of all."""
        return [
            (self.point_config(key), model)
            for key, model in self.trained.items()
            if (key.part, key.kind) == (part, POINTS) and split in (None, key.split)
        ]

    def stored(self, key: NetworkKey, path: Path) -> StoredNetwork:
        """A trained network whose weights lie in a file."""
        return StoredNetwork(path, partial(self.untrained, key))

    def untrained(self, key: NetworkKey) -> nn.Module:
        """A network without trained or pretrained weights, to load weights into."""
        if key.kind == SLICES:
            return slice_network(self.config.all_depth[key.number], len(self.structures[key.part].views[0].targets))
        config = self.point_config(key).model_copy(update={"pretrained": False})
        return build_point_network(config, axial=key.part == RECESSES, points=self.points(key.part))


def slice_network(config: DepthNetwork, points: int) -> DepthNet:
    """An untrained network of stage 1a."""
    return DepthNet(
        config.widths,
        config.depths,
        points=points,
        depth=config.depth,
        pooling=config.pooling,
        coordinates=config.predicts == "point",
    )


def build_point_network(config: PointNetwork, *, axial: bool, points: int) -> nn.Module:
    """An untrained network of stage 1b or 1c (its encoder may carry pretrained weights)."""
    neighbours = AXIAL_NEIGHBOURS if axial else SAGITTAL_NEIGHBOURS
    return point_network(
        config.head,
        config.backbone,
        channels=2 * neighbours + 1,
        points=points,
        image_size=config.size,
        pretrained=config.pretrained,
        map_loss=config.map_loss,
    )
