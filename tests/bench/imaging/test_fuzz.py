"""Whatever happens to the bytes of a file: an image or a named fault, never an exception, a crash or a hang."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless

from bench.imaging.build import inspect_series
from bench.imaging.layout import SeriesFiles
from bench.imaging.workers import run_isolated
from bench.targets import SAGITTAL_T1

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def read(folder: Path, name: str) -> tuple[int, list[str]]:
    """How many slices of a file could be read, and its faults in words."""
    record = inspect_series(SeriesFiles(1, 1, SAGITTAL_T1, str(folder), (name,)))
    return len(record["instance_numbers"]), [fault["what"] for fault in record["faults"]]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with something done to them: one or many changed, some cut out, the end missing."""
    blob, kind = bytearray(data), chance.random()
    if kind < 0.5:  # half of these in the header
        end = min(len(blob), 4000) if chance.random() < 0.5 else len(blob)
        blob[chance.randrange(end)] = chance.randrange(256)
    elif kind < 0.7:
        for _ in range(chance.randrange(2, 30)):
            blob[chance.randrange(len(blob))] = chance.randrange(256)
    elif kind < 0.85:
        del blob[chance.randrange(len(blob)) :]
    else:
        start = chance.randrange(len(blob))
        del blob[start : start + chance.randrange(1, 50)]
    return bytes(blob)


def read_damaged(files: tuple[str, ...], seed: int, count: int, folder: str) -> list[str]:
    """Runs in a worker: read ``count`` damaged files; what was neither an image nor a named fault, or took long."""
    chance, odd = random.Random(seed), []
    for turn in range(count):
        source = Path(chance.choice(files))
        (Path(folder) / f"{seed}.dcm").write_bytes(damaged(source.read_bytes(), chance))
        started = time.monotonic()
        slices, faults = read(Path(folder), f"{seed}.dcm")
        seconds = time.monotonic() - started
        if not slices and not faults:
            odd.append(f"{source.name} turn {turn}: neither image nor fault")
        if seconds > 5:
            odd.append(f"{source.name} turn {turn}: {seconds:.1f} s")
    return odd


@pytest.fixture
def originals(tmp_path, write_slice):
    """A file native, RLE and JPEG 2000 encoded."""
    for name, rle in (("native", False), ("rle", True), ("j2k", False)):
        write_slice(tmp_path / f"{name}.dcm", rle=rle)
    ds = pydicom.dcmread(tmp_path / "j2k.dcm")
    ds.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    ds.save_as(tmp_path / "j2k.dcm")
    return tuple(str(tmp_path / f"{name}.dcm") for name in ("native", "rle", "j2k"))


def check(files, tmp_path, *, seeds: int, count: int) -> None:
    tasks = [(files, seed, count, str(tmp_path)) for seed in range(seeds)]
    for seed, odd in run_isolated(read_damaged, tasks, jobs=2, limit_s=lambda _: 120):
        assert odd == [], f"seed {seed}"


def test_damaged_files_of_our_own(originals, tmp_path):
    check(originals, tmp_path, seeds=2, count=250)


def test_damaged_files_of_others(tmp_path):
    root = os.environ.get("BENCH_REAL_DATA")
    if not root:
        pytest.skip("BENCH_REAL_DATA names no folder with files of real scanners")
    nine = sorted((Path(root) / "dicom" / "siemens_ts_9encodings").glob("*.dcm"))
    others = [*nine, Path(root) / "dicom" / "enhanced_mr" / "siemens_vida_xa10_6frames.dcm"]
    check(tuple(map(str, others)), tmp_path, seeds=4, count=100)


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_one_changed_byte_anywhere(originals, tmp_path, position, value):
    blob = bytearray(Path(originals[1]).read_bytes())
    blob[int(position * len(blob))] = value
    (tmp_path / "changed.dcm").write_bytes(blob)
    slices, faults = read(tmp_path, "changed.dcm")
    assert slices == 1 or (faults and all(faults))
