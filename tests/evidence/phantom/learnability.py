"""Whether the phantom can be learnt from its images, and only from them: prints the table of its README.

Run it as ``python tests/evidence/phantom/learnability.py --folder DIR``. Scans, trainings and finished rows are kept in
DIR, so that an interrupted run continues from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from learning import baselines
from learning.examples import Examples, make_examples
from numpy.typing import NDArray

from bench.approach import Context
from bench.datasets.phantom.canvas import FloatArray
from bench.datasets.phantom.labels import tilted
from bench.files.atomic import write_json
from bench.metric import PARTS, reduce, reduce_parts, study_terms
from bench.metric.prior import skill
from bench.targets import TARGETS

HELD_OUT = 400  # training studies are numbered from here on, however many of the first ones are held out
_RESAMPLES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Studies:
    """Training and held-out studies, without overlap, and the context that keeps checkpoints."""

    train: Examples
    held_out: Examples
    context: Context


# Returns (N, 25, 3) probabilities for the held-out studies
Reader = Callable[[Studies], FloatArray]
Crops = NDArray[np.uint8]  # (N, T, S, H, W) of the first T targets


def true_crops(studies: Examples) -> Crops:
    """Crops at the annotators' points."""
    return studies.crops


def canal_t2(studies: Examples) -> Crops:
    """Crops of the canal on T2."""
    return studies.crops[:, :5]


def canal_t1(studies: Examples) -> Crops:
    """Crops at the canal's points on T1."""
    return studies.canal_t1


def muscle(studies: Examples) -> Crops:
    """Crops of the back muscles, one slice each."""
    return studies.muscle[:, :, None]


def neighbouring_level(studies: Examples) -> Crops:
    """For each target the crops of the next level."""
    return studies.crops[:, [baselines.neighbour(target) for target in range(len(TARGETS))]]


def cnn(
    epochs: int, crops: Callable[[Examples], Crops], *, shuffle_labels: bool = False, other_patient: bool = False
) -> Reader:
    """The small network on crops; targets without crops are predicted by the class prior.

    Args:
        epochs: of training.
        crops: which crops it is trained on and shown.
        shuffle_labels: train on labels of other patients.
        other_patient: predict each study from the crops of another.
    """

    def predict(studies: Studies) -> FloatArray:
        from learning.bag_reader import read, train_reader

        train, shown = crops(studies.train), crops(studies.held_out)
        grades = studies.train.grades[:, : train.shape[1]]
        if shuffle_labels:
            grades = grades[np.random.default_rng(0).permutation(len(grades))]
        stage = crops.__name__ + "-shuffled" * shuffle_labels
        model = train_reader(train, grades, epochs=epochs, context=studies.context, stage=stage)
        result = baselines.prior(studies.train.grades, len(shown))
        result[:, : train.shape[1]] = read(model, np.roll(shown, int(other_patient), axis=0))
        return result

    return predict


def whole_scan(epochs: int) -> Reader:
    """Slices spread over the whole study, without points."""

    def predict(studies: Studies) -> FloatArray:
        from learning.whole_scan import read_whole, train_whole

        train, test = studies.train, studies.held_out
        model = train_whole(
            train.sagittal, train.axial, train.grades, epochs=epochs, context=studies.context, stage="whole_scan"
        )
        return read_whole(model, test.sagittal, test.axial)

    return predict


def grey_values(studies: Studies) -> FloatArray:
    """Logistic regression on the grey-value histogram of the three middle crops."""
    train, test = (baselines.histograms(one.crops[:, :, 1:4]) for one in (studies.train, studies.held_out))
    return baselines.logistic_by_condition(train, studies.train.grades, test)


def intensities(studies: Studies) -> FloatArray:
    """Gradient boosting on statistics of whole images."""
    return baselines.boosted(studies.train.intensities, studies.train.grades, studies.held_out.intensities)


def acquisition(studies: Studies) -> FloatArray:
    """Gradient boosting on tags, sizes and slice counts."""
    return baselines.boosted(studies.train.acquisition, studies.train.grades, studies.held_out.acquisition)


def perfect_neighbour(studies: Studies) -> FloatArray:
    """A reader that is given the exact severity of the neighbouring level."""
    return baselines.perfect_reader_of_neighbours(studies.held_out.steps)


def perfect_degeneration(studies: Studies) -> FloatArray:
    """A reader that is given the exact degeneration of the discs."""
    return baselines.perfect_reader_of_degeneration(studies.held_out.degeneration)


