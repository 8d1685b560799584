"""Which approaches are compared with which."""

from bench.comparison.families import Family, Line, families


def line(approach: str, preset: str = "quick", fraction: float = 1.0, *, config: str = "a", complete: bool = True):
    return Line(approach, preset, config, fraction, complete)


def named(lines: list[Line]) -> dict[str, set[tuple[int, int]]]:
    return {family.name: set(family.pairs) for family in families(lines)}


def test_complete_approaches_are_one_family() -> None:
    (family,) = families([line("mil"), line("sequence"), line("mil", config="b")])
    assert family == Family("main", "complete approaches", ((0, 1), (0, 2), (1, 2)))
    assert family.members == (0, 1, 2)


def test_the_prior_is_in_no_family() -> None:
    assert named([line("mil"), line("prior", "default"), line("sequence")]) == {"complete approaches": {(0, 2)}}


def test_fractions_are_compared_within_an_approach_alone() -> None:
    lines = [line("mil"), line("sequence"), line("mil", fraction=0.25), line("sequence", fraction=0.25)]
    assert named(lines) == {
        "complete approaches": {(0, 1)},
        "complete approaches at train fraction 0.25": {(2, 3)},
        "train fractions of mil-quick": {(0, 2)},
        "train fractions of sequence-quick": {(1, 3)},
    }
    assert [family.kind for family in families(lines)] == ["main", "main", "learning curve", "learning curve"]


def test_an_ablation_is_compared_with_what_it_changes() -> None:
    lines = [line("mil"), line("sequence"), line("mil", "quick-one-image"), line("mil", "quick-mean-pooling")]
    assert lines[2].ablation_of == "quick"
    assert lines[0].ablation_of is None
    assert named(lines) == {"complete approaches": {(0, 1)}, "ablations of mil-quick": {(0, 2), (0, 3)}}


def test_ablations_whose_base_is_absent_are_compared_with_each_other() -> None:
    lines = [line("sequence"), line("mil", "quick-one-image"), line("mil", "quick-mean-pooling")]
    assert named(lines) == {"ablations of mil-quick": {(1, 2)}}
    other = [line("mil", "quick-one-image"), line("mil", "standard-one-image"), line("sequence", "quick-one-image")]
    assert named(other) == {}


def test_incomplete_approaches_have_a_family_of_their_own() -> None:
    lines = [line("mil"), line("sequence"), line("late", complete=False), line("mil", "quick-x", complete=False)]
    assert named(lines) == {
        "complete approaches": {(0, 1)},
        "pairs with an incomplete run": {(0, 2), (1, 2)},
        "pairs with an incomplete run, ablations of mil-quick": {(0, 3)},
    }
