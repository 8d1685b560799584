"""From jobs in a store to a comparison: pooling, the prior, differences, and what is not mixed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.comparison import compare, compare_each
from bench.comparison.statistics import PairedDifference
from bench.comparison.wording import grouped_notes
from bench.errors import DataError, UsageError
from bench.jobs.split import SplitFolder
from bench.jobs.store import StoredJob, stored_jobs
from bench.metric import score
from bench.metric.prior import prior_probabilities
from bench.targets import PROBABILITY_COLUMNS, SEVERITIES, TARGET_NAMES


def split_folder(store: Path) -> Path:
    return next(store.rglob("folds.csv")).parent


def test_the_headline_is_the_metric_of_all_folds_together(make_store) -> None:
    store = make_store({"mil": 2.0})
    (result,) = compare(stored_jobs(store)).approaches
    labels = pd.read_csv(split_folder(store) / "labels.csv")
    predictions = pd.concat(pd.read_csv(path) for path in store.rglob("predictions.csv"))
    expected = score(labels, predictions)
    assert result.estimate.score == pytest.approx(expected.score)
    assert result.estimate.parts == pytest.approx(expected.parts)
    assert result.estimate.interval[0] < expected.score < result.estimate.interval[1]
    assert result.complete
    assert result.studies == 40
    for fold in result.folds:
        path = next(store.rglob(f"fold{fold.fold}/predictions.csv"))
        own = pd.read_csv(path)
        studies = own["row_id"].str.split("_").str[0].astype(np.int64)
        assert fold.score == pytest.approx(score(labels[labels["study_id"].isin(studies)], own).score)
        assert fold.studies == studies.nunique()
    assert result.fold_mean == pytest.approx(np.mean([fold.score for fold in result.folds]))
    assert result.fold_spread == pytest.approx(np.std([fold.score for fold in result.folds], ddof=1))


def test_the_prior_of_each_fold_is_learnt_from_the_others(make_store) -> None:
    store = make_store({"mil": 2.0})
    comparison = compare(stored_jobs(store))
    labels = pd.read_csv(split_folder(store) / "labels.csv")
    fold = pd.read_csv(split_folder(store) / "folds.csv").set_index("study_id")["fold"]
    grades = labels[list(TARGET_NAMES)].replace({word: i for i, word in enumerate(SEVERITIES)}).to_numpy(np.int8)
    rows = []
    for study in labels["study_id"]:
        said = prior_probabilities(grades[(fold.loc[labels["study_id"]] != fold[study]).to_numpy()])
        rows += [[f"{study}_{name}", *said[index]] for index, name in enumerate(TARGET_NAMES)]
    submission = pd.DataFrame(rows, columns=["row_id", *PROBABILITY_COLUMNS])
    assert comparison.prior.score == pytest.approx(score(labels, submission).score)
    (result,) = comparison.approaches
    assert result.skill == pytest.approx((result.prior - result.estimate.score) / (result.prior - 0.3))
    assert result.beats_prior


def test_costs_are_summed_over_folds_and_memory_is_the_greediest_jobs(make_store) -> None:
    (result,) = compare(stored_jobs(make_store({"mil": 2.0}, seeds=(0, 1)))).approaches
    assert result.fit_seconds == pytest.approx(40.0)
    assert result.predict_seconds == pytest.approx(8.0)
    assert result.peak_memory_mb == 503.0


def test_a_clear_difference_is_found_and_the_like_are_not_separated(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"sharp": 3.0, "like": 3.0, "blunt": 0.5})), resamples=2000)
    verdicts = {frozenset((d.first, d.second)): d for d in comparison.differences}
    assert verdicts[frozenset(("sharp-quick", "like-quick"))].verdict == "these trained models: not separable (n = 40)"
    clear = verdicts[frozenset(("sharp-quick", "blunt-quick"))].verdict
    assert clear == "these trained models differ: sharp-quick is better (n = 40)"
    assert all(d.p_adjusted >= d.paired.p for d in comparison.differences)
    assert [result.approach for result in comparison.approaches][-1] == "blunt"


def test_nothing_is_ranked_with_one_seed_and_the_notes_say_why(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"sharp": 3.0, "blunt": 0.5})), resamples=500)
    assert not comparison.ranked
    assert all(comparison.rank(result) is None for result in comparison.approaches)
    assert "for these trained models, not for the approaches" in comparison.notes[0]


def test_several_seeds_rank_what_is_separable(make_store) -> None:
    store = make_store({"sharp": 3.0, "like": 3.0, "blunt": 0.5}, seeds=(0, 1, 2))
    comparison = compare(stored_jobs(store), resamples=2000)
    assert {result.approach: comparison.rank(result) for result in comparison.approaches} == {
        "sharp": 1,
        "like": 1,
        "blunt": 3,
    }
    assert comparison.approaches[0].seeds == (0, 1, 2)
    fold = comparison.approaches[0].folds[0]
    assert fold.score == pytest.approx(np.mean(list(fold.by_seed.values())))


def test_two_seeds_are_not_ranked_but_their_verdicts_are_about_approaches(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"sharp": 3.0, "blunt": 0.5}, seeds=(0, 1))), resamples=500)
    assert not comparison.ranked
    assert comparison.rank(comparison.approaches[0]) is None
    assert comparison.differences[0].verdict == "sharp-quick is better (n = 40)"
    assert "Ranks need three seeds" in comparison.notes[0]


def test_one_seed_beside_three_is_said_and_nothing_is_ranked(make_store) -> None:
    store = make_store({"sharp": 3.0, "blunt": 0.5}, seeds=(0, 1, 2), missing={("sharp", 1, 0), ("sharp", 2, 1)})
    comparison = compare(stored_jobs(store), resamples=500)
    assert [len(result.seeds) for result in comparison.approaches] == [1, 3]
    assert not comparison.ranked
    assert comparison.differences[0].verdict.startswith("these trained models differ")
    assert "Nothing is ranked" in comparison.notes[0]


def test_the_prior_and_ablations_do_not_enlarge_the_main_family(make_store) -> None:
    store = make_store({"sharp": 3.0, "like": 3.0, "blunt": 1.5})
    alone = {(d.first, d.second): d for d in compare(stored_jobs(store)).differences}
    make_store({"prior": 0.0}, preset="default")
    make_store({"sharp": 1.0}, preset="quick-one-image")
    comparison = compare(stored_jobs(store))
    main, ablations = comparison.families
    assert (main.kind, main.pairs, ablations.kind, ablations.pairs) == ("main", 3, "ablations", 1)
    together = {(d.first, d.second): d for d in comparison.differences if d.family == main.name}
    assert together == alone  # the same p-values, adjusted too
    (ablation,) = [d for d in comparison.differences if d.family == ablations.name]
    assert {ablation.first, ablation.second} == {"sharp-quick", "sharp-quick-one-image"}
    assert ablation.p_adjusted == ablation.paired.p  # one pair needs no adjustment
    result = next(result for result in comparison.approaches if result.ablation_of)
    assert result.ablation_of == "quick"
    assert any("ablation of sharp-quick" in note for note in result.notes)


def test_a_preset_with_a_hyphen_is_no_ablation(make_store) -> None:
    store = make_store({"sequence": 3.0})
    make_store({"sequence": 1.0}, preset="as-published")
    comparison = compare(stored_jobs(store), resamples=200)
    assert [(family.kind, family.pairs) for family in comparison.families] == [("main", 1)]
    assert {result.ablation_of for result in comparison.approaches} == {None}


def test_an_approach_is_better_or_worse_than_the_class_prior_or_neither(make_store) -> None:
    (result,) = compare(stored_jobs(make_store({"mil": 2.0})), resamples=100).approaches
    said = [
        replace(result, versus_prior=PairedDifference(value, 1e-4, 39)).prior_verdict
        for value in (-0.1, 0.001, 0.1, np.nan)
    ]
    assert said == [
        "better than the class prior",
        "not separable from the class prior",
        "worse than the class prior",
        "not separable from the class prior",
    ]


def test_approaches_with_the_same_note_are_named_together(make_store) -> None:
    missing = {(name, 0, 3) for name in ("mil", "sequence")}
    comparison = compare(stored_jobs(make_store({"mil": 2.0, "sequence": 1.0}, missing=missing)), resamples=100)
    expected = "mil-quick, sequence-quick: incomplete: 3 of 4 folds finished (folds 0, 1, 2)."
    assert grouped_notes(comparison.approaches) == [expected]


def test_train_fractions_are_compared_within_an_approach_alone(make_store) -> None:
    store = make_store({"mil": 3.0, "sequence": 2.0}, seeds=(0, 1, 2))
    make_store({"mil": 1.0, "sequence": 0.5}, seeds=(0, 1, 2), train_fraction=0.25)
    comparison = compare(stored_jobs(store), resamples=1000)
    assert [family.kind for family in comparison.families] == ["main", "main", "learning curve", "learning curve"]
    assert len(comparison.differences) == 4
    ranks = {result.label: comparison.rank(result) for result in comparison.approaches}
    assert ranks == {
        "mil-quick": 1,
        "sequence-quick": 2,
        "mil-quick@0.25": 1,
        "sequence-quick@0.25": 2,
    }
    assert "A number after @ is the train fraction" in comparison.notes[0]
    assert any(note.startswith("Rank: one more than the number of approaches") for note in comparison.notes)


def test_one_train_fraction_for_all_is_said_once(make_store) -> None:
    store = make_store({"mil": 3.0, "sequence": 2.0}, train_fraction=0.25)
    comparison = compare(stored_jobs(store), resamples=100)
    assert [result.label for result in comparison.approaches] == ["mil-quick", "sequence-quick"]
    assert comparison.notes[0] == "All approaches were trained on 0.25 of the training studies of each fold."


def test_what_one_approach_gets_does_not_depend_on_the_others(make_store) -> None:
    store = make_store({"mil": 2.0, "sequence": 2.2}, seeds=(0, 1, 2))
    few = compare(stored_jobs(store), resamples=500)
    make_store({"mil": 2.0, "sequence": 2.2, "more": 2.1, "most": 3.0}, seeds=(0, 1, 2))
    many = compare(stored_jobs(store), resamples=500)
    by_label = {result.label: result for result in many.approaches}
    for result in few.approaches:
        assert by_label[result.label].estimate == result.estimate
        assert by_label[result.label].skill_interval == result.skill_interval
        assert by_label[result.label].versus_prior == result.versus_prior
    (alone,) = few.differences
    (among,) = [d for d in many.differences if {d.first, d.second} == {alone.first, alone.second}]
    assert (among.paired, among.detectable) == (alone.paired, alone.detectable)
    again = compare(stored_jobs(store), resamples=500)
    assert repr(again.families) == repr(many.families)


def test_the_family_tells_its_ranks_and_its_significance_matrix(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"sharp": 3.0, "like": 3.0, "blunt": 0.5})), resamples=1000)
    (family,) = comparison.families
    assert family.labels[-1] == "blunt-quick"
    assert family.stability.labels == family.labels
    assert np.sum(family.stability.shares, axis=1) == pytest.approx(1)
    assert family.stability.shares[2] == (0, 0, 1)
    assert 1 / 3 <= family.stability.kendall_tau <= 1
    matrix = np.array(family.p_adjusted)
    assert np.isnan(np.diag(matrix)).all()
    np.testing.assert_array_equal(matrix, matrix.T)
    for difference in comparison.differences:
        first, second = (family.labels.index(label) for label in (difference.first, difference.second))
        assert matrix[first, second] == difference.p_adjusted
    assert family.detectable == pytest.approx(np.median([d.detectable for d in comparison.differences]))
    assert any("could separate a difference of" in note for note in comparison.notes)


def test_an_approach_on_one_study_is_never_separable(make_store) -> None:
    """A fold of a single study: nothing is known of the variance."""
    missing = {(name, 0, fold) for name in ("sharp", "blunt") for fold in (1, 2, 3)}
    comparison = compare(stored_jobs(make_store({"sharp": 5.0, "blunt": 0.0}, studies=4, missing=missing)))
    (difference,) = comparison.differences
    assert difference.studies == 1
    assert np.isnan(difference.p_adjusted)
    assert not difference.separable
    assert not comparison.approaches[0].beats_prior


def test_a_split_without_any_label_is_an_error(make_store) -> None:
    store = make_store({"mil": 2.0}, floor=None)
    path = split_folder(store) / "labels.csv"
    labels = pd.read_csv(path)
    labels[list(TARGET_NAMES)] = None
    labels.to_csv(path, index=False)
    split = SplitFolder(path.parent)
    split.write({path.name: path.read_text()}, split.record())  # with the checksum of what it now says
    with pytest.raises(DataError, match="all weights are 0"):
        compare(stored_jobs(store))


def test_an_incomplete_approach_is_marked_and_compared_on_common_studies_alone(make_store) -> None:
    store = make_store({"whole": 2.0, "part": 2.5}, missing={("part", 0, 3)})
    comparison = compare(stored_jobs(store), resamples=500)
    whole, part = comparison.approaches
    assert (whole.approach, part.approach) == ("whole", "part")  # complete ones first, whatever the score
    assert not part.complete
    assert "incomplete: 3 of 4 folds finished (folds 0, 1, 2)" in part.notes
    assert part.studies < whole.studies == 40
    (difference,) = comparison.differences
    assert difference.studies == part.studies
    alone = compare([job for job in stored_jobs(store) if job.fold != 3], resamples=500)
    scores = {result.approach: result.estimate.score for result in alone.approaches}
    assert difference.paired.difference == pytest.approx(scores["whole"] - scores["part"])
    assert any("different folds finished" in note for note in comparison.notes)


def test_approaches_without_a_common_study_are_not_compared(make_store) -> None:
    missing = {("first", 0, 0), ("first", 0, 1), ("second", 0, 2), ("second", 0, 3)}
    comparison = compare(stored_jobs(make_store({"first": 2.0, "second": 2.0}, missing=missing)), resamples=200)
    assert comparison.differences == ()


def test_a_seed_that_lacks_a_fold_is_left_out_and_said(make_store) -> None:
    store = make_store({"mil": 2.0}, seeds=(0, 1), missing={("mil", 1, 2)})
    (result,) = compare(stored_jobs(store), resamples=200).approaches
    assert result.seeds == (0,)
    assert result.complete
    assert any("seed 1" in note for note in result.notes)


def test_failed_jobs_count_nowhere_and_are_named(make_store) -> None:
    comparison = compare(stored_jobs(make_store({"mil": 2.0}, failed={("mil", 0, 1)})), resamples=200)
    assert [(job.status, job.reason) for job in comparison.unfinished] == [("failed", "out of memory")]
    assert not comparison.approaches[0].complete
    assert comparison.excluded == {77: "no readable series"}


def test_results_of_different_sources_are_told(make_store) -> None:
    store = make_store({"mil": 2.0})
    jobs = stored_jobs(store)
    changed = StoredJob(**{**vars_of(jobs[0]), "fingerprint": {"source of bench.training": "b"}})
    (result,) = compare([changed, *jobs[1:]], resamples=200).approaches
    assert any("source of bench.training" in note for note in result.notes)


def vars_of(job: StoredJob) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__dataclass_fields__}


def test_data_sets_are_never_compared_with_each_other(make_store) -> None:
    store = make_store({"mil": 2.0})
    make_store({"mil": 2.0, "sequence": 2.0}, dataset="rsna2024", floor=None)
    comparisons = compare_each(stored_jobs(store), resamples=200)
    assert [(c.dataset, len(c.approaches)) for c in comparisons] == [("phantom:small", 1), ("rsna2024", 2)]
    assert comparisons[1].approaches[0].skill is None
    with pytest.raises(UsageError, match="jobs of 2 splits"):
        compare(stored_jobs(store))


def test_sections_that_differ_in_their_images_alone_name_each_other(make_store) -> None:
    store = make_store({"mil": 2.0})
    (alone,) = compare_each(stored_jobs(store), resamples=200)
    assert not any("Another section" in note for note in alone.notes)
    make_store({"mil": 2.0}, data_hash="e" * 64)
    first, second = compare_each(stored_jobs(store), resamples=200)
    assert any("data eeeeeeee" in note and "--data" in note for note in first.notes)
    assert any("data dddddddd" in note and "--data" in note for note in second.notes)


def test_what_ran_in_a_notebook_is_marked(make_store) -> None:
    store = make_store({"mil": 2.0, "mine": 2.0})
    for job in stored_jobs(store):
        if job.approach == "mine" and job.fold == 1:
            job.result.model_copy(update={"in_process": True}).write(job.files.result)
            job.files.finish()
    comparison = compare(stored_jobs(store), resamples=200)
    marked = {
        result.label: (result.in_process, any("notebook" in note for note in result.notes))
        for result in comparison.approaches
    }
    assert marked == {"mil-quick": (False, False), "mine-quick": (True, True)}


def test_nothing_finished_is_an_error_with_the_cure(make_store) -> None:
    store = make_store({"mil": 2.0}, failed={("mil", 0, fold) for fold in range(4)})
    with pytest.raises(UsageError, match=r"no finished job.*bench run"):
        compare_each(stored_jobs(store))


def test_a_split_without_its_labels_is_an_error(make_store) -> None:
    store = make_store({"mil": 2.0})
    (split_folder(store) / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"labels\.csv is gone"):
        compare(stored_jobs(store))


@pytest.mark.parametrize(("studies", "warned"), [(20, True), (40, False)])
def test_few_studies_are_warned_of(make_store, studies: int, warned: bool) -> None:
    comparison = compare(stored_jobs(make_store({"mil": 2.0}, studies=studies)), resamples=200)
    assert any("too optimistic" in note for note in comparison.notes) is warned
