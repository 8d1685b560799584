"""The tables: what is right is read, what is wrong is refused with file, first row, count and cure."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from bench.data.tables import LABELS, POINTS, SERIES, read_tables
from bench.errors import DataError
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, TARGET_NAMES

LABEL_ROWS = ["study_id," + ",".join(TARGET_NAMES)] + [f"{study}" + ",Normal/Mild" * 24 + "," for study in (30, 10, 20)]
SERIES_ROWS = ["study_id,series_id,series_description"] + [
    f"{study},{study}{n},{kind}"
    for study in (10, 20, 30, 40)
    for n, kind in enumerate((SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2))
]
POINT_ROWS = ["study_id,series_id,instance_number,condition,level,x,y"] + [
    f"{study},{study}1,{n + 3},Spinal Canal Stenosis,{level},100.5,{n}"
    for study in (10, 20, 30, 40)
    for n, level in enumerate(("L1/L2", "L5/S1"))
]


@pytest.fixture
def folder(tmp_path):
    for name, rows in ((LABELS, LABEL_ROWS), (SERIES, SERIES_ROWS), (POINTS, POINT_ROWS)):
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    return tmp_path


def test_reads_labels_in_order_and_points_of_labelled_studies(folder):
    tables = read_tables(folder)
    assert tables.labels.index.tolist() == [10, 20, 30]
    assert tuple(tables.labels.columns) == TARGET_NAMES
    assert tables.labels.isna().sum().sum() == 3
    assert tables.series["study_id"].unique().tolist() == [10, 20, 30]
    assert tables.points["study_id"].unique().tolist() == [10, 20, 30]
    assert tables.points["y"].tolist() == [0, 1, 0, 1, 0, 1]


def test_reads_compressed_tables_and_any_row_order_of_columns(folder):
    shuffled = [",".join(reversed(row.split(","))) for row in POINT_ROWS]
    (folder / POINTS).unlink()
    (folder / f"{POINTS}.gz").write_bytes(gzip.compress("\n".join(shuffled).encode()))
    assert len(read_tables(folder).points) == 6


@pytest.mark.parametrize(
    ("name", "row", "text", "words"),
    [
        (
            LABELS,
            2,
            "10" + ",Normal/Mild" * 23 + ",Mild,",
            r"line 3 has an unknown severity: study_id 10, .* 'Mild'.*1 such row\)",
        ),
        (LABELS, 3, "10" + "," * 25, r"line 4 lists a study a second time"),
        (LABELS, 1, "ten" + "," * 25, r"line 2 has a value of study_id that is not a whole number"),
        (SERIES, 1, "10,100,Sagittal", r"line 2 has an unknown description: .*Sagittal.*Sagittal T2/STIR"),
        (SERIES, 2, "10,100,Axial T2", r"line 3 lists a series a second time"),
        (SERIES, 1, "10,../../etc,Axial T2", r"not a whole number"),
        (
            POINTS,
            1,
            "10,101,3,Canal Stenosis,L1/L2,1,1",
            r"line 2 names an unknown condition or level",
        ),
        (POINTS, 2, "10,101,3,Spinal Canal Stenosis,L6/S1,1,1", r"line 3 names an unknown condition or level"),
        (POINTS, 2, "10,101,3,Spinal Canal Stenosis,L1/L2,1,1", r"line 3 has a second point of a target"),
        (
            POINTS,
            1,
            "10,999,3,Spinal Canal Stenosis,L1/L2,1,1",
            r"line 2 has a point on a series that ",
        ),
        (
            POINTS,
            1,
            "10,201,3,Spinal Canal Stenosis,L1/L2,1,1",
            r"line 2 has a point on a series that ",
        ),
        (
            POINTS,
            1,
            "10,101,3,Spinal Canal Stenosis,L1/L2,left,1",
            r"line 2 has a value of x that is not a finite number: x 'left'",
        ),
        (
            POINTS,
            1,
            "10,101,3,Spinal Canal Stenosis,L1/L2,1,inf",
            r"line 2 has a value of y that is not a finite number",
        ),
        (
            POINTS,
            1,
            "10,101,,Spinal Canal Stenosis,L1/L2,1,1",
            r"line 2 has a value of instance_number that is not a whole number",
        ),
    ],
)
def test_wrong_rows_are_refused_by_file_line_and_cure(folder, name, row, text, words):
    rows = {LABELS: LABEL_ROWS, SERIES: SERIES_ROWS, POINTS: POINT_ROWS}[name].copy()
    rows[row] = text
    (folder / name).write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=f"{name} {words}" if words.startswith("line") else words):
        read_tables(folder)


def test_several_wrong_rows_are_counted(folder):
    rows = [row.replace("Normal/Mild", "normal") for row in LABEL_ROWS]
    (folder / LABELS).write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"line 2 .* \(3 such rows\)\. Allowed: Normal/Mild, Moderate"):
        read_tables(folder)


@pytest.mark.parametrize("name", [LABELS, SERIES, POINTS])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no "),
        (b"", "is empty"),
        (b"study_id,x\n1,2\n", "lacks the column"),
        (b"\x00\xff\xfe\x81" * 50, "is not a readable CSV table|lacks the column"),
        ("header", "no rows"),
        (b"a,b\n1,2\n1,2,3,4\n", "line 3 has 2 cells too many"),
    ],
)
def test_tables_that_are_none(folder, name, content, words):
    if content is None:
        (folder / name).unlink()
    elif content == "header":
        header = (folder / name).read_text().splitlines()[0]
        (folder / name).write_text(header + "\n")
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_tables(folder)


@pytest.fixture(scope="module")
def real():
    root = os.environ.get("BENCH_REAL_DATA")
    if not root:
        pytest.skip("BENCH_REAL_DATA names no folder with the competition's tables")
    return read_tables(Path(root) / "rsna2024")


def test_real_tables_have_the_published_counts(real):
    assert len(real.labels) == 1975
    assert real.labels.notna().sum().sum() == 48_803
    assert real.labels.isna().sum().sum() == 572
    assert real.labels.isna().any(axis=1).sum() == 185
    assert len(real.points) == 48_692
    assert len(real.series) == 6_294
    assert real.series["series_description"].value_counts().to_dict() == {
        AXIAL_T2: 2340,
        SAGITTAL_T1: 1980,
        SAGITTAL_T2: 1974,
    }
    axial = real.series[real.series["series_description"] == AXIAL_T2].groupby("study_id").size()
    assert axial.value_counts().to_dict() == {1: 1640, 2: 306, 3: 28, 4: 1}
    assert (axial > 1).sum() == 335
    assert real.series.groupby("study_id").size().value_counts().to_dict() == {2: 3, 3: 1632, 4: 309, 5: 30, 6: 1}


def test_real_severities_have_the_published_counts(real):
    counts = real.labels.stack().value_counts()
    assert counts.to_dict() == {"Normal/Mild": 37_754, "Moderate": 7_960, "Severe": 3_089}
    spinal = real.labels[[name for name in TARGET_NAMES if name.startswith("spinal")]]
    assert (spinal == "Severe").any(axis=1).sum() == 365
    assert spinal.isna().all(axis=1).sum() == 1
    assert spinal["spinal_canal_stenosis_l4_l5"].value_counts().to_dict() == {
        "Normal/Mild": 1482,
        "Severe": 255,
        "Moderate": 237,
    }


def test_real_points_run_left_to_right_in_36_percent_of_studies(real):
    foraminal = real.points[real.points["condition"].str.contains("Foraminal")]
    sides = foraminal.pivot_table(index=["study_id", "level"], columns="condition", values="instance_number").dropna()
    difference = sides["Left Neural Foraminal Narrowing"] - sides["Right Neural Foraminal Narrowing"]
    by_study = difference.groupby("study_id").mean()
    assert (difference == 0).sum() == 44
    assert (difference > 0).groupby("study_id").all().sum() == 1261
    assert round(100 * (by_study < 0).mean()) == 36
    subarticular = real.points[real.points["condition"].str.contains("Subarticular")]
    assert (subarticular.groupby("study_id")["series_id"].nunique() > 1).sum() == 335
    assert real.points["series_id"].nunique() == 6_291
