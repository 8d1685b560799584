"""What is no file, though its name is an image's, is named at once and never opened: reading it could wait for ever."""

from __future__ import annotations

import os
import socket
import time

import pandas as pd
import pytest

from bench.imaging.dicom.parsing import open_file
from bench.imaging.discovery import discover
from bench.imaging.faults import UnreadableImage
from bench.imaging.preparation import prepare
from bench.targets import TARGET_NAMES

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


@pytest.fixture
def pipe_among_images(data):
    """Two studies; the first image, which is also the one that is hashed, and another are named pipes."""
    for study in (1, 2):
        data.study(study)
    data.tables((1, 2), TARGET_NAMES)
    for instance in (1, 3):
        path = data.file(1, 11, instance)
        path.unlink()
        os.mkfifo(path)
    return data


def test_each_is_named(tmp_path):
    pipe, link, unix = tmp_path / "1.dcm", tmp_path / "2.dcm", tmp_path / "3.dcm"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(unix))
    for path, what in ((pipe, "a named pipe"), (link, "a named pipe"), (unix, "a socket"), ("/dev/zero", "a device")):
        with pytest.raises(UnreadableImage, match=f"is {what}, not a file"):
            open_file(tmp_path / path)


def test_preparing_goes_on_at_once(pipe_among_images, tmp_path):
    table = pd.read_csv(pipe_among_images.root / "train_series_descriptions.csv")
    started = time.monotonic()
    prepared = prepare(pipe_among_images.root, table, cache=tmp_path / "cache", jobs=1, progress=lambda *_: None)
    assert time.monotonic() - started < 30
    assert [(fault.path, fault.what) for fault in prepared.faults] == [
        (f"train_images/1/11/{instance}.dcm", "is a named pipe, not a file") for instance in (1, 3)
    ]
    assert len(prepared.studies) == 2


def test_a_search_of_any_folder_goes_on_at_once(pipe_among_images):
    started = time.monotonic()
    series, faults = discover(pipe_among_images.root / "train_images", jobs=1, progress=lambda *_: None)
    assert time.monotonic() - started < 30
    assert len(series) == 6
    assert [fault.what for fault in faults] == ["is a named pipe, not a file"] * 2
