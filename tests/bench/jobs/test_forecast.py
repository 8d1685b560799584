"""The forecast of a run: unknown where an approach tells nothing or fails, and remembered between jobs."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from bench.approach import NetworkUse, StudyCounts
from bench.comparison.formatting import duration
from bench.console.forecast_table import forecast_table, print_forecast
from bench.jobs.forecast import forecast_run, stored_forecast, study_counts

PLUGIN = """
from bench import Approach, Predictions
class Mine(Approach):
    def forecast(self, studies): FORECAST
    def fit(self, train, context): ...
    def predict(self, studies, context): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder, config): return cls(config)
"""


def run(tmp_path: Path, body: str, name: str = "mine"):
    path = tmp_path / f"{name}.py"
    path.write_text(PLUGIN.replace("FORECAST", body))
    counts = [(fraction, study_counts(100, 5, fraction)) for fraction in (1.0, 0.5)]
    return forecast_run([(name, "default", "{}")], [path], counts, 5, probe_s=0)


def test_studies_of_one_job() -> None:
    assert study_counts(1975, 5) == StudyCounts(1580, 395)
    assert study_counts(100, 5, 0.2) == StudyCounts(16, 20)


def test_an_approach_that_does_not_tell_is_unknown(tmp_path: Path) -> None:
    one, part = run(tmp_path, "return None")
    assert (one.label, part.label) == ("mine-default", "mine-default train 0.5")
    assert one.one is None
    assert "does not tell" in one.why


def test_an_approach_that_fails_refuses_nothing(tmp_path: Path) -> None:
    one, _ = run(tmp_path, "raise ValueError('no such\\nthing')", "failing")
    assert (one.one, one.why) == (None, "ValueError: no such")


def test_the_table_tells_what_is_known(tmp_path: Path) -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_forecast(console, [*run(tmp_path, "return []", "without"), *run(tmp_path, "return None", "silent")])
    text = console.export_text()
    assert "T4 65 TFLOP/s x 31%" in text
    row = next(line for line in text.splitlines() if "disk beside the cache" in line)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["0.0", "0.0", "unknown", "unknown"]


def test_time_on_this_processor_is_that_of_the_networks_probed(tmp_path: Path) -> None:
    body = """
        import torch
        from bench.approach import NetworkUse
        forward = lambda network, samples: network(torch.zeros(samples, 64))
        return [NetworkUse("one", lambda: torch.nn.Linear(64, 64), forward, 64, 1, trained=10**9 * studies.train)]
"""
    path = tmp_path / "computing.py"
    path.write_text(PLUGIN.replace("FORECAST", body))
    counts = [(fraction, study_counts(100, 5, fraction)) for fraction in (1.0, 0.5)]
    found = forecast_run([("computing", "default", "{}")], [path], counts, 5, probe_s=1.2)
    assert found[0].cpu_rate is not None
    assert found[0].cpu_rate == found[1].cpu_rate
    cells = {column.header: list(column.cells) for column in forecast_table(found).columns}
    rows = dict(
        zip(cells[""], zip(cells["computing-default"], cells["computing-default train 0.5"], strict=True), strict=True)
    )
    assert rows["jobs"] == ("5", "5")
    operations = 2 * 3 * 64 * 64 * 80 * 1e9 * 5
    assert rows["computing on this CPU"][0] == duration(operations / found[0].cpu_rate)
    assert rows["computing on one T4"][0] == duration(operations / (65e12 * 0.31))


def test_an_approach_that_cannot_be_probed_keeps_its_other_figures(tmp_path: Path) -> None:
    body = """
        import torch
        from bench.approach import NetworkUse
        def forward(network, samples):
            images = torch.zeros(samples, 64)
            if images.device.type == "cpu":
                raise RuntimeError("no step here")
            return network(images)
        return [NetworkUse("one", lambda: torch.nn.Linear(64, 64), forward, 64, 1, trained=10**9)]
"""
    path = tmp_path / "shy.py"
    path.write_text(PLUGIN.replace("FORECAST", body))
    counts = [(1.0, study_counts(100, 5))]
    (found,) = forecast_run([("shy", "default", "{}")], [path], counts, 5, probe_s=1.2)
    assert found.one is not None
    assert (found.cpu_rate, found.why) == (None, "on this CPU: RuntimeError: no step here")


def test_jobs_of_equal_folds_remember_the_forecast(tmp_path: Path) -> None:
    from bench.approach import Config

    class Told:
        config = Config()
        asked = 0

        def forecast(self, studies: StudyCounts) -> list[NetworkUse]:
            self.asked += 1
            forward = lambda network, samples: network(torch.zeros(samples, 8))  # noqa: E731
            return [NetworkUse("one", lambda: nn.Linear(8, 4, bias=False), forward, 2, 1, trained=studies.train)]

    approach = Told()
    first, second = (
        stored_forecast(approach, StudyCounts(10, 5), source={}, memory=tmp_path)
        for _ in range(2)  # type: ignore[arg-type]
    )
    assert first == second
    assert first is not None
    assert first.training_multiply_adds == 3 * 10 * 32
    assert approach.asked == 1
    stored_forecast(approach, StudyCounts(11, 5), source={}, memory=tmp_path)  # type: ignore[arg-type]
    assert approach.asked == 2
