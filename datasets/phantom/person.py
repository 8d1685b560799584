"""Variation between patients: size, posture, build, and the measures of the healthy spine.

Lengths in mm, angles in degrees. Means and spreads follow the literature cited in README.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .streams import stream

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A patient without the disease that is graded."""

    size: float  # all lengths of the skeleton relative to the mean person's
    age: float
    lordosis: float  # L1 to S1
    sacral_slope: float
    scoliosis: float  # lateral amplitude of the curve
    rotation: float  # of the lumbar spine about its axis, top to bottom
    turn: float  # of the whole body in the scanner, about the head-foot axis
    tilt: float  # of the whole body in the coronal plane
    sac_depth: float  # anteroposterior diameter of the healthy thecal sac
    sac_width: float
    canal_fat: float  # thickness of the epidural fat behind the sac
    foramen: float  # scale of the healthy foramen
    recess: float  # scale of the healthy recess
    subcutaneous: float  # fat behind the spine
    waist_width: float
    waist_depth: float
    muscle: float  # scale of the muscles
    muscle_fat: float  # 0 to 1, how much of the back muscles is fat
    conus: float  # height of the tip of the cord above the middle of L1, mm
    degeneration: FloatArray  # (5,) 0 to 1, of each disc, from L1/L2 to L5/S1
    disc_height: FloatArray  # (5,)
    transitional: bool  # the first sacral segment partly free, with a disc of its own
    vertebra_jitter: FloatArray  # (12, 3) small individual differences of each vertebra: width, depth, height


def draw_person(seed: int, index: int, steps: FloatArray) -> Person:
    """The person of study ``index`` whose severities are ``steps`` (25,), in the order of `bench.targets.TARGETS`."""
    random = stream(seed, index, "person")
    size = random.normal(1.0, 0.065)
    age = np.clip(random.normal(57, 14), 18, 92)
    by_level = steps.reshape(5, 5).mean(axis=0)  # condition-with-side x level -> level
    degeneration = 1 / (1 + np.exp(-(1.6 * by_level + 0.5 + random.normal(0, 1.0, 5))))
    healthy = np.array([8.6, 9.8, 10.8, 11.6, 10.4]) * random.normal(1, 0.07)
    disc_height = size * healthy * (1 - 0.42 * degeneration) * random.normal(1, 0.05, 5)
    lordosis = np.clip(random.normal(50, 10), 25, 78)
    return Person(
        size=size,
        age=age,
        lordosis=lordosis,
        sacral_slope=np.clip(34.5 + 0.45 * (lordosis - 50) + random.normal(0, 4.5), 18, 60),
        scoliosis=random.normal(0, 2.2),
        rotation=random.normal(0, 2.5),
        turn=random.normal(0, 2.0),
        tilt=random.normal(0, 1.5),
        sac_depth=size * random.normal(14.2, 1.0),
        sac_width=size * random.normal(17.5, 1.3),
        canal_fat=np.clip(random.normal(3.6, 1.0), 1.2, 7),
        foramen=random.normal(1, 0.07),
        recess=random.normal(1, 0.07),
        subcutaneous=np.clip(random.lognormal(np.log(22), 0.45), 5, 70),
        waist_width=np.clip(random.normal(350, 38), 270, 480),
        waist_depth=np.clip(random.normal(235, 34), 165, 360),
        muscle=random.normal(1, 0.1),
        muscle_fat=np.clip(random.beta(2.0, 4.0), 0.02, 0.85),
        conus=random.normal(0, 12),
        degeneration=degeneration,
        disc_height=disc_height,
        transitional=bool(random.random() < 0.06),
        vertebra_jitter=random.normal(1, 0.025, (12, 3)),
    )
