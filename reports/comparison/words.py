"""The main finding in words."""

from __future__ import annotations

from bench.comparison import ApproachResult, Comparison
from bench.comparison.wording import SEVERAL_FRACTIONS, several_fractions

from .cells import number_text


def lead(comparison: Comparison) -> str:
    """The main finding in one or two sentences."""
    complete = [result for result in comparison.approaches if result.complete]
    if not complete:
        return "No approach has finished every fold yet; the scores below are on the studies predicted so far."
    ranked = [result for result in complete if comparison.family_of(result) is not None]
    plain = [result for result in complete if result.approach != "prior" and result.ablation_of is None]
    best = (ranked or plain or complete)[0]
    low, high = best.estimate.interval
    fractions = {result.train_fraction for result in complete if result.approach != "prior"}
    which = "of the complete approaches" + (" trained on most studies" if len(fractions) > 1 else "")
    apart = " (ablations apart)" if any(result.ablation_of is not None for result in complete) else ""
    said = (
        f"{best.label} has the lowest pooled out-of-fold score {which}{apart}: "
        f"{number_text(best.estimate.score, 4)} (95 % interval {number_text(low)} to {number_text(high)}, n = "
        f"{best.studies} studies)."
    )
    fractions_said = SEVERAL_FRACTIONS if several_fractions(comparison.approaches) else ""
    return " ".join(part for part in (said, _standing(best, comparison), fractions_said) if part)


def _standing(best: ApproachResult, comparison: Comparison) -> str:
    """How the best approach compares with the others of its family; with the class prior where it is alone."""
    family = comparison.family_of(best)
    if family is None:
        if best.approach == "prior":
            return ""
        return f"{_subject(best)} {best.prior_verdict} ({number_text(best.prior, 4)}, n = {best.studies})."
    tied = [
        difference.second if difference.first == best.label else difference.first
        for difference in comparison.differences
        if difference.family == family.name
        and not difference.separable
        and best.label in (difference.first, difference.second)
    ]
    if tied:
        return f"{_subject(best)} not separable from {', '.join(tied)} (n = {best.studies})."
    return f"{_subject(best)} separable from all other {family.name} (n = {best.studies})."


def _subject(result: ApproachResult) -> str:
    """What a verdict is about: with one seed the trained models, not the approach."""
    return "These trained models are" if result.versus_prior.one_seed else "It is"
