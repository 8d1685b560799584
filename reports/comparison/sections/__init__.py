"""The report's sections, in order, from an analysis."""

from __future__ import annotations

from bench.comparison.analysis import Analysis
from bench.comparison.wording import train_fraction_text

from ..model import Document
from ..words import lead
from .blends import together
from .costs import costs
from .label_errors import suspected
from .leaderboard import leaderboard
from .localisation import localisation
from .losses import losses
from .pairs import pairs
from .provenance import provenance

__all__ = ["document"]


def document(analysis: Analysis, key: str) -> Document:
    """Everything that is said of one data set and split; ``key`` names its files and anchors."""
    comparison = analysis.comparison
    caveat = comparison.caveat or ""
    fraction = train_fraction_text(comparison.approaches)
    return Document(
        key=key,
        title=comparison.dataset,
        facts=(
            f"{comparison.studies} studies · {comparison.of_folds} folds · data {comparison.data_hash[:8]} · "
            f"split {comparison.fold_hash[:8]}" + ("" if fraction is None else f" · {fraction}")
        ),
        caveat=f"{caveat[:1].upper()}{caveat[1:]}." if caveat else "",
        lead=lead(comparison),
        sections=(
            leaderboard(comparison, analysis.unreadable),
            pairs(analysis),
            losses(analysis),
            suspected(analysis),
            together(analysis),
            costs(analysis),
            localisation(analysis),
            *provenance(analysis),
        ),
    )
