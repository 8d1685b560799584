"""What a comparison has to say in words: names of its lines, and what a reader must know of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.comparison.families import PRIOR, Line
from bench.comparison.imported import imported_from, imported_notes
from bench.comparison.pooled import Pooled
from bench.comparison.results import RANKED_SEEDS, ApproachResult, FamilyResult
from bench.jobs.fingerprint import changed_parts

ONE_SEED = (
    "Trained with one seed: intervals and verdicts hold for these trained models, not for the approaches, so nothing "
    "is ranked. Pass --seed 0,1,2 to compare approaches."
)
TWO_SEEDS = "Intervals cover studies and training seeds. Ranks need three seeds per approach: pass --seed 0,1,2."
SEVERAL_SEEDS = "Intervals cover studies and training seeds, so verdicts hold for the approaches."
MIXED_SEEDS = (
    "Some approaches were trained with one seed: their intervals cover studies alone, and their verdicts hold for "
    "these trained models, not for the approaches. Nothing is ranked: pass --seed 0,1,2 for all."
)
NOT_COVERED = (
    "Intervals do not cover other training sets: in simulation, a five-fold comparison of 100 studies called about one "
    "in ten pairs of equal approaches different."
)
ADJUSTED = (
    "Adjusted p-values hold for all pairs of a family together (single-step max-T over bootstrap samples of studies). "
    "All other p-values are unadjusted."
)
IN_PROCESS = (
    "run inside a notebook or script (`bench.run` with a class), one job at a time: its peak memory is that of the "
    "whole process, and global state of the notebook may have changed its predictions"
)

SEVERAL_FRACTIONS = (
    "A number after @ is the train fraction: the share of each fold's training studies that was used. Without it, all "
    "were used."
)
RANKS = (
    "Rank: one more than the number of approaches of the same train fraction that are separably better. So approaches "
    "that are not separable can share a rank."
)

# Below this many studies the variance of rare large differences cannot be known.
FEW_STUDIES = 30


def labels(pooled: Sequence[Pooled]) -> list[str]:
    """A name for each line that no other has: approach and preset, and what else tells it from the others."""
    first = [each.jobs[0] for each in pooled]
    names = [f"{job.approach}-{job.preset}" for job in first]
    configs = {(name, job.config_hash) for name, job in zip(names, first, strict=True)}
    several = Counter(name for name, _ in configs)
    names = [job.run_name if several[name] > 1 else name for name, job in zip(names, first, strict=True)]
    fractions = [job.train_fraction for job in first]
    if len(set(fractions)) == 1:
        return names  # said once, by `train_fraction_text`
    return [
        name if fraction == 1 else f"{name}@{fraction:g}"  # as in `bench.jobs.store.names_of`
        for name, fraction in zip(names, fractions, strict=True)
    ]


def train_fraction_text(results: Sequence[ApproachResult]) -> str | None:
    """What all approaches were trained on, if it is the same part of the training studies; None otherwise."""
    fractions = {result.train_fraction for result in results}
    (fraction,) = fractions if len(fractions) == 1 else (1.0,)
    return None if fraction == 1 else f"trained on {fraction:.4g} of the training studies"


def several_fractions(results: Sequence[ApproachResult]) -> bool:
    """Whether train fractions are part of the names."""
    return len({result.train_fraction for result in results}) > 1


def folds_text(folds: Sequence[int]) -> str:
    """``fold 2``, or ``folds 0, 1``."""
    return f"{'fold' if len(folds) == 1 else 'folds'} {', '.join(map(str, folds))}"


def grouped_notes(results: Sequence[ApproachResult]) -> list[str]:
    """The notes on approaches as sentences, those with the same note together."""
    found: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            found.setdefault(note, []).append(result.label)
    return [f"{', '.join(names)}: {note}." for note, names in found.items()]


def result_notes(pooled: Pooled, line: Line) -> tuple[str, ...]:
    """What a reader must know of one approach's line."""
    imported = imported_from(pooled.jobs)
    notes = [] if imported is None else imported_notes(imported)
    if line.ablation_of is not None:
        notes.append(f"ablation of {line.approach}-{line.ablation_of}, compared with that alone and not ranked")
    if any(other.result.in_process for other in pooled.jobs):
        notes.append(IN_PROCESS)
    job = pooled.jobs[0]
    if len(pooled.folds) < job.folds:
        notes.append(f"incomplete: {len(pooled.folds)} of {job.folds} folds finished ({folds_text(pooled.folds)})")
    seeds = sorted({other.seed for other in pooled.left_out})
    if seeds:
        notes.append(f"left out: seed {', '.join(map(str, seeds))}, which lacks a fold that other seeds have")
    changed = sorted(
        {
            part
            for other in pooled.jobs
            for part in changed_parts(job.fingerprint, other.fingerprint)
            if part.startswith("source")
        }
    )
    if changed:
        notes.append(f"folds or seeds were made with different versions of: {', '.join(changed)}")
    return tuple(notes)


