"""`bench data prepare`: the cache ahead of a run, within its limit, verified."""

from __future__ import annotations

import shutil

import pytest
from pydicom.data import get_testdata_file

from bench.cli import main
from bench.targets import TARGET_NAMES


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on a data set plug-in whose folder has one study of one slice."""
    root = tmp_path / "data"
    target = root / "train_images" / "7" / "1" / "1.dcm"
    target.parent.mkdir(parents=True)
    shutil.copy(get_testdata_file("MR_small.dcm"), target)
    (root / "train.csv").write_text("study_id," + ",".join(TARGET_NAMES) + "\n7" + ",Severe" * 25 + "\n")
    (root / "train_series_descriptions.csv").write_text("study_id,series_id,series_description\n7,1,Axial T2\n")
    (root / "train_label_coordinates.csv").write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n7,1,1,Left Subarticular Stenosis,L1/L2,4.5,4.5\n"
    )

    def call(*arguments: str) -> tuple[int, str]:
        cache = str(tmp_path / "cache")
        with pytest.raises(SystemExit) as exit_:
            main(["data", "prepare", "--dataset", "rsna2024", "--data", str(root), "--cache-dir", cache, *arguments])
        out = capsys.readouterr()
        return exit_.value.code or 0, out.out + out.err

    return call


def test_says_where_the_cache_lies_and_how_to_delete_it(run, tmp_path):
    code, out = run("--jobs", "1")
    assert code == 0
    (folder,) = (tmp_path / "cache" / "volumes").iterdir()
    assert f"cache: {folder}" in out
    assert f"rm -r {folder}" in out
    assert "1 series, 0.00 GB" in out


def test_verify_mends_what_differs(run, tmp_path):
    run()
    (path,) = (tmp_path / "cache").rglob("1.npy")
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    code, out = run("--verify")
    assert code == 0
    assert "1.npy: was damaged in the cache: its pixels changed; it is made from the images again" in out
    assert "\n1 damaged or outdated, made anew\n" in out
    assert path.read_bytes() == good
    assert "the cache matches its checksums and the files" in run("--verify")[1]


def test_limits_and_wrong_use(run):
    code, out = run("--max-gb", "0.000001")
    assert code == 1
    assert "grow beyond 1e-06 GB" in out
    assert run("--max-gb", "-1")[0] == 2
    assert run("--dataset", "rsna2024:large")[0] == 2
    assert "Did you mean 'rsna2024'" in run("--dataset", "rsna2025")[1]
