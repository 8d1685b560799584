"""Cells of tables: numbers, intervals, p-values and words as the report writes them."""

from __future__ import annotations

import math

from bench.comparison.formatting import count_text, duration, megabytes
from bench.files.foreign import printable
from bench.targets import SEVERITIES, TARGETS

from .model import Cell, Column

DASH = "–"
NAMES = {
    "spinal": "Spinal canal stenosis",
    "foraminal": "Neural foraminal narrowing",
    "subarticular": "Subarticular stenosis",
    "any_severe_spinal": "Any severe spinal",
    **{target.condition_with_side: target.condition_words for target in TARGETS},
    **{target.level: target.level_words for target in TARGETS},
}
_TARGET_WORDS = {target.name: f"{target.condition_words} {target.level_words}" for target in TARGETS}


def number_text(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number with fixed digits and a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def text(words: str, *, strong: bool = False) -> Cell:
    """A cell of words, without control characters."""
    plain = printable(words)
    return Cell(plain, plain, strong=strong)


def nothing() -> Cell:
    """A cell of a value that does not exist."""
    return Cell(DASH, None)


def number(
    value: float | None, digits: int = 3, *, signed: bool = False, strong: bool = False, shade: float | None = None
) -> Cell:
    """A number; a dash where there is none."""
    known = value is not None and math.isfinite(value)
    shown = number_text(value, digits, signed=signed)
    return Cell(shown, float(value) if known and value is not None else None, strong=strong, shade=shade)


def whole(value: int | None) -> Cell:
    """A count."""
    return nothing() if value is None else Cell(f"{value:,}".replace(",", "\u202f"), value)


def large(value: int | None) -> Cell:
    """A large count in a readable unit; CSV has the whole number."""
    return nothing() if value is None else Cell(count_text(value), value)


def interval(ends: tuple[float, float] | None, digits: int = 3, *, signed: bool = False) -> Cell:
    """An interval; a dash where it is not known."""
    if ends is None or not all(map(math.isfinite, ends)):
        return nothing()
    shown = " to ".join(number_text(end, digits, signed=signed) for end in ends)
    return Cell(shown, (float(ends[0]), float(ends[1])))


def p_value(value: float) -> Cell:
    """A p-value to its meaningful digits."""
    if math.isnan(value):
        return Cell("unknown", None)
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}", value)


def percent(share: float, digits: int = 1) -> Cell:
    """A share in per cent; CSV has the share."""
    return nothing() if math.isnan(share) else Cell(f"{number_text(100 * share, digits)} %", share)


def seconds(value: float | None) -> Cell:
    """A time in a readable unit; CSV has seconds."""
    return nothing() if value is None else Cell(duration(value), value)


def memory(amount: float | None) -> Cell:
    """Memory in a readable unit; CSV has MB."""
    return nothing() if amount is None else Cell(megabytes(amount), amount)


def first_of(shown: int, of: int) -> str:
    """What a caption adds where a figure leaves approaches out."""
    return f" The first {shown} of {of} approaches; the table has all." if of > shown else ""


def study(number: int) -> Cell:
    """A study, linked to the case viewer where it is shown there."""
    return Cell(str(number), str(number), study=number)


def target_words(name: str) -> str:
    """A target in words, such as ``Left Subarticular Stenosis L4/L5``."""
    return _TARGET_WORDS[name]


def grade_words(grade: int) -> str:
    """A grade in words; a dash for a missing one."""
    return SEVERITIES[grade] if grade >= 0 else DASH


def probabilities(values: tuple[float, ...]) -> Cell:
    """Probabilities of the three grades."""
    shown = " / ".join(number_text(value, 2) for value in values)
    return Cell(shown, shown.replace("−", "-"))


def words_column(name: str, about: str = "") -> Column:
    """A column of words."""
    return Column(name, "text", about)


def interval_column(name: str, about: str = "") -> Column:
    """A column of intervals."""
    return Column(name, "interval", about)
