"""PSNR and SSIM of enlarged crops against the slices that they were made from, on studies that were not trained on.

Run it as ``python tests/evidence/multitask/superres.py --dataset standard:0``; ``--weights FILE`` adds a local network.
Crops of the annotators' points at native resolution are averaged over 2 x 2 pixels and enlarged again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from platformdirs import user_cache_path
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from bench import plugins
from bench.approach import Context
from bench.approaches.multitask.superres import FACTOR, Upscaler, upscaler_from_file
from bench.approaches.multitask.superres_config import SuperresConfig
from bench.approaches.multitask.superres_stage import make_upscaler, train_superres
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.data.load import Opened, open_dataset
from bench.imaging.study import Series
from bench.targets import SERIES_DESCRIPTIONS, TARGETS
from bench.testing import make_context
from bench.training.crops import CropReader, Crops

SIDE = 64
_POINTS = 3  # per study and kind


def true_crops(studies: Cohort, context: Context) -> dict[str, Tensor]:
    """By kind (n, 1, 64, 64): native pixels around some of the annotators' points."""
    keypoints = read_keypoints(studies, lambda *_: None)
    reader = CropReader(context.volumes, (SIDE, SIDE))
    crops: dict[str, list[Tensor]] = {kind: [] for kind in SERIES_DESCRIPTIONS}
    for row, study in enumerate(studies.studies):
        for kind, found in crops.items():
            targets = [index for index, target in enumerate(TARGETS) if target.point_series == kind]
            known = [target for target in targets if keypoints.known[row, target]]
            for target in known[:: max(1, len(known) // _POINTS)][:_POINTS]:
                series = study.get(int(keypoints.series[row, target]))
                found.append(_crop(reader, series, int(keypoints.slices[row, target]), keypoints.pixels[row, target]))
    return {kind: torch.cat(found) for kind, found in crops.items() if found}


def _crop(reader: CropReader, series: Series, index: int, pixel: NDArray[np.float64]) -> Tensor:
    size = series.shapes[index][::-1]
    centre = np.clip(np.round(pixel), SIDE // 2, np.maximum(size - SIDE // 2, SIDE // 2)) - 0.5
    matrix = np.array([[SIDE / 2, 0, centre[0]], [0, SIDE / 2, centre[1]]])
    return reader.read(Crops(np.array([series.series_id]), np.array([[index]]), matrix[None]))


def quality(upscaler: Upscaler, crops: Tensor) -> NDArray[np.float64]:
    """(n, 2) PSNR in dB and SSIM of each crop (n, 1, 64, 64)."""
    with torch.inference_mode():
        restored = upscaler(F.avg_pool2d(crops, FACTOR), (SIDE, SIDE)).numpy()[:, 0]
    return np.array(
        [
            (
                peak_signal_noise_ratio(true, found, data_range=1),
                structural_similarity(true, found, data_range=1, gaussian_weights=True, use_sample_covariance=False),
            )
            for true, found in zip(crops.numpy()[:, 0], restored, strict=True)
        ]
    )  # fmt: skip


def measured(upscalers: Mapping[str, Upscaler], crops: Mapping[str, Tensor]) -> list[str]:
    """Lines of a table: means, and the gain over bicubic with its standard error over crops."""
    lines = []
    for kind, some in crops.items():
        plain = quality(upscalers["bicubic"], some)
        for name, upscaler in upscalers.items():
            found = quality(upscaler, some)
            gain, error = (found - plain).mean(axis=0), (found - plain).std(axis=0) / np.sqrt(len(some))
            psnr, ssim = found.mean(axis=0)
            lines.append(
                f"{kind:18} {name:10} n = {len(some):4}  PSNR {psnr:6.2f} dB ({gain[0]:+.2f} ± {error[0]:.2f})  "
                f"SSIM {ssim:.4f} ({gain[1]:+.4f} ± {error[1]:.4f})"
            )
    return lines


def trained(studies: Cohort, folder: Path, opened: Opened) -> Upscaler:
    """The network that the approach would train on these studies."""
    context = make_context(folder, opened.volumes)
    config = SuperresConfig(upscaler="trained")
    train_superres(studies.hidden(), context, config.network)
    return make_upscaler(config, folder)


def opened_phantom(preset: str) -> Opened:
    """A phantom from the cache; built on the first call."""
    named = os.environ.get("BENCH_CACHE")
    cache = Path(named) if named else user_cache_path("rsna-lumbar-bench")
    source = plugins.load("datasets", "phantom")()
    folder = source.locate(preset=preset, data=None, cache=cache, jobs=1, progress=lambda *_: None)
    return open_dataset(source, folder, cache=cache, jobs=1, progress=lambda *_: None)


@click.command()
@click.option("--dataset", default="standard:0", help="A preset of the phantom, and its seed.")
@click.option("--train", "count", default=80, help="Studies to train on.")
@click.option("--held-out", default=100, help="Studies to measure on.")
@click.option("--weights", multiple=True, type=click.Path(path_type=Path), help="Local weights to measure too.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="An empty folder to work in.")
def main(dataset: str, count: int, held_out: int, weights: Sequence[Path], folder: Path) -> None:
    """Print the table."""
    opened = opened_phantom(dataset)
    ids = opened.cohort.study_ids
    upscalers = {"bicubic": Upscaler(), "trained": trained(opened.cohort.subset(ids[:count]), folder, opened)}
    upscalers |= {path.stem: upscaler_from_file(path) for path in weights}
    context = make_context(folder / "measuring", opened.volumes)
    crops = true_crops(opened.cohort.subset(ids[count : count + held_out]), context)
    print(f"phantom:{dataset}, trained on {count} studies, measured on {held_out} others")
    print("\n".join(measured(upscalers, crops)))


if __name__ == "__main__":
    main()
