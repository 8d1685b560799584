"""The comparison as one offline page, and the same content as Markdown, LaTeX, CSV, JSON and figures."""

from __future__ import annotations

from .report import ComparisonReport

__all__ = ["ComparisonReport"]
