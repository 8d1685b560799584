"""Stage 1 as a whole, without networks: what it notes and what it refuses to load."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.approaches.mil import point_finder
from bench.approaches.mil.axial_finder import note_crowded
from bench.approaches.mil.location import Locator, silent
from bench.approaches.mil.location_config import Location
from bench.approaches.mil.location_files import network_file
from bench.approaches.mil.location_networks import LocationNetworks, NetworkKey
from bench.approaches.mil.location_statistics import LocationStatistics, trained_targets
from bench.approaches.mil.slice_finder import SliceFinder
from bench.data.keypoints import Keypoints
from bench.errors import BenchError
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T1, SAGITTAL_T2, TARGETS, indices
from bench.training.checkpoints import save_model, training_file
from bench.training.stored_network import StoredNetwork

SCHEDULE = {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3}
POINTS = {"backbone": "test_resnet", "size": (64, 64), "schedule": SCHEDULE}
CONFIG = Location.model_validate({"depth": {"schedule": SCHEDULE}, "sagittal": POINTS, "axial": POINTS})


def locator_of(**changes: Any) -> Locator:
    return Locator(LocationNetworks(CONFIG.model_copy(update=changes)))


def names(*targets: int) -> list[str]:
    return [TARGETS[target].name for target in targets]


def test_names_of_networks_stay_as_they_are_for_seeds_depend_on_them() -> None:
    keys = list(LocationNetworks(CONFIG.model_copy(update={"joint": True})).keys(1))
    assert [key.name for key in keys] == [
        "split1-canal-depth0",
        "split1-foramina-depth0",
        "split1-sagittal-points0",
        "split1-recesses-points0",
    ]
    assert keys[0] == NetworkKey(1, "canal", "depth", 0)


def test_slices_that_no_network_predicts_are_noted(study: Study) -> None:
    notes: list[str] = []
    context: Any = None  # nothing is asked of it
    locator_of().locate([study], context, lambda _, text: notes.append(text))
    noted = [text for text in notes if "no network predicts the slice" in text]
    assert [text.split(":")[0] for text in noted] == ["canal", "foramina", "foramina"]


def test_a_network_is_saved_as_soon_as_it_is_trained_and_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = SimpleNamespace(folder=tmp_path, resume=tmp_path / "resume")
    key = NetworkKey(0, "recesses", "points", 0)
    checkpoint = training_file(context.resume, key.name)
    trained = []

    def train(self: Locator, key: NetworkKey, *_: Any) -> nn.Module:
        trained.append(key)
        checkpoint.parent.mkdir()
        checkpoint.write_text("optimizer")
        return self.networks.untrained(key)

    monkeypatch.setattr(Locator, "_train_network", train)
    locator, keypoints = locator_of(), Keypoints.none(0)
    first = locator._train_once(key, [], keypoints, context)
    assert not checkpoint.exists()
    assert first == network_file(tmp_path, key)
    written = first.read_bytes()
    assert locator_of()._train_once(key, [], keypoints, context) == first
    assert trained == [key]
    assert first.read_bytes() == written


def test_a_job_links_to_the_networks_of_its_stage(tmp_path: Path) -> None:
    stage, job = tmp_path / "stage", tmp_path / "job"
    key = NetworkKey(0, "recesses", "points", 0)
    locator = locator_of()
    for folder in (stage, job):
        folder.mkdir()
    save_model(network_file(stage, key), locator.networks.untrained(key))
    locator.networks.trained[key] = locator.networks.stored(key, network_file(stage, key))
    locator.save(stage)
    Locator.load(stage, CONFIG).save(job)
    assert network_file(stage, key).samefile(network_file(job, key))
    assert list(Locator.load(job, CONFIG).networks.trained) == [key]


def test_one_network_is_in_memory_at_a_time(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive: list[weakref.ref[nn.Module]] = []
    most = 0
    load = StoredNetwork.load

    def counted(self: StoredNetwork, device: str) -> nn.Module:
        nonlocal most
        model = load(self, device)
        alive.append(weakref.ref(model))
        most = max(most, sum(one() is not None for one in alive))
        return model

    class Reader:
        def __init__(self, *_: Any) -> None: ...

        def read(self, crops: Any) -> torch.Tensor:
            return torch.zeros(len(crops), 3, 64, 64)

    monkeypatch.setattr(StoredNetwork, "load", counted)
    monkeypatch.setattr(point_finder, "CropReader", Reader)
    networks = LocationNetworks(CONFIG)
    key = NetworkKey(0, "canal", "points", 0)
    save_model(tmp_path / "network.safetensors", networks.untrained(key))
    ensemble = [(CONFIG.sagittal, networks.stored(key, tmp_path / "network.safetensors")) for _ in range(3)]
    (series,) = study.of(SAGITTAL_T2)
    context: Any = SimpleNamespace(device="cpu", precision="fp32", volumes=None)
    point_finder.find_points(ensemble, [point_finder.SliceView(series, 0)], context, neighbours=1)
    assert (len(alive), most) == (3, 1)


def test_a_stage_of_another_version_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "location.json").write_text(json.dumps({"schema_version": 1, "networks": [], "shifts": {}}))
    with pytest.raises(BenchError, match=r"another version.*Train it anew"):
        Locator.load(tmp_path, CONFIG)


def test_slices_of_both_structures_found_independently_are_joined(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(self: SliceFinder, studies: Any) -> np.ndarray:
        slices = np.full((1, 25), np.nan)
        slices[0, list(self.structure.targets)] = 3 if self.structure.name == "canal" else 7
        return slices

    monkeypatch.setattr(SliceFinder, "slices", find)
    context: Any = None
    slices = locator_of()._find_slices([study], context, silent, None)[0]
    assert (slices[list(indices("spinal"))] == 3).all()
    assert (slices[list(indices("foraminal"))] == 7).all()
    assert np.isnan(slices[list(indices("subarticular"))]).all()


@pytest.mark.parametrize(("turn", "noted"), [(59.0, False), (61.0, True)])
def test_slices_too_far_from_sagittal_to_be_found_jointly_are_noted(
    series_of: Callable[..., Series], turn: float, noted: bool
) -> None:
    across = (float(np.sin(np.radians(turn))), float(np.cos(np.radians(turn))), 0.0)  # turned about the long axis
    oblique = series_of(30, SAGITTAL_T1, directions=(across, (0.0, 0.0, -1.0)))
    notes: list[str] = []
    context: Any = None
    locator = locator_of(joint_slices=True)
    locator._find_slices(
        [Study(1, (series_of(20, SAGITTAL_T2), oblique))], context, lambda _, text: notes.append(text), None
    )
    assert [text.split(":")[0] for text in notes] == ["slices far from sagittal"] * noted


def test_slices_cannot_be_found_jointly_by_a_network_that_predicts_a_point() -> None:
    point = {"schedule": SCHEDULE, "predicts": "point"}
    with pytest.raises(ValueError, match='joint_slices = true needs predicts = "slice"'):
        Location.model_validate({**CONFIG.model_dump(), "joint_slices": True, "more_depth": [point]})


def trained_by(*targets: int, mirror: bool = False) -> list[str]:
    keypoints = Keypoints.none(2)
    for target in targets:
        keypoints.set(1, target, 1, 0, (1.0, 1.0))
    return names(*np.flatnonzero(trained_targets(keypoints, mirror=mirror)))


def test_what_no_training_study_shows_is_not_trained() -> None:
    assert trained_by() == []
    left, right = indices("foraminal", "left")[1], indices("foraminal", "right")[1]
    assert trained_by(0, left) == names(0, left)
    assert trained_by(0, left, mirror=True) == names(0, left, right)
    recess = indices("subarticular", "left")[2]  # one network for all levels
    assert trained_by(recess) == names(*indices("subarticular", "left"))
    assert trained_by(recess, mirror=True) == names(*indices("subarticular"))


def test_an_untrained_output_locates_nothing_and_that_is_noted(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = np.ones(25, dtype=np.bool_)
    left, right_recesses = indices("foraminal", "left")[0], list(indices("subarticular", "right"))
    trained[[left, *right_recesses]] = False
    locator = Locator(LocationNetworks(CONFIG), LocationStatistics(trained=trained))
    monkeypatch.setattr(locator.networks, "point_ensemble", lambda *_: ["a network"])
    slices = np.full((1, 25), np.nan)
    slices[0, list(indices("spinal") + indices("foraminal"))] = 5
    monkeypatch.setattr(locator, "_find_slices", lambda *_: slices)

    def find(networks: Any, views: Any, context: Any, *, neighbours: int) -> np.ndarray:
        return np.full((len(views), 10 if neighbours else 2, 2), 40.0)

    monkeypatch.setattr(point_finder, "find_points", find)
    monkeypatch.setattr("bench.approaches.mil.axial_finder.find_points", find)
    notes: list[str] = []
    context: Any = None
    keypoints = locator.locate([study], context, lambda _, text: notes.append(text))
    np.testing.assert_array_equal(keypoints.known[0], trained)
    noted = [text for text in notes if text.startswith("no training study has a point")]
    assert len(noted) == 2
    assert TARGETS[left].name in noted[0]
    assert all(name in noted[1] for name in names(*right_recesses))


def test_of_several_series_of_a_kind_the_one_with_most_slices_is_looked_at_and_that_is_noted(
    study: Study, series_of: Callable[..., Series]
) -> None:
    notes: list[str] = []
    context: Any = None
    twice = replace(study, series=(*study.series, series_of(21, SAGITTAL_T2, count=5)))
    for one in (study, twice):
        locator_of().locate([one], context, lambda _, text: notes.append(text))
    assert [text for text in notes if text.startswith("several")] == [
        f"several {SAGITTAL_T2}: canal looked for in the one with most slices"
    ]


def test_levels_located_nearly_at_one_place_are_noted(study: Study) -> None:
    keypoints = Keypoints.none(1)
    for level, y in enumerate((5, 10, 30, 50, 70)):  # pixels of 2 mm
        keypoints.set(0, level, 20, 5, (40, y))
        keypoints.set(0, indices("foraminal", "left")[level], 30, 8, (40, 20 * level))
    notes: list[str] = []
    note_crowded([study], keypoints, lambda _, text: notes.append(text))
    assert notes == [f"{names(0)[0]} and {names(1)[0]} located 10 mm apart: one of them may be out of view"]
