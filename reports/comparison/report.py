"""The report: one set of sections, written as a page, Markdown, LaTeX, CSV tables, JSON and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.comparison import Comparison, comparisons_json
from bench.comparison.analysis import Analysis, analyse, analysis_json
from bench.files.atomic import write_text
from bench.report import Output, Report

from .formats.csv_tables import write_csv
from .formats.drawing import write_figures
from .formats.html import html
from .formats.latex import latex
from .formats.markdown import markdown
from .model import Document
from .sections import document
from .viewer import MOST_BYTES, viewer


class ComparisonReport(Report):
    """Tables and figures of all approaches; the default report. As ``csv`` it is a folder with a file per table."""

    formats: ClassVar[tuple[str, ...]] = ("html", "md", "csv", "latex", "json")

    def write(
        self,
        comparisons: Sequence[Comparison],
        outputs: Sequence[Output],
        *,
        figures: Path | None = None,
        with_images: bool = False,
    ) -> None:
        """Write the report; see `bench.report.Report`."""
        analyses = [analyse(comparison) for comparison in comparisons]
        documents = documents_of(analyses)
        for output in outputs:
            if output.format == "csv":
                write_csv(documents, output.path)
            else:
                text = _text(output.format, analyses, documents, with_images=with_images)
                write_text(output.path, text, named_by_user=True)
        if figures is not None:
            write_figures(documents, figures)


def documents_of(analyses: Sequence[Analysis]) -> list[Document]:
    """What is said of each data set and split."""
    return [document(analysis, f"section-{number}") for number, analysis in enumerate(analyses, start=1)]


def render(comparisons: Sequence[Comparison], *, with_images: bool = False) -> str:
    """The page as text."""
    analyses = [analyse(comparison) for comparison in comparisons]
    return _text("html", analyses, documents_of(analyses), with_images=with_images)


def _text(format_: str, analyses: Sequence[Analysis], documents: Sequence[Document], *, with_images: bool) -> str:
    if format_ == "html":
        most = MOST_BYTES // max(1, len(analyses))
        return html(documents, [viewer(each, with_images=with_images, most_bytes=most) for each in analyses])
    if format_ == "md":
        return markdown(documents)
    if format_ == "latex":
        return latex(documents)
    return json.dumps(json_document(analyses), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def json_document(analyses: Sequence[Analysis]) -> dict[str, object]:
    """The document of ``bench report --json`` with an ``analysis`` for each data set and split."""
    document_ = comparisons_json([each.comparison for each in analyses])
    sections = document_.get("sections", [document_])
    for section, analysis in zip(sections, analyses, strict=True):
        section["analysis"] = analysis_json(analysis)
    return document_
