from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from bench.approaches.multitask.selection.config import ALL_KINDS, FeatureConfig, SelectionConfig
from bench.approaches.multitask.selection.ensemble import Ensemble
from bench.approaches.multitask.selection.joint import choose_jointly, lateral_distances
from bench.approaches.multitask.selection.members import MEMBERS, SVM, balanced_rows, fit_member, grouped_splits
from bench.approaches.multitask.selection.persistence import load_ensemble, save_ensemble
from bench.approaches.multitask.selection.texture import blocks, slice_features
from bench.files.atomic import DamagedError

CONFIG = SelectionConfig.model_validate({"forest": {"trees": 10}, "mlp": {"epochs": 15}, "xgboost": {"trees": 20}})


@pytest.fixture(scope="module")
def material() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slices of 20 studies, of which the marked ones have higher values: (n, D), (n,), (n,)."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    marked = random.random(len(groups)) < 0.2
    matrix = random.normal(size=(len(groups), 30)).astype(np.float32)
    matrix[marked, :5] += 1.5
    return matrix, marked, groups


@pytest.fixture(scope="module")
def ensemble(material: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Ensemble:
    return Ensemble.fit(*material, CONFIG, seed=1)


@pytest.mark.parametrize("name", MEMBERS)
def test_each_member_learns_and_is_calibrated_on_other_studies(name: str, material) -> None:
    matrix, marked, groups = material
    train, test = groups < 14, groups >= 14
    splits = grouped_splits(marked[train], groups[train], 3)
    assert splits is not None
    member = fit_member(name, matrix[train], marked[train], splits, CONFIG, 0)
    values = member.probability(matrix[test])
    assert values[marked[test]].mean() > 1.5 * values[~marked[test]].mean()
    assert abs(values.mean() - marked[test].mean()) < 0.12  # balanced weights alone would give about one half


def test_folds_hold_whole_studies(material) -> None:
    _, marked, groups = material
    for train, held_out in grouped_splits(marked, groups, 3) or []:
        assert not set(groups[train]) & set(groups[held_out])


def test_nothing_is_calibrated_on_one_study_or_one_class(material) -> None:
    matrix, marked, groups = material
    assert grouped_splits(marked, np.zeros_like(groups), 3) is None
    assert grouped_splits(np.zeros_like(marked), groups, 3) is None
    assert not Ensemble.fit(matrix, np.zeros_like(marked), groups, CONFIG, seed=1).trained


def test_the_vote_is_the_mean(ensemble: Ensemble, material) -> None:
    votes = ensemble.votes(material[0])
    assert set(votes) == set(MEMBERS)
    np.testing.assert_allclose(ensemble.probability(material[0]), np.mean(list(votes.values()), axis=0))


def test_the_svm_learns_from_a_balanced_part() -> None:
    marked = np.zeros(1000, bool)
    marked[::20] = True
    rows = balanced_rows(marked, 200, seed=0)
    assert len(rows) == 200
    assert marked[rows].sum() == 50  # all of them
    rows = balanced_rows(marked, 60, seed=0)
    assert marked[rows].sum() == 30
    assert len(balanced_rows(marked, 5000, seed=0)) == 1000


def test_a_large_svm_sees_so_many_slices(material) -> None:
    matrix, marked, groups = material
    splits = grouped_splits(marked, groups, 3)
    assert splits is not None
    few = CONFIG.model_copy(update={"svm": CONFIG.svm.model_copy(update={"most_slices": 100})})
    member = fit_member(SVM, matrix, marked, splits, few, 0)
    support = member.classifier.calibrated_classifiers_[0].estimator[-1]  # type: ignore[attr-defined]
    assert support.n_support_.sum() <= 100


def test_what_is_loaded_votes_as_what_was_saved(ensemble: Ensemble, material, tmp_path: Path) -> None:
    save_ensemble(tmp_path, "canal", ensemble)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".skops"}
    again = load_ensemble(tmp_path, "canal").votes(material[0])
    for name, values in ensemble.votes(material[0]).items():
        np.testing.assert_array_equal(again[name], values)
    save_ensemble(tmp_path, "none", Ensemble())
    assert not load_ensemble(tmp_path, "none").trained


