"""Stage 1b, prediction: the points of the canal or the foramina on the slices that stage 1a found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.keypoints import Keypoints, Note
from bench.imaging.study import Series, Study
from bench.targets import TARGETS
from bench.training.crops import CropReader, neighbour_crops
from bench.training.precision import autocast
from bench.training.stored_network import StoredNetwork
from bench.training.windows import relative_to_pixels, whole

from .location_config import PointNetwork
from .location_networks import SAGITTAL_NEIGHBOURS
from .structures import Structure, View, usual_slice

PointEnsemble = Sequence[tuple[PointNetwork, StoredNetwork]]


class SliceView(NamedTuple):
    """A slice to find points on, and whether its neighbours are shown in reverse."""

    series: Series
    slice_index: int
    reverse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SideSlice:
    """The slice on which the levels of one structure and side are looked for.

    Attributes:
        row: of the study.
        side: its targets.
        slices: (5,) the slice of each level.
        view: the slice that the network is shown.
        output: the first of the network's outputs that are these targets.
    """

    row: int
    side: View
    slices: NDArray[np.int64]
    view: SliceView
    output: int


class PointFinder:
    """Finds the points of one structure.

    Args:
        structure: canal or foramina.
        networks: the ensemble.
        outputs: for each of the structure's sides the first of its network outputs.
        trained: (25,) targets of which the training studies have points; no other is located.
        context: of the job.
    """

    def __init__(
        self,
        structure: Structure,
        networks: PointEnsemble,
        outputs: Sequence[int],
        trained: NDArray[np.bool_],
        context: Context,
    ) -> None:
        self.structure, self.networks, self.outputs = structure, networks, outputs
        self.trained, self.context = trained, context

    def locate(self, studies: Sequence[Study], slices: NDArray[np.float64], keypoints: Keypoints, note: Note) -> None:
        """Put the structure's points into ``keypoints``. ``slices``: (N, 25) by stage 1a, NaN where unknown."""
        shown = [
            one for row, study in enumerate(studies) for one in self._slices_to_show(row, study, slices[row], note)
        ]
        if not self.networks or not shown:
            return
        views = [one.view for one in shown]
        found = find_points(self.networks, views, self.context, neighbours=SAGITTAL_NEIGHBOURS)  # (B, P, 2)
        for one, pixels in zip(shown, found, strict=True):
            for level, target in enumerate(one.side.targets):
                if self.trained[target]:
                    series_id, index = one.view.series.series_id, int(one.slices[level])
                    keypoints.set(one.row, target, series_id, index, pixels[one.output + level])

    def _slices_to_show(self, row: int, study: Study, slices: NDArray[np.float64], note: Note) -> list[SideSlice]:
        name, description = self.structure.name, self.structure.description
        series = study.main_series(description)
        if series is None:
            note(study.study_id, f"no {description}: {name} not located, its bags are blank")
            return []
        if len(study.of(description)) > 1:
            note(study.study_id, f"several {description}: {name} looked for in the one with most slices")
        note_untrained(study, self.structure.targets, self.trained, note)
        shown = []
        for output, side in zip(self.outputs, self.structure.sides, strict=True):
            own = slices[list(side.targets)]
            if np.isnan(own).any():
                note(study.study_id, f"{name}: no network predicts the slice, taken where it usually lies")
                own = np.full(len(side.targets), float(usual_slice(side, series)))
            rounded = np.clip(np.round(own), 0, len(series) - 1).astype(np.int64)
            view = SliceView(series, int(np.median(rounded)), side.reverse)
            shown.append(SideSlice(row, side, rounded, view, output))
        return shown


def note_untrained(study: Study, targets: Sequence[int], trained: NDArray[np.bool_], note: Note) -> None:
    """Note which targets cannot be located since no training study has a point of them."""
    names = [TARGETS[target].name for target in targets if not trained[target]]
    if names:
        note(study.study_id, f"no training study has a point of {', '.join(names)}: not located, bags blank")


@torch.inference_mode()
def find_points(
    networks: PointEnsemble,
    views: Sequence[SliceView],
    context: Context,
    *,
    neighbours: int,
    batch_size: int = 32,
) -> NDArray[np.float64]:
    """(B, P, 2) pixels of the points on some slices: the mean of all networks."""
    matrices = np.stack([whole(view.series, view.slice_index) for view in views])  # (B, 2, 3)
    series, indices, reverse = zip(*views, strict=True)
    crops = neighbour_crops(series, indices, matrices, neighbours, reverse)
    total = np.zeros((len(crops), 1, 2))
    for config, stored in networks:
        model = stored.load(context.device)
        reader = CropReader(context.volumes, config.size, context.device)
        outputs = []
        for start in range(0, len(crops), batch_size):
            images = reader.read(crops.take(np.arange(start, min(start + batch_size, len(crops)))))  # (B, C, H, W)
            with autocast(context.device, context.precision):
                outputs.append(model(images).cpu().double().numpy())  # (B, P, 2)
        del model  # before the next one goes to the device
        total = total + np.concatenate(outputs)
    relative = total / len(networks)
    return np.stack([relative_to_pixels(matrix, points) for matrix, points in zip(matrices, relative, strict=True)])
