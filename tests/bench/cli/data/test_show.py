from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from bench.cli import main
from bench.datasets.phantom import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("show") / "data", preset="tiny", studies=2, seed=3)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", "show", *words])
    return int(ended.value.code or 0)


def test_draws_three_rows_of_slices(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert run("0", "--data", str(folder), "-o", str(out), "--cache-dir", str(tmp_path / "cache")) == 0
    image = matplotlib.image.imread(out)[..., :3]
    height = len(image)
    for part in (0.2, 0.45, 0.72):  # the middle of each row of slices is not black
        assert image[int(part * height) - 20 : int(part * height) + 20].mean() > 0.03
    red, green = image[..., 0] - image[..., 1], image[..., 1] - image[..., 0]
    assert (np.abs(red) > 0.3).any() or (green > 0.3).any()  # coloured points


def test_a_study_without_axial_series_or_points(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    series = (copy / "train_series_descriptions.csv").read_text().splitlines()
    (copy / "train_series_descriptions.csv").write_text("\n".join(row for row in series if "Axial" not in row) + "\n")
    points = (copy / "train_label_coordinates.csv").read_text().splitlines()
    kept = [row for row in points if "Subarticular" not in row]
    (copy / "train_label_coordinates.csv").write_text("\n".join(kept) + "\n")
    out = tmp_path / "sheet.png"
    assert run("1", "--data", str(copy), "-o", str(out), "--cache-dir", str(tmp_path / "cache")) == 0
    assert out.stat().st_size > 10_000


def test_an_unknown_study(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("77777", "--data", str(folder), "-o", str(tmp_path / "x.png")) == 2
    said = capsys.readouterr().err
    assert "no study 77777" in said
    assert "2 studies" in said
    assert not (tmp_path / "x.png").exists()
