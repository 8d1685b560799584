"""What the user asks of a run, and all that can be told to be wrong with it before any data are touched."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data import folds
from bench.errors import UsageError, unknown
from bench.files.places import require_folder, require_usable, require_writable
from bench.jobs import hardware
from bench.jobs.config import DEFAULT_PRESET
from bench.jobs.stopping import Limit

EXECUTORS = ("local", "ray")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
FEWEST_STUDIES = 2  # to train on


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for, as the command line has it."""

    approaches: Sequence[str]
    dataset: str = "phantom"
    data: Path | None = None
    preset: str = DEFAULT_PRESET
    ablations: Sequence[str] = ()
    overrides: Sequence[str] = ()
    folds: str = "5"
    only_folds: Sequence[int] = ()
    seeds: Sequence[int] = (0,)
    train_fractions: Sequence[float] = (1.0,)
    plugins: Sequence[Path] = ()
    out: Path = Path("runs")
    cache: Path = Path()
    device: str = "auto"
    precision: str = "auto"
    jobs: int | None = None
    executor: str = "local"
    timeout_s: float | None = None
    force: bool = False
    only_missing: bool = False
    deterministic: bool = False
    command: str = ""
    limit: Limit | None = None


def check_request(request: Request) -> None:
    """Check every value that needs neither the data nor an approach; nothing is written.

    Raises:
        UsageError: a value makes no sense or cannot be had here; the message names the option and the cure.
    """
    _check_numbers(request)
    check_folds(request)
    _check_machine(request)
    if request.data is not None:
        require_folder(request.data, "--data", "Name the folder that holds train.csv and train_images.")
    require_writable(request.out, "--out")
    require_usable(request.cache, "--cache-dir")


def check_folds(request: Request) -> int:
    """How many folds the split will have.

    Raises:
        UsageError: ``--folds`` is no number of at least 2 and no readable split, or lacks a fold that is asked for.
    """
    count = fold_count(request.folds)
    is_number = count is not None
    if count is None:
        count = int(folds.read_folds(Path(request.folds), None)["fold"].max()) + 1
    elif count < 2:
        raise UsageError(f"--folds {request.folds}: choose 2 or more folds, or name a CSV with study_id,fold.")
    for fold in request.only_folds:
        if fold < 0:
            raise UsageError(f"--fold {fold}: folds count from 0. Choose from 0 to {count - 1}.")
        if fold >= count:
            anew = f"Pass --folds {fold + 1} to split anew, or choose" if is_number else "Choose"
            raise UsageError(
                f"fold {fold} does not exist: the split has {count} folds (0 to {count - 1}). {anew} another --fold."
            )
    return count


def check_studies(request: Request, studies: int, *, what: str) -> None:
    """Check folds and train fractions against the number of studies.

    Args:
        request: what is asked for.
        studies: how many there are; or at most, while the images are unread.
        what: names them in an error.

    Raises:
        UsageError: there are fewer studies than folds, or a fraction leaves too few to train on.
    """
    count = check_folds(request)
    if count > studies:
        raise UsageError(
            f"--folds {request.folds}: {what} has {studies} usable studies. Choose from 2 to {studies} folds."
        )
    training = studies - -(-studies // count)
    for fraction in request.train_fractions:
        if fraction < 1 and round(fraction * training) < FEWEST_STUDIES:
            least = -(-100 * FEWEST_STUDIES // training) / 100
            raise UsageError(
                f"--train-fraction {fraction:g}: that is {round(fraction * training)} of the {training} training "
                f"studies of a fold of {what}, and at least {FEWEST_STUDIES} are needed. Choose {min(least, 1):g} or "
                "more."
            )


def fold_count(wish: str) -> int | None:
    """The number that ``--folds`` is; None where it names a file."""
    try:
        return int(wish)
    except ValueError:
        return None


def _check_numbers(request: Request) -> None:
    if request.force and request.only_missing:
        raise UsageError("--force and --only-missing exclude each other: choose one.")
    for seed in request.seeds:
        if seed < 0:
            raise UsageError(f"--seed {seed}: choose whole numbers of 0 or more.")
    for fraction in request.train_fractions:
        if not 0 < fraction <= 1:
            raise UsageError(f"--train-fraction {fraction:g}: choose a fraction above 0 and at most 1.")
    if request.timeout_s is not None and not request.timeout_s > 0:
        raise UsageError(f"--job-timeout {request.timeout_s:g}: choose a number of seconds above 0.")
    if request.jobs is not None and request.jobs < 1:
        raise UsageError(f"--jobs {request.jobs}: at least 1; omit it for one job per GPU or core.")


def _check_machine(request: Request) -> None:
    if hardware.choose_device(request.device) == "mps" and platform.system() != "Darwin":
        raise UsageError("--device mps: only Apple computers have it. Leave --device out to use what there is.")
    if request.precision not in PRECISIONS:
        raise unknown("--precision", request.precision, PRECISIONS)
    if request.executor not in EXECUTORS:
        raise unknown("executor", request.executor, EXECUTORS)
    if request.executor == "ray" and importlib.util.find_spec("ray") is None:
        raise UsageError("--executor ray needs Ray. Install it: pip install 'rsna-lumbar-bench[ray]'")
