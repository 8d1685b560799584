"""The metric against an independent slow reference (scikit-learn), and its complaints about bad tables."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from bench.data.cohort import grades_of
from bench.errors import DataError, UsageError
from bench.metric import EPS, PARTS, reduce, reduce_parts, score, score_files, study_terms
from bench.targets import CLASS_WEIGHTS, PROBABILITY_COLUMNS, SEVERITIES, TARGET_NAMES, TARGETS

COLUMNS = list(PROBABILITY_COLUMNS)


def labels_table(grades: np.ndarray) -> pd.DataFrame:
    """A train.csv of grades (N, 25), studies numbered beyond 32 bits."""
    words = np.array([*SEVERITIES, None], dtype=object)[grades]
    table = pd.DataFrame(words, columns=list(TARGET_NAMES))
    table.insert(0, "study_id", 4_290_709_000 + 7 * np.arange(len(grades)))
    return table


def submission_table(solution: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    ids = [f"{study}_{name}" for study in solution["study_id"] for name in TARGET_NAMES]
    table = pd.DataFrame(probabilities.reshape(-1, 3), columns=COLUMNS)
    table.insert(0, "row_id", ids)
    return table


def long_table(solution: pd.DataFrame) -> pd.DataFrame:
    """The metric's own format of the same labels; unlabelled rows have empty cells."""
    rows = []
    for _, study in solution.iterrows():
        for name in TARGET_NAMES:
            one_hot = [np.nan] * 4
            if isinstance(study[name], str):
                grade = SEVERITIES.index(study[name])
                one_hot = [*np.eye(3)[grade], 2**grade]
            rows.append([f"{study['study_id']}_{name}", *one_hot])
    return pd.DataFrame(rows, columns=["row_id", *COLUMNS, "sample_weight"])


def reference(solution: pd.DataFrame, submission: pd.DataFrame) -> dict[str, float]:
    """The metric as its description tells it, row by row, scikit-learn taking the logarithms."""
    merged = long_table(solution).merge(submission, on="row_id", suffixes=("", "_said")).dropna()
    merged["study"] = merged["row_id"].str.split("_").str[0]
    said = merged[[f"{column}_said" for column in COLUMNS]].to_numpy()
    clipped = np.clip(said, EPS, 1 - EPS)
    normalised = clipped / clipped.sum(axis=1, keepdims=True)  # what scikit-learn <= 1.4 did itself
    losses = {}
    for condition in ("spinal", "foraminal", "subarticular"):
        of_it = merged["row_id"].str.contains(condition).to_numpy()
        if of_it.any():
            truth = merged.loc[of_it, COLUMNS].to_numpy()
            losses[condition] = log_loss(truth, normalised[of_it], sample_weight=merged.loc[of_it, "sample_weight"])
    spinal = merged[merged["row_id"].str.contains("spinal")].groupby("study")
    if len(spinal):
        worst = spinal[["severe", "severe_said", "sample_weight"]].max()
        losses["any_severe_spinal"] = log_loss(
            worst["severe"],
            worst["severe_said"].clip(EPS, 1 - EPS),
            labels=[0, 1],
            sample_weight=worst["sample_weight"],
        )
    return losses


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random labels and predictions: missing labels, scarce classes, exact 0 and 1, rows that do not sum to 1."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    studies = draw(st.integers(1, 8))
    shares = draw(
        st.sampled_from([(0.2, 0.5, 0.2, 0.1), (0, 1, 0, 0), (0, 0, 0, 1), (0.6, 0.2, 0.1, 0.1), (0, 0.5, 0.5, 0)])
    )
    grades = random.choice([-1, 0, 1, 2], size=(studies, 25), p=shares)
    grades[0, -1] = 1  # something has to be labelled
    probabilities = random.dirichlet([0.3] * 3, size=(studies, 25))
    if draw(st.booleans()):  # zeros in rows of at most 1: of others, scikit-learn would clip the quotient once more
        probabilities[random.random(probabilities.shape) < 0.1] = 0.0
        probabilities *= random.uniform(0.3, 1.0, size=(studies, 25, 1))
    elif draw(st.booleans()):
        probabilities *= random.uniform(0.3, 1.0 / probabilities.max(axis=-1, keepdims=True))
    solution = labels_table(grades)
    return solution, submission_table(solution, probabilities).sample(frac=1, random_state=int(random.integers(1000)))


