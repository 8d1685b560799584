"""Slice selection on the tiny phantom, with few trees: trained, saved, loaded, and what it does without material."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.approaches.multitask.selection import SelectionConfig, Selector, train_selection
from bench.approaches.multitask.selection.accuracy import choices_of, frequencies, shares
from bench.approaches.multitask.selection.features import FeatureTable, build_features
from bench.approaches.multitask.selection.slots import AXIAL, CANAL, FORAMEN
from bench.approaches.multitask.selection.stage import fit_selector
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.data.levels import level_positions
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2
from bench.testing import make_context, open_generated

CONFIG = SelectionConfig.model_validate(
    {"forest": {"trees": 5}, "mlp": {"epochs": 5}, "xgboost": {"trees": 5}, "calibration_folds": 2}
)


@pytest.fixture(scope="module")
def opened(session_cache: Path) -> Any:
    """The first twelve studies of the odd phantom."""
    opened = open_generated(session_cache, "phantom:odd")
    return replace(opened, cohort=opened.cohort.subset(opened.cohort.study_ids[:12]))


@pytest.fixture(scope="module")
def trained(opened: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Selector, Any]:
    context = make_context(tmp_path_factory.mktemp("job"), opened.volumes, all_studies=opened.cohort)
    train_selection(opened.cohort, context, CONFIG)
    return Selector.load(context.folder, CONFIG), context


def silent(study_id: int, text: str) -> None:
    pass


def test_every_series_that_is_there_gets_a_slice_of_each_level(opened: Any, trained: tuple[Selector, Any]) -> None:
    selector, context = trained
    studies = opened.cohort.studies
    nowhere = np.full((len(studies), 5, 3), np.nan)
    for positions in (nowhere, level_positions(studies, read_keypoints(opened.cohort, silent))):
        pairs = zip(selector.sagittal(studies, context), selector.axial(studies, positions, context), strict=True)
        for study, (sagittal, axial) in zip(studies, pairs, strict=True):
            expected = {(SAGITTAL_T2, None)} if study.sagittal_t2 else set()
            expected |= {(SAGITTAL_T1, "right"), (SAGITTAL_T1, "left")} if study.sagittal_t1 else set()
            assert set(sagittal) == {(*part, level) for part in expected for level in LEVELS}
            assert set(axial) == {(AXIAL_T2, None, level) for level in LEVELS if study.axial_t2}
            for choice in (*sagittal.values(), *axial.values()):
                assert 0 <= choice.index < len(study.get(choice.series_id))
                assert 0 <= choice.probability <= 1


def test_what_is_loaded_chooses_as_what_was_saved(opened: Any, trained: tuple[Selector, Any], tmp_path: Path) -> None:
    selector, context = trained
    selector.save(tmp_path)
    again = Selector.load(tmp_path, CONFIG)
    studies = opened.cohort.studies
    assert again.sagittal(studies, context) == selector.sagittal(studies, context)
    assert again.slice_errors == selector.slice_errors
    assert again.accuracy == selector.accuracy
    assert {*selector.accuracy} == {CANAL, FORAMEN, AXIAL}
    assert all(abs(sum(errors.values()) - 1) < 1e-9 for errors in selector.slice_errors.values())


def test_training_twice_gives_the_same(opened: Any, trained: tuple[Selector, Any], tmp_path: Path) -> None:
    context = make_context(tmp_path, opened.volumes, all_studies=opened.cohort)
    fit_selector(opened.cohort, context, CONFIG).save(tmp_path)
    again = Selector.load(tmp_path, CONFIG)
    studies = opened.cohort.studies
    assert again.sagittal(studies, context) == trained[0].sagittal(studies, trained[1])


def test_an_axial_slice_lies_within_reach_of_its_level_where_one_does(
    opened: Any, trained: tuple[Selector, Any]
) -> None:
    selector, context = trained
    studies = opened.cohort.studies
    positions = level_positions(studies, read_keypoints(opened.cohort, silent))
    checked = 0
    for study, places, choices in zip(studies, positions, selector.axial(studies, positions, context), strict=True):
        for level, place in enumerate(places):
            if np.isnan(place).any() or not study.slices_within(place, AXIAL_T2, CONFIG.reach_mm):
                continue
            choice = choices[AXIAL_T2, None, LEVELS[level]]
            away = abs(study.get(choice.series_id).distances(place)[choice.index])
            assert away <= CONFIG.reach_mm
            checked += 1
    assert checked > 10


def test_one_study_is_told_and_placed_as_usual(opened: Any, tmp_path: Path, trained: tuple[Selector, Any]) -> None:
    places = level_positions(opened.cohort.studies, read_keypoints(opened.cohort, silent))
    whole = next(
        study
        for study, own in zip(opened.cohort.studies, places, strict=True)
        if study.sagittal_t2 and study.sagittal_t1 and study.axial_t2 and not np.isnan(own).any()
    )
    one = opened.cohort.subset([whole.study_id])
    context = make_context(tmp_path, opened.volumes, all_studies=opened.cohort)
    notes: list[str] = []
    context.note = lambda study_id, text: notes.append(text)  # type: ignore[method-assign]
    train_selection(one, context, CONFIG)
    selector = Selector.load(tmp_path, CONFIG)
    assert not any(ensemble.trained for ensemble in selector.ensembles.values())
    (chosen,) = selector.sagittal(one.studies, context)
    assert len(chosen) == 15
    assert any("canal by its usual place" in note for note in notes)
    positions = level_positions(one.studies, read_keypoints(one, silent))
    near = [bool(whole.slices_within(place, AXIAL_T2, CONFIG.reach_mm)) for place in positions[0]]
    assert any(near)
    (axial,) = selector.axial(one.studies, positions, context)
    for level, place, there in zip(LEVELS, positions[0], near, strict=True):
        nearest = whole.nearest_slice(place, AXIAL_T2)
        assert nearest is not None
        choice = axial[AXIAL_T2, None, level]
        assert (choice.series_id, choice.index) == (nearest.series.series_id, nearest.slice_index)
        assert any(f"slice nearest to {level} taken: too few marked" in note for note in notes) == there


def test_without_any_mark_the_middle_and_a_third_from_it_are_taken(opened: Any, tmp_path: Path) -> None:
    unmarked = Cohort(opened.cohort.studies, opened.cohort.labels, opened.cohort.points.iloc[:0])
    context = make_context(tmp_path, opened.volumes, all_studies=opened.cohort)
    selector = fit_selector(unmarked, context, CONFIG)
    for study, chosen in zip(unmarked.studies, selector.sagittal(unmarked.studies, context), strict=True):
        for (kind, side, _), choice in chosen.items():
            share = {None: 0.5, "right": 1 / 3, "left": 2 / 3}[side]
            assert choice.index == round(share * (len(study.get(choice.series_id)) - 1)), kind


def test_studies_outside_the_data_set_get_features_too(opened: Any, trained: tuple[Selector, Any], tmp_path) -> None:
    selector, context = trained
    studies = opened.cohort.studies[:3]
    elsewhere = make_context(tmp_path, opened.volumes)  # knows no study
    assert selector.sagittal(studies, elsewhere) == selector.sagittal(studies, context)


def test_features_are_computed_once_and_those_of_a_killed_attempt_are_kept(opened, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path / "job", opened.volumes, all_studies=opened.cohort)
    studies = opened.cohort.studies
    first = FeatureTable(studies[:2], context, CONFIG.features)
    assert FeatureTable(studies[2:], context, CONFIG.features).folder == first.folder

    class KilledError(Exception):
        pass

    shared = type("Shared", (), {"folder": tmp_path, "volumes": opened.volumes, "threads": 1})()

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KilledError

    shared.progress = stop
    with pytest.raises(KilledError):
        build_features(studies[:4], shared, CONFIG.features)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    assert len(before) == 2
    shared.progress = lambda done, total: None
    build_features(studies[:4], shared, CONFIG.features)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    assert before.items() <= after.items()
    assert len(after) == 4


@pytest.mark.slow
def test_processes_compute_the_same_features(opened: Any, tmp_path: Path) -> None:
    studies: tuple[Study, ...] = opened.cohort.studies[:4]
    tables = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        shared = type("Shared", (), {"folder": folder, "volumes": opened.volumes, "threads": threads})()
        shared.progress = lambda done, total: None
        build_features(studies, shared, CONFIG.features)
        tables.append({path.name: path.read_bytes() for path in folder.glob("*.npy")})
    assert tables[0] == tables[1]


def test_shares_and_frequencies_count_slices() -> None:
    values = [0, 0, 1, -1, 2, -7]
    assert shares(values) == pytest.approx({"exact": 1 / 3, "within_one": 2 / 3, "within_two": 5 / 6, "n": 6})
    assert frequencies(values) == pytest.approx({-3: 1 / 6, -1: 1 / 6, 0: 1 / 3, 1: 1 / 6, 2: 1 / 6})
    assert frequencies([]) == {0: 1.0}


def test_errors_are_those_of_studies_that_were_held_out(opened: Any, trained: tuple[Selector, Any]) -> None:
    selector, context = trained
    keypoints = read_keypoints(opened.cohort, silent)
    choices = choices_of(selector, opened.cohort.studies, keypoints, context)
    assert len(choices) == len(opened.cohort)
    counts = {group: measured["ensemble"]["n"] for group, measured in selector.accuracy.items()}
    assert 0 < counts[CANAL] <= 5 * len(opened.cohort) / 2  # of one of five folds
