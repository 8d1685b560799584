"""`docs/kaggle.ipynb` and `docs/colab.ipynb` install, train, go on and submit on data in the competition's layout.

What only a platform has is replaced: Colab's drive by a module that mounts nothing, Kaggle's command by one that copies
an archive, and the weights of a hub by those of an untrained network.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import timm
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell

from bench import plugins
from bench.datasets.phantom.building import build
from bench.jobs import config as configuration
from bench.jobs.store import stored_jobs
from bench.targets import TARGETS, row_id
from bench.training.backbones import encoder

CHECKOUT = Path(__file__).parents[2]
COMPETITION = "rsna-2024-lumbar-spine-degenerative-classification"
NETWORK = "test_resnet"  # that of the preset smoke
SMOKE = {("mil", "smoke"): dict.fromkeys(("location.sagittal", "location.axial", "severity"), NETWORK)}
KAGGLE_COMMAND = """#!{python}
import shutil, sys
assert sys.argv[1:6] == ["competitions", "download", "-c", "{name}", "-p"], sys.argv
shutil.copy("{archive}", sys.argv[6])
"""


def cells(platform: str) -> list[Any]:
    return nbformat.read(CHECKOUT / "docs" / f"{platform}.ipynb", as_version=4).cells


def cell_with(platform: str, words: str) -> str:
    """The text of the only cell that has these words."""
    (found,) = (cell.source for cell in cells(platform) if words in cell.source)
    return found


def settings_of(platform: str) -> dict[str, Any]:
    """The settings as the notebook has them."""
    (cell,) = (cell for cell in cells(platform) if "parameters" in cell.metadata.get("tags", []))
    values: dict[str, Any] = {}
    exec(cell.source, values)
    return values


class Session:
    """A kernel in which cells are run, as a user does.

    Attributes:
        said: what the notebook showed.
    """

    def __init__(self, client: NotebookClient) -> None:
        self.client = client
        self.said = "".join(self.execute(index) for index in range(len(client.nb.cells)))

    def run(self, source: str) -> str:
        """Run more code, and return what it shows."""
        self.client.nb.cells.append(new_code_cell(source))
        return self.execute(len(self.client.nb.cells) - 1)

    def execute(self, index: int) -> str:
        cell = self.client.execute_cell(self.client.nb.cells[index], index)
        return "".join(output.get("text", "") for output in cell.get("outputs", ()))

    def interrupt_when(self, is_time: Callable[[], Any]) -> None:
        """Interrupt what runs once something is true, in the way in which Jupyter does: the kernel and its children."""

        def watch() -> None:
            while not is_time():
                time.sleep(0.05)
            os.killpg(self.client.km.provisioner.pgid, signal.SIGINT)

        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def session(platform: str, settings: dict[str, Any], folder: Path, *, until: str) -> Iterator[Session]:
    """Run a notebook with other settings up to the cell with these words, in a folder."""
    folder.mkdir(exist_ok=True)
    notebook = nbformat.read(CHECKOUT / "docs" / f"{platform}.ipynb", as_version=4)
    (place,) = (n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    assert settings.keys() <= settings_of(platform).keys()
    changed = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    notebook.cells.insert(place + 1, new_code_cell(changed))
    (last,) = (n for n, cell in enumerate(notebook.cells) if until in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.reset_execution_trackers()
    with client.setup_kernel():
        yield Session(client)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets up what a platform has; returns a folder for commands that come first on the path."""
    commands, modules = tmp_path / "commands", tmp_path / "modules"
    (modules / "google" / "colab").mkdir(parents=True)
    (modules / "google" / "colab" / "drive.py").write_text("def mount(path):\n    print('mounted', path)\n")
    commands.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (CHECKOUT, modules))))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    search = (commands, Path(sys.executable).parent, os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, search)))
    return commands


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """Eight phantom studies in the competition's layout; two of them are to be predicted, in an order of their own."""
    folder = build(tmp_path / "competition", preset="tiny", studies=8, seed=3, jobs=1)
    series = pd.read_csv(folder / "train_series_descriptions.csv")
    chosen = sorted(series["study_id"].unique())[:2]
    for study in chosen:
        shutil.copytree(folder / "train_images" / str(study), folder / "test_images" / str(study))
    series[series["study_id"].isin(chosen)].to_csv(folder / "test_series_descriptions.csv", index=False)
    rows = np.random.default_rng(0).permutation([row_id(study, target) for study in chosen for target in TARGETS])
    columns = {"row_id": rows, "normal_mild": 1 / 3, "moderate": 1 / 3, "severe": 1 / 3}
    pd.DataFrame(columns).to_csv(folder / "sample_submission.csv", index=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["kaggle", "colab"])
