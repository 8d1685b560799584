"""Which rows a training sees, and in what order: the same for the same seed and epoch, so that a resume repeats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.targets import MISSING

Rows = NDArray[np.int64]


class Epochs:
    """The rows of every batch of every epoch.

    Args:
        rows: what to draw from. May be replaced between epochs (a curriculum), from what a resumed training knows too.
        batch_size: at most so many per batch; the batches of an epoch differ in size by at most one.
        seed: of all draws.
    """

    def __init__(self, rows: Rows, *, batch_size: int, seed: int) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Rows, np.random.Generator]]:
        """Every row once, in random order; beside each batch the generator for what else is drawn for it."""
        random = np.random.default_rng([self.seed, number])
        for rows in np.array_split(random.permutation(self.rows), max(1, len(self))):
            yield rows, random


def complete_rows(known: NDArray[np.bool_]) -> Rows:
    """The rows (studies) that have all of what is wanted of them (N, K), such as labels or points."""
    return np.flatnonzero(known.all(axis=1))


def balanced_rows(classes: NDArray[np.integer], most: int, random: np.random.Generator) -> Rows:
    """At most ``most`` rows in all, as many of every class as there can be, sorted; for models that cannot take all.

    A class that has fewer than its share gives what it has, and the others share the rest.

    Args:
        classes: (N,) class of each row; -1 (no label) is left out.
        most: rows in all.
        random: chooses among the rows of a class.

    Raises:
        BenchError: there are more classes than rows allowed.
    """
    there, counts = np.unique(classes[classes != MISSING], return_counts=True)
    if most < len(there):
        raise BenchError(f"{most} rows cannot hold {len(there)} classes. Allow at least one row per class.")
    chosen, left = [], most
    for place, index in enumerate(np.argsort(counts, kind="stable")):  # rare classes first: what they lack is shared
        share = min(int(counts[index]), left // (len(there) - place))
        chosen.append(random.choice(np.flatnonzero(classes == there[index]), size=share, replace=False))
        left -= share
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)


def class_balanced_draw(classes: NDArray[np.integer], size: int, random: np.random.Generator) -> Rows:
    """``size`` rows drawn with replacement, every class equally likely; rows without a label (-1) are never drawn."""
    _, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    weights = (1 / counts)[inverse] * (classes != MISSING)
    if not weights.any():
        raise BenchError(f"none of {len(classes)} rows has a label, so none can be drawn. Check the training studies.")
    return random.choice(len(classes), size=size, p=weights / weights.sum())
