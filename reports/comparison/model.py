"""What a report consists of, whatever format it is written in: sections with tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = float | int | str | tuple[float, float] | None
Colour = int | Literal["prior", "floor", "soft", "ink"]
Number = float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: as it is read.
        value: as it is sorted and written to CSV: a number, a text, an interval, or None where there is nothing.
        study: the id of a study that the cell names, for a link to the case viewer.
        shade: 0 to 1, how dark its background is.
        strong: whether it stands out.
    """

    text: str
    value: Value
    study: int | None = None
    shade: float | None = None
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what its cells hold, and an explanation where the heading needs one."""

    name: str
    kind: Literal["text", "number", "interval"] = "number"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``key`` names its file; ``open`` tells whether the page shows it at once or folded."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    open: bool = True
    references: int = 0  # how many of the last rows are references, not approaches


@dataclass(frozen=True, slots=True)
class Series:
    """Something drawn in a panel.

    Attributes:
        name: for the legend; an empty one is not listed.
        x, y: numbers, or categories on one axis.
        kind: ``points``, ``line``, ``steps`` (a line with corners), ``bars`` (horizontal, stacked), ``band`` (between
            `low` and `high` over x), or ``rule`` (a vertical line at x[0]).
        colour: a number of the palette, or a name.
        low, high: ends of error bars, or of a band.
        error: the axis along which error bars lie.
        text: by point, for pointing devices.
        label: by point, written beside it.
        thin: drawn thin and pale.
        hollow: points without filling.
        dashed: a dashed line.
    """

    name: str
    x: tuple[Number | str, ...]
    y: tuple[Number | str, ...] = ()
    kind: Literal["points", "line", "steps", "bars", "band", "rule"] = "points"
    colour: Colour = 0
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()
    error: Literal["x", "y"] = "x"
    text: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    thin: bool = False
    hollow: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: above it.
        x, y: titles of the axes.
        series: what is drawn, in this order.
        categories: of the y axis, from the top; empty for a numeric one.
        x_log: a logarithmic x axis.
        x_ticks: (value, text) where numbers are not wanted.
        x_range, y_range: the ends of the axes; None for those of the data.
        diagonal: whether y = x is drawn.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    categories: tuple[str, ...] = ()
    x_log: bool = False
    x_ticks: tuple[tuple[float, str], ...] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels with one caption. ``key`` names its files; ``open`` as in `Table`."""

    key: str
    title: str
    panels: tuple[Panel, ...]
    caption: str = ""
    open: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; ``notes`` are paragraphs, ``lists`` a bulleted list below them."""

    key: str
    title: str
    notes: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that is said of one data set and split.

    Attributes:
        key: names its files and anchors, such as ``section-1``.
        title: the data set.
        facts: studies, folds, hashes, in one line.
        caveat: what must be known of the data; empty if nothing.
        lead: the main finding.
        sections: in order.
    """

    key: str
    title: str
    facts: str
    caveat: str
    lead: str
    sections: tuple[Section, ...]
