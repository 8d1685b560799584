"""Slices into anatomical order: by position, whatever the files are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.imaging.assembly import assemble
from bench.imaging.dicom.header import Frame
from bench.imaging.slices import Slice
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

SAGITTAL = np.array([[0, 1.0, 0], [0, 0, -1.0]])
AXIAL = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def tilted(degrees: float) -> np.ndarray:
    """Axial axes turned about the patient's left-right axis."""
    angle = np.radians(degrees)
    return np.array([[1.0, 0, 0], [0, np.cos(angle), np.sin(angle)]])


def at(centre, axes=SAGITTAL, instance=1, **changes) -> Slice:
    """A slice of 101 x 101 pixels of 1 mm whose middle lies at ``centre``."""
    frame = Frame(
        rows=101, columns=101, position=np.array(centre, float) - 50 * axes.sum(axis=0),
        orientation=axes, spacing=np.ones(2), thickness_mm=4.0, slope=1.0, intercept=0.0, echo_time_ms=np.nan,
    )  # fmt: skip
    return Slice(f"{instance}.dcm", 0, instance, replace(frame, **changes))


def instances(assembled) -> list[int]:
    return assembled.series.instance_numbers.tolist()


def test_sagittal_runs_from_patient_right_to_left():
    slices = [at((x, 0, 0), instance=i) for i, x in enumerate((12, 8, 4, 0, -4), start=1)]
    assembled = assemble(1, 2, SAGITTAL_T1, slices)
    assert instances(assembled) == [5, 4, 3, 2, 1]
    assert assembled.series.positions[:, 0].tolist() == [-4, 0, 4, 8, 12]
    assert [one.instance_number for one in assembled.slices] == [5, 4, 3, 2, 1]
    assert assembled.series.assumptions == ()


def test_axial_runs_from_head_to_foot_also_with_its_normal_turned_over():
    turned = np.array([[1.0, 0, 0], [0, -1.0, 0]])
    for orientation in (AXIAL, turned):
        slices = [at((0, 0, z), orientation, instance=i) for i, z in enumerate((0, 4, 8, 12), start=1)]
        assert instances(assemble(1, 2, AXIAL_T2, slices)) == [4, 3, 2, 1]


def test_blocks_of_differing_angle_stay_together_in_order_of_their_height():
    # The corner of a tilted slice of the lower block lies above slices of the upper one; its middle does not.
    upper = [at((0, 0, 40 - 4 * i), tilted(0), instance=10 + i) for i in range(3)]
    lower = [at((0, 0, 10 - 4 * i), tilted(25), instance=1 + i) for i in range(3)]
    assembled = assemble(1, 2, AXIAL_T2, [*lower, *upper])
    assert instances(assembled) == [10, 11, 12, 1, 2, 3]
    assert "2 blocks of differing angle (3 + 3 slices)" in " ".join(assembled.series.assumptions)
    assert "gap" not in " ".join(assembled.series.assumptions)


@given(st.permutations(range(12)), st.permutations(range(12)))
def test_order_depends_on_positions_alone(order, names):
    centres = [(0, 0, 100 - 5 * i) for i in range(8)] + [(0, 10, 40 - 4 * i) for i in range(4)]
    angles = [tilted(0)] * 8 + [tilted(20)] * 4
    slices = [at(centres[i], angles[i], instance=names[i] + 1) for i in order]
    assembled = assemble(1, 2, AXIAL_T2, slices)
    expected = [at(centre, angle).frame.position for centre, angle in zip(centres, angles, strict=True)]
    np.testing.assert_allclose(assembled.series.positions, expected, atol=1e-9)


def test_gap_duplicates_and_sizes_are_told_and_kept():
    slices = [at((x, 0, 0), instance=i) for i, x in enumerate((0, 4, 4, 8, 20), start=1)]
    slices[1] = at((4, 0, 0), instance=2, rows=61, columns=61, position=np.array([4.0, -30, 30]))
    series = assemble(1, 2, SAGITTAL_T2, slices).series
    text = " | ".join(series.assumptions)
    assert series.instance_numbers.tolist() == [1, 2, 3, 4, 5]
    assert "two slices at one position: instances 2 and 3" in text
    assert "gap of 12.0 mm between instances 4 and 5 (usual 4.0 mm)" in text
    assert "several sizes: 101 x 101 (4), 61 x 61 (1)" in text
    assert series.shapes.tolist()[1] == [61, 61]


