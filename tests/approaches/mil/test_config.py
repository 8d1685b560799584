"""Settings that had another name, and settings that do not fit together."""

from __future__ import annotations

import pytest

from bench import plugins
from bench.approaches.mil import MIL
from bench.approaches.mil.location_config import DepthNetwork
from bench.errors import UsageError
from bench.jobs import config as configuration

PLUGIN = plugins.find("approaches", "mil")


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [
        ("location.together=false", "together", "joint_slices"),
        ("location.agreement=5.0", "agreement", "outlier_threshold_mm"),
        ("severity.change.shift=0.1", "change", "affine"),
        ("severity.light.brightness=0.1", "light", "intensity"),
        ("location.depth.change.rotate=3", "change", "affine"),
        ("location.axial.light.contrast=0.1", "light", "intensity"),
    ],
)
def test_an_old_name_of_a_setting_is_an_error_that_names_the_new_one(setting: str, old: str, new: str) -> None:
    with pytest.raises(UsageError, match=f"the setting '{old}' is now called '{new}'"):
        configuration.resolve(PLUGIN, MIL.Config, preset="quick", overrides=(setting,))


def test_an_extent_has_to_show_something() -> None:
    schedule = {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3}
    with pytest.raises(ValueError, match="left < right and top < bottom"):
        DepthNetwork(extent=[0.5, 0.5, 0.0, 1.0], schedule=schedule)
    with pytest.raises(ValueError, match="leave extent out"):
        DepthNetwork(extent=[0.2, 0.8, 0.0, 1.0], predicts="point", schedule=schedule)
