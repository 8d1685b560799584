"""Which studies the case viewer shows, and why."""

from __future__ import annotations

from bench.comparison.analysis import Analysis

from ..cells import target_words


def chosen_studies(analysis: Analysis, most: int) -> dict[int, str]:
    """Study -> why it is shown: hardest ones, disagreements and suspected labels in turn, at most `most`."""
    hard = [(each.study, f"hardest study {place}") for place, each in enumerate(analysis.hardest, start=1)]
    apart = [
        (each.study, f"{each.first} and {each.second} disagree most on {target_words(each.target)}")
        for each in sorted(analysis.disagreements, key=lambda each: -abs(each.difference))
    ]
    found = analysis.label_errors
    suspected = [
        (each.study, f"suspected label error {place}: {target_words(each.name)}")
        for place, each in enumerate(found.suspects if found is not None else (), start=1)
    ]
    chosen: dict[int, list[str]] = {}
    for place in range(max(map(len, (hard, apart, suspected)))):
        for reasons in (hard, apart, suspected):
            if place >= len(reasons):
                continue
            study, why = reasons[place]
            if study in chosen:
                chosen[study].append(why)
            elif len(chosen) < most:
                chosen[study] = [why]
    return {study: "; ".join(reasons[:3]) for study, reasons in chosen.items()}