def test_the_notebook_trains_goes_on_in_another_session_and_submits(
    platform: str, competition: Path, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in competition.rglob("*")}
    until = "--stop-after"
    if platform == "kaggle":
        write_weights(tmp_path / "weights", (NETWORK,), monkeypatch)
    else:
        archive = shutil.make_archive(str(tmp_path / COMPETITION), "zip", competition)
        command = KAGGLE_COMMAND.format(python=sys.executable, name=COMPETITION, archive=archive)
        (environment / "kaggle").write_text(command)
        (environment / "kaggle").chmod(0o755)

    def settings(work: Path, **more: Any) -> dict[str, Any]:
        paths = {"CACHE": work / "cache", "SUBMISSION": work / "submission.csv", "REPORT": work / "report.html"}
        if platform == "kaggle":
            paths |= {"COMPETITION": competition, "STORE": work / "runs", "WEIGHTS": tmp_path / "weights"}
            more["NETWORKS"] = SMOKE
        else:
            paths |= {"COMPETITION": work / "rsna2024", "STORE": tmp_path / "drive" / "runs"}
            more["DRIVE"] = str(tmp_path / "drive")
        return {name: str(path) for name, path in paths.items()} | {
            "WHEELS": None,
            "FOLDS": 2,
            "PRESET": "smoke",
            **more,
        }

    first = tmp_path / "first"
    changed = settings(first, LIMIT="0.001s")
    store = Path(changed["STORE"])
    with session(platform, changed, first, until=until) as running:
        assert "the time is over: run this cell again to go on" in running.said
        assert "while preparing the data" in running.said
        running.interrupt_when(lambda: records(store))  # as a user does, once something is trained
        with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
            running.run(f"LIMIT = '2h'\n{cell_with(platform, until)}")
        states = [job.status for job in stored_jobs(store)]
        assert "interrupted" in states
        assert "running" not in states  # the cell ended when `bench run` had ended
    kept = records(store)
    assert kept
    assert not (first / "submission.csv").exists()
    if platform == "colab":
        shutil.rmtree(first)  # the machine is gone, the drive is not

    second = tmp_path / "second"
    more = {"EARLIER": changed["STORE"]} if platform == "kaggle" else {}
    changed = settings(second, LIMIT="2h", **more)
    with session(platform, changed, second, until='bench("report"') as running:
        assert "interrupted" in re.search(r"jobs: 2 \((.*)\)", running.said)[1]
        assert "all folds are trained" in running.said
    store = Path(changed["STORE"])
    now = records(store)
    assert len(now) == 2  # one per fold
    assert {name: now[name] for name in kept} == kept  # what was trained was not trained again
    jobs = stored_jobs(store)
    assert [job.status for job in jobs] == ["done", "done"]
    assert not list(store.rglob("replaced"))
    if platform == "kaggle":
        assert all(f"{NETWORK}.safetensors" in job.files.job.read_text() for job in jobs)

    sample = pd.read_csv(competition / "sample_submission.csv")
    assert pd.read_csv(second / "submission.csv")["row_id"].tolist() == sample["row_id"].tolist()
    assert (second / "report.html").stat().st_size > 100_000
    assert {path: path.stat().st_mtime_ns for path in competition.rglob("*")} == before  # the input is only read


def records(store: Path) -> dict[str, str]:
    """The records of finished stages; they say which run finished them, so those of another run differ."""
    found = store.glob("*/*/stages/*/stage.json")
    return {path.parent.name: path.read_text() for path in found if path.parent.suffix != ".building"}