# name -> (title in the table, training studies, reader)
ROWS: dict[str, tuple[str, int, Reader]] = {
    "crops-80": ("CNN on true crops", 80, cnn(15, true_crops)),
    "crops-320": ("CNN on true crops", 320, cnn(10, true_crops)),
    "whole-80": ("CNN on the whole scan", 80, whole_scan(15)),
    "whole-320": ("CNN on the whole scan", 320, whole_scan(15)),
    "histogram": ("logistic regression on grey values of true crops", 320, grey_values),
    "shuffled": ("CNN, labels shuffled between patients", 80, cnn(5, true_crops, shuffle_labels=True)),
    "muscle": ("CNN on crops of muscle", 80, cnn(10, muscle)),
    "neighbour": ("CNN on the neighbouring level's crops", 80, cnn(8, neighbouring_level)),
    "neighbour-perfect": ("  perfect reader of the neighbouring level", 0, perfect_neighbour),
    "canal-t2": ("CNN on the canal alone, T2", 80, cnn(15, canal_t2)),
    "canal-t1": ("CNN on the canal alone, T1", 80, cnn(15, canal_t1)),
    "intensities": ("gradient boosting on intensities of whole images", 320, intensities),
    "degeneration": ("  perfect reader of disc degeneration", 0, perfect_degeneration),
    "acquisition": ("gradient boosting on tags, sizes and slice counts", 320, acquisition),
    "other": ("CNN on true crops, shown another patient's", 80, cnn(15, true_crops, other_patient=True)),
}


def skill_with_interval(
    grades: NDArray[np.int8], predicted: FloatArray, floor: FloatArray, prior: FloatArray
) -> dict[str, Any]:
    """Skill of predictions (N, 25, 3) between ``prior`` and ``floor``, its 95 % interval over studies, and parts."""
    terms = [study_terms(grades, one) for one in (predicted, prior, floor)]
    weights = np.random.default_rng(0).multinomial(len(grades), np.full(len(grades), 1 / len(grades)), _RESAMPLES)
    draws = [reduce(one, weights.astype(float)) for one in terms]
    resampled = (draws[1] - draws[0]) / (draws[1] - draws[2])
    score, prior_score, floor_score = (float(reduce(one)) for one in terms)
    parts = [reduce_parts(one) for one in terms]
    return {
        "score": score,
        "prior": prior_score,
        "floor": floor_score,
        "skill": skill(score, prior_score, floor_score),
        "interval": [float(value) for value in np.percentile(resampled, [2.5, 97.5])],
        "parts": dict(zip(PARTS, [float(v) for v in (parts[1] - parts[0]) / (parts[1] - parts[2])], strict=True)),
    }


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Folder for scans, trainings and rows.")
@click.option("--seed", default=100, show_default=True, help="Seed of the phantom.")
@click.option(
    "--held-out",
    type=click.IntRange(2, HELD_OUT),
    default=HELD_OUT,
    show_default=True,
    help="Number of held-out studies: the first of the seed.",
)
@click.option("--row", "rows", type=click.Choice([*ROWS]), multiple=True, help="Only this row; may be repeated.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(folder: Path, seed: int, held_out: int, rows: tuple[str, ...], threads: int) -> None:
    """Print one row per reader: training studies, skill with its 95 % interval, and the skill of each part."""
    import torch

    torch.set_num_threads(threads)
    for name in rows or tuple(ROWS):
        title, train, reader = ROWS[name]
        path = folder / f"row-{name}-seed{seed}-{held_out}.json"
        if not path.is_file():
            write_json(path, {"schema_version": 1, **_row(folder, seed, held_out, train, reader)})
        found = json.loads(path.read_text(encoding="utf-8"))
        low, high = found["interval"]
        parts = "  ".join(f"{part} {value:.2f}" for part, value in found["parts"].items())
        print(f"{title:52s} {train:4d}  {found['skill']:6.3f} [{low:.3f}, {high:.3f}]  {parts}", flush=True)


def _row(folder: Path, seed: int, held_out: int, train: int, reader: Reader) -> dict[str, Any]:
    from learning.fitting import training_context

    test = make_examples(folder, seed=seed, first=0, studies=held_out)
    learn = make_examples(folder, seed=seed, first=HELD_OUT, studies=max(train, 80))
    context = training_context(folder / f"training-seed{seed}-{len(learn.grades)}")
    predicted = reader(Studies(learn, test, context))
    prior = baselines.prior(learn.grades, held_out)
    return skill_with_interval(test.grades, predicted, tilted(test.probabilities), prior)


if __name__ == "__main__":
    main()
