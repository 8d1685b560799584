"""The figures as PNG and SVG, drawn by matplotlib from the same descriptions as the page's."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from bench.files.atomic import write_bytes
from bench.files.foreign import printable

from ..model import Colour, Document, Figure, Panel, Series

PALETTE = ("#1f6fa8", "#d1661c", "#2f8a57", "#b0468f", "#8a7a12", "#5b54c0", "#c23b3b", "#178f96", "#7a5a3c", "#6b7280")
NAMED = {"prior": "#8a6d1f", "floor": "#2f7a4f", "soft": "#5c636b", "ink": "#1d2126"}
FORMATS = ("png", "svg")
_ACROSS = 3  # panels per row
# Equal figures are equal bytes: no date, and ids of SVG elements from a fixed salt.
_STYLE: Any = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write_figures(documents: Sequence[Document], folder: Path) -> list[Path]:
    """Write every figure that has something to show; with several data sets, each in a subfolder of it."""
    written = []
    for document in documents:
        own = folder if len(documents) == 1 else folder / document.key
        for section in document.sections:
            for figure in section.figures:
                for kind, content in drawn(figure).items():
                    written.append(own / f"{figure.key}.{kind}")
                    write_bytes(written[-1], content)
    return written


def drawn(figure: Figure) -> dict[str, bytes]:
    """A figure as the bytes of a PNG and an SVG file."""
    rows, columns = math.ceil(len(figure.panels) / _ACROSS), min(_ACROSS, max(1, len(figure.panels)))
    tall = max([3.2, *(0.42 * len(panel.categories) + 1.4 for panel in figure.panels)])
    wide = 7.0 if columns == 1 else 4.6 * columns
    with matplotlib.rc_context(_STYLE):
        canvas = Canvas(figsize=(wide, tall * max(rows, 1)), layout="constrained")
        for axes, panel in zip(
            np.ravel(canvas.subplots(max(rows, 1), columns, squeeze=False)), figure.panels, strict=False
        ):
            _panel(axes, panel)
        for axes in canvas.axes[len(figure.panels) :]:
            axes.set_axis_off()
        canvas.suptitle(_plain(figure.title), fontsize=11, fontweight="bold")
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # laid out once, saved twice
        return {kind: _saved(canvas, kind) for kind in FORMATS}


def _saved(canvas: Canvas, kind: str) -> bytes:
    stream = io.BytesIO()
    canvas.savefig(stream, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return stream.getvalue()


def _panel(axes: Axes, panel: Panel) -> None:
    places = {name: len(panel.categories) - 1 - index for index, name in enumerate(panel.categories)}
    if panel.diagonal:
        axes.plot([0, 1], [0, 1], color=NAMED["soft"], linewidth=0.8, linestyle=":")
    left = np.zeros(len(panel.categories))
    for series in panel.series:
        _series(axes, series, places, left)
    axes.set_title(_plain(panel.title), fontsize=9)
    axes.set_xlabel(_plain(panel.x))
    axes.set_ylabel(_plain(panel.y))
    if panel.x_log:
        axes.set_xscale("log")
    if panel.x_ticks:
        low, high = axes.get_xlim()
        inside = [(value, text) for value, text in panel.x_ticks if low <= value <= high]
        axes.set_xticks([value for value, _ in inside], [text for _, text in inside])
        axes.minorticks_off()
    if panel.categories:
        axes.set_yticks(list(places.values()), [_plain(name) for name in places])
        axes.set_ylim(-0.6, len(places) - 0.4)
    for range_, put in ((panel.x_range, axes.set_xlim), (panel.y_range, axes.set_ylim)):
        if range_ is not None:
            put(*range_)
    if any(series.name for series in panel.series):
        axes.legend(fontsize=7, frameon=False)


def _series(axes: Axes, series: Series, places: dict[str, int], left: np.ndarray) -> None:
    tone = _tone(series.colour)
    label = _plain(series.name) or None
    if series.kind == "rule":
        axes.axvline(
            float(series.x[0] or 0), color=tone, linestyle="--" if series.dashed else "-", linewidth=1.2, label=label
        )
        return
    x = np.array([math.nan if value is None else value for value in series.x], dtype=float)
    low, high = (
        np.array([math.nan if v is None else v for v in ends], dtype=float) for ends in (series.low, series.high)
    )
    if series.kind == "band":
        axes.fill_between(x, low, high, color=tone, alpha=0.2, linewidth=0, label=label)
        return
    y = np.array(
        [places[value] if isinstance(value, str) else math.nan if value is None else value for value in series.y],
        dtype=float,
    )
    if series.kind == "bars":
        at = np.round(y).astype(int)
        axes.barh(y, x, left=left[at], color=tone, height=0.6, label=label)
        left[at] += x
        return
    if len(low):
        ends = (x, y)[series.error == "y"]
        arms = np.abs(np.vstack([ends - low, high - ends]))
        axes.errorbar(x, y, **{f"{series.error}err": arms}, fmt="none", ecolor=tone, linewidth=1.6)
    line = {"points": "none", "line": "-", "steps": "-"}[series.kind]
    marker = "o" if series.kind == "points" or len(low) or len(x) == 1 else ""
    axes.plot(
        x,
        y,
        linestyle="--" if series.dashed and line == "-" else line,
        marker=marker,
        color=tone,
        markersize=5,
        markerfacecolor="none" if series.hollow else tone,
        linewidth=0.7 if series.thin else 1.6,
        alpha=0.3 if series.thin else 1,
        drawstyle="steps-post" if series.kind == "steps" else "default",
        label=label,
    )


def _tone(colour: Colour) -> str:
    return PALETTE[colour % len(PALETTE)] if isinstance(colour, int) else NAMED[colour]


def _plain(text: str) -> str:
    """A text that matplotlib can set and does not take for mathematics."""
    return printable(text).replace("$", r"\$")