def write_weights(folder: Path, networks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the notebook's code that makes weights files, for these networks, untrained: there is no hub here."""
    text = cell_with("kaggle", "save_file(")
    (code,) = (block for block in re.findall(r"```\n(.*?)```", text, flags=re.DOTALL) if "save_file(" in block)
    code, count = re.subn(r"(?<=for name in )\(.*\)", repr(networks), code)
    assert count == 1
    create = timm.create_model
    folder.mkdir()
    with monkeypatch.context() as changed:
        changed.chdir(folder)
        changed.setattr(timm, "create_model", lambda name, pretrained: create(name))
        exec(code, {})


def pretrained_networks(approach: str, preset: str) -> dict[str, str]:
    """Which settings of a preset take pretrained weights, and of which network."""

    def found(values: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
        if isinstance(values, dict):
            if values.get("pretrained"):
                yield ".".join(key), values["backbone"]
            for name, inner in values.items():
                yield from found(inner, (*key, name))

    plugin = plugins.find("approaches", approach)
    _, text = configuration.resolve(plugin, plugins.load_plugin(plugin).Config, preset=preset)
    return dict(found(json.loads(text)))


def test_the_notebook_names_every_setting_that_takes_weights() -> None:
    names = ("mil", "multitask", "sequence")
    assert settings_of("kaggle")["NETWORKS"] == {(name, "gpu"): pretrained_networks(name, "gpu") for name in names}
    networks = {network for each in settings_of("kaggle")["NETWORKS"].values() for network in each.values()}
    assert set(re.findall(r'"([\w.]+)"', cell_with("kaggle", "save_file(").partition("for name in")[2])) == networks


@pytest.mark.slow
def test_the_weights_files_fit_the_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {network for each in settings_of("kaggle")["NETWORKS"].values() for network in each.values()}
    write_weights(tmp_path / "weights", tuple(networks), monkeypatch)
    for network in networks:
        encoder(network, pretrained=str(tmp_path / "weights" / f"{network}.safetensors"))


def test_an_earlier_store_is_copied_once_and_keeps_its_links(tmp_path: Path) -> None:
    earlier, store = tmp_path / "earlier", tmp_path / "store"
    for folder in (earlier / "stages", store):
        folder.mkdir(parents=True)
    (earlier / "stages" / "weights").write_text("trained")
    os.link(earlier / "stages" / "weights", earlier / "checkpoint")
    values = {"EARLIER": str(earlier), "STORE": str(store), "Path": Path, "subprocess": subprocess}
    exec(cell_with("kaggle", "if EARLIER"), values)
    assert (store / "checkpoint").samefile(store / "stages" / "weights")
    assert (store / "checkpoint").read_text() == "trained"
    (store / "checkpoint").write_text("trained on")
    exec(cell_with("kaggle", "if EARLIER"), values)
    assert (store / "checkpoint").read_text() == "trained on"


def test_what_the_wheels_need_and_lack_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = cell_with("kaggle", "def is_there(")
    exec(check, {"wheels": []})
    assert re.fullmatch(r"all \d+ packages are there\n", capsys.readouterr().out)

    (tmp_path / "needy-1.0.dist-info").mkdir()
    lines = ("no-such-package>=2", "numpy>=999", "click", "xgboost-cpu", 'torch>999; sys_platform == "none"')
    metadata = "Metadata-Version: 2.1\nName: needy\nVersion: 1.0\n" + "".join(
        f"Requires-Dist: {line}\n" for line in lines
    )
    (tmp_path / "needy-1.0.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match=r"^add these to the wheels: no-such-package>=2, numpy>=999$"):
        exec(check, {"wheels": [Path("needy-1.0-py3-none-any.whl")]})


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["kaggle", "colab"])
def test_the_wheels_are_made_and_installed_as_the_notebook_says(
    platform: str, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into a folder of its own, from these wheels alone. Making them needs a package index, as installing does."""
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    for line in re.findall(r"\bpip (?:wheel|download) [^`\n]+", "\n".join(cell.source for cell in cells(platform))):
        line = re.sub(r"(?<= -[wd] )[\w-]+", shlex.quote(str(wheels)), line)
        subprocess.run([sys.executable, "-m", *shlex.split(line)], cwd=CHECKOUT, check=True)
    installed.mkdir()
    for name, value in (
        ("PIP_TARGET", installed),
        ("PIP_CONFIG_FILE", os.devnull),
        ("PYTHONPATH", f"{installed}{os.pathsep}{tmp_path / 'modules'}"),
        ("PATH", f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"),
        *((("PIP_NO_INDEX", 1), ("PIP_NO_DEPS", 1)) if platform == "colab" else ()),  # pip would bring torch, too
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    settings = {"WHEELS": str(wheels)} | ({"DRIVE": str(tmp_path)} if platform == "colab" else {})
    until = "def is_there(" if platform == "kaggle" else "WHEELS is not None"
    with session(platform, settings, tmp_path / "work", until=until) as running:
        assert platform == "colab" or re.search(r"all \d+ packages are there", running.said)
        names = ["bench", "bench.approaches.mil", *(["pydicom", "skops"] if platform == "kaggle" else [])]
        found = running.run(f"from importlib.util import find_spec\nfor n in {names}:\n    print(find_spec(n).origin)")
        assert found.split() == [f"{installed}/{name.replace('.', '/')}/__init__.py" for name in names]
        assert running.run("import shutil\nprint(shutil.which('bench'))").strip() == str(installed / "bin" / "bench")
        assert running.run("bench('--version')").startswith("bench, version ")
        assert "smoke" in running.run("bench('list', 'mil')")
