from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from learnability import ROWS, main, skill_with_interval
from learning import baselines
from learning.examples import Examples, make_examples

from bench.datasets.phantom.labels import label_model, tilted
from bench.targets import TARGETS


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return make_examples(tmp_path_factory.mktemp("examples"), seed=3, first=0, studies=3, preset="tiny")


def drawn(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    some = [label_model().draw(9, index) for index in range(count)]
    return (
        np.stack([one.grades for one in some]),
        np.stack([one.probabilities for one in some]),
        np.stack([one.steps for one in some]),
    )


def test_examples_hold_what_readers_need(examples: Examples, tmp_path: Path) -> None:
    assert examples.crops.shape == (3, 25, 5, 48, 48)
    assert examples.muscle.shape == (3, 25, 48, 48)
    assert examples.canal_t1.shape == (3, 5, 5, 48, 48)
    assert examples.crops[:, :5].any(axis=(2, 3, 4)).all()
    assert np.isfinite(examples.acquisition).all()
    assert np.isfinite(examples.intensities).all()


def test_a_right_crop_is_mirrored_to_look_like_a_left_one(examples: Examples) -> None:
    """In an axial crop the middle of the body, with the bright sac, lies towards one edge on both sides."""
    for target in (target for target in TARGETS if target.condition == "subarticular" and target.level == "l3_l4"):
        crop = examples.crops[:, TARGETS.index(target), 2].astype(float)
        assert crop[:, 18:30, 8:22].mean() > crop[:, 18:30, 36:].mean()


def test_skill_is_one_at_the_floor_and_nought_at_the_prior() -> None:
    grades, probabilities, _ = drawn(200)
    line, floor = baselines.prior(grades, 200), tilted(probabilities)
    assert skill_with_interval(grades, floor, floor, line)["skill"] == pytest.approx(1)
    assert skill_with_interval(grades, line, floor, line)["skill"] == pytest.approx(0)
    half = skill_with_interval(grades, (line + floor) / 2, floor, line)
    assert half["interval"][0] < half["skill"] < half["interval"][1]


def test_a_perfect_reader_of_neighbours_is_calibrated() -> None:
    grades, probabilities, steps = drawn(1500)
    floor, line = tilted(probabilities), baselines.prior(grades, 1500)
    found = skill_with_interval(grades, baselines.perfect_reader_of_neighbours(steps), floor, line)
    assert 0.1 < found["skill"] < 0.6


def test_every_row_has_a_reader() -> None:
    assert len({title for title, *_ in ROWS.values()}) == len(ROWS) - 2  # two of them with 80 and with 320


def test_readers_train_and_read(examples: Examples, tmp_path: Path) -> None:
    from learning.bag_reader import read, train_reader
    from learning.fitting import training_context
    from learning.whole_scan import read_whole, train_whole

    context = training_context(tmp_path)
    images = np.repeat(examples.crops, 2, axis=0)
    grades = np.repeat(examples.grades, 2, axis=0)
    predicted = read(train_reader(images, grades, epochs=1, context=context, stage="bags"), examples.crops)
    assert predicted.shape == (3, 25, 3)
    np.testing.assert_allclose(predicted.sum(axis=-1), 1, atol=1e-5)
    again = train_reader(images, grades, epochs=1, context=context, stage="bags")  # from the checkpoint
    np.testing.assert_array_equal(read(again, examples.crops), predicted)
    slices = [np.repeat(one, 4, axis=0) for one in (examples.sagittal, examples.axial)]
    whole = train_whole(*slices, np.repeat(grades, 2, axis=0), epochs=1, context=context, stage="whole")
    assert read_whole(whole, examples.sagittal, examples.axial).shape == (3, 25, 3)


def test_a_reader_learns_the_grade_of_a_bright_crop(tmp_path: Path) -> None:
    """Brightness gives the grade away: the small network has to find it within a few epochs."""
    from learning.bag_reader import read, train_reader
    from learning.fitting import training_context

    random = np.random.default_rng(0)
    grades = random.integers(0, 3, (32, 25)).astype(np.int8)
    crops = (60 + 60 * grades[..., None, None, None] + random.integers(0, 20, (32, 25, 1, 48, 48))).astype(np.uint8)
    model = train_reader(crops[:24], grades[:24], epochs=4, context=training_context(tmp_path), stage="bright")
    assert (read(model, crops[24:]).argmax(axis=-1) == grades[24:]).mean() > 0.9


def test_a_batch_depends_on_the_epoch_alone() -> None:
    from learning.fitting import Shuffled

    batches = Shuffled(10, 4, seed=1)
    first, again, next_ = ([pick for (pick, _), _ in batches.epoch(number)] for number in (1, 1, 2))
    assert [len(pick) for pick in first] == [4, 4]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, next_)


@pytest.mark.slow
def test_the_script_runs_by_its_path() -> None:
    """As the README says: from the checkout, by the script's path."""
    for name in ("learnability", "contrasts", "gallery"):
        done = subprocess.run(
            [sys.executable, Path(__file__).parent / f"{name}.py", "--help"], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("Usage:")


def test_an_unknown_row_is_refused(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["--folder", str(tmp_path), "--row", "habits"])
    assert outcome.exit_code == 2
    assert "crops-80" in outcome.output


def test_the_whole_scan_reader_weighs_the_mean_positions_of_targets() -> None:
    from learning.whole_scan import usual_place

    for first, second in itertools.pairwise(TARGETS[:5]):
        upper, lower = (int(np.unravel_index(usual_place(one)[2].argmax(), (24, 16))[0]) for one in (first, second))
        assert 1 <= lower - upper <= 5
    left, right = (
        next(t for t in TARGETS if t.condition == "foraminal" and t.side == side) for side in ("left", "right")
    )
    assert usual_place(left).max(axis=(1, 2)).argmax() >= 4 > usual_place(right).max(axis=(1, 2)).argmax()
