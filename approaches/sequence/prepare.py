"""The slices of every study as the network gets them, computed once for all folds and written to disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.approach import SharedContext
from bench.imaging.study import Series, Study
from bench.imaging.volumes import Volumes
from bench.targets import AXIAL_T2
from bench.training.checkpoints import write_tensors
from bench.training.crops import CropReader, Crops
from bench.training.windows import Window, around, axis_signs, whole

from .intensity import adapted
from .scan_config import Preparation, Scan
from .slice_choice import KINDS, SliceRef, choose_slices
from .spine_column import AXIAL_EXTENT, spine_extent

Maps = NDArray[np.float64]


def prepare_studies(studies: tuple[Study, ...], context: SharedContext, config: Preparation) -> None:
    """Write one file per study into the folder of shared work, in parallel; those that are there already are kept."""
    left = [study for study in studies if not study_file(context.folder, study.study_id).exists()]
    done = len(studies) - len(left)
    context.progress(done, len(studies))
    own = threading.local()

    def begin() -> None:
        own.readers = Readers(context.volumes, config)  # open files and kept indices belong to one thread

    def prepare(study: Study) -> None:
        write_study(study_file(context.folder, study.study_id), study, own.readers)

    with ThreadPoolExecutor(context.threads, initializer=begin) as pool:
        for _ in pool.map(prepare, left):
            done += 1
            context.progress(done, len(studies))


def study_file(folder: Path, study_id: int) -> Path:
    """Where the slices of a study lie in the folder of shared work."""
    return folder / f"{study_id}.safetensors"


class Readers:
    """Reads the chosen slices of studies, one crop reader per size."""

    def __init__(self, volumes: Volumes, config: Preparation) -> None:
        self.volumes, self.config = Volumes(volumes.folder) if isinstance(volumes, Volumes) else volumes, config
        sizes = {config.scan(kind).size for kind in KINDS}
        self.crops = {size: CropReader(self.volumes, size) for size in sizes}

    def read(self, slices: Sequence[SliceRef], scan: Scan) -> tuple[NDArray[np.uint8], Maps]:
        """(S, H, W) images, and (S, 3, 3) maps from image coordinates (a, b, 1) in -1..1 to the patient, mm."""
        matrices = self._matrices(slices, scan)
        maps = np.stack(
            [to_patient(series, index, matrix) for (series, index), matrix in zip(slices, matrices, strict=True)]
        )
        if self.config.intensity == "percentile":
            images = self._crops(slices, scan, matrices)
        else:
            images = self._adapted(slices, scan, matrices)
        return np.round(images * 255).astype(np.uint8), maps

    def _matrices(self, slices: Sequence[SliceRef], scan: Scan) -> Maps:
        if scan.window_mm is not None:
            window = Window(reach=scan.window_mm, unit="mm", size=scan.size)
            return np.stack([around(series, index, _middle(series, index), window) for series, index in slices])
        series, index = slices[len(slices) // 2]
        if series.description == AXIAL_T2:
            extent = AXIAL_EXTENT
        else:
            height, width = series.shapes[index]
            x, y = axis_signs(series, index).astype(int)
            extent = spine_extent(self.volumes.array(series.series_id)[index, :height, :width][::y, ::x])
        return np.stack([whole(series, index, extent=extent) for series, index in slices])

    def _crops(self, slices: Sequence[SliceRef], scan: Scan, matrices: Maps) -> NDArray[np.float32]:
        """Each run of slices of one series with one map is read as one block."""
        reader, images = self.crops[scan.size], []
        for start, stop in _runs(slices, matrices):
            indices = np.array([index for _, index in slices[start:stop]])
            crops = Crops(np.array([slices[start][0].series_id]), indices[None], matrices[start : start + 1])
            images.append(reader.read(crops)[0].numpy())
        return np.concatenate(images)

    def _adapted(self, slices: Sequence[SliceRef], scan: Scan, matrices: Maps) -> NDArray[np.float32]:
        """As published: grey values adapted, cropped and resized, and adapted again."""
        images = []
        for (series, index), matrix in zip(slices, matrices, strict=True):
            height, width = series.shapes[index]
            pixels = adapted(self.volumes.array(series.series_id)[index, :height, :width])
            images.append(adapted(_cropped(pixels, matrix, scan.size)))
        return np.stack(images)


def write_study(path: Path, study: Study, readers: Readers) -> None:
    """Write the images, maps, series and slices of every type of scan that the study has, as one file."""
    tensors: dict[str, torch.Tensor] = {}
    for kind in KINDS:
        scan = readers.config.scan(kind)
        slices = choose_slices(study, kind, scan)
        if not slices:
            continue
        images, maps = readers.read(slices, scan)
        places = np.array([(series.series_id, index) for series, index in slices], dtype=np.int64)
        tensors |= {
            f"{kind}/images": torch.from_numpy(images),
            f"{kind}/maps": torch.from_numpy(maps),
            f"{kind}/slices": torch.from_numpy(places),
        }
    write_tensors(path, tensors, {"series": series_of(study)})


def series_of(study: Study) -> list[list[int]]:
    """Id and number of slices of every series: what a study is prepared from, ready for JSON."""
    return sorted([one.series_id, len(one)] for one in study.series)


def to_patient(series: Series, index: int, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) the map from image coordinates (a, b, 1), -1..1, to the patient, from one (2, 3) to the slice's pixels."""
    plane = series.plane(index)
    axes = np.stack([plane.along_x, plane.along_y], axis=1) * plane.spacing  # (3, 2) mm per pixel
    result = axes @ matrix
    result[:, 2] += plane.position
    return result


def _middle(series: Series, index: int) -> NDArray[np.float64]:
    height, width = series.shapes[index]
    return np.array([(width - 1) / 2, (height - 1) / 2])


def _runs(slices: Sequence[SliceRef], matrices: Maps) -> list[tuple[int, int]]:
    """(start, stop) of runs of slices of one series that are read through one map."""
    starts = [0]
    for place in range(1, len(slices)):
        same = slices[place][0] is slices[place - 1][0] and np.array_equal(matrices[place], matrices[place - 1])
        if not same:
            starts.append(place)
    return list(zip(starts, [*starts[1:], len(slices)], strict=True))


def _cropped(pixels: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """A slice (H, W) in 0..1 through a map (2, 3), bicubic as published."""
    height, width = pixels.shape
    theta = matrix / (np.array([width, height]) / 2)[:, None]
    theta[:, 2] += 1 / np.array([width, height]) - 1
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(theta[None].astype(np.float32)), [1, 1, *size], align_corners=False
    )
    image = torch.from_numpy(pixels)[None, None]
    sampled = torch.nn.functional.grid_sample(image, grid, mode="bicubic", align_corners=False)
    return sampled[0, 0].clamp(0, 1).numpy()
