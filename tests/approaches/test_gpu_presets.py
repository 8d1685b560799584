"""The presets ``gpu`` fit one T4: five folds of the competition's 1,975 studies, by the forecast itself."""

from __future__ import annotations

import pytest

from bench import plugins
from bench.approach import StudyCounts
from bench.jobs import config as configuration
from bench.training.forecast.devices import DEVICES
from bench.training.forecast.estimate import estimate

FOLDS, STUDIES = 5, 1975
HOURS = 6
MOST_SLICES_PER_S = 370  # on a slow disk; from memory, one core reads three times as many
MOST_OPERATIONS = 430e15
MOST_GPU_GB, MOST_DISK_GB = 15.0, 60.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mil", "multitask", "sequence"])
def test_five_folds_fit_a_t4(name: str) -> None:
    plugin = plugins.find("approaches", name)
    approach_class = plugins.load_plugin(plugin)
    _, text = configuration.resolve(plugin, approach_class.Config, preset="gpu")
    approach = approach_class(approach_class.Config.model_validate_json(text))
    uses = approach.forecast(StudyCounts(train=STUDIES * (FOLDS - 1) // FOLDS, graded=STUDIES // FOLDS))
    job = estimate(uses, precision="fp16")
    assert FOLDS * job.operations <= MOST_OPERATIONS
    assert DEVICES[0].name == "T4"
    assert DEVICES[0].hours(FOLDS * job.operations) <= HOURS
    assert FOLDS * job.slices / (HOURS * 3600) <= MOST_SLICES_PER_S
    assert job.gpu_memory_gb <= MOST_GPU_GB
    assert job.disk_gb(FOLDS, beside=1) <= MOST_DISK_GB
    assert job.training_multiply_adds > 1e15  # nothing of size was forgotten


@pytest.mark.slow
def test_the_write_up_s_networks_fit_a_t4_and_its_machine() -> None:
    """Not its time: see README.md."""
    plugin = plugins.find("approaches", "mil")
    approach_class = plugins.load_plugin(plugin)
    _, text = configuration.resolve(plugin, approach_class.Config, preset="paper")
    approach = approach_class(approach_class.Config.model_validate_json(text))
    uses = approach.forecast(StudyCounts(train=STUDIES * (FOLDS - 1) // FOLDS, graded=STUDIES // FOLDS))
    job = estimate(uses, precision="fp16")
    assert job.gpu_memory_gb <= MOST_GPU_GB
    assert job.memory_gb <= 4
    assert job.disk_gb(FOLDS, beside=1) <= MOST_DISK_GB


@pytest.mark.parametrize("name", ["mil", "multitask", "sequence"])
def test_the_preset_is_one_pretrained_network_per_task(name: str) -> None:
    plugin = plugins.find("approaches", name)
    approach_class = plugins.load_plugin(plugin)
    _, text = configuration.resolve(plugin, approach_class.Config, preset="gpu")
    approach = approach_class(approach_class.Config.model_validate_json(text))
    uses = approach.forecast(StudyCounts(train=100, graded=25))
    assert text.count('"pretrained":true') == {"mil": 3, "multitask": 2, "sequence": 1}[name]
    assert all(use.count <= 1 for use in uses)
