"""The result table of a run: scores with intervals, parts, folds and costs, with class prior and noise floor."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.comparison import ApproachResult, Comparison
from bench.comparison.formatting import duration, location_text, megabytes, p_text
from bench.comparison.wording import grouped_notes, stability_text
from bench.files.foreign import printable
from bench.metric import PARTS

_PART_HEADS = ("spinal", "foram.", "subart.", "any\nsevere")


# Columns in the order in which they go where the screen is too narrow; name and score never do.
_LEAST_FIRST = (("peak",), ("fit\npredict",), ("folds\n± SD",), _PART_HEADS, ("skill",))
_NAME_WIDTH = 9  # names are folded to this before another column goes


def result_table(comparison: Comparison, width: int | None = None) -> Table:
    """One row per approach, one for the class prior and, if known, one for the noise floor. Fits 80 columns.

    The second line of a cell is the interval, the spread, or the prediction time. Remarks follow below the table.

    Args:
        comparison: what is shown.
        width: of the screen, if it is known: on a narrower one than 80, columns are left out and named in a remark.
    """
    heads = ["approach", "score\n95 % int.", *_PART_HEADS, "folds\n± SD", "skill", "fit\npredict", "peak"]
    rows = [_approach(result, comparison.rank(result)) for result in comparison.approaches]
    prior = comparison.prior
    rows.append(
        [Text("class prior"), _score(prior.score, prior.interval), *_parts(prior.parts.values()), "", "0", "", ""]
    )
    if comparison.floor is not None:
        parts = comparison.floor.get("parts") or {}
        values = [parts.get(name, math.nan) for name in PARTS]
        score = Text(f"{comparison.floor['score']:.3f}")
        rows.append([Text("noise floor"), score, *_parts(values), "", "1", "", ""])
    shown = _shown(heads, rows, width)
    left_out = [head.replace("\n", " ") for place, head in enumerate(heads) if place not in shown]
    remarks = [f"Left out on this narrow screen: {', '.join(left_out)}."] if left_out else []
    table = Table(
        title=Text(printable(_title(comparison))),
        caption=Text(printable("\n".join([*remarks, *_remarks(comparison)]))),
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for place in shown:
        if place == 0:
            table.add_column(heads[0], overflow="fold", min_width=_NAME_WIDTH)
        else:
            table.add_column(heads[place], justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        table.add_row(*(row[place] for place in shown), end_section=number == len(comparison.approaches) - 1)
    return table


def _shown(heads: list[str], rows: list[list[RenderableType]], width: int | None) -> list[int]:
    """Which columns fit the screen."""
    measure = Console(width=1000)
    sizes = [
        max([*map(len, head.split("\n")), *(measure.measure(row[place]).maximum for row in rows)])
        for place, head in enumerate(heads)
    ]
    shown = list(range(len(heads)))
    for group in _LEAST_FIRST:
        if width is None or _NAME_WIDTH + sum(sizes[place] + 1 for place in shown if place) <= width:
            break
        shown = [place for place in shown if heads[place] not in group]
    return shown


def _title(comparison: Comparison) -> str:
    caveat = f"\n{comparison.caveat}" if comparison.caveat else ""
    return f"{comparison.dataset}: {comparison.studies} studies in {comparison.of_folds} folds{caveat}"


def _approach(result: ApproachResult, rank: int | None) -> list[RenderableType]:
    label = Text(printable(result.approach), style="bold")
    label.append("\n" + printable(result.label.removeprefix(f"{result.approach}-")), style="not bold")
    if rank is not None:
        label.append(f"\nrank {rank}")
    if not result.complete:
        label.append(f"\n{len(result.folds)} of {result.of_folds} folds", style="not bold yellow")
    spread = result.fold_spread
    return [
        label,
        _score(result.estimate.score, result.estimate.interval),
        *_parts(result.estimate.parts.values()),
        f"{result.fold_mean:.3f}\n" + ("one fold" if spread is None else f"± {spread:.3f}"),
        _skill(result),
        f"{duration(result.fit_seconds)}\n{duration(result.predict_seconds)}",
        megabytes(result.peak_memory_mb),
    ]


def _skill(result: ApproachResult) -> str:
    if result.skill is None or result.skill_interval is None:
        return "-"
    low, high = result.skill_interval
    return "\n".join(f"{round(value, 2) + 0.0:.2f}" for value in (result.skill, low, high))


def _score(score: float, interval: tuple[float, float]) -> RenderableType:
    return Group(Text(f"{score:.4f}", style="bold", justify="right"), Text(f"{interval[0]:.3f}-{interval[1]:.3f}"))


def _parts(values: Iterable[float]) -> list[RenderableType]:
    return ["-" if math.isnan(value) else f"{value:.3f}" for value in values]


def _remarks(comparison: Comparison) -> list[str]:
    """The remarks below the table."""
    remarks = ["Weighted log loss, lower is better. Below score and skill: their 95 % intervals."]
    remarks += comparison.notes
    for difference in comparison.differences[:10]:
        low, high = difference.paired.interval
        remarks.append(
            f"{difference.first} against {difference.second}: {difference.verdict}; "
            f"{difference.paired.difference:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"adjusted p {p_text(difference.p_adjusted)}."
        )
    if len(comparison.differences) > 10:
        remarks.append(f"{len(comparison.differences) - 10} more pairs are in the report.")
    remarks += [text for family in comparison.families if (text := stability_text(family)) is not None]
    remarks += grouped_notes(comparison.approaches)
    for result in comparison.approaches:
        if not result.beats_prior and result.approach != "prior":
            p = p_text(result.versus_prior.p)
            these = "these trained models are " if result.versus_prior.one_seed else ""
            remarks.append(f"{result.label}: {these}{result.prior_verdict} (n = {result.studies}, unadjusted p {p}).")
        if result.true_points is not None:
            remarks.append(f"{result.label}: {result.true_points:.4f} with the annotators' points instead of its own.")
        for condition, points in (result.localisation or {}).items():
            remarks.append(f"{result.label}, localisation of {condition}: {location_text(points)}.")
    return remarks
