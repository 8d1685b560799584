from __future__ import annotations

import io

from rich.console import Console

from bench.console.grades_table import show_grades
from bench.jobs.prediction.results import PredictedStudy, Summary


def study(number: int, *, series: int = 3, trained_on: int = 0) -> PredictedStudy:
    grades = (0, 1, 2, 0, 0) * 5
    return PredictedStudy(
        study_id=number,
        name=f"1.2.{number}",
        series=series,
        grades=grades,
        probabilities=(0.91,) * 25,
        notes=1,
        trained_on=trained_on,
    )


def shown(*studies: PredictedStudy, **changes: object) -> list[str]:
    values = {
        "layout": "any folder",
        "members": 5,
        "left_out": 0,
        "ignored": (),
        "seconds": 12.0,
        "reading_seconds": 2.0,
    }
    console = Console(file=io.StringIO(), width=80)
    show_grades(console, Summary(studies=studies, **{**values, **changes}))
    lines = console.file.getvalue().splitlines()
    assert max(len(line) for line in lines if "graded by" not in line and "divided out" not in line) <= 80
    return lines


def test_few_studies_are_grids_with_probabilities() -> None:
    lines = shown(study(7))
    assert lines[0].split() == ["study", "7", "1.2.7"]
    assert lines[3].split() == [
        "spinal",
        "canal",
        "normal",
        ".91",
        "moderate",
        ".91",
        "severe",
        ".91",
        "normal",
        ".91",
        "normal",
        ".91",
    ]
    assert (
        "1 study (any folder), graded by the mean of 5 models in 12.0 s: 2.0 s of reading, then 10.00 s per study"
        in lines
    )


def test_many_studies_are_a_line_each_and_the_rest_is_counted() -> None:
    lines = shown(*(study(number) for number in range(1, 46)))
    assert sum("nMSnn" in line for line in lines) == 40
    assert "and 5 more studies: all are in the submission" in lines


def test_what_a_reader_must_know_is_said() -> None:
    one, two = study(1, series=0), study(2, trained_on=3)
    lines = shown(one, two, study(3), study(4), left_out=9, ignored=("a.txt is not a DICOM file",))
    text = "\n".join(lines)
    assert "no images" in text
    assert "1 without readable images, graded by the class prior: 1" in lines
    assert "1 that models were trained on, by their numbers: 2" in lines
    assert "9 studies of the folder are left out: the sample does not ask for them" in lines
    assert "1 files are no MR images and are ignored, e.g. a.txt is not a DICOM file" in lines
