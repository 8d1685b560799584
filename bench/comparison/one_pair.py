"""One pair of approaches of a store: which jobs the two names mean, and how the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.comparison.comparing import compare
from bench.comparison.families import PRIOR
from bench.comparison.results import ApproachResult, Comparison, Difference
from bench.errors import UsageError, unknown
from bench.jobs.split import SplitFolder
from bench.jobs.store import StoredJob, names_of


@dataclass(frozen=True, slots=True, eq=False)
class OnePair:
    """Two approaches on one data set and split.

    Attributes:
        comparison: of these two alone.
        first, second: their results, in the order asked for.
        difference: the first's score minus the second's, or the other way round, as it says itself.
    """

    comparison: Comparison
    first: ApproachResult
    second: ApproachResult
    difference: Difference


def compare_pair(jobs: Sequence[StoredJob], first: str, second: str) -> list[OnePair]:
    """The pair on each data set and split where both have results.

    Args:
        jobs: of any splits.
        first, second: names as `names_of` gives them: approach, approach and preset, or that and the configuration's
            hash.

    Raises:
        UsageError: a name is unknown or means several configurations, both mean the same one, or the two have no
            comparable results in common.
    """
    done = [job for job in jobs if job.status == "done"]
    known = {name for job in done for name in names_of(job)}
    for name in (first, second):
        if name == PRIOR:
            raise UsageError(
                f"{PRIOR} is the reference of every comparison: `bench report` holds each approach against it."
            )
        if name not in known:
            raise unknown("finished approach", name, sorted({each for job in done for each in names_of(job)[:2]}))
    splits: dict[SplitFolder, list[StoredJob]] = {}
    for job in done:
        splits.setdefault(job.files.split, []).append(job)
    found, apart = [], ""
    for members in splits.values():
        chosen = [[job for job in members if name in names_of(job)] for name in (first, second)]
        if not all(chosen):
            continue
        lines = [_one_line(each, name) for each, name in zip(chosen, (first, second), strict=True)]
        if lines[0] == lines[1]:
            raise UsageError(f"{first} and {second} are the same results. Name two different approaches.")
        pair = _pair([*chosen[0], *chosen[1]], *lines)
        apart = "" if pair is not None else _why_apart(*lines)
        found += [] if pair is None else [pair]
    if not found:
        raise UsageError(
            f"{first} and {second} cannot be compared: {apart or 'they have no data set and split in common'}."
        )
    return found


_Line = tuple[str, str, str, float]


def _line(of: StoredJob | ApproachResult) -> _Line:
    return of.approach, of.preset, of.config_hash, of.train_fraction


def _one_line(jobs: Sequence[StoredJob], name: str) -> _Line:
    lines = {_line(job): job for job in jobs}
    if len(lines) > 1:
        choice = ", ".join(sorted(names_of(job)[-1] for job in lines.values()))
        raise UsageError(f"{name!r} means several results: {choice}. Name one of them.")
    return next(iter(lines))


def _pair(jobs: Sequence[StoredJob], first: _Line, second: _Line) -> OnePair | None:
    """The pair on one split; None where it is not compared."""
    comparison = compare(jobs)
    results = {_line(result): result for result in comparison.approaches}
    if not comparison.differences:
        return None
    return OnePair(comparison, results[first], results[second], comparison.differences[0])


def _why_apart(first: _Line, second: _Line) -> str:
    if first[3] != second[3]:
        shares = f"{first[0]} has {first[3]:g} and {second[0]} {second[3]:g}"
        return f"different train fractions are compared within one configuration alone ({shares})"
    if "-" in first[1] or "-" in second[1]:
        return "an ablation is compared with what it changes alone"
    return "no study is graded by both"
