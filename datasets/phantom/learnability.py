"""The phantom is learnable for the right reasons and not for wrong ones: prints the table of the README.

Run it as ``python -m bench.datasets.phantom.learnability --folder DIR``. It scans its studies in memory, keeps what the
readers need under ``--folder``, and every finished row beside it, so that it can be interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from bench.metric import PARTS, reduce, reduce_parts, study_terms

from .canvas import FloatArray
from .labels import tilted
from .learning import baselines
from .learning.data import Examples, make_examples
from .tables import write_json

_HELD_OUT = 400
_RESAMPLES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Studies:
    """Studies to learn from and to be judged by; no study is in both."""

    train: Examples
    held_out: Examples

    def few(self, count: int) -> Studies:
        """The same with the first ``count`` training studies."""
        return Studies(self.train.subset(np.arange(count)), self.held_out)


# A row: (what it is, how it predicts the held-out studies)
Reader = Callable[[Studies], FloatArray]


_trained: dict[tuple[int, int], Any] = {}  # (studies, epochs) -> the network on true crops, used by two rows


def _right_model(studies: Studies, epochs: int) -> Any:
    from .learning.network import train_reader

    key = len(studies.train.grades), epochs
    if key not in _trained:
        _trained[key] = train_reader(studies.train.crops, studies.train.grades, epochs=epochs)
    return _trained[key]


def crops_reader(epochs: int) -> Reader:
    """The small network on crops at the annotators' points."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read

        return read(_right_model(studies, epochs), studies.held_out.crops)

    return predict


def shuffled(epochs: int) -> Reader:
    """Labels of other patients in training."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read, train_reader

        order = np.random.default_rng(0).permutation(len(studies.train.grades))
        model = train_reader(studies.train.crops, studies.train.grades[order], epochs=epochs)
        return read(model, studies.held_out.crops)

    return predict


def other_patient(epochs: int) -> Reader:
    """Trained rightly, then shown the crops of another patient."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read

        return read(_right_model(studies, epochs), np.roll(studies.held_out.crops, 1, axis=0))

    return predict


def muscle(epochs: int) -> Reader:
    """Trained and judged on crops of the back muscles."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read, train_reader

        model = train_reader(studies.train.muscle[:, :, None], studies.train.grades, epochs=epochs)
        return read(model, studies.held_out.muscle[:, :, None])

    return predict


def neighbours(epochs: int) -> Reader:
    """Trained and judged on the crops of the next level."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read, train_reader

        other = [baselines.neighbour(target) for target in range(25)]
        model = train_reader(studies.train.crops[:, other], studies.train.grades, epochs=epochs)
        return read(model, studies.held_out.crops[:, other])

    return predict


def wrong_sequence(epochs: int) -> Reader:
    """The canal on T1 instead of T2; the other targets by the prior."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read, train_reader

        result = baselines.prior(studies.train.grades, len(studies.held_out.grades))
        model = train_reader(studies.train.wrong, studies.train.grades[:, :5], epochs=epochs)
        result[:, :5] = read(model, studies.held_out.wrong)
        return result

    return predict


def right_sequence(epochs: int) -> Reader:
    """The canal on T2, trained alone; the other targets by the prior."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.network import read, train_reader

        result = baselines.prior(studies.train.grades, len(studies.held_out.grades))
        model = train_reader(studies.train.crops[:, :5], studies.train.grades[:, :5], epochs=epochs)
        result[:, :5] = read(model, studies.held_out.crops[:, :5])
        return result

    return predict


def whole_scan(epochs: int) -> Reader:
    """Slices spread over the whole study, without points."""

    def predict(studies: Studies) -> FloatArray:
        from .learning.whole import read_whole, train_whole

        train, test = studies.train, studies.held_out
        return read_whole(
            train_whole(train.sagittal, train.axial, train.grades, epochs=epochs), test.sagittal, test.axial
        )

    return predict


def grey_values(studies: Studies) -> FloatArray:
    """Logistic regression on the histogram of the middle slice's crop."""
    train, test = (baselines.histograms(one.crops[:, :, 1:4]) for one in (studies.train, studies.held_out))
    return baselines.logistic_by_condition(train, studies.train.grades, test)


def intensities(studies: Studies) -> FloatArray:
    """Gradient boosting on statistics of whole images."""
    return baselines.boosted(studies.train.intensities, studies.train.grades, studies.held_out.intensities)


