"""The trained stages that a fitted approach keeps, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.files.linking import link_or_copy

from .config import MultitaskConfig
from .keypoint_stage import KeypointStatistics, load_keypoints
from .locator import Locator
from .selection import Selector
from .superres import TRAINED, Upscaler
from .superres_stage import make_upscaler

SELECTION, KEYPOINTS, SUPERRES = "selection", "keypoints", "superres"


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """All but the network of the last step.

    Attributes:
        selector: of slices.
        locators: of inner splits.
        statistics: of the training studies' points.
        upscaler: of crops.
        folders: by stage, where its files lie.
    """

    selector: Selector
    locators: list[Locator]
    statistics: KeypointStatistics
    upscaler: Upscaler
    folders: Mapping[str, Path]


def make_parts(folders: Mapping[str, Path], config: MultitaskConfig) -> Parts:
    """The parts that stages wrote into folders."""
    locators, statistics = load_keypoints(folders[KEYPOINTS], config.keypoints)
    selector = Selector.load(folders[SELECTION], config.selection)
    return Parts(selector, locators, statistics, make_upscaler(config.superres, folders.get(SUPERRES)), folders)


def load_parts(folder: Path, config: MultitaskConfig) -> Parts:
    """The parts of a saved approach."""
    names = [SELECTION, KEYPOINTS, *([SUPERRES] if config.superres.upscaler == TRAINED else [])]
    return make_parts({name: folder / name for name in names}, config)


def link_stage(source: Path, target: Path) -> None:
    """Link a stage's files, or copy them where there are no links.

    The stage's own marks and checksums (hidden, or without a suffix) stay behind.
    """
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and path.suffix and not any(part.startswith(".") for part in relative.parts):
            link_or_copy(path, target / relative)
