"""The table on screen, printed into a buffer of fixed width."""

import io

import pytest
from rich.console import Console

from bench.comparison import Comparison, compare
from bench.console.result_table import duration, megabytes, p_text, result_table
from bench.jobs.store import stored_jobs


def printed(comparison: Comparison, width: int) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(result_table(comparison, width))
    return buffer.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_and_says_everything(make_store, width: int) -> None:
    comparison = compare(stored_jobs(make_store({"mil": 2.0, "sequence": 2.0})), resamples=500)
    text = printed(comparison, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text  # nothing is cut off
    result = comparison.approaches[0]
    low, high = result.estimate.interval
    for value in (
        f"{result.estimate.score:.4f}",
        f"{low:.3f}-{high:.3f}",
        f"{result.fold_mean:.3f}",
        f"± {result.fold_spread:.3f}",
        *(f"{part:.3f}" for part in result.estimate.parts.values()),
        f"{comparison.prior.score:.4f}",
        "0.300",
        "503 MB",
        "40 s",
        "40 studies in 4 folds",
        "not on patients",
        "not separable",
    ):
        assert value in text


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_narrow_screen_keeps_names_and_scores(make_store, width: int) -> None:
    comparison = compare(stored_jobs(make_store({"mil": 2.0, "multitask_with_a_long_name": 1.0})), resamples=200)
    text = printed(comparison, width)
    lines = text.partition("Left out")[0].splitlines()
    assert all(len(line) <= width for line in lines)
    wide = next(line for line in lines if "95 % int." in line).index("95 % int.") - 2  # of the column of names
    names = "".join(line[:wide].strip() for line in lines)  # folded, never cut
    for result in comparison.approaches:
        assert f"{result.estimate.score:.4f}" in text
    assert "multitask_with_a_long_name" in names
    assert "mil" in names
    assert "noise floor"[:5] in names
    assert "Left out on this narrow screen" in " ".join(text.split())
    assert "peak" in " ".join(text.split()).partition("Left out")[2]


def test_intervals_power_and_rank_stability_are_printed(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"mil": 2.0, "sequence": 2.0}, seeds=(0, 1, 2))), resamples=500)
    text = " ".join(printed(comparison, 100).split())
    result = comparison.approaches[0]
    for value in (
        f"{result.skill_interval[0]:.2f}",
        f"adjusted p {p_text(comparison.differences[0].p_adjusted)}",
        f"40 studies and 3 seeds could separate a difference of {comparison.differences[0].detectable:.4f}",
        "first in bootstrap samples of the studies (n = 40): mil-quick in",
        "Kendall's tau",
        "rank 1",
        "Rank: one more than the number of approaches",
        "do not cover other training sets",
    ):
        assert value in text


def test_an_incomplete_approach_is_marked(make_store) -> None:
    text = printed(compare(stored_jobs(make_store({"mil": 2.0}, missing={("mil", 0, 1)})), resamples=200), 100)
    assert "3 of 4 folds" in text


def test_names_are_no_markup(make_store) -> None:
    assert "[red]x" in printed(compare(stored_jobs(make_store({"[red]x": 2.0})), resamples=200), 100)


def test_without_a_floor_there_is_no_floor_line(make_store) -> None:
    store = make_store({"mil": 2.0}, dataset="rsna2024", floor=None)
    text = printed(compare(stored_jobs(store), resamples=200), 100)
    assert "floor" not in text
    assert "patients" not in text


def test_amounts_in_words() -> None:
    assert [duration(value) for value in (2.04, 59, 119, 7200)] == ["2.0 s", "59 s", "2 min", "2.0 h"]
    assert [megabytes(value) for value in (None, 640, 2048)] == ["-", "640 MB", "2.0 GB"]
    assert [p_text(value) for value in (0.0002, 0.0312, 0.4, float("nan"))] == [
        "< 0.001",
        "= 0.031",
        "= 0.40",
        "unknown",
    ]
