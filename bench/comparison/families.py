"""Which pairs are compared, and which of them are one family, whose p-values are adjusted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

PRIOR = "prior"  # the plug-in that wraps the reference of every comparison: each approach is held against it anyway

Kind = Literal["main", "learning curve", "ablations", "incomplete"]
_ORDER: tuple[Kind, ...] = ("main", "learning curve", "ablations", "incomplete")


@dataclass(frozen=True, slots=True)
class Line:
    """What decides with which others an approach is compared.

    Attributes:
        approach: the plug-in's name.
        preset: the configuration's name; what follows its first hyphen names an ablation, as in ``quick-one-image``.
        config_hash: of the resolved configuration.
        train_fraction: the share of the training studies that was used.
        complete: whether every fold is finished.
        presets: those of the plug-in, where it is still there: one of them is no ablation, whatever its name.
    """

    approach: str
    preset: str
    config_hash: str
    train_fraction: float
    complete: bool
    presets: frozenset[str] = frozenset()

    @property
    def ablation_of(self) -> str | None:
        """The preset that an ablation changes; None for what is no ablation."""
        base, hyphen, _ = self.preset.partition("-")
        return base if hyphen and base and self.preset not in self.presets else None


@dataclass(frozen=True, slots=True)
class Family:
    """Pairs whose p-values are adjusted together.

    Attributes:
        kind: ``main`` (complete approaches at one train fraction), ``learning curve`` (one approach at several
            fractions), ``ablations`` (each with what it changes), ``incomplete`` (pairs that lack a fold).
        name: the same for a reader.
        pairs: indices of the lines, in the order given.
    """

    kind: Kind
    name: str
    pairs: tuple[tuple[int, int], ...]

    @property
    def members(self) -> tuple[int, ...]:
        """The lines that are in any of its pairs, ascending."""
        return tuple(sorted({index for pair in self.pairs for index in pair}))


def families(lines: Sequence[Line]) -> list[Family]:
    """The families of a comparison, the main ones first. The class prior is in none."""
    found: dict[tuple[Kind, str], list[tuple[int, int]]] = {}
    for pair in combinations(range(len(lines)), 2):
        first, second = (lines[index] for index in pair)
        relation = _relation(first, second, lines)
        if relation is None:
            continue
        kind, name = relation
        if not (first.complete and second.complete):
            inner = _at(first.train_fraction) if kind == "main" else f", {name}"
            kind, name = "incomplete", f"pairs with an incomplete run{inner}"
        found.setdefault((kind, name), []).append(pair)
    order = sorted(found, key=lambda key: _ORDER.index(key[0]))  # stable: by first appearance within a kind
    return [Family(kind, name, tuple(found[kind, name])) for kind, name in order]


def _relation(first: Line, second: Line, lines: Sequence[Line]) -> tuple[Kind, str] | None:
    """The kind and name of the family in which two lines are compared; None where they are not."""
    if PRIOR in (first.approach, second.approach):
        return None
    same_approach = first.approach == second.approach
    if first.train_fraction != second.train_fraction:
        same = same_approach and (first.preset, first.config_hash) == (second.preset, second.config_hash)
        return ("learning curve", f"train fractions of {first.approach}-{first.preset}") if same else None
    bases = first.ablation_of, second.ablation_of
    if bases == (None, None):
        return "main", f"complete approaches{_at(first.train_fraction)}"
    base = bases[0] or bases[1]
    name = f"ablations of {first.approach}-{base}{_at(first.train_fraction)}"
    if not same_approach:
        return None
    if first.preset == base or second.preset == base:
        return "ablations", name
    alike = bases[0] == bases[1] and not any(_is_base(line, first) for line in lines)
    return ("ablations", name) if alike else None


def _is_base(line: Line, ablation: Line) -> bool:
    """Whether a line is what an ablation changes."""
    of = (ablation.approach, ablation.ablation_of, ablation.train_fraction)
    return (line.approach, line.preset, line.train_fraction) == of


def _at(fraction: float) -> str:
    return "" if fraction == 1 else f" at train fraction {fraction:.4g}"
