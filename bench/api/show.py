"""``bench.show``: one study as a matplotlib figure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.api.datasets import pixels_of
from bench.data.contact_sheet import sheet
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.targets import MISSING, POINT_COLUMNS, TARGETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EVIDENCE = ("row_id", "series_id", "instance_number", "weight")


def show(
    study: Study,
    *,
    points: pd.DataFrame | None = None,
    evidence: pd.DataFrame | None = None,
    grades: ArrayLike | None = None,
    volumes: Volumes | None = None,
) -> Figure:
    """Draw slices of the three planes, with points, attention weights and grades.

    Args:
        study: of `bench.open_dataset`, or any other with ``volumes``.
        points: as ``cohort.points`` or ``results.points``; rows of other studies are ignored.
        evidence: as ``results.evidence``: slices with most weight are shown, and their weights named.
        grades: (25,) grades in the order of `bench.TARGETS`, -1 for none: they colour the points.
        volumes: the source of the pixels, if the study does not come from `bench.open_dataset`.

    Raises:
        UsageError: the pixels are not at hand, or a table lacks a column.
    """
    _display_in_notebooks()
    known = np.full(len(TARGETS), MISSING, dtype=np.int8) if grades is None else np.asarray(grades, dtype=np.int8)
    if known.shape != (len(TARGETS),):
        raise UsageError(f"grades has the shape {known.shape}; it has to be (25,), such as cohort.grades[0].")
    marks = _rows(points, POINT_COLUMNS, "points")
    weights = _rows(evidence, _EVIDENCE, "evidence")
    own = weights["row_id"].astype(str).str.startswith(f"{study.study_id}_")
    return sheet(
        study,
        pixels_of(study) if volumes is None else volumes,
        known,
        marks[marks["study_id"] == study.study_id],
        weights[own],
    )


def _display_in_notebooks() -> None:
    """Have a figure that ends a cell shown as an image, as those of pyplot are."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})


def _rows(table: pd.DataFrame | None, columns: tuple[str, ...], what: str) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise UsageError(f"{what} lacks the column {missing[0]!r}; it needs {', '.join(columns)}.")
    return table
