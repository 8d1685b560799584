"""The competition's first place: locate the discs in 3D, then grade bags of slices (multiple-instance learning)."""

from .approach import MIL

__all__ = ["MIL"]
