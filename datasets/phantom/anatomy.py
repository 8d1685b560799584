"""The anatomy as smooth shapes, painted onto a canvas from the outside in: body, bones, discs, canal, nerves."""

from __future__ import annotations

from .bones import paint_bodies, paint_joints, paint_posterior
from .canal import paint_canal, paint_roots, paint_sac
from .canvas import Canvas
from .discs import paint_bulges, paint_discs
from .foramina import paint_foramina, paint_recesses
from .patient import Patient
from .soft_tissue import paint_trunk
from .tissue import Sequence


def paint_background(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Paint the trunk, its organs, muscles and vessels."""
    paint_trunk(canvas, patient, sequence)


def paint_spine(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Paint the spine, the canal and the nerves over the background."""
    paint_canal(canvas, patient, sequence)
    paint_foramina(canvas, patient, sequence)
    paint_posterior(canvas, patient, sequence)
    paint_discs(canvas, patient, sequence)
    paint_bodies(canvas, patient, sequence)
    paint_joints(canvas, patient, sequence)
    paint_bulges(canvas, patient, sequence)
    paint_recesses(canvas, patient, sequence)
    paint_sac(canvas, patient, sequence)
    paint_roots(canvas, patient, sequence)
