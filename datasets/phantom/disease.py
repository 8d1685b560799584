"""From severity to millimetres: how far sac, recess and foramen are narrowed at each level.

Every measure falls strictly with the severity step (1 and 2 are the cuts between the grades), so that the grade follows
from the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .person import FloatArray, Person

_STEPS = np.array([-4.0, -1.5, 0.0, 1.0, 2.0, 3.0, 5.0])
_SAC = np.array([1.04, 1.0, 0.92, 0.72, 0.44, 0.25, 0.14])  # share of the healthy anteroposterior diameter left
_RECESS_MM = np.array([7.2, 6.3, 5.4, 3.9, 2.0, 0.8, 0.2])  # depth of the lateral recess
_FORAMEN = np.array([1.08, 1.0, 0.90, 0.64, 0.30, 0.10, 0.02])  # share of the fat around the exiting root left


@dataclass(frozen=True, slots=True, eq=False)
class Narrowing:
    """The measures that determine the grades; levels from L1/L2 to L5/S1, sides left then right."""

    sac: FloatArray  # (5,) share of the healthy anteroposterior diameter of the sac
    recess_mm: FloatArray  # (5, 2) depth of the recess
    foramen: FloatArray  # (5, 2) share of the healthy fat around the exiting root
    subarticular_steps: FloatArray  # (5, 2)
    foraminal_steps: FloatArray  # (5, 2)


def narrowing(person: Person, steps: FloatArray) -> Narrowing:
    """The measures of a person with severities ``steps`` (25,) in the order of `bench.targets.TARGETS`."""
    spinal, left_foraminal, right_foraminal, left_recess, right_recess = steps.reshape(5, 5)
    foraminal = np.stack([left_foraminal, right_foraminal], axis=1)
    subarticular = np.stack([left_recess, right_recess], axis=1)
    return Narrowing(
        sac=np.interp(spinal, _STEPS, _SAC),
        recess_mm=np.interp(subarticular, _STEPS, _RECESS_MM) * person.recess,
        foramen=np.interp(foraminal, _STEPS, _FORAMEN),
        subarticular_steps=subarticular,
        foraminal_steps=foraminal,
    )
