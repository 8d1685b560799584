"""Devices that hours are forecast for: published peaks, and the share of them that training is assumed to reach."""

from __future__ import annotations

from dataclasses import dataclass

SLICES_PER_S = 1000.0
"""Slices of up to 384 x 384 that one core of a small machine reads from the cache and cuts per second.

Measured by tests/performance/test_crops.py on images of 224 to 1024 pixels that lie in memory.
"""


@dataclass(frozen=True, slots=True)
class Device:
    """A graphics card.

    Attributes:
        name: of the card.
        peak: floating-point operations per second, two per multiply-add.
        utilisation: the assumed share of the peak that training reaches.
        memory_gb: GiB.
        source: of the peak.
    """

    name: str
    peak: float
    utilisation: float
    memory_gb: float
    source: str

    def hours(self, operations: float) -> float:
        """Hours for so many floating-point operations."""
        return operations / (self.peak * self.utilisation) / 3600


# Dense tensor-core peaks without sparsity: fp16 for the T4, which has no bf16, else bf16. The utilisations are assumed
# for convolutional networks of this size, not measured; larger cards are harder to keep busy.
DEVICES = (
    Device("T4", 65e12, 0.31, 15.0, "NVIDIA T4 data sheet, 2019"),
    Device("A100", 312e12, 0.30, 40.0, "NVIDIA A100 data sheet, 2020"),
    Device("H100", 989e12, 0.20, 80.0, "NVIDIA H100 SXM data sheet, 2023"),
)


def reading_hours(slices: float) -> float:
    """Hours that one core takes to read so many slices."""
    return slices / SLICES_PER_S / 3600
