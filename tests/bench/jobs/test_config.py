from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import bench
from bench.approach import Config
from bench.errors import UsageError
from bench.jobs.config import resolve, resolve_remembered
from bench.plugins import Plugin


class Grading(BaseModel, extra="forbid"):
    backbone: str = "test_resnet"
    epochs: int = 3


class Settings(Config):
    severity: Grading = Grading()
    folds: int | None = None
    tags: tuple[str, ...] = ()


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    folder = tmp_path / "mine"
    (folder / "ablations").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "quick.toml").write_text("folds = 2\n[severity]\nepochs = 5\n")
    (folder / "ablations" / "small.toml").write_text("[severity]\nbackbone = 'tiny'\n")
    return Plugin("approaches", "mine", "test", folder)


def values(plugin: Plugin, **options: object) -> dict:
    return json.loads(resolve(plugin, Settings, **options)[1])


def test_preset_ablation_and_overrides_in_this_order(plugin: Plugin) -> None:
    assert values(plugin) == {"severity": {"backbone": "test_resnet", "epochs": 5}, "folds": 2, "tags": []}
    assert values(plugin, ablation="small")["severity"] == {"backbone": "tiny", "epochs": 5}
    assert values(plugin, ablation="small", overrides=["severity.backbone=x"])["severity"]["backbone"] == "x"
    assert resolve(plugin, Settings, ablation="small")[0] == "quick-small"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("severity.epochs=7", "epochs", 7),
        ("severity.backbone=convnext_small.fb_in22k_ft_in1k", "backbone", "convnext_small.fb_in22k_ft_in1k"),
        ("severity.backbone='a b'", "backbone", "a b"),
    ],
)
def test_values_are_toml_or_bare_text(plugin: Plugin, override: str, key: str, value: object) -> None:
    assert values(plugin, overrides=[override])["severity"][key] == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "quik"}, r"unknown preset of mine 'quik'. Did you mean 'quick'\?"),
        ({"ablation": "smal"}, "Did you mean 'small'"),
        ({"overrides": ["severity.epoch=7"]}, "no setting 'severity.epoch'. Did you mean 'severity.epochs'"),
        ({"overrides": ["severity.epochs=many"]}, "severity.epochs = 'many'"),
        ({"overrides": ["severity.epochs"]}, "key=value"),
        ({"overrides": ["folds.deep=1"]}, "'folds' is a single value"),
    ],
)
def test_wrong_names_and_values(plugin: Plugin, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(plugin, Settings, **options)


def test_equal_configurations_have_equal_text(plugin: Plugin) -> None:
    spelled_out = ["tags=[]", "folds=2", "severity.backbone='test_resnet'"]
    assert resolve(plugin, Settings, overrides=spelled_out)[1] == resolve(plugin, Settings)[1]


def test_single_file_has_its_defaults_whatever_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("")
    name, config = resolve(Plugin("approaches", "one", "test", path), Settings, preset="paper")
    assert (name, json.loads(config)["severity"]["epochs"]) == ("default", 3)


def test_damaged_preset_is_named(plugin: Plugin) -> None:
    (plugin.folder() / "quick.toml").write_text("folds = = 2")
    with pytest.raises(UsageError, match=r"quick\.toml is not valid TOML"):
        resolve(plugin, Settings)


def test_what_was_resolved_is_remembered_until_anything_changes(plugin: Plugin, tmp_path: Path) -> None:
    source = plugin.folder() / "__init__.py"
    source.write_text(
        "from bench.approach import Approach, Config\n"
        "class Settings(Config):\n    folds: int = 1\n    severity: dict = {}\n"
        "class Mine(Approach):\n    Config = Settings\n    fit = predict = save = load = None\n"
    )
    imports = []

    def ask(**options: object) -> dict:
        sys.modules.pop("bench.approaches.mine", None)
        _, config = resolve_remembered(plugin, tmp_path / "memory", **options)
        imports.append("bench.approaches.mine" in sys.modules)
        return json.loads(config)

    assert ask()["folds"] == 2
    assert ask()["folds"] == 2
    assert ask(overrides=("folds=9",))["folds"] == 9
    (plugin.folder() / "quick.toml").write_text("folds = 3")
    assert ask()["folds"] == 3
    source.write_text(source.read_text().replace("folds: int", "folds: float"))
    assert ask() == {"folds": 3.0, "severity": {}}
    assert imports == [True, False, True, True, True]


def test_preset_that_extends_another(plugin: Plugin) -> None:
    (plugin.folder() / "smoke.toml").write_text("extends = 'quick'\n[severity]\nepochs = 1\n")
    assert values(plugin, preset="smoke") == {
        "severity": {"backbone": "test_resnet", "epochs": 1}, "folds": 2, "tags": []
    }  # fmt: skip
    (plugin.folder() / "quick.toml").write_text("extends = 'smoke'")
    with pytest.raises(UsageError, match=r"unknown preset, which quick\.toml extends, 'smoke'"):
        values(plugin, preset="smoke")


def test_remembered_name_that_would_leave_the_store_is_not_believed(plugin: Plugin, tmp_path: Path) -> None:
    (plugin.folder() / "__init__.py").write_text(
        "from bench.approach import Approach, Config\n"
        "class Settings(Config):\n    folds: int = 1\n    severity: dict = {}\n"
        "class Mine(Approach):\n    Config = Settings\n    fit = predict = save = load = None\n"
    )
    memory = tmp_path / "memory"
    sys.modules.pop("bench.approaches.mine", None)
    expected = resolve_remembered(plugin, memory, ablation="small")
    (path,) = memory.iterdir()
    for written in ({"name": "../../elsewhere", "config": "{}"}, {"name": None}, [1], {}):
        path.write_text(json.dumps(written))
        assert resolve_remembered(plugin, memory, ablation="small") == expected
    whole = path.read_bytes()
    for damaged in (whole.replace(b'folds\\":2', b'folds\\":9'), whole[:-20], b"", b"\xff", b"null"):
        assert damaged != whole
        path.write_bytes(damaged)
        assert resolve_remembered(plugin, memory, ablation="small") == expected
        assert path.read_bytes() == whole  # made anew


def test_a_memory_that_cannot_be_written_costs_the_import_alone(plugin: Plugin, tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file, where a folder cannot be made")
    (plugin.folder() / "__init__.py").write_text(
        "from bench.approach import Approach, Config\n"
        "class Settings(Config):\n    folds: int = 1\n    severity: dict = {}\n"
        "class Mine(Approach):\n    Config = Settings\n    fit = predict = save = load = None\n"
    )
    sys.modules.pop("bench.approaches.mine", None)
    name, config = resolve_remembered(plugin, tmp_path / "memory")
    assert (name, json.loads(config)["folds"]) == ("quick", 2)


def test_remembered_answer_depends_on_what_the_approach_imports_alone(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(Path(bench.__file__).parent, tree / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(bench, "__path__", [str(tree / "bench")])
    (plugin.folder() / "__init__.py").write_text("from bench.training.loop import Schedule\n")
    asked: list[str] = []

    class Mine:
        Config = Settings

    monkeypatch.setattr("bench.jobs.config.load_plugin", lambda plugin: (asked.append(plugin.name), Mine)[1])

    def asks_anew(module: str) -> bool:
        resolve_remembered(plugin, tmp_path / "memory")
        before = len(asked)
        path = tree / "bench" / module
        path.write_text(path.read_text() + "# edited\n")
        resolve_remembered(plugin, tmp_path / "memory")
        return len(asked) > before

    assert asks_anew("training/loop.py")
    assert asks_anew("jobs/config.py")
    assert not asks_anew("cli/run.py")
    assert not asks_anew("training/crops.py")
    assert not asks_anew("jobs/execute.py")
