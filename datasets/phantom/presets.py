"""Presets: how many studies a build makes, how large they are, and whether each is an edge case."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError, unknown

# Part of the folder's name and of its manifest: raised whenever the same seed gives other bytes.
VERSION = 3
# Quoted figures come from seeds of 100 and above; settings are tuned on seeds 0 to 9.
DEFAULT_SEED = 100


@dataclass(frozen=True, slots=True)
class Preset:
    """One size of phantom.

    Attributes:
        name: of the preset.
        studies: default number of studies.
        matrix: "small", "real" or "tiny": from which distribution matrix and slice count are drawn.
        odd: whether each study is made to show one edge case.
        megabytes: mean size of a study on disk.
        prepared_megabytes: the same in the volume cache; 0 where it has not been measured.
    """

    name: str
    studies: int
    matrix: str
    odd: bool = False
    megabytes: float = 0.0
    prepared_megabytes: float = 0.0


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("small", 100, "small", megabytes=4.4, prepared_megabytes=7.1),
        Preset("standard", 500, "small", megabytes=4.4, prepared_megabytes=6.9),
        Preset("full", 1975, "real", megabytes=13.0),
        Preset("odd", 40, "tiny", odd=True, megabytes=1.0),
        Preset("tiny", 8, "tiny", megabytes=0.8, prepared_megabytes=1.0),
    )
}


def parse_preset(text: str | None) -> tuple[Preset, int]:
    """The preset and seed of ``small`` or ``small:7``; the default is the first preset and `DEFAULT_SEED`.

    Raises:
        UsageError: no such preset, or a seed that is not a whole number of 0 or more.
    """
    name, _, seed = (text or next(iter(PRESETS))).partition(":")
    if name not in PRESETS:
        raise unknown("phantom preset", name, PRESETS)
    if not seed:
        return PRESETS[name], DEFAULT_SEED
    if not seed.isdecimal():
        raise UsageError(f"phantom seed {seed!r} is not a whole number of 0 or more. Example: phantom:{name}:7.")
    return PRESETS[name], int(seed)
