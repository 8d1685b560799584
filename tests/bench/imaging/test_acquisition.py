"""Series that are not one acquisition: each kind is named, and one acquisition is kept where that can be."""

from __future__ import annotations

import numpy as np
import pytest

from bench.imaging.assembly import assemble
from bench.imaging.build import read_series
from bench.imaging.dicom.header import Frame
from bench.imaging.layout import SeriesFiles
from bench.imaging.slices import Slice
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

SAGITTAL = np.array([[0, 1.0, 0], [0, 0, -1.0]])


def tilted(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([[1.0, 0, 0], [0, np.cos(angle), np.sin(angle)]])


def at(centre, instance: int, axes=SAGITTAL, echo=np.nan) -> Slice:
    """A slice of 101 x 101 pixels of 1 mm whose middle lies at ``centre``."""
    frame = Frame(
        rows=101, columns=101, position=np.array(centre, float) - 50 * axes.sum(axis=0),
        orientation=axes, spacing=np.ones(2), thickness_mm=4.0, slope=1.0, intercept=0.0, echo_time_ms=echo,
    )  # fmt: skip
    return Slice(f"s/{instance}.dcm", 0, instance, frame)


def result(slices, description=SAGITTAL_T2, same=lambda one, other: False):
    """Instance numbers that are kept in ascending order, and the faults."""
    assembled = assemble(1, 2, description, slices, (), same)
    kept = [] if assembled.series is None else sorted(assembled.series.instance_numbers.tolist())
    return kept, assembled.faults


def dual_echo(*lost, count=10, echoes=(20.0, 100.0)):
    """Instances 1 to 10 of the first echo, 11 to 20 of the second."""
    slices = [at((4 * i, 0, 0), 1 + i + count * e, echo=echo) for e, echo in enumerate(echoes) for i in range(count)]
    return [one for one in slices if one.instance_number not in lost]


@pytest.mark.parametrize("lost", [(), (3,), (1, 2, 10)])
def test_of_two_echoes_one_is_kept_though_the_other_lost_files(lost):
    kept, (fault,) = result(dual_echo(*lost))
    assert kept == list(range(11, 21))
    assert fault.usable
    assert (fault.path, fault.effect) == ("s", "the slices of 100 ms are kept")
    assert fault.what.startswith("has every slice in several echoes (20, 100 ms)")
    assert ("save" in fault.what) == bool(lost)


def test_a_place_without_the_kept_echo_is_left_out():
    kept, faults = result(dual_echo(13))
    assert kept == [11, 12, *range(14, 21)]
    assert [fault.path for fault in faults] == ["s", "s/3.dcm"]
    assert "has no slice of 100 ms at this position" in faults[1].what
    assert not faults[1].usable


def test_t1_keeps_the_shortest_of_three_echoes_that_most_places_have():
    slices = dual_echo(echoes=(12.0, 30.0, 98.0))
    assert result(slices, SAGITTAL_T1)[0] == list(range(1, 11))
    stray = at((0, 0, 0), 99, echo=2.0)
    assert result([*slices, stray], SAGITTAL_T1)[0] == list(range(1, 11))


def test_echo_times_that_differ_from_place_to_place_are_no_echoes():
    slices = [at((4 * i, 0, 0), i, echo=100.0 + 0.3 * i) for i in range(8)]
    assert result(slices) == (list(range(8)), ())


@pytest.mark.parametrize("count", [3, 20])
def test_a_series_at_one_position_is_left_out(count):
    kept, (fault,) = result([at((5, 0, 0), i) for i in range(count)])
    assert kept == []
    assert f"all {count} slices at one position, such as (5.0, -50.0, 50.0)" in fault.what
    assert "Export it again" in fault.what
    assert (fault.effect, fault.usable) == ("this series is left out", False)


def test_blocks_that_lie_at_one_position_each_are_left_out():
    slices = [at((0, 0, -30 * b), 4 * b + i, tilted(8 * b)) for b in range(3) for i in range(4)]
    kept, (fault,) = result(slices, AXIAL_T2)
    assert kept == []
    assert "all 12 slices at 3 positions" in fault.what


def test_some_slices_at_the_place_of_another_are_left_out():
    slices = [at((4 * i, 0, 0), i) for i in range(8)] + [at((0, 0, 0), 20 + i) for i in range(3)]
    kept, faults = result(slices)
    assert kept == list(range(1, 8))
    assert sorted(fault.path for fault in faults) == ["s/0.dcm", "s/20.dcm", "s/21.dcm", "s/22.dcm"]
    assert all("one of 4 slices at one position" in fault.what and not fault.usable for fault in faults)


@pytest.mark.parametrize("places_first", [True, False])
def test_of_several_time_points_the_first_is_kept(places_first):
    number = (lambda place, time: 10 * time + place) if places_first else (lambda place, time: 3 * place + time)
    slices = [at((4 * place, 0, 0), number(place, time)) for time in range(3) for place in range(10)]
    kept, (fault,) = result(slices[:-1])
    assert kept == sorted(number(place, 0) for place in range(10))
    assert fault.usable
    assert "2 to 3 different images at each of 10 positions: several time points" in fault.what


def test_copies_are_left_out():
    slices = [at((4 * i, 0, 0), i) for i in range(6)]
    copies = [at((4 * i, 0, 0), 100 + i) for i in (1, 4)]
    kept, faults = result(
        [*copies, *slices], same=lambda one, other: abs(one.instance_number - other.instance_number) == 100
    )
    assert kept == list(range(6))
    assert sorted(fault.path for fault in faults) == ["s/101.dcm", "s/104.dcm"]
    assert sorted(fault.what for fault in faults)[0] == "is a copy of s/1.dcm: equal pixels at the same position"
    assert all(fault.usable for fault in faults)


def test_two_different_slices_at_one_place_of_many_stay():
    slices = [at((4 * i, 0, 0), i) for i in range(6)] + [at((4, 0, 0), 9)]
    assert result(slices) == ([*range(6), 9], ())


def test_stations_in_one_plane_and_slices_near_a_rounding_border_are_several_places():
    stations = [at((4 * i, 0, 200 * s), 10 * s + i) for s in range(2) for i in range(5)]
    assert result(stations) == ([*range(5), *range(10, 15)], ())
    pair = [
        at((4 * i + jitter, 0, 0), 10 * e + i, echo=echo)
        for i in range(5)
        for e, (echo, jitter) in enumerate(((20.0, 0.024), (100.0, 0.026)))
    ]
    assert result(pair)[0] == list(range(10, 15))


def test_other_kinds_are_read_as_they_are():
    assert result([at((5, 0, 0), i) for i in range(20)], "") == (list(range(20)), ())


def test_copies_are_known_by_their_pixels(tmp_path, write_slice):
    for instance in (1, 2, 3, 4, 21, 22):
        pixels = np.full((16, 16), instance % 20 + (instance == 22), dtype=np.uint16)
        position = (4 * (instance % 20), 0, 0)
        write_slice(tmp_path / f"{instance}.dcm", instance=instance, position=position, pixels=pixels)
    files = tuple(f"{instance}.dcm" for instance in (1, 2, 3, 4, 21, 22))
    record, _ = read_series(SeriesFiles(1, 2, SAGITTAL_T2, str(tmp_path), files))
    assert record["instance_numbers"] == [1, 2, 22, 3, 4]
    assert [fault["path"] for fault in record["faults"]] == ["21.dcm"]
    assert "two slices at one position: instances 2 and 22" in record["assumptions"][0]
