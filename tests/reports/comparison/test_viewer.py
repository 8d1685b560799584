"""The case viewer: which studies, whose images, and where points and attention lie."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from bench import plugins
from bench.cli.report import command
from bench.comparison import compare_each
from bench.comparison.analysis import Analysis, analyse
from bench.jobs.store import stored_jobs
from bench.reports.comparison.viewer import viewer
from bench.reports.comparison.viewer.choice import chosen_studies
from bench.targets import TARGETS, row_id


@pytest.fixture(scope="module")
def store(
    session_cache: Path, tmp_path_factory: pytest.TempPathFactory, toy_plugin: Path, brightness_plugin: Path
) -> Path:
    """An approach run on the toy data set, with points and attention put beside its predictions."""
    from bench.cli import main

    out = tmp_path_factory.mktemp("viewer") / "runs"
    words = ["--dataset", "toy", "--plugin", str(toy_plugin), "--plugin", str(brightness_plugin), "--folds", "2"]
    with pytest.raises(SystemExit) as ended:
        main(["run", "--approach", "brightness", *words, "--cache-dir", str(session_cache), "--out", str(out)])
    assert ended.value.code == 0
    for job in stored_jobs(out):
        points, folds = job.files.split.read_points(), job.files.split.read_folds()
        points = points[points["study_id"].map(folds) == job.fold]
        points.assign(x=points["x"] + 2).to_csv(job.files.points, index=False)
        rows = [
            (row_id(study, target), 10 * study, instance, weight)
            for study in points["study_id"].unique()
            for target in TARGETS
            for instance, weight in ((1, 0.25), (3, 0.75))
        ]
        columns = ["row_id", "series_id", "instance_number", "weight"]
        pd.DataFrame(rows, columns=columns).to_csv(job.files.evidence, index=False)
        job.files.finish()
    return out


@pytest.fixture(scope="module")
def analysis(store: Path) -> Analysis:
    (comparison,) = compare_each(stored_jobs(store), resamples=100)
    return analyse(comparison)


def plugin_of(analysis: Analysis) -> Path:
    return next(Path(path) for path in analysis.comparison.approaches[0].jobs[0].plugins if path.endswith("toy.py"))


def test_images_are_shown_with_points_and_attention(analysis: Analysis) -> None:
    shown = viewer(analysis, with_images=True)
    assert shown.message == ""
    assert shown.approaches == ("brightness-default",)
    case = shown.cases[0]
    assert len(case["targets"]) == 25
    for series in case["series"]:
        assert len(series["images"]) == len(series["marks"]) == len(series["instances"])
    image = Image.open(io.BytesIO(base64.b64decode(case["series"][0]["images"][0].partition(",")[2])))
    assert max(image.size) == 288
    marks = [mark for series in case["series"] for slice_ in series["marks"] for mark in slice_]
    assert {mark["who"] for mark in marks} == {"annotator", 0}
    assert all(0 <= mark["x"] <= 1 and 0 <= mark["y"] <= 1 for mark in marks)
    weights = [w for series in case["series"] for own in series["attention"].values() for _, w in own]
    assert sum(weights) == pytest.approx(25, abs=0.3)  # those of each target sum to 1


def test_a_point_lies_where_the_annotator_put_it(analysis: Analysis) -> None:
    split = analysis.comparison.approaches[0].jobs[0].files.split
    points = split.read_points()
    case = viewer(analysis, with_images=True).cases[0]
    row = points[points["study_id"] == int(case["study"])].iloc[0]
    series = next(one for one in case["series"] if one["id"] == str(row["series_id"]))
    slice_ = series["marks"][series["instances"].index(row["instance_number"])]
    own = [mark for mark in slice_ if mark["who"] == "annotator"]
    from bench.comparison.images import open_images

    studies = {study.study_id: study for study in open_images(analysis.comparison).studies}
    width = studies[int(case["study"])].get(int(row["series_id"])).shapes[0][1]
    assert any(mark["x"] == pytest.approx((row["x"] + 0.5) / width, abs=1e-3) for mark in own)


def test_images_that_were_not_generated_are_shown_only_if_asked_for(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = viewer(analysis, with_images=False)
    assert hidden.cases == ()
    assert "--with-images" in hidden.message
    monkeypatch.setattr(plugins.load("datasets", "toy", [plugin_of(analysis)]), "generated", True)
    assert viewer(analysis, with_images=False).cases


def test_the_phantom_is_generated_and_the_competitions_data_are_not() -> None:
    assert plugins.load("datasets", "phantom").generated
    assert not plugins.load("datasets", "rsna2024").generated


def test_the_size_is_limited(analysis: Analysis) -> None:
    case = viewer(analysis, with_images=True).cases[0]
    one = len(json.dumps({name: value for name, value in case.items() if name != "why"}))
    few = viewer(analysis, with_images=True, most_bytes=one + 10)
    assert len(few.cases) == 1
    assert "too large" in few.message


def test_studies_are_chosen_in_turn_and_each_once(analysis: Analysis) -> None:
    chosen = chosen_studies(analysis, 3)
    assert len(chosen) == 3
    assert next(iter(chosen)) == analysis.hardest[0].study
    assert next(iter(chosen.values())).startswith("hardest study 1")


def test_results_without_images_say_so(make_store: Callable[..., Path]) -> None:
    (comparison,) = compare_each(stored_jobs(make_store({"mil": 2.0})), resamples=100)
    found = viewer(analyse(comparison), with_images=True)
    assert found.cases == ()
    assert "names no images" in found.message


def test_a_changed_cache_is_said(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.comparison import images
    from bench.errors import DataError

    def gone(path: Path, data_hash: str) -> None:
        raise DataError("the volume cache changed. Run the command again.")

    monkeypatch.setattr(images, "read_cohort_index", gone)
    assert "volume cache changed" in viewer(analysis, with_images=True).message


def test_the_command_writes_the_cases_and_links_to_them(store: Path, tmp_path: Path) -> None:
    CliRunner().invoke(
        command, [str(store), "--with-images", "-o", str(tmp_path / "page.html")], catch_exceptions=False
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") >= 8 * 9
    assert 'data-study="' in page
    CliRunner().invoke(command, [str(store), "-o", str(tmp_path / "page.html")], catch_exceptions=False)
    assert "data:image/webp" not in (tmp_path / "page.html").read_text(encoding="utf-8")