def often(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property of which the default tests try a fifth of the examples, and ``-m slow`` all."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("count", [examples // 5, pytest.param(examples, marks=pytest.mark.slow)])
        def test(count: int) -> None:
            settings(max_examples=count, deadline=None)(check)()

        return test

    return decorate


@often(60)
@given(tables())
def test_equals_a_slow_reference(drawn: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    solution, submission = drawn
    expected = reference(solution, submission)
    for truth in (solution, long_table(solution).sample(frac=1, random_state=1)):
        result = score(truth, submission)
        for part in PARTS:
            assert result.parts[part] == pytest.approx(expected.get(part, np.nan), rel=1e-9, nan_ok=True)
        assert result.score == pytest.approx(np.mean(list(expected.values())), rel=1e-9)
        assert result.rows == solution[list(TARGET_NAMES)].notna().to_numpy().sum()


@often(30)
@given(tables(), st.integers(0, 1000))
def test_resampling_equals_scoring_the_resampled_studies(drawn: tuple[pd.DataFrame, pd.DataFrame], seed: int) -> None:
    solution, submission = drawn
    grades = grades_of(solution)
    by_row = submission.set_index("row_id")
    probabilities = np.array(
        [[by_row.loc[f"{study}_{name}", COLUMNS] for name in TARGET_NAMES] for study in solution["study_id"]],
        dtype=float,
    )
    terms = study_terms(grades, probabilities)
    chosen = np.random.default_rng(seed).integers(0, len(grades), size=(3, len(grades)))
    weights = np.stack([np.bincount(row, minlength=len(grades)) for row in chosen]).astype(float)
    again = [reduce(study_terms(grades[row], probabilities[row])) for row in chosen]
    np.testing.assert_allclose(reduce(terms, weights), again, rtol=1e-9)


def example() -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(5)
    solution = labels_table(random.choice([0, 1, 2], size=(6, 25)))
    return solution, submission_table(solution, random.dirichlet([1, 1, 1], size=(6, 25)))


def test_unlabelled_rows_count_nowhere() -> None:
    solution, submission = example()
    solution.loc[0, "spinal_canal_stenosis_l4_l5"] = None
    before = score(solution, submission)
    row = submission["row_id"] == f"{solution['study_id'][0]}_spinal_canal_stenosis_l4_l5"
    submission.loc[row, COLUMNS] = [0.0, 0.0, 1.0]  # would be the greatest severe probability of the study
    assert score(solution, submission) == before
    assert before.counts == {"spinal": 29, "foraminal": 60, "subarticular": 60, "any_severe_spinal": 6}


def test_any_severe_takes_probabilities_as_submitted() -> None:
    solution, submission = example()
    halved = submission.assign(**{column: submission[column] / 2 for column in COLUMNS})
    whole, half = score(solution, submission), score(solution, halved)
    for part in ("spinal", "foraminal", "subarticular"):
        assert half.parts[part] == pytest.approx(whole.parts[part])
    assert half.parts["any_severe_spinal"] != pytest.approx(whole.parts["any_severe_spinal"], abs=1e-3)


def test_a_row_of_zeros_means_a_third_each_and_is_counted_as_clipped() -> None:
    solution, submission = example()
    submission[COLUMNS] = 0.0
    result = score(solution, submission)
    assert result.parts["foraminal"] == pytest.approx(np.log(3))
    assert result.clipped == 3 * 150


def test_the_worst_loss_is_that_of_the_clipping() -> None:
    solution, submission = example()
    solution[list(TARGET_NAMES)] = "Severe"
    submission[COLUMNS] = [1.0, 0.0, 0.0]
    assert score(solution, submission).parts["spinal"] == pytest.approx(36.0437, abs=1e-4)
    assert score(solution, submission, eps=1e-7).parts["spinal"] == pytest.approx(-np.log(1e-7), abs=1e-4)


def test_the_weight_of_any_severe() -> None:
    solution, submission = example()
    one, none = score(solution, submission), score(solution, submission, any_severe_weight=0.0)
    assert none.score == pytest.approx(np.mean([one.parts[part] for part in PARTS[:3]]))


def test_sample_weights_of_the_long_format_are_honoured() -> None:
    solution, submission = example()
    table = long_table(solution)
    table.loc[~table["row_id"].str.endswith("left_subarticular_stenosis_l1_l2"), "sample_weight"] *= 3
    assert score(table, submission).parts["subarticular"] != pytest.approx(
        score(solution, submission).parts["subarticular"]
    )
    table["sample_weight"] = 3 * long_table(solution)["sample_weight"]
    assert score(table, submission).score == pytest.approx(score(solution, submission).score)


def test_a_part_without_any_label_is_nan_and_left_out_of_the_mean() -> None:
    solution, submission = example()
    solution[[name for name in TARGET_NAMES if "spinal" in name]] = None
    result = score(solution, submission)
    assert np.isnan(result.parts["spinal"])
    assert np.isnan(result.parts["any_severe_spinal"])
    assert result.score == pytest.approx((result.parts["foraminal"] + result.parts["subarticular"]) / 2)


def test_labels_indexed_by_study_are_taken_too() -> None:
    solution, submission = example()
    assert score(solution.set_index("study_id"), submission) == score(solution, submission)


def spoil(submission: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    spoilt = submission.astype({column: object})
    spoilt.loc[[3, 8], column] = value
    return spoilt


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop(index=[3, 8]), "missing row .first: '{}'; 2 such rows"),
        (lambda s: pd.concat([s, s.iloc[[3, 8]]]), "duplicate row_id .first: '{}'; 2 such rows"),
        (
            lambda s: pd.concat([s, s.iloc[[3]].assign(row_id="7_x")]),
            "is not in the solution .first: '7_x'; 1 such row",
        ),
        (lambda s: spoil(s, "moderate", np.nan), "empty cell or NaN .first: '{}'; 2 such rows"),
        (lambda s: spoil(s, "moderate", "much"), "not a number .first: '{}'; 2 such rows"),
        (lambda s: spoil(s, "severe", np.inf), "infinite value .first: '{}'; 2 such rows"),
        (lambda s: spoil(s, "normal_mild", -0.1), "negative value .first: '{}'; 2 such rows"),
        (lambda s: s.drop(columns="severe"), "column 'severe' is missing"),
        (lambda s: s.assign(fold=1), "column 'fold' is not expected"),
    ],
)
def test_a_bad_submission_is_refused(change, message: str) -> None:
    solution, submission = example()
    with pytest.raises(DataError, match=message.format(submission["row_id"][3])) as caught:
        score(solution, change(submission), names=("train.csv", "mine.csv"))
    assert str(caught.value).startswith("mine.csv: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.assign(spinal_canal_stenosis_l1_l2="Bad"),
            "'Bad' is no severity .first: '{}_spinal_canal_stenosis_l1_l2'; 6",
        ),
        (lambda s: pd.concat([s, s.iloc[[0]]]), "duplicate study_id .first: '{}'; 1 such row"),
        (
            lambda s: s.astype({"study_id": object}).assign(study_id="x"),
            "study_id is not a number .first: 'x'; 6 such rows",
        ),
        (lambda s: s.drop(columns="spinal_canal_stenosis_l1_l2"), "'spinal_canal_stenosis_l1_l2' is missing"),
        (lambda s: s.rename(columns={"study_id": "id"}), "neither a study_id nor a row_id column"),
        (lambda s: s.assign(**dict.fromkeys(TARGET_NAMES)), "no row has a label"),
        (lambda s: long_table(s).assign(severe=1), "labels are not one-hot"),
        (lambda s: long_table(s).assign(sample_weight=0), "sample_weight is 0 in every labelled row"),
        (lambda s: long_table(s).assign(sample_weight=-1), "sample_weight is not a number of at least 0"),
        (lambda s: long_table(s).assign(row_id=[f"1_x{i}" for i in range(150)]), "names no target .first: '1_x0'; 150"),
        (lambda s: long_table(s).drop(columns="sample_weight"), "name the solution first"),
    ],
)
def test_a_bad_solution_is_refused(change, message: str) -> None:
    solution, submission = example()
    with pytest.raises(DataError, match=message.format(solution["study_id"][0])) as caught:
        score(change(solution), submission, names=("train.csv", "mine.csv"))
    assert str(caught.value).startswith("train.csv: ")


