"""The competition's first place: locate the discs in two dimensions and depth, then grade bags of slices (MIL)."""

from .approach import MIL

__all__ = ["MIL"]
