"""Stage 1 on disk: one safetensors file per network, and ``location.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.atomic import DamagedError, read_json, write_json
from bench.files.linking import link_or_copy
from bench.targets import TARGETS

from .location_config import Location
from .location_networks import LocationNetworks, NetworkKey
from .location_statistics import LocationStatistics

SCHEMA_VERSION = 5


def network_file(folder: Path, key: NetworkKey) -> Path:
    """Where a network's weights lie."""
    return folder / f"{key.name}.safetensors"


def save_location(folder: Path, networks: LocationNetworks, statistics: LocationStatistics) -> None:
    """Link to all networks that do not lie in the folder already, then write the statistics."""
    for key, network in networks.trained.items():
        target = network_file(folder, key)
        if network.path != target:
            link_or_copy(network.path, target)
    document = {
        "schema_version": SCHEMA_VERSION,
        "networks": [key._asdict() for key in networks.trained],
        "slice_errors": {kind: list(values) for kind, values in statistics.slice_errors.items()},
        "level_offsets_mm": _without_nan(statistics.level_offsets),
        "lateral_distances_mm": _without_nan(statistics.lateral_distances),
        "trained_targets": [TARGETS[target].name for target in np.flatnonzero(statistics.trained)],
    }
    write_json(folder / "location.json", document)


def load_location(folder: Path, config: Location) -> tuple[LocationNetworks, LocationStatistics]:
    """What `save_location` wrote. Networks stay on the disk until they are used.

    Raises:
        DamagedError: a network's file is missing.
    """
    document = read_json(folder / "location.json")
    if document is None:
        raise BenchError(f"{folder} holds no trained stage 1 (location.json is missing). Train it anew.")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BenchError(
            f"{folder} holds a stage 1 of another version of this approach (schema version {version!r}, this is "
            f"{SCHEMA_VERSION}). Train it anew."
        )
    statistics = LocationStatistics(
        slice_errors=document["slice_errors"],
        level_offsets=np.array(document["level_offsets_mm"], dtype=np.float64),
        lateral_distances=np.array(document["lateral_distances_mm"], dtype=np.float64),
        trained=np.array([target.name in document["trained_targets"] for target in TARGETS]),
    )
    networks = LocationNetworks(config)
    for values in document["networks"]:
        key = NetworkKey(**values)
        path = network_file(folder, key)
        if not path.is_file():
            raise DamagedError(f"{path} is missing: a network of stage 1. Run the same command again.", path)
        networks.trained[key] = networks.stored(key, path)
    return networks, statistics


def _without_nan(values: NDArray[np.float64]) -> list[Any]:
    """As nested lists for JSON, null for NaN."""
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()
