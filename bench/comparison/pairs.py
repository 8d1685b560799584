"""The paired differences of a comparison, family by family."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from bench.comparison.families import Family
from bench.comparison.influence import Influence, score_influence
from bench.comparison.multiplicity import adjusted, smallest_p
from bench.comparison.pooled import Pooled
from bench.comparison.power import detectable_difference
from bench.comparison.ranks import RankStability, approach_draws, rank_stability
from bench.comparison.resampling import StudyDraws, draw_studies
from bench.comparison.results import Difference, FamilyResult
from bench.comparison.statistics import paired_difference

Mask = NDArray[np.bool_]


class Pairs:
    """Compares pooled approaches with each other.

    Args:
        pooled: the approaches.
        labels: their names.
        folds: (N,) the fold that holds each study of the split out.
        weights: (N, 4) what each study weighs in each part of the score, whoever has graded it.
        resamples: how many bootstrap draws adjusted p-values and ranks are taken from.
    """

    def __init__(
        self,
        pooled: Sequence[Pooled],
        labels: Sequence[str],
        *,
        folds: NDArray[np.int64],
        weights: NDArray[np.float64],
        resamples: int,
    ) -> None:
        self.pooled, self.labels, self.folds, self.weights, self.resamples = pooled, labels, folds, weights, resamples
        self._influences: dict[tuple[int, bytes], Influence] = {}
        self._draws: dict[bytes, StudyDraws] = {}

    @property
    def redrawn(self) -> int:
        """How many resamples lacked a part of the score and were drawn again."""
        return sum(draws.redrawn for draws in self._draws.values())

    @property
    def drawn(self) -> int:
        """How many resamples were used."""
        return sum(len(draws.counts) for draws in self._draws.values())

    def influence(self, index: int, studies: Mask) -> Influence:
        """The score of an approach on some of the studies that it has graded."""
        key = (index, studies.tobytes())
        if key not in self._influences:
            terms = self.pooled[index].terms.values()
            self._influences[key] = score_influence([each[studies] for each in terms], self.folds[studies])
        return self._influences[key]

    def draws(self, studies: Mask) -> StudyDraws:
        """Resamples of some studies, made once and shared by all that are compared on them."""
        key = studies.tobytes()
        if key not in self._draws:
            self._draws[key] = draw_studies(self.weights[studies], self.resamples)
        return self._draws[key]

    def compare(self, family: Family, order: Sequence[int]) -> tuple[FamilyResult, list[Difference]] | None:
        """The family and its differences; None where no pair has a labelled study in common.

        Args:
            family: its lines count in `order`.
            order: the approaches in the order of the table.
        """
        placed = [(order[first], order[second]) for first, second in family.pairs]
        pairs = [(pair, self._common(pair)) for pair in placed]
        pairs = [(pair, common) for pair, common in pairs if self.weights[common].any()]
        if not pairs:
            return None
        paired = [paired_difference(*(self.influence(index, common) for index in pair)) for pair, common in pairs]
        p_adjusted = self._adjusted(pairs, [each.p for each in paired])
        differences = [
            Difference(
                first=self.labels[first],
                second=self.labels[second],
                studies=int(common.sum()),
                paired=each,
                p_adjusted=p,
                detectable=detectable_difference(each),
                family=family.name,
            )
            for ((first, second), common), each, p in zip(pairs, paired, p_adjusted, strict=True)
        ]
        return self._family(family, [order[line] for line in family.members], differences), differences

    def _common(self, pair: tuple[int, int]) -> Mask:
        first, second = (self.pooled[index].held_out for index in pair)
        return first & second

    def _adjusted(self, pairs: Sequence[tuple[tuple[int, int], Mask]], p_values: Sequence[float]) -> list[float]:
        if len(pairs) == 1:
            return adjusted(p_values, np.empty(0))
        union = np.logical_or.reduce([common for _, common in pairs])
        influences = np.zeros((len(union), len(pairs)))
        for column, ((first, second), common) in enumerate(pairs):
            difference = self.influence(first, common) - self.influence(second, common)
            influences[common, column] = difference.by_study
        return adjusted(p_values, smallest_p(influences[union], self.draws(union)))

    def _family(self, family: Family, members: Sequence[int], differences: Sequence[Difference]) -> FamilyResult:
        return FamilyResult(
            kind=family.kind,
            name=family.name,
            labels=tuple(self.labels[index] for index in members),
            pairs=len(differences),
            seeds=min(len(self.pooled[index].terms) for index in members),
            studies=min(difference.studies for difference in differences),
            detectable=float(np.median([difference.detectable for difference in differences])),
            p_adjusted=_matrix([self.labels[index] for index in members], differences),
            stability=self._stability(members) if family.kind == "main" else None,
        )

    def _stability(self, members: Sequence[int]) -> RankStability:
        """Ranks over resamples, approaches in the order of their scores."""
        studies = self.pooled[members[0]].held_out
        influences = [self.influence(index, studies) for index in members]
        order = sorted(range(len(members)), key=lambda place: influences[place].value)
        columns = []
        for place in order:
            pooled = self.pooled[members[place]]
            seeds = [terms[studies] for terms in pooled.terms.values()]
            job = pooled.jobs[0]
            key = f"{job.approach} {job.config_hash} {job.train_fraction!r}"
            columns.append(approach_draws(seeds, influences[place], self.draws(studies), key=key))
        labels = [self.labels[members[place]] for place in order]
        return rank_stability(labels, [influences[place].value for place in order], np.column_stack(columns))


def _matrix(labels: Sequence[str], differences: Sequence[Difference]) -> tuple[tuple[float, ...], ...]:
    """(A, A) adjusted p-values; NaN on the diagonal and where a pair is not compared."""
    place = {label: index for index, label in enumerate(labels)}
    matrix = np.full((len(labels), len(labels)), nan)
    for difference in differences:
        first, second = place[difference.first], place[difference.second]
        matrix[first, second] = matrix[second, first] = difference.p_adjusted
    return tuple(map(tuple, matrix.tolist()))
