"""What a comparison has to say in words: names of its lines, and what a reader must know of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.comparison.pooled import Pooled
from bench.comparison.results import ApproachResult
from bench.jobs.fingerprint import changed_parts

ONE_SEED = (
    "Trained with one seed: intervals and differences hold for these trained models, not for the approaches, "
    "so nothing is ranked. Pass --seed 0,1,2 to tell approaches apart."
)
SEVERAL_SEEDS = "Seeds are resampled along with studies: intervals and differences hold for the approaches."
MIXED_SEEDS = (
    "Some approaches were trained with one seed, others with several: nothing is ranked. Intervals of the former "
    "hold for these trained models, not for the approaches."
)


# Below this many studies the bootstrap cannot know the tails, whatever it is given.
FEW_STUDIES = 30


def labels(pooled: Sequence[Pooled]) -> list[str]:
    """A name for each line that no other has: approach and preset, and what else it takes."""
    first = [each.jobs[0] for each in pooled]
    names = [f"{job.approach}-{job.preset}" for job in first]
    configs = {(name, job.config_hash) for name, job in zip(names, first, strict=True)}
    several = Counter(name for name, _ in configs)
    names = [job.run_name if several[name] > 1 else name for name, job in zip(names, first, strict=True)]
    fractions = [job.train_fraction for job in first]
    return [
        name if fraction == 1 else f"{name}, {fraction:.4g} of the training studies"
        for name, fraction in zip(names, fractions, strict=True)
    ]


def result_notes(pooled: Pooled) -> tuple[str, ...]:
    """What a reader must know of one approach's line."""
    notes = []
    job = pooled.jobs[0]
    if len(pooled.folds) < job.folds:
        there = ", ".join(map(str, pooled.folds))
        notes.append(f"incomplete: {len(pooled.folds)} of {job.folds} folds finished (fold {there})")
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


def comparison_notes(results: Sequence[ApproachResult]) -> tuple[str, ...]:
    """What a reader must know of all lines together."""
    several = {len(result.seeds) > 1 for result in results}
    notes = [MIXED_SEEDS if len(several) == 2 else SEVERAL_SEEDS if several == {True} else ONE_SEED]
    fewest = min(result.studies for result in results)
    if fewest < FEW_STUDIES:
        notes.append(f"n = {fewest}: intervals and p-values from fewer than {FEW_STUDIES} studies are too optimistic.")
    if len({tuple(fold.fold for fold in result.folds) for result in results}) > 1:
        notes.append(
            "Approaches have different folds finished. Each line is scored on its own studies; differences are on the "
            "studies that both have graded."
        )
    framework = {
        part
        for result in results
        for part in changed_parts(results[0].jobs[0].fingerprint, result.jobs[0].fingerprint)
        if part.startswith("source of bench.")
    }
    if framework:
        notes.append(f"The approaches were run with different versions of: {', '.join(sorted(framework))}.")
    return tuple(notes)
