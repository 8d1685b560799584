"""The 25 targets of a study, in the order and the words of the competition's tables.

Grades are 0, 1, 2 for Normal/Mild, Moderate, Severe, and -1 where a study has no label.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError, unknown

LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
SEVERITIES = ("Normal/Mild", "Moderate", "Severe")
PROBABILITY_COLUMNS = ("normal_mild", "moderate", "severe")
CLASS_WEIGHTS = (1.0, 2.0, 4.0)
MISSING = -1

# The three conditions that the metric pools, by the word that its row ids contain.
CONDITIONS = ("spinal", "foraminal", "subarticular")

SAGITTAL_T1 = "Sagittal T1"
SAGITTAL_T2 = "Sagittal T2/STIR"
AXIAL_T2 = "Axial T2"
SERIES_DESCRIPTIONS = (SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2)

_NAMES = {
    ("spinal", None): "spinal_canal_stenosis",
    ("foraminal", "left"): "left_neural_foraminal_narrowing",
    ("foraminal", "right"): "right_neural_foraminal_narrowing",
    ("subarticular", "left"): "left_subarticular_stenosis",
    ("subarticular", "right"): "right_subarticular_stenosis",
}
_POINT_SERIES = {"spinal": SAGITTAL_T2, "foraminal": SAGITTAL_T1, "subarticular": AXIAL_T2}


@dataclass(frozen=True, slots=True)
class Target:
    """One graded thing: a condition, on a side where it has one, at a disc level."""

    condition: str
    side: str | None
    level: str

    @property
    def condition_with_side(self) -> str:
        """The condition as row ids spell it, such as ``left_subarticular_stenosis``."""
        return _NAMES[self.condition, self.side]

    @property
    def name(self) -> str:
        """The column of ``train.csv``, such as ``left_subarticular_stenosis_l4_l5``."""
        return f"{self.condition_with_side}_{self.level}"

    @property
    def condition_words(self) -> str:
        """The condition as the coordinate table spells it, such as ``Left Subarticular Stenosis``."""
        return self.condition_with_side.replace("_", " ").title()

    @property
    def level_words(self) -> str:
        """The level as the coordinate table spells it, such as ``L4/L5``."""
        return self.level.upper().replace("_", "/")

    @property
    def point_series(self) -> str:
        """The kind of series on which annotators mark this target's point."""
        return _POINT_SERIES[self.condition]


TARGETS: tuple[Target, ...] = tuple(Target(*key, level) for key in _NAMES for level in LEVELS)
TARGET_NAMES: tuple[str, ...] = tuple(target.name for target in TARGETS)
TARGET_INDEX: dict[str, int] = {name: index for index, name in enumerate(TARGET_NAMES)}
# (condition in words, level in words) of the coordinate table -> index into TARGETS
POINT_TARGET_INDEX: dict[tuple[str, str], int] = {
    (target.condition_words, target.level_words): index for index, target in enumerate(TARGETS)
}
POINT_COLUMNS = ("study_id", "series_id", "instance_number", "condition", "level", "x", "y")


def indices(condition: str, side: str | None = None) -> tuple[int, ...]:
    """Where a condition's targets stand in `TARGETS`, levels from the top: of one side, or of all sides in order.

    ``indices("foraminal")`` is 5 to 14, left before right; ``indices("foraminal", "left")`` is 5 to 9.

    Raises:
        UsageError: there is no such condition, or it has no such side.
    """
    sides = [known_side for known, known_side in _NAMES if known == condition]
    if not sides:
        raise unknown("condition", condition, CONDITIONS)
    if side is not None and side not in sides:
        known_sides = ", ".join(repr(one) for one in sides if one) or "no side"
        raise UsageError(f"condition {condition!r} has no side {side!r}. It has: {known_sides}.")
    return tuple(
        index for index, target in enumerate(TARGETS) if target.condition == condition and side in (None, target.side)
    )


def row_id(study_id: int, target: Target) -> str:
    """The competition's name of one prediction, such as ``44036939_spinal_canal_stenosis_l1_l2``."""
    return f"{study_id}_{target.name}"
