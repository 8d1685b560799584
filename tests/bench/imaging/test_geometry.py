"""Planes in patient space: there and back again, distances, sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.imaging.geometry import Plane, orientation_name

finite = st.floats(-500, 500)
angles = st.floats(-np.pi, np.pi)


def rotation(a: float, b: float, c: float) -> np.ndarray:
    """Turns about x, y and z."""
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@st.composite
def planes(draw: st.DrawFn) -> Plane:
    axes = rotation(*(draw(angles) for _ in range(3)))
    spacing = np.array([draw(st.floats(0.1, 5)), draw(st.floats(0.1, 5))])
    return Plane(np.array([draw(finite) for _ in range(3)]), axes[0], axes[1], spacing)


@given(planes(), st.tuples(st.floats(-1000, 2000), st.floats(-1000, 2000)))
def test_pixel_to_world_and_back(plane, pixel):
    world = plane.to_world(pixel)
    np.testing.assert_allclose(plane.to_world(plane.to_pixel(world)), world, rtol=0, atol=1e-6)
    np.testing.assert_allclose(plane.to_pixel(world), pixel, rtol=0, atol=1e-6)
    assert abs(plane.distance(world)) < 1e-6


@given(planes(), st.tuples(finite, finite), finite)
def test_point_off_the_plane_projects_to_its_foot(plane, pixel, off_mm):
    world = plane.to_world(pixel) + off_mm * plane.normal
    np.testing.assert_allclose(plane.to_pixel(world), pixel, rtol=0, atol=1e-6)
    np.testing.assert_allclose(plane.distance(world), off_mm, rtol=0, atol=1e-6)
    np.testing.assert_allclose(plane.to_world(plane.to_pixel(world)) + off_mm * plane.normal, world, rtol=0, atol=1e-6)


def test_columns_are_x_and_rows_are_y():
    plane = Plane(np.array([10.0, 20, 30]), np.array([0, 1.0, 0]), np.array([0, 0, -1.0]), np.array([0.5, 2.0]))
    np.testing.assert_array_equal(plane.to_world([4, 3]), [10, 22, 24])
    np.testing.assert_array_equal(plane.to_world(np.zeros((2, 5, 2))).shape, (2, 5, 3))


def test_orientation_names():
    assert orientation_name(np.array([0, 1.0, 0]), np.array([0, 0, -1.0])) == "sagittal"
    assert orientation_name(np.array([1.0, 0, 0]), np.array([0, 0, -1.0])) == "coronal"
    assert orientation_name(np.array([1.0, 0, 0]), np.array([0, 0.9, -0.43])) == "axial"
