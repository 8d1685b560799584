"""The comparison as one offline page: tables, figures, and notes on how to read them."""

from __future__ import annotations

from .page import ComparisonReport

__all__ = ["ComparisonReport"]