def comparison_notes(
    results: Sequence[ApproachResult], families: Sequence[FamilyResult], resamples: int, redrawn: int
) -> tuple[str, ...]:
    """What a reader must know of all lines together.

    Args:
        results: the approaches.
        families: which of them are compared with each other.
        resamples: how many bootstrap samples of studies were drawn.
        redrawn: how many of them lacked a part of the score and were drawn again.
    """
    fraction = train_fraction_text(results)
    notes = [] if fraction is None else [f"All approaches were {fraction} of each fold."]
    notes += [SEVERAL_FRACTIONS] if several_fractions(results) else []
    notes.append(_seeds_note(results))
    notes += [RANKS] if any(family.ranked for family in families) else []
    notes.append(NOT_COVERED)
    if families:
        notes.append(ADJUSTED)
    notes += [detectable_text(family) for family in families]
    if redrawn:
        notes.append(f"{redrawn} of {resamples + redrawn} bootstrap samples lacked a part of the score: drawn again.")
    fewest = min(result.studies for result in results)
    if fewest < FEW_STUDIES:
        notes.append(f"n = {fewest}: intervals and p-values from fewer than {FEW_STUDIES} studies are too optimistic.")
    if len({tuple(fold.fold for fold in result.folds) for result in results}) > 1:
        notes.append(
            "Approaches have different folds finished. Each is scored on the studies of its own folds; differences are "
            "on the studies that both have graded."
        )
    run = [result for result in results if result.imported is None]
    framework = {
        part
        for result in run
        for part in changed_parts(run[0].jobs[0].fingerprint, result.jobs[0].fingerprint)
        if part.startswith("source of bench.")
    }
    if framework:
        notes.append(f"The approaches were run with different versions of: {', '.join(sorted(framework))}.")
    return tuple(notes)


def other_images_note(hashes: Sequence[str]) -> str:
    """What to say where other sections have the same name and folds but images of other contents."""
    return (
        f"Another section has the same data set and folds, but other images or points (data {', '.join(hashes)}). "
        "Generated images differ between processors in single grey values. To compare all results, use one folder: "
        "copy it from one machine to the other and pass it by --data."
    )


def detectable_text(family: FamilyResult) -> str:
    """The smallest difference that the studies and seeds of a family could separate."""
    seeds = "one seed" if family.seeds == 1 else f"{family.seeds} seeds"
    pairs = "" if family.pairs == 1 else f" (median of {family.pairs} pairs, p unadjusted)"
    return (
        f"{family.name[0].upper()}{family.name[1:]}: {family.studies} studies and {seeds} could separate a difference "
        f"of {family.detectable:.4f} with 80 % power{pairs}."
    )


def stability_text(family: FamilyResult) -> str | None:
    """How stable the order of a main comparison is over bootstrap samples of its studies; None for other families."""
    if family.stability is None:
        return None
    first = [
        f"{label} in {100 * shares[0]:.0f} %"
        for label, shares in zip(family.stability.labels, family.stability.shares, strict=True)
        if shares[0] >= 0.005
    ]
    these = ", these trained models" if family.seeds == 1 else ""
    return (
        f"{family.name[0].upper()}{family.name[1:]}{these}: first in bootstrap samples of the studies "
        f"(n = {family.studies}): {', '.join(first)}; "
        f"Kendall's tau to the full order {family.stability.kendall_tau:.2f}."
    )


def _seeds_note(results: Sequence[ApproachResult]) -> str:
    trained = [result for result in results if result.approach != PRIOR]
    complete = [result for result in trained if result.complete]  # only these are ranked
    counts = {len(result.seeds) for result in complete or trained} or {1}
    if min(counts) == 1:
        return ONE_SEED if counts == {1} else MIXED_SEEDS
    return TWO_SEEDS if min(counts) < RANKED_SEEDS else SEVERAL_SEEDS
