"""Series told apart without a description file."""

from __future__ import annotations

import numpy as np
import pytest

from bench.imaging.build import read_series
from bench.imaging.dicom.header import Frame, Header, read_header
from bench.imaging.kinds import kind_of
from bench.imaging.layout import SeriesFiles
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

PLANES = {"sagittal": [[0, 1, 0], [0, 0, -1]], "axial": [[1, 0, 0], [0, 1, 0]], "coronal": [[1, 0, 0], [0, 0, -1]]}


def header(plane, echo=np.nan, repetition=np.nan, inversion=np.nan, names="") -> Header:
    frame = Frame(
        rows=8, columns=8, position=np.zeros(3), orientation=None if plane is None else np.array(PLANES[plane], float),
        spacing=np.ones(2), thickness_mm=4.0, slope=1.0, intercept=0.0, echo_time_ms=echo,
    )  # fmt: skip
    return Header((frame,), 1, "", False, "", "", names, repetition, inversion, ())


@pytest.mark.parametrize(
    ("plane", "tags", "description", "why"),
    [
        ("sagittal", {"echo": 10, "repetition": 600}, SAGITTAL_T1, "echo time 10 ms"),
        ("sagittal", {"echo": 100, "repetition": 3500}, SAGITTAL_T2, "echo time 100 ms"),
        ("sagittal", {"echo": 45, "repetition": 4000, "inversion": 160}, SAGITTAL_T2, "inversion time 160 ms"),
        ("axial", {"echo": 100, "repetition": 3500}, AXIAL_T2, "echo time 100 ms"),
        ("axial", {"echo": 10, "repetition": 600}, "", "axial T1"),
        ("coronal", {"echo": 100, "repetition": 3500}, "", "coronal T2"),
        ("sagittal", {"names": "t2_tse_sag_384"}, SAGITTAL_T2, "its name"),
        ("sagittal", {"names": "t1_tse_sag"}, SAGITTAL_T1, "its name"),
        ("sagittal", {"names": "sag stir"}, SAGITTAL_T2, "its name"),
        ("sagittal", {"names": "t1 sag", "echo": 100}, SAGITTAL_T2, "although its name says T1"),
        ("sagittal", {"echo": 15, "repetition": 3000}, "", "long repetition time"),
        ("sagittal", {"names": "t1 flair", "echo": 15, "repetition": 2200}, SAGITTAL_T1, "its name"),
        ("sagittal", {}, "", "neither echo time nor name"),
        ("sagittal", {"names": "3-plane localizer t2", "echo": 80}, "", "a localiser by its name"),
        ("axial", {"names": "ep2d_diff_mddw_20_p2", "echo": 69}, "", "diffusion by its name (diff)"),
        ("axial", {"names": "original primary diffusion none mosaic", "echo": 69}, "", "diffusion by its name"),
        ("axial", {"names": "*ep_b1000#1", "echo": 69}, "", "diffusion by its name (ep b1)"),
        ("axial", {"names": "original primary m nd mosaic", "echo": 69}, "", "a mosaic by its name"),
        ("axial", {"names": "ep2d_bold_moco", "echo": 69}, "", "perfusion or functional by its name"),
        ("axial", {"names": "ax ep se", "echo": 69}, "", "echo-planar by its name (ep)"),
        ("sagittal", {"names": "t2 haste myelo", "echo": 800}, "", "a projection by its name"),
        ("sagittal", {"names": "t2_tse_sag_384 original primary m nd norm", "echo": 100}, SAGITTAL_T2, "echo time"),
        ("axial", {"names": "t2 tse tra deep resolve step", "echo": 100}, AXIAL_T2, "echo time"),
        (None, {"names": "t2 sag"}, "", "no orientation"),
    ],
)
def test_kind_and_reason(plane, tags, description, why):
    kind = kind_of([header(plane, **tags)] * 3)
    assert kind.description == description
    assert why in kind.why


def test_slices_in_several_planes_are_a_localiser():
    kind = kind_of([header(plane, echo=100) for plane in PLANES])
    assert kind.description == ""
    assert "several planes (axial, coronal, sagittal)" in kind.why


@pytest.mark.parametrize(
    ("tags", "diffusion"),
    [
        ({}, False),
        ({"DiffusionBValue": 0.0}, False),
        ({"DiffusionBValue": 1000.0}, True),
        ({"DiffusionDirectionality": "NONE"}, False),
        ({"DiffusionDirectionality": "ISOTROPIC"}, True),
    ],
)
def test_diffusion_is_known_by_its_elements(tmp_path, write_slice, tags, diffusion):
    write_slice(tmp_path / "1.dcm", EchoTime=90, orientation=[1, 0, 0, 0, 1, 0], **tags)
    kind = kind_of([read_header(tmp_path / "1.dcm")])
    assert kind.description == ("" if diffusion else AXIAL_T2)
    assert ("diffusion" in kind.why) == diffusion


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, "a mosaic by its name (mosaic)"),
        ({"SequenceName": "*ep_b1000#1"}, "diffusion by its name (ep b1)"),
        ({"SeriesDescription": "ep2d_diff_mddw_20_p2"}, "diffusion by its name (diff)"),
        ({"DiffusionBValue": 1000.0}, "diffusion by its name (diff)"),
        ({"SeriesDescription": "t2 diffuse different difficult"}, None),
        ({"SeriesDescription": "ax ep se"}, None),
    ],
)
def test_a_listed_series_whose_headers_rule_its_kind_out_is_left_out(tmp_path, write_slice, tags, said):
    files = ("1.dcm", "2.dcm", "3.dcm")
    for instance, name in enumerate(files, start=1):
        own = tags if instance > 1 else {}  # most files say so
        axial = {"orientation": [1, 0, 0, 0, 1, 0], "position": (0, 0, 4 * instance)}
        write_slice(tmp_path / name, instance=instance, EchoTime=69, **axial, **own)
    for description in (AXIAL_T2, ""):
        record, stack = read_series(SeriesFiles(1, 2, description, str(tmp_path), files))
        out = bool(said and description)
        assert (stack is None, len(record["faults"])) == (out, int(out))
        if out:
            (fault,) = record["faults"]
            assert (fault["effect"], fault["usable"]) == ("this series is left out", False)
            assert f"is listed as Axial T2, but its headers say {said}: correct or drop its row" in fault["what"]