def test_ids_compare_as_integers() -> None:
    solution, submission = example()
    expected = score(solution, submission)
    padded = "00" + submission["row_id"]
    assert score(solution, submission.assign(row_id=padded)) == expected
    long = long_table(solution)
    assert score(long.assign(row_id="0" + long["row_id"]), submission).score == pytest.approx(expected.score)
    assert score(solution.assign(study_id="0" + solution["study_id"].astype(str)), submission) == expected


def test_ids_that_are_the_same_integer_are_duplicates() -> None:
    solution, submission = example()
    again = submission.iloc[[3]].assign(row_id="0" + submission["row_id"][3])
    with pytest.raises(DataError, match="duplicate row_id"):
        score(solution, pd.concat([submission, again]))
    twice = pd.concat([solution, solution.iloc[[0]].assign(study_id=f"0{solution['study_id'][0]}")])
    with pytest.raises(DataError, match="duplicate study_id"):
        score(twice, submission)


def test_strict_refuses_rows_that_do_not_sum_to_1() -> None:
    solution, submission = example()
    submission.loc[4, COLUMNS] = [0.5, 0.3, 0.2005]
    score(solution, submission, strict=True)
    submission.loc[4, COLUMNS] = [0.5, 0.3, 0.202]
    with pytest.raises(DataError, match=f"do not sum to 1 .*first: '{submission['row_id'][4]}'; 1 such row"):
        score(solution, submission, strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"row_id,normal_mild,moderate,severe\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a CSV file"),
        (b"row_id,normal_mild\n1_a,.3\n1_b,.3,.4,.5\n", "2 cells too many"),
        (b"row_id,normal_mild,moderate,severe\n1_a,.3,.3,.4,.5\n", "more cells than the header|1 cell too many"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, message: str) -> None:
    solution, _ = example()
    solution.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"mine.csv.* .*({message})"):
        score_files(tmp_path / "train.csv", tmp_path / "mine.csv")


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.csv: no such file"):
        score_files(tmp_path / "nothing.csv", tmp_path / "nothing.csv")


