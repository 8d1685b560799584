"""The case viewer: chosen studies with their images, points, predictions and attention."""

from __future__ import annotations

from .cases import MOST_BYTES, Viewer, viewer

__all__ = ["MOST_BYTES", "Viewer", "viewer"]
