"""The crops of a study: which series they are on, which targets they show, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import ABSENT, Keypoints
from bench.targets import AXIAL_T2, CONDITIONS, LEVELS, SAGITTAL_T1, SAGITTAL_T2, TARGETS, indices

ALL = len(TARGETS)
_RECESSES = {side: np.array(indices("subarticular", side)) for side in ("left", "right")}


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of crop.

    Attributes:
        name: as in `Windows`.
        kind: series description.
        condition: whose targets it shows.
        own: whether it lies at the target's own point; else it is a context on axial slices.
    """

    name: str
    kind: str
    condition: str
    own: bool

    @property
    def targets(self) -> tuple[int, ...]:
        """Indices into TARGETS, one crop each."""
        return indices(self.condition)


STREAMS = (
    Stream("canal_sagittal", SAGITTAL_T2, "spinal", own=True),
    Stream("foraminal_sagittal", SAGITTAL_T1, "foraminal", own=True),
    Stream("recess_axial", AXIAL_T2, "subarticular", own=True),
    Stream("canal_axial", AXIAL_T2, "spinal", own=False),
    Stream("foraminal_axial", AXIAL_T2, "foraminal", own=False),
)


def used_streams(axial_context: bool) -> tuple[Stream, ...]:
    """The streams of a configuration."""
    return tuple(stream for stream in STREAMS if stream.own or axial_context)


def condition_streams(axial_context: bool) -> dict[str, tuple[Stream, ...]]:
    """By condition its streams, its own first."""
    used = used_streams(axial_context)
    return {one: tuple(stream for stream in used if stream.condition == one) for one in CONDITIONS}


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the crops of B studies lie, one per target of a stream.

    Attributes:
        series, slices: (B, T), ABSENT where there is no crop.
        pixels: (B, T, 2).
        left: (B, T) whether the crop shows the patient's left side.
    """

    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    pixels: NDArray[np.float64]
    left: NDArray[np.bool_]

    @property
    def present(self) -> NDArray[np.bool_]:
        """(B, T) where there is a crop."""
        return self.slices != ABSENT

    def take(self, columns: NDArray[np.int64]) -> Places:
        """With the targets (B, T) exchanged."""
        rows = np.arange(len(columns))[:, None]
        return Places(
            self.series[rows, columns], self.slices[rows, columns], self.pixels[rows, columns], self.left[rows, columns]
        )


_IS_LEFT = np.array([target.side == "left" for target in TARGETS])


def places(keypoints: Keypoints, rows: Sequence[int] | NDArray[np.int64], stream: Stream) -> Places:
    """(B, 25) where the crops of a stream lie for some studies; targets of other conditions are absent."""
    series = np.full((len(rows), ALL), ABSENT)
    slices, pixels = series.copy(), np.full((len(rows), ALL, 2), np.nan)
    left = np.broadcast_to(_IS_LEFT, series.shape)
    targets = np.array(stream.targets)
    here = Keypoints(keypoints.series[rows], keypoints.slices[rows], keypoints.pixels[rows])
    if stream.own:
        sources = targets
    elif stream.condition == "foraminal":
        sources = np.concatenate([_RECESSES["left"], _RECESSES["right"]])
    else:
        return _midway(here, targets, Places(series, slices, pixels, left))
    series[:, targets], slices[:, targets] = here.series[:, sources], here.slices[:, sources]
    pixels[:, targets] = here.pixels[:, sources]
    return Places(series, slices, pixels, left)


def _midway(here: Keypoints, targets: NDArray[np.int64], found: Places) -> Places:
    """The canal's axial crops lie midway between the recesses of a level, on the right one's slice.

    Where they are on different series, or one is unknown, the crop lies at the one that is known, the right one first.
    """
    left, right = _RECESSES["left"], _RECESSES["right"]
    with_right = here.known[:, right]
    for values, result in ((here.series, found.series), (here.slices, found.slices)):
        result[:, targets] = np.where(with_right, values[:, right], values[:, left])
    one = np.where(with_right[..., None], here.pixels[:, right], here.pixels[:, left])
    both = with_right & here.known[:, left] & (here.series[:, left] == here.series[:, right])
    middle = (here.pixels[:, left] + here.pixels[:, right]) / 2
    found.pixels[:, targets] = np.where(both[..., None], middle, one)
    return found


def levels(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The levels, 0 to 4, of some targets."""
    return targets % len(LEVELS)
