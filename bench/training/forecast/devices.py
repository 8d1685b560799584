"""Devices that hours are forecast for: published peaks, and the share of them that training is assumed to reach."""

from __future__ import annotations

from dataclasses import dataclass

SLICES_PER_CORE_S = 185.0
"""Slices that one core decodes from the cache and cuts per second (two cores measured: about 370)."""


@dataclass(frozen=True, slots=True)
class Device:
    """One machine with one device.

    Attributes:
        name: of the device.
        peak: floating-point operations per second, two per multiply-add.
        utilisation: the assumed share of the peak that training reaches.
        cores: of the processor beside it, which reads the slices; None: reading is not counted.
        memory_gb: of the device, GiB.
        source: of the peak.
    """

    name: str
    peak: float
    utilisation: float
    cores: int | None
    memory_gb: float
    source: str

    def hours(self, operations: float, slices: float) -> float:
        """Hours for so many floating-point operations and slices that are read meanwhile: the slower of the two."""
        computing = operations / (self.peak * self.utilisation) / 3600
        reading = 0.0 if self.cores is None else slices / (SLICES_PER_CORE_S * self.cores) / 3600
        return max(computing, reading)


# Dense tensor-core peaks without sparsity: fp16 for T4, which has no bf16, else bf16. The utilisations are assumptions
# for convolutional networks of these sizes; larger cards are harder to keep busy. Cores: of Colab's T4 machine, and
# usual ones of rented machines with the larger cards.
DEVICES = (
    Device("T4", 65e12, 0.31, 2, 15.0, "NVIDIA T4 data sheet, 2019"),
    Device("A100", 312e12, 0.30, 12, 40.0, "NVIDIA A100 data sheet, 2020"),
    Device("H100", 989e12, 0.20, 16, 80.0, "NVIDIA H100 SXM data sheet, 2023"),
)
