from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.data.tables import read_tables
from bench.datasets.phantom import DEFAULT_SEED, VERSION, Phantom, build
from bench.datasets.phantom.building import build_study
from bench.datasets.phantom.presets import parse_preset
from bench.errors import BenchError, DataError, UsageError
from bench.metric import score


def silent(*_: object) -> None:
    pass


def test_layout_is_the_competitions(tiny: Path) -> None:
    tables = read_tables(tiny)
    assert len(tables.labels) == 4
    for row in tables.points.itertuples():
        path = tiny / "train_images" / str(row.study_id) / str(row.series_id) / f"{row.instance_number}.dcm"
        assert path.is_file()
    on_disk = {(int(path.parent.name), int(path.name)) for path in (tiny / "train_images").glob("*/*")}
    assert on_disk == set(zip(tables.series["study_id"], tables.series["series_id"], strict=True))
    posterior = pd.read_csv(tiny / "posterior.csv")
    assert len(posterior) == 100
    assert posterior[["normal_mild", "moderate", "severe"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)


def test_workers_and_order_change_no_byte(
    tiny: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    assert contents(build(tmp_path / "two", preset="tiny", studies=4, seed=3, jobs=2)) == contents(tiny)


def test_a_study_does_not_depend_on_how_many_there_are(
    tiny: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    fewer = contents(build(tmp_path / "fewer", preset="tiny", studies=2, seed=3))
    images = {name: data for name, data in fewer.items() if name.endswith(".dcm")}
    assert images.items() <= contents(tiny).items()


def test_an_interrupted_build_resumes(tiny: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what.startswith("building") and done == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "half"
    with pytest.raises(KeyboardInterrupt):
        build(folder, preset="tiny", studies=4, seed=3, progress=interrupt)
    assert len(list((folder / "train_images").iterdir())) == 2
    killed = folder / "train_images" / ".123-abc"
    killed.mkdir()
    (killed / "1.dcm").write_bytes(b"half")
    made = []
    build(folder, preset="tiny", studies=4, seed=3, progress=lambda what, done, total: made.append((what, done)))
    assert made[1] == ("building phantom studies", 2)
    assert contents(folder) == contents(tiny)


def killed_once(images: Path, preset: str, seed: int, index: int) -> None:
    """Runs in a worker: builds a study, but the first try at one of them is killed."""
    killed_often(images, preset, seed, index, times=1)


def killed_often(images: Path, preset: str, seed: int, index: int, times: int = 9) -> None:
    tries = images.parent.with_name(f"tries {index}")
    with tries.open("a") as file:
        file.write("x")
    if index == 1 and tries.stat().st_size <= times:
        (images / ".123-abc").mkdir(exist_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    build_study(images, preset, seed, index)


def test_a_study_whose_worker_was_killed_is_built_again(
    tiny: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.datasets.phantom.building.build_study", killed_once)
    folder = build(tmp_path / "built", preset="tiny", studies=4, seed=3, jobs=2)
    assert [(tmp_path / f"tries {index}").stat().st_size for index in range(4)] == [1, 2, 1, 1]
    assert contents(folder) == contents(tiny)


def test_a_study_that_cannot_be_built_is_named_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.datasets.phantom.building.build_study", killed_often)
    with pytest.raises(
        DataError, match=r"study 2 of the phantom .* in two tries: its process was killed \(SIGKILL\)\. .*fewer --jobs"
    ):
        build(tmp_path / "built", preset="tiny", studies=3, seed=3, jobs=2)
    assert len([path for path in (tmp_path / "built/train_images").iterdir() if path.name[0] != "."]) == 2


def test_nothing_unfinished_stays(tiny: Path) -> None:
    assert not [path for path in tiny.rglob("*") if path.name.startswith(".")]


def test_tables_only_writes_no_images(tmp_path: Path, tiny: Path) -> None:
    build(tmp_path / "tables", preset="tiny", studies=4, seed=3, tables_only=True)
    assert not (tmp_path / "tables" / "train_images").exists()
    for name in ("train.csv", "train_label_coordinates.csv", "posterior.csv", "floor.json"):
        assert (tmp_path / "tables" / name).read_bytes() == (tiny / name).read_bytes()


@pytest.mark.parametrize("studies", [0, -3, 10_001])
def test_a_bad_number_of_studies(tmp_path: Path, studies: int) -> None:
    with pytest.raises(UsageError, match=str(studies)):
        build(tmp_path / "new", preset="tiny", studies=studies)
    assert not (tmp_path / "new").exists()


def test_an_unknown_preset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'small'"):
        build(tmp_path / "new", preset="smal")


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="something else"):
        build(tmp_path, preset="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="is a file"):
        build(tmp_path / "thesis.tex", preset="tiny")


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"seed": 9}, "seed 9, not 3"), ({"version": 0}, "version 0"), ({"preset": "odd"}, "preset odd, not tiny")],
)
def test_another_phantom_in_the_folder_is_named(
    tiny: Path, tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    manifest = json.loads((folder / "phantom.json").read_text())
    (folder / "phantom.json").write_text(json.dumps({**manifest, **changed}))
    before = (folder / "train.csv").read_bytes()
    with pytest.raises(UsageError, match=words):
        build(folder, preset="tiny", studies=5, seed=3)
    assert (folder / "train.csv").read_bytes() == before


def test_fewer_studies_than_there_are(tiny: Path) -> None:
    with pytest.raises(UsageError, match="--studies 4"):
        build(tiny, preset="tiny", studies=2, seed=3)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.datasets.phantom.building.write_study", full)
    with pytest.raises(BenchError, match=r"No space left on device.*Free some space"):
        build(tmp_path / "new", preset="tiny", studies=1)
    assert (tmp_path / "new" / "train.csv").is_file()


def test_presets_carry_their_seed() -> None:
    assert parse_preset(None)[0].name == "small"
    assert parse_preset("small") == (parse_preset(None)[0], DEFAULT_SEED)
    assert parse_preset("odd:7")[1] == 7
    assert DEFAULT_SEED >= 100
    with pytest.raises(UsageError, match="'x'"):
        parse_preset("small:x")


def test_locate_builds_once(tmp_path: Path) -> None:
    calls: list[str] = []
    dataset = Phantom()
    folders = [
        dataset.locate(preset="tiny:3", data=None, cache=tmp_path, jobs=1, progress=lambda what, *_: calls.append(what))
        for _ in range(2)
    ]
    assert folders == [tmp_path / "phantom" / f"tiny-seed3-v{VERSION}"] * 2
    assert sum(what.startswith("building") for what in calls) == 9  # once before, once after each of 8
    best = dataset.best_predictions(folders[0])
    stored = json.loads((folders[0] / "floor.json").read_text())
    assert all(0 < slices["exact"] <= slices["within_two"] <= 1 for slices in stored["localisation_slices"].values())
    labels = pd.read_csv(folders[0] / "train.csv")
    assert score(labels, best).score == pytest.approx(stored["score"])


def test_locate_opens_a_folder_of_the_users(tiny: Path, tmp_path: Path) -> None:
    dataset = Phantom()
    options = {"preset": None, "cache": tmp_path, "jobs": 1, "progress": silent}
    assert dataset.locate(data=tiny, **options) == tiny  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is not a phantom"):
        dataset.locate(data=tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such folder"):
        dataset.locate(data=tmp_path / "absent", **options)  # type: ignore[arg-type]
