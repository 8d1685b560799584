"""The split: which study is held out in which fold. One file for all approaches, with a hash.

Studies are stratified over the severities of all targets at once by iterative stratification (Sechidis, Tsoumakas and
Vlahavas: On the stratification of multi-label data, ECML PKDD 2011): the rarest remaining label is distributed first,
each of its studies to the fold that needs most of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import DataError, UsageError
from bench.files.csv_cells import check_cells
from bench.targets import CONDITIONS, TARGETS

FOLD_SEED = 0


def make_folds(
    study_ids: NDArray[np.int64], grades: NDArray[np.int8], folds: int, seed: int = FOLD_SEED
) -> pd.DataFrame:
    """Split studies into folds, stratified over the severities of all targets.

    Args:
        study_ids: (N,) ids.
        grades: (N, 25) grades, -1 where missing.
        folds: number of folds, from 2 to N.
        seed: breaks ties; the default is the suite's split, independent of ``--seed``.

    Returns:
        ``study_id, fold``, sorted by study.
    """
    if not 2 <= folds <= len(study_ids):
        raise UsageError(
            f"--folds {folds}: the data set has {len(study_ids)} usable studies. "
            f"Choose from 2 to {len(study_ids)} folds."
        )
    order = np.argsort(study_ids)
    fold = np.empty(len(study_ids), dtype=np.int64)
    fold[order] = _stratify(_indicators(grades[order]), folds, np.random.default_rng(seed))
    table = pd.DataFrame({"study_id": study_ids, "fold": fold})
    return table.sort_values("study_id", ignore_index=True)


def read_folds(path: Path, study_ids: Collection[int] | None, left_out: Collection[int] = ()) -> pd.DataFrame:
    """Read the user's own split and check it against the cohort.

    Args:
        path: a CSV with the columns study_id and fold (or fold_id), folds numbered from 0.
        study_ids: the studies of the cohort; each must have a fold. None while they are unknown: then the file alone is
            checked.
        left_out: studies of the data set that are not in the cohort; their rows are dropped.

    Raises:
        UsageError: the file is absent or malformed, a study is missing, unknown or in two folds, or the fold
            numbers have a gap.
    """
    try:
        check_cells(path)
        table = pd.read_csv(path)
    except DataError as error:
        raise UsageError(f"--folds {error}") from error
    except FileNotFoundError as error:
        raise UsageError(f"--folds {path}: no such file. Give a whole number, or a CSV with study_id,fold.") from error
    except IsADirectoryError as error:
        raise UsageError(f"--folds {path}: that is a folder. Name a CSV with study_id,fold.") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"--folds {path}: not a readable CSV with the columns study_id,fold ({error}).") from error
    if "fold" not in table.columns:
        table = table.rename(columns={"fold_id": "fold"})  # a common name in published splits
    if not {"study_id", "fold"} <= set(table.columns):
        raise UsageError(f"--folds {path}: the columns must be study_id,fold; the file has {', '.join(table.columns)}.")
    table = table[["study_id", "fold"]]
    whole = pd.DataFrame({name: pd.to_numeric(table[name], errors="coerce") for name in ("study_id", "fold")})
    bad = whole["study_id"].mod(1).ne(0) | whole["fold"].mod(1).ne(0) | whole["fold"].lt(0)  # NaN % 1 is not 0 either
    if bad.any():
        row = table[bad].iloc[0]
        raise UsageError(
            f"--folds {path}: study {row['study_id']} has fold {row['fold']}; both must be whole numbers, folds from 0 "
            f"({int(bad.sum())} such rows)."
        )
    table = whole.astype(np.int64)
    cohort = set(table["study_id"]) if study_ids is None else set(study_ids)
    _check_membership(path, table, cohort, set(left_out))
    table = table[table["study_id"].isin(cohort)].drop_duplicates()
    numbers = sorted(table["fold"].unique())
    if numbers != list(range(len(numbers))) or len(numbers) < 2:
        raise UsageError(f"--folds {path}: folds must be numbered 0, 1, ... without a gap; the file has {numbers}.")
    return table.sort_values("study_id", ignore_index=True)


def fold_hash(table: pd.DataFrame) -> str:
    """The sha256 of a split, of its ``study_id,fold`` lines sorted by study."""
    return hashlib.sha256(fold_csv(table).encode()).hexdigest()


def fold_csv(table: pd.DataFrame) -> str:
    """A split as the text of its CSV."""
    return table.sort_values("study_id")[["study_id", "fold"]].to_csv(index=False, lineterminator="\n")


def training_studies(split: pd.Series, fold: int, fraction: float) -> np.ndarray:
    """The training studies of a fold: all others, or a fraction of them.

    Args:
        split: fold by study id.
        fold: the held-out fold.
        fraction: in (0, 1]; smaller subsets are contained in larger ones.
    """
    others = split.index[split != fold].to_numpy()
    if fraction == 1:
        return others
    shuffled = np.random.default_rng(fold).permutation(others)
    return np.sort(shuffled[: max(2, round(fraction * len(others)))])


def _check_membership(path: Path, table: pd.DataFrame, cohort: set[int], left_out: set[int]) -> None:
    several = table.drop_duplicates()["study_id"].duplicated()
    if several.any():
        study = table.drop_duplicates()["study_id"][several].iloc[0]
        raise UsageError(
            f"--folds {path}: study {study} is in more than one fold ({int(several.sum())} such). "
            "Models would be scored on studies that they were trained on (leakage): give each study one fold."
        )
    missing = sorted(cohort - set(table["study_id"]))
    if missing:
        raise UsageError(f"--folds {path}: study {missing[0]} has no fold ({len(missing)} such). Add it.")
    strange = sorted(set(table["study_id"]) - cohort - left_out)
    if strange:
        raise UsageError(f"--folds {path}: study {strange[0]} is not in the data set ({len(strange)} such).")


def _indicators(grades: NDArray[np.int8]) -> NDArray[np.bool_]:
    """(N, 25 * 3 + 1) one column for each severity of each target, and one for any severe spinal canal."""
    columns = [grades == severity for severity in range(3)]
    spinal = [index for index, target in enumerate(TARGETS) if target.condition == CONDITIONS[0]]
    return np.concatenate([*columns, (grades[:, spinal] == 2).any(axis=1, keepdims=True)], axis=1)


def _stratify(has: NDArray[np.bool_], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    studies = len(has)
    fold = np.full(studies, -1)
    size = np.zeros(folds, dtype=np.int64)
    wanted = np.tile(has.sum(axis=0) / folds, (folds, 1))  # (folds, labels): what each fold still lacks
    shuffled = rng.permutation(studies)

    def deal(study: int, need: NDArray[np.float64]) -> None:
        fold[study] = chosen = _neediest(need, size, studies, rng)
        wanted[chosen] -= has[study]
        size[chosen] += 1

    while (left := has[fold < 0].sum(axis=0)).any():
        label = int(np.argmin(np.where(left > 0, left, studies + 1)))
        for study in shuffled[has[shuffled, label] & (fold[shuffled] < 0)]:
            deal(study, wanted[:, label])
    for study in shuffled[fold[shuffled] < 0]:  # studies without any label
        deal(study, np.zeros(folds))
    return fold


def _neediest(need: NDArray[np.float64], size: NDArray[np.int64], studies: int, rng: np.random.Generator) -> int:
    """The fold below its size limit that needs most of the label; ties go to the smallest fold, then to chance."""
    base, larger = divmod(studies, len(size))
    is_open = (size < base) | ((size == base) & ((size > base).sum() < larger))
    best = np.flatnonzero(is_open)
    best = best[need[best] >= need[best].max() - 1e-9]
    best = best[size[best] == size[best].min()]
    return int(rng.choice(best))
