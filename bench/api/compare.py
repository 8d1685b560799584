"""``bench.compare``: two approaches held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.api.results import Results, load_results
from bench.comparison.one_pair import OnePair, compare_pair
from bench.comparison.pair_text import pair_text
from bench.errors import UsageError


class Compared:
    """The paired difference between two approaches, on each data set and split that both have.

    Attributes:
        pairs: one per data set and split; see `bench.comparison.one_pair.OnePair`.
    """

    def __init__(self, pairs: Sequence[OnePair]) -> None:
        self.pairs = tuple(pairs)

    def __repr__(self) -> str:
        return "\n\n".join(map(pair_text, self.pairs))

    @property
    def difference(self) -> float:
        """The first one's score minus the second's; below 0 the first is better."""
        return self._sign * self._only.difference.paired.difference

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference, paired by study."""
        low, high = sorted(self._sign * end for end in self._only.difference.paired.interval)
        return low, high

    @property
    def p(self) -> float:
        """The p-value of this one comparison."""
        return self._only.difference.paired.p

    @property
    def verdict(self) -> str:
        """Whether the two differ, in words."""
        return self._only.difference.verdict

    @property
    def _only(self) -> OnePair:
        if len(self.pairs) > 1:
            raise UsageError(f"there are {len(self.pairs)} data sets or splits: take one of .pairs.")
        return self.pairs[0]

    @property
    def _sign(self) -> int:
        return 1 if self._only.difference.first == self._only.first.label else -1


def compare(first: str, second: str, runs: Results | Path | str | Sequence[Path | str] = "runs") -> Compared:
    """Hold two approaches of a store against each other, as the command ``bench compare`` does.

    Args:
        first, second: an approach, such as ``mil``, or approach and preset, such as ``mil-quick``.
        runs: results, or the folder or folders of a store.

    Raises:
        UsageError: a name is unknown or means several results, or the two have nothing in common.
    """
    results = runs if isinstance(runs, Results) else load_results(runs)
    return Compared(compare_pair(results.jobs, first, second))