def test_a_file_with_another_type_is_refused_and_names_it(ensemble: Ensemble, tmp_path: Path) -> None:
    save_ensemble(tmp_path, "canal", ensemble)
    (tmp_path / "canal-svm.skops").write_bytes(skops.io.dumps(FunctionTransformer(func=Path.unlink)))
    with pytest.raises(DamagedError, match=r"canal-svm\.skops holds .*unlink.*, which is not trusted"):
        load_ensemble(tmp_path, "canal")


def test_code_in_a_file_does_not_run(ensemble: Ensemble, tmp_path: Path) -> None:
    """A schema that asks for a call of os.system, as a pickle would."""
    save_ensemble(tmp_path, "canal", ensemble)
    witness = tmp_path / "ran"
    schema = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": f"touch {witness}"}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.11"}))
    (tmp_path / "canal-mlp.skops").write_bytes(data.getvalue())
    with pytest.raises(DamagedError, match=r"canal-mlp\.skops"):
        load_ensemble(tmp_path, "canal")
    assert not witness.exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b"PK\x03\x04 not a zip"])
@pytest.mark.parametrize("file", ["canal-random-forest.skops", "canal-xgboost.json"])
def test_a_damaged_file_is_named_with_the_cure(ensemble: Ensemble, tmp_path: Path, file: str, damage: bytes) -> None:
    save_ensemble(tmp_path, "canal", ensemble)
    (tmp_path / file).write_bytes(damage)
    with pytest.raises(DamagedError, match=f"{file} is damaged .* same `bench run` again"):
        load_ensemble(tmp_path, "canal")
    (tmp_path / file).unlink()
    with pytest.raises(DamagedError, match=f"{file} is missing"):
        load_ensemble(tmp_path, "canal")


def test_a_classifier_is_expected(ensemble: Ensemble, tmp_path: Path) -> None:
    save_ensemble(tmp_path, "canal", ensemble)
    (tmp_path / "canal-mlp.skops").write_bytes(skops.io.dumps({"a": 1}))
    with pytest.raises(DamagedError, match="holds a dict, not a classifier"):
        load_ensemble(tmp_path, "canal")
    assert hasattr(LogisticRegression(), "predict_proba")


def test_slices_are_chosen_by_their_distances_where_one_network_is_unsure() -> None:
    distances = np.array([[-18.0, 2.0], [18.0, 2.0], [36.0, 3.0]])
    places = np.arange(-40, 41, 4.0)
    canal, right, left = (np.full(len(places), 0.01) for _ in range(3))
    canal[10], right[5], left[15], left[20] = 0.9, 0.8, 0.5, 0.6
    alone = choose_jointly([canal, right, left], [places] * 3, None)
    assert alone == {0: 10, 1: 5, 2: 20}
    assert choose_jointly([canal, right, left], [places] * 3, distances) == {0: 10, 1: 5, 2: 15}
    assert choose_jointly([None, right, left], [None, places, places], distances) == {1: 5, 2: 15}
    assert choose_jointly([canal, None, None], [places, None, None], distances) == {0: 10}


def test_distances_need_two_studies_of_each_pair() -> None:
    places = np.array([[0.0, -18, 18], [2, -15, 19], [1, np.nan, 20]])
    found = lateral_distances(places)
    assert found is not None
    np.testing.assert_allclose(found[:, 0], [-17.5, 18, 35])
    assert (found[:, 1] >= 2).all()
    assert lateral_distances(places[1:]) is None


@pytest.mark.parametrize("shape", [(256, 256), (64, 64), (31, 7), (1, 1), (512, 40)])
def test_features_of_any_size_have_the_same_length_and_are_finite(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    for config in (
        FeatureConfig(),
        FeatureConfig(kinds=ALL_KINDS),
        *(FeatureConfig(kinds=(one,)) for one in ALL_KINDS),
    ):
        for one in (image, np.zeros_like(image), np.ones_like(image)):
            features = slice_features(one, config)
            assert len(features) == sum(blocks(config).values())
            assert np.isfinite(features).all()