def real_labels() -> pd.DataFrame:
    if "BENCH_REAL_DATA" not in os.environ:
        pytest.skip("BENCH_REAL_DATA is unset: it names the folder with rsna2024/train.csv, the competition's labels")
    return pd.read_csv(Path(os.environ["BENCH_REAL_DATA"]) / "rsna2024" / "train.csv")


def shares(grades: np.ndarray, *, pooled: str, weighted: bool) -> np.ndarray:
    """(25, 3) class shares of all labels, of each condition, or of each condition and level."""
    key = {"all": lambda t: 0, "condition": lambda t: t.condition, "level": lambda t: (t.condition, t.level)}[pooled]
    counts = {key(target): np.zeros(3) for target in TARGETS}
    for target, column in zip(TARGETS, grades.T, strict=True):
        counts[key(target)] += np.bincount(column[column >= 0], minlength=3) * (CLASS_WEIGHTS if weighted else 1)
    return np.array([counts[key(target)] / counts[key(target)].sum() for target in TARGETS])


# Computed from the competition's labels with another implementation.
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((1 / 3, 1 / 3, 1 / 3), 0.99941),
        ((1.0, 0.0, 0.0), 14.63),
        ((0.98, 0.01, 0.01), 1.879),
        ({"pooled": "all", "weighted": False}, 1.0893),
        ({"pooled": "all", "weighted": True}, 0.9202),
        ({"pooled": "condition", "weighted": False}, 1.1087),
        ({"pooled": "condition", "weighted": True}, 0.9108),
        ({"pooled": "level", "weighted": False}, 0.931),
        ({"pooled": "level", "weighted": True}, 0.7900),
    ],
)
def test_reference_scores_on_the_real_labels(said, expected: float) -> None:
    solution = real_labels()
    row = shares(grades_of(solution), **said) if isinstance(said, dict) else np.tile(said, (25, 1))
    result = score(solution, submission_table(solution, np.tile(row, (len(solution), 1, 1))))
    digits = len(str(expected).split(".")[1])
    assert result.score == pytest.approx(expected, abs=0.51 * 10**-digits)
    assert result.rows == 48_803
    assert result.counts["any_severe_spinal"] == 1_974


def test_the_parts_of_the_uniform_prediction_on_the_real_labels() -> None:
    solution = real_labels()
    terms = study_terms(grades_of(solution), np.full((len(solution), 25, 3), 1 / 3))
    np.testing.assert_allclose(reduce_parts(terms), [1.0986, 1.0986, 1.0986, 0.7018], atol=5e-5)
