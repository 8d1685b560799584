from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from bench.cli import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*words])
    return int(ended.value.code or 0)


def test_builds_a_folder_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data"
    assert run("data", "build", "phantom", "--preset", "tiny", "--studies", "1", "--jobs", "1", "-o", str(out)) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(out)
    assert "GB will be written" in shown.err
    assert len(list(out.glob("train_images/*"))) == 1


def test_tables_only(tmp_path: Path) -> None:
    assert run("data", "build", "phantom", "--studies", "3", "--tables-only", "-o", str(tmp_path / "t")) == 0
    assert len((tmp_path / "t" / "train.csv").read_text().splitlines()) == 4
    assert not (tmp_path / "t" / "train_images").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("phantom", "--studies", "0"), "0 studies cannot be built"),
        (("phantom", "--preset", "smal"), "Did you mean 'small'"),
        (("phantom", "--preset", "small:7"), "--seed 7"),
        (("phanton",), "Did you mean 'phantom'"),
        (("rsna2024",), "cannot be generated"),
    ],
)
def test_wrong_use_is_told_with_its_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run("data", "build", *words, "-o", str(tmp_path / "new")) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_disk_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert run("data", "build", "phantom", "--preset", "full", "-o", str(tmp_path / "new")) == 1
    assert "0.0 GB free" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
