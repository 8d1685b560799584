"""Suspected label errors, and whether there are more of them than a right model would suspect."""

from __future__ import annotations

from bench.comparison.analysis import Analysis
from bench.comparison.analysis.label_errors import SUSPECT

from ..cells import (
    NAMES,
    grade_words,
    number,
    number_text,
    probabilities,
    study,
    target_words,
    text,
    whole,
    words_column,
)
from ..model import Column, Section, Table


def suspected(analysis: Analysis) -> Section:
    """Says so where no approach was trained."""
    found = analysis.label_errors
    title = "Suspected label errors"
    if found is None:
        return Section("label-errors", title, ("There is no complete approach besides the class prior.",))
    names = ", ".join(found.approaches)
    notes = (
        "Labels by their probability q: the class probability with the weights 1, 2, 4 divided out, mean over "
        f"{names}. "
        "A model that is exactly right calls some correct labels improbable, too: only an excess of observed over "
        "expected "
        "labels speaks of errors.",
        f"The rule |label − p| ≥ .8 marks {number_text(100 * found.rule_observed, 2)} % of "
        f"{whole(found.labels).text} labels, where {number_text(100 * found.rule_expected, 2)} % are expected: it is "
        "no evidence by itself.",
    )
    counts = [
        (
            text(NAMES[each.condition]),
            text(grade_words(each.grade)),
            whole(each.labels),
            whole(each.observed),
            number(each.expected, 1),
            number(each.spread, 1),
            number(each.excess, 1, signed=True),
        )
        for each in found.excesses
    ]
    count_columns = (
        words_column("condition"),
        words_column("label"),
        Column("labels"),
        Column("observed"),
        Column("expected"),
        Column("SD"),
        Column("excess"),
    )
    rows = [
        (
            study(each.study),
            text(target_words(each.name)),
            text(grade_words(each.grade)),
            text(grade_words(each.likely)),
            number(each.probability, 4),
            probabilities(each.probabilities),
        )
        for each in found.suspects
    ]
    columns = (
        words_column("study"),
        words_column("target"),
        words_column("label"),
        words_column("more likely"),
        Column("q of the label"),
        words_column("q of the three grades"),
    )
    caption = f"The {len(rows)} least probable labels. Look at the images before you change any."
    tables = (
        Table(
            "label-excess",
            f"Labels with q below {SUSPECT}: observed and expected",
            count_columns,
            tuple(counts),
            "Expected and its SD: if q were exactly right and labels independent.",
        ),
        Table("label-errors", "Least probable labels", columns, tuple(rows), caption, open=False),
    )
    return Section("label-errors", title, notes, tables=tables)
