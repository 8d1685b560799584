"""From comparisons to one HTML file without scripts and without anything that is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import bench
from bench.comparison import Comparison
from bench.comparison.formatting import duration, megabytes, p_text
from bench.files.atomic import write_text
from bench.report import Report

from .curves import training_curves
from .figures import cost, differences, overview, parts
from .provenance import common_and_differing, notes_of
from .words import count_text, lead, number

HERE = Path(__file__).parent


class ComparisonReport(Report):
    """Tables and figures of all approaches on one page; the default report."""

    def write(self, comparisons: Sequence[Comparison], output: Path) -> None:
        """Write the page; see `bench.report.Report`."""
        write_text(output, render(comparisons))


def render(comparisons: Sequence[Comparison]) -> str:
    """The page as text. Everything that comes from a store is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": number,
        "duration": duration,
        "megabytes": megabytes,
        "p_text": p_text,
        "count": count_text,
    }
    return environment.get_template("page.html.j2").render(
        sections=[_section(comparison, index) for index, comparison in enumerate(comparisons, start=1)],
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        version=bench.__version__,
    )


def _section(comparison: Comparison, index: int) -> dict[str, object]:
    curves, unreadable = training_curves(comparison.approaches)
    return {
        "anchor": f"section-{index}",
        "comparison": comparison,
        "lead": lead(comparison),
        "overview": overview(comparison),
        "parts": parts(comparison),
        "differences": differences(comparison),
        "curves": curves,
        "unreadable": unreadable,
        "cost": cost(comparison),
        "notes": notes_of(comparison.approaches),
        "provenance": common_and_differing(comparison.approaches),
    }
