"""The comparison as one page that opens offline: tables, figures, and what has to be known to read them."""

from __future__ import annotations

from .page import ComparisonReport

__all__ = ["ComparisonReport"]
