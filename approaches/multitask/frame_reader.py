"""Reading the localiser's images: a slice's frame with its neighbours, from files or from memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.imaging.study import Series
from bench.targets import AXIAL_T2, SERIES_DESCRIPTIONS
from bench.training.crop_store import CropStore, keep_crops
from bench.training.crops import CropReader, Crops, neighbour_crops

from .frames import Frames
from .keypoint_config import KeypointConfig
from .views import VIEWS, MarkedView

NEIGHBOURS = 1
_KEPT_NEIGHBOURS = 3  # on either side of the middle of the marked slices
_ENLARGED = 1.25  # blocks that are kept, beside their frames: room for shift and rotation


@dataclass(frozen=True, slots=True, eq=False)
class FrameRequest:
    """A frame to be read: a slice with its neighbours, seen as the localiser sees a view."""

    view: int
    series: Series
    slice_index: int
    flip: bool = False
    reverse: bool = False


class FrameReader:
    """Reads frames at the localiser's sizes.

    Args:
        config: of the localiser.
        frames: the crop of every slice.
        context: volumes and device.
    """

    def __init__(self, config: KeypointConfig, frames: Frames, context: Context) -> None:
        self.config, self.frames = config, frames
        sizes = {kind: size_of(config, kind) for kind in SERIES_DESCRIPTIONS}
        readers = {size: CropReader(context.volumes, size, context.device) for size in set(sizes.values())}
        self.readers = {kind: readers[size] for kind, size in sizes.items()}

    def matrices(self, requests: Sequence[FrameRequest]) -> NDArray[np.float64]:
        """(n, 2, 3) the maps of some frames."""
        return np.stack([self.frames.matrix(one.series, one.slice_index, flip=one.flip) for one in requests])

    def read(self, kind: str, requests: Sequence[FrameRequest], matrices: NDArray[np.float64]) -> Tensor:
        """(n, 3, H, W) frames of one kind."""
        series, slices = [one.series for one in requests], [one.slice_index for one in requests]
        crops = neighbour_crops(series, slices, matrices, NEIGHBOURS, [one.reverse for one in requests])
        return self.readers[kind].read(crops)

    def keep(self, kind: str, marked: Sequence[MarkedView]) -> KeptFrames | None:
        """Hold the source pixels around some views of a kind in memory; None if they need more than is allowed."""
        requests = [FrameRequest(one.view, one.series, int(np.median(one.candidates))) for one in marked]
        middle = np.array([one.slice_index for one in requests])
        last = np.array([len(one.series) - 1 for one in requests])
        offsets = np.arange(-_KEPT_NEIGHBOURS, _KEPT_NEIGHBOURS + 1)
        slices = np.clip(middle[:, None] + offsets, 0, last[:, None])
        crops = Crops(np.array([one.series.series_id for one in requests]), slices, self.matrices(requests))
        store = keep_crops(self.readers[kind], crops, enlarge=_ENLARGED, most_mb=self.config.keep_mb)
        return None if store is None else KeptFrames(store, middle, last)


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrames:
    """Views of one kind in memory.

    Attributes:
        store: their pixels.
        middle, last: (N,) the slice in the middle of each block, and the last of its series.
    """

    store: CropStore
    middle: NDArray[np.int64]
    last: NDArray[np.int64]

    def read(self, index: NDArray[np.int64], requests: Sequence[FrameRequest], matrices: NDArray[np.float64]) -> Tensor:
        """(n, 3, H, W) what `FrameReader.read` gives, of the views at (n,) these places.

        A slice that lies farther from the middle than is kept is shown as the farthest that is.
        """
        steps = np.array([-1 if one.reverse else 1 for one in requests])[:, None]
        wanted = np.array([one.slice_index for one in requests])[:, None] + steps * np.arange(
            -NEIGHBOURS, NEIGHBOURS + 1
        )
        slices = np.clip(wanted, 0, self.last[index, None]) - self.middle[index, None] + _KEPT_NEIGHBOURS
        return self.store.read(index, np.clip(slices, 0, 2 * _KEPT_NEIGHBOURS), matrices)


def request(view: int, series: Series, index: int, *, mirror: bool, turned: bool = False) -> FrameRequest:
    """How a view is shown: axial images may be mirrored, sagittal ones have their neighbours in reverse.

    Args:
        view: index into VIEWS.
        series, index: the slice.
        mirror: left foramina look like right ones.
        turned: the patient is mirrored.
    """
    if VIEWS[view].kind == AXIAL_T2:
        return FrameRequest(view, series, index, flip=turned)
    reverse = VIEWS[view].left if mirror and VIEWS[view].kind != VIEWS[0].kind else turned
    return FrameRequest(view, series, index, reverse=reverse)


def size_of(config: KeypointConfig, kind: str) -> tuple[int, int]:
    """(H, W) of a frame of a kind."""
    return config.network.axial_size if kind == AXIAL_T2 else config.network.sagittal_size
