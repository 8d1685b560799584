"""Settings that had another name before: the old one is an error that names the new one."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from bench.approach import Config

RENAMED = {
    "change": "affine",
    "light": "intensity",
    "together": "joint_slices",
    "agreement": "outlier_threshold_mm",
}


class Renamed(Config):
    """A part of the configuration in which settings were renamed."""

    @model_validator(mode="before")
    @classmethod
    def _tell_new_names(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for old, new in RENAMED.items():
                if old in values and new in cls.model_fields:
                    raise ValueError(f"the setting {old!r} is now called {new!r}. Use {new!r} instead.")
        return values
