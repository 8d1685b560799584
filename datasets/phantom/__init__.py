"""Generated lumbar spine studies in the competition's layout, with the true probability of every label."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.dataset import DataSet, Pending, Progress
from bench.errors import DataError, UsageError
from bench.files.places import require_folder
from bench.targets import PROBABILITY_COLUMNS

from .building import build, is_complete, read_manifest
from .labels import tilted
from .presets import DEFAULT_SEED, PRESETS, VERSION, Preset, parse_preset

__all__ = ["DEFAULT_SEED", "PRESETS", "VERSION", "Phantom", "build"]


class Phantom(DataSet):
    """Generated lumbar spine MRI, built on first use. ``phantom:small:7`` is preset ``small`` with seed 7."""

    presets = tuple(PRESETS)
    caveat = "phantom; ranks approaches on this phantom, not on patients"
    generated = True

    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        """The folder of a preset and seed in ``cache``, built if absent; or ``data`` itself."""
        waits = self.pending(preset=preset, data=data, cache=cache)
        size, seed = parse_preset(preset)
        if waits is not None:
            build(waits.folder, preset=size.name, seed=seed, jobs=jobs, progress=progress)
        return _folder(cache, size, seed) if data is None else data

    def pending(self, *, preset: str | None, data: Path | None, cache: Path) -> Pending | None:
        """The studies of a preset that the cache lacks; None where it or ``data`` holds them."""
        size, seed = parse_preset(preset)
        if data is not None:
            require_folder(data, "--data", f"Build one: bench data build phantom -o {data}.")
            if read_manifest(data) is None:
                raise DataError(f"{data} is not a phantom. Build one, or pass the right --dataset for this folder.")
            return None
        folder = _folder(cache, size, seed)
        wanted = {"version": VERSION, "seed": seed, "preset": size.name, "studies": size.studies}
        if is_complete(folder, wanted):
            return None
        prepared = size.prepared_megabytes * size.studies / 1000 or None
        return Pending(size.studies, self.expected_gigabytes(preset, None), folder, prepared)

    def build(
        self,
        folder: Path,
        *,
        preset: str | None,
        studies: int | None,
        seed: int,
        jobs: int,
        progress: Progress,
        tables_only: bool = False,
    ) -> Path:
        """Build a phantom into a folder; see `building.build`."""
        size, _ = parse_preset(preset)
        if preset is not None and ":" in preset:
            raise UsageError(f"--preset {preset}: pass the seed by --seed {preset.partition(':')[2]} here.")
        return build(
            folder,
            preset=size.name,
            studies=studies,
            seed=seed,
            jobs=jobs,
            progress=progress,
            tables_only=tables_only,
        )

    def expected_gigabytes(self, preset: str | None, studies: int | None) -> float | None:
        """The size in GB, from the mean size of a study of the preset."""
        size, _ = parse_preset(preset)
        return size.megabytes * (size.studies if studies is None else studies) / 1000

    def best_predictions(self, folder: Path) -> pd.DataFrame:
        """The true probabilities that the labels were drawn from, tilted by 1, 2, 4 as the metric rewards."""
        table = pd.read_csv(folder / "posterior.csv")
        table[list(PROBABILITY_COLUMNS)] = tilted(table[list(PROBABILITY_COLUMNS)].to_numpy())
        return table


def _folder(cache: Path, preset: Preset, seed: int) -> Path:
    """Where a generated phantom lies in the cache."""
    return cache / "phantom" / f"{preset.name}-seed{seed}-v{VERSION}"