def test_of_several_echoes_the_weighting_decides():
    slices = [
        at((4 * place, 0, 0), instance=10 * echo + place, echo_time_ms=float(echo))
        for place in range(3)
        for echo in (12, 98)
    ]
    assert instances(assemble(1, 2, SAGITTAL_T2, slices)) == [980, 981, 982]
    assert instances(assemble(1, 2, SAGITTAL_T1, slices)) == [120, 121, 122]


def test_missing_tags_are_taken_from_the_series_in_words():
    slices = [at((4 * i, 0, 0), instance=i) for i in range(1, 5)]
    slices[0] = at((4, 0, 0), instance=1, orientation=None)
    slices[1] = at((8, 0, 0), instance=2, spacing=None, thickness_mm=np.nan)
    assembled = assemble(1, 2, SAGITTAL_T1, slices)
    assert instances(assembled) == [1, 2, 3, 4]
    assert assembled.series.spacings[1].tolist() == [1, 1]
    assert assembled.series.thickness_mm == 4
    text = " | ".join(assembled.series.assumptions)
    assert "ImageOrientationPatient of 1 of 4 slices taken from the others" in text
    assert "PixelSpacing of 1 of 4 slices taken from the others" in text


@pytest.mark.parametrize("tag", ["position", "spacing"])
def test_what_nothing_can_tell_leaves_slices_out(tag):
    slices = [at((4 * i, 0, 0), instance=i) for i in range(1, 4)]
    assembled = assemble(1, 2, SAGITTAL_T1, [at((4, 0, 0), instance=1, **{tag: None}), *slices[1:]])
    if tag == "position":
        assert instances(assembled) == [2, 3]
        assert "ImagePositionPatient is missing; not available" in assembled.faults[0].what
    nothing = assemble(1, 2, SAGITTAL_T1, [at((4 * i, 0, 0), instance=i, **{tag: None}) for i in range(1, 4)])
    assert nothing.series is None
    assert len(nothing.faults) == 3


def test_series_without_any_orientation_is_taken_as_straight():
    slices = [at((4 * i, 0, 0), instance=i, orientation=None) for i in range(1, 4)]
    series = assemble(1, 2, SAGITTAL_T1, slices).series
    np.testing.assert_array_equal(series.orientations[0], SAGITTAL)
    assert "no slice has ImageOrientationPatient: taken as straight sagittal" in series.assumptions


def test_slices_of_another_plane_are_left_out():
    slices = [at((4 * i, 0, 0), instance=i) for i in range(1, 4)] + [at((0, 0, 0), AXIAL, instance=9)]
    assembled = assemble(1, 2, SAGITTAL_T1, slices)
    assert instances(assembled) == [1, 2, 3]
    assert assembled.faults[0].what == "lies axial in a series described as Sagittal T1"


def test_orientation_that_contradicts_the_stack_and_the_description_is_not_believed():
    coronal = np.array([[1.0, 0, 0], [0, 0, -1.0]])
    slices = [at((0, 0.5 * i, 60 - 4 * i), coronal, instance=i) for i in (3, 1, 4, 2)]
    series = assemble(1, 2, AXIAL_T2, slices).series
    assert series.instance_numbers.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(series.orientations[0], AXIAL)
    assert "says coronal, but the slices follow each other as axial ones do" in series.assumptions[0]


def test_description_is_trusted_over_the_plane():
    coronal = np.array([[1.0, 0, 0], [0, 0, -1.0]])
    slices = [at((0, y, 0), coronal, instance=i) for i, y in enumerate((8, 4, 0), start=1)]
    series = assemble(1, 2, AXIAL_T2, slices).series
    assert series.instance_numbers.tolist() == [3, 2, 1]
    assert "lies coronal but is described as Axial T2: the description is trusted" in series.assumptions
