"""The second write-up's multitask model: select slices, find keypoints, crop around them, grade with 25 heads."""

from .approach import Multitask

__all__ = ["Multitask"]
