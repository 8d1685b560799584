"""Spin-echo signal of tissues from their relaxation times.

Relaxation times in ms at 1.5 and 3 T: de Bazelaire 2004 (doi:10.1148/radiol.2303021331) for fat, marrow and
paravertebral muscle; Stanisz 2005 (doi:10.1002/mrm.20605) for cord, nerve, blood and cartilage. T2 of fat and marrow is
what fast spin echo shows, longer than a single echo's since the train of refocusing pulses undoes J-coupling
(Henkelman 1992, doi:10.1002/jmri.1880020511). Proton density is what is left to see at the shortest echo: in annulus
and ligaments most water is bound to collagen and gone by then, so on T1 they are nearly as dark as CSF.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Tissue:
    """T1 at 1.5 and 3 T, T2 at both, and proton density relative to water."""

    t1: tuple[float, float]
    t2: tuple[float, float]
    density: float


TISSUES = {
    "air": Tissue((1000, 1000), (50, 50), 0.0),
    "fat": Tissue((320, 382), (115, 108), 0.92),
    "marrow": Tissue((480, 560), (86, 80), 0.84),
    "muscle": Tissue((900, 1100), (42, 40), 0.86),
    "csf": Tissue((4300, 4300), (1600, 1500), 1.0),
    "cord": Tissue((745, 993), (82, 80), 0.72),
    "nerve": Tissue((815, 1083), (84, 80), 0.68),
    "nucleus": Tissue((1150, 1300), (118, 110), 0.88),
    "annulus": Tissue((900, 1050), (48, 45), 0.38),
    "dry_disc": Tissue((850, 1000), (50, 46), 0.60),
    "cortex": Tissue((900, 1000), (12, 10), 0.12),
    "ligament": Tissue((900, 1050), (34, 30), 0.42),
    "flavum": Tissue((900, 1050), (52, 48), 0.38),
    "cartilage": Tissue((1060, 1170), (38, 36), 0.75),
    "joint_fluid": Tissue((3000, 3200), (600, 550), 0.95),
    "blood": Tissue((1441, 1932), (60, 50), 0.22),
    "vein": Tissue((1441, 1932), (110, 90), 0.80),
    "bowel": Tissue((1000, 1200), (75, 70), 0.75),
    "kidney": Tissue((966, 1142), (87, 80), 0.82),
    "skin": Tissue((850, 950), (32, 30), 0.55),
}


@dataclass(frozen=True, slots=True)
class Sequence:
    """One pulse sequence; times in ms, ``inversion`` 0 for none."""

    name: str
    repetition: float
    echo: float
    inversion: float
    tesla: float

    def signal(self, tissue: str) -> float:
        """Signal of a spin echo, relative to water at full magnetisation."""
        made_of = TISSUES[tissue]
        at = 0 if self.tesla < 2 else 1
        recovery = np.exp(-self.repetition / made_of.t1[at])
        if self.inversion:
            longitudinal = abs(1 - 2 * np.exp(-self.inversion / made_of.t1[at]) + recovery)
        else:
            longitudinal = 1 - recovery
        return float(made_of.density * longitudinal * np.exp(-self.echo / made_of.t2[at]))


def draw_sequence(description: str, tesla: float, random: np.random.Generator, *, stir: bool = False) -> Sequence:
    """TR and TE of one series within the ranges that lumbar protocols use."""
    if description == "Sagittal T1":
        return Sequence("T1", random.uniform(450, 700), random.uniform(8, 14), 0.0, tesla)
    if stir:
        # Set to null fat, as it is tuned in practice, and not quite met
        inversion = np.log(2) * TISSUES["fat"].t1[0 if tesla < 2 else 1] * random.uniform(0.9, 1.02)
        return Sequence("STIR", random.uniform(3500, 5000), random.uniform(45, 75), inversion, tesla)
    return Sequence("T2", random.uniform(3000, 4500), random.uniform(90, 118), 0.0, tesla)
