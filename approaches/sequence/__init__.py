"""The second write-up's second approach: the slices of a whole scan as one sequence through a transformer."""

from .approach import ScanSequence

__all__ = ["ScanSequence"]
