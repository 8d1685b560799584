"""One pair of approaches in words."""

from __future__ import annotations

from bench.comparison.formatting import p_text
from bench.comparison.one_pair import OnePair
from bench.comparison.results import ApproachResult
from bench.files.foreign import one_line
from bench.metric import PARTS


def pair_text(pair: OnePair) -> str:
    """Scores, difference with interval and p-value, the verdict, and what could be separated."""
    comparison, difference = pair.comparison, pair.difference
    first, second = pair.first, pair.second
    sign = 1 if difference.first == first.label else -1
    low, high = sorted(sign * end for end in difference.paired.interval)
    width = max(len(result.label) for result in (first, second))
    lines = [f"{comparison.dataset}: {comparison.studies} studies in {comparison.of_folds} folds"]
    lines += [comparison.caveat] if comparison.caveat else []
    lines += [_score(result, width) for result in (first, second)]
    lines.append(
        f"difference {sign * difference.paired.difference:+.4f} [{low:+.4f}, {high:+.4f}] ({first.label} minus "
        f"{second.label}, paired by study, n = {difference.studies}), p {p_text(difference.paired.p)}"
    )
    if difference.studies == first.studies == second.studies:
        parts = (first.estimate.parts[name] - second.estimate.parts[name] for name in PARTS)
        lines.append("by part: " + ", ".join(f"{name} {part:+.4f}" for name, part in zip(PARTS, parts, strict=True)))
    lines.append(difference.verdict)
    lines.append(
        f"A difference of {difference.detectable:.4f} could be separated with 80 % power by these {difference.studies} "
        "studies."
    )
    lines += [f"{result.label}: {note}" for result in (first, second) for note in result.notes]
    return "\n".join(map(one_line, lines))


def _score(result: ApproachResult, width: int) -> str:
    low, high = result.estimate.interval
    seeds = "1 seed" if len(result.seeds) == 1 else f"{len(result.seeds)} seeds"
    return (
        f"{result.label:<{width}}  {result.estimate.score:.4f} [{low:.4f}, {high:.4f}]  n = {result.studies}, {seeds}"
    )
