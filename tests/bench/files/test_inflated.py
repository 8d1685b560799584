"""Compressed tables that would fill the memory, or cannot be inflated, are refused; others are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zipfile

import pytest

from bench.data.load import data_hash
from bench.data.tables import read_labels
from bench.errors import DataError
from bench.files import inflated
from bench.files.inflated import check_inflated, read_inflated
from bench.imaging.contents import Contents
from bench.metric.tables import read_csv

PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(inflated, "LIMIT_BYTES", 1 << 20)


@pytest.mark.parametrize("ending", PACKERS)
def test_a_bomb_is_refused_with_little_memory(tmp_path, small_limit, ending):
    path = tmp_path / f"train.csv{ending}"
    path.write_bytes(PACKERS[ending](b"a" * 50_000_000))
    for read in (check_inflated, read_inflated, read_labels, read_csv):
        tracemalloc.start()
        with pytest.raises(DataError, match=r"beyond 1 MiB from .* bytes, as no table does.*unpack it and pass"):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000


def test_the_bomb_in_an_archive_is_refused_by_its_declared_size(tmp_path, small_limit):
    path = tmp_path / "x.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", b"a" * 3_000_000)
    with pytest.raises(DataError, match="inflates beyond 1 MiB"):
        read_csv(path)


def test_the_hash_of_a_data_folder_refuses_it_too(tmp_path, small_limit):
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(b"a" * 3_000_000))
    with pytest.raises(DataError, match=r"train\.csv\.gz inflates beyond 1 MiB"):
        data_hash(tmp_path, Contents({}))


@pytest.mark.parametrize("ending", [*PACKERS, ".zip"])
@pytest.mark.parametrize("cut", [False, True])
def test_what_cannot_be_inflated_is_named(tmp_path, ending, cut):
    path = tmp_path / f"x.csv{ending}"
    whole = PACKERS.get(ending, gzip.compress)(b"a,b\n1,2\n" * 1000)
    path.write_bytes(whole[: len(whole) // 2] if cut else b"a,b\n1,2\n")
    with pytest.raises(DataError, match=rf"{ending} is damaged, or not compressed as its name says .*Copy it again"):
        read_csv(path)


@pytest.mark.parametrize("ending", [".zst", ".tar", ".tar.gz"])
def test_other_packings_are_to_be_unpacked(tmp_path, ending):
    (tmp_path / f"x{ending}").write_bytes(b"1")
    with pytest.raises(DataError, match="unpack it and pass the plain CSV file"):
        read_csv(tmp_path / f"x{ending}")


@pytest.mark.parametrize("ending", ["", *PACKERS])
def test_sound_files_are_read(tmp_path, small_limit, ending):
    path = tmp_path / f"x.csv{ending}"
    text = b"a,b\n1,2\n" * (100 if ending else 200_000)  # plain ones of any length
    path.write_bytes(PACKERS.get(ending, bytes)(text))
    check_inflated(path)
    assert read_inflated(path) == text