def habits(studies: Studies) -> FloatArray:
    """Gradient boosting on tags, sizes and slice counts."""
    return baselines.boosted(studies.train.habits, studies.train.grades, studies.held_out.habits)


ROWS: dict[str, tuple[str, int, Reader]] = {
    "crops-80": ("CNN on true crops", 80, crops_reader(15)),
    "crops-320": ("CNN on true crops", 320, crops_reader(10)),
    "whole-80": ("CNN on the whole scan", 80, whole_scan(15)),
    "whole-320": ("CNN on the whole scan", 320, whole_scan(15)),
    "histogram": ("logistic regression on grey values of true crops", 320, grey_values),
    "shuffled": ("CNN, labels shuffled between patients", 80, shuffled(5)),
    "muscle": ("CNN on crops of muscle", 80, muscle(10)),
    "neighbour": ("CNN on the neighbouring level's crops", 80, neighbours(8)),
    "neighbour-perfect": (
        "  perfect reader of the neighbouring level", 0,
        lambda studies: baselines.perfect_reader_of_neighbours(studies.held_out.steps),
    ),
    "right": ("CNN on the canal alone, T2", 80, right_sequence(15)),
    "wrong": ("CNN on the canal alone, T1", 80, wrong_sequence(15)),
    "intensities": ("gradient boosting on intensities of whole images", 320, intensities),
    "degeneration": (
        "  perfect reader of disc degeneration", 0,
        lambda studies: baselines.perfect_reader_of_degeneration(studies.held_out.degeneration),
    ),
    "habits": ("gradient boosting on tags, sizes and slice counts", 320, habits),
    "other": ("CNN on true crops, shown another patient's", 80, other_patient(15)),
}  # fmt: skip


def skill_with_interval(grades: NDArray[np.int8], predicted: FloatArray, floor: FloatArray, line: FloatArray) -> dict:
    """Skill of predictions between the prior ``line`` and the ``floor``: 95 % interval over studies, and parts."""
    terms = [study_terms(grades, one) for one in (predicted, line, floor)]
    weights = np.random.default_rng(0).multinomial(len(grades), np.full(len(grades), 1 / len(grades)), _RESAMPLES)
    many = [reduce(one, weights.astype(float)) for one in terms]
    resampled = (many[1] - many[0]) / (many[1] - many[2])
    score, upper, lower = (float(reduce(one)) for one in terms)
    parts = [reduce_parts(one) for one in terms]
    return {
        "score": score,
        "prior": upper,
        "floor": lower,
        "skill": (upper - score) / (upper - lower),
        "interval": [float(value) for value in np.percentile(resampled, [2.5, 97.5])],
        "parts": dict(zip(PARTS, [float(v) for v in (parts[1] - parts[0]) / (parts[1] - parts[2])], strict=True)),
    }


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where examples and rows are kept.")
@click.option("--seed", default=100, show_default=True, help="Of the phantom: the first 400 studies are held out.")
@click.option("--held-out", default=_HELD_OUT, show_default=True)
@click.option("--row", "rows", multiple=True, help="Only these rows, of: " + ", ".join(ROWS))
@click.option("--threads", default=1, show_default=True)
def main(folder: Path, seed: int, held_out: int, rows: tuple[str, ...], threads: int) -> None:
    """Print how well the readers do."""
    import torch

    torch.set_num_threads(threads)
    wanted = rows or tuple(ROWS)
    for name in wanted:
        title, train, reader = ROWS[name]
        path = folder / f"row-{name}-{held_out}.json"
        if not path.is_file():
            write_json(path, {"schema_version": 1, **_row(folder, seed, held_out, train, reader)})
        found = json.loads(path.read_text(encoding="utf-8"))
        low, high = found["interval"]
        parts = "  ".join(f"{part} {value:.2f}" for part, value in found["parts"].items())
        print(f"{title:52s} {train:4d}  {found['skill']:6.3f} [{low:.3f}, {high:.3f}]  {parts}", flush=True)


def _row(folder: Path, seed: int, held_out: int, train: int, reader: Reader) -> dict:
    test = make_examples(folder, seed=seed, first=0, studies=held_out)
    learn = make_examples(folder, seed=seed, first=_HELD_OUT, studies=max(train, 80))
    predicted = reader(Studies(learn, test))
    line = baselines.prior(learn.grades, held_out)
    return skill_with_interval(test.grades, predicted, tilted(test.probabilities), line)


if __name__ == "__main__":
    main()
