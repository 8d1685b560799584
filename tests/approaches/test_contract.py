from __future__ import annotations

from pathlib import Path

import pytest

from bench.plugins import available
from bench.testing import check_contract

PLUGINS = Path(__file__).parents[1] / "plugins"
HALF_A_MINUTE = {"multitask"}  # its own tests and a smoke run hold it in the gate


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in HALF_A_MINUTE)) for name in available("approaches")],
)
def test_every_approach_keeps_its_promises(name: str, tmp_path: Path, session_cache: Path) -> None:
    check_contract(name, tmp_path, cache=session_cache)


BROKEN = """
import numpy as np
from pathlib import Path
from bench import Approach, Predictions

class Broken(Approach):
    calls = 0
    def fit(self, train, context): self.bias = BIAS
    def predict(self, studies, context):
        Broken.calls += 1
        p = np.full((len(studies), 25, 3), 1 / 3)
        PREDICT
        return Predictions(studies.study_ids, p)
    def save(self, folder): SAVE
    @classmethod
    def load(cls, folder, config):
        new = cls(config); new.bias = 0.0
        return new
"""


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"PREDICT": "p[0, 0] = 1"}, "sum to 3"),
        ({"PREDICT": "p[0, 0] = [Broken.calls / 9, 1 - Broken.calls / 9, 0]"}, "predict called twice"),
        ({"PREDICT": "p[:, 0] = [0.1, 0.9 - 1 / (9 + len(p)), 1 / (9 + len(p))]"}, "depend on the other studies"),
        ({"PREDICT": "p[:, 0] = [self.bias, 1 - self.bias, 0]"}, "save and load changed"),
        ({"SAVE": "(folder / 'weights.pkl').write_bytes(b'')"}, "save wrote weights.pkl"),
        ({"BIAS": "np.random.default_rng().random()", "PREDICT": "p[:, 0] = [self.bias, 1 - self.bias, 0]"}, "changed"),
    ],
)
def test_a_broken_promise_is_found(parts: dict[str, str], message: str, tmp_path: Path, session_cache: Path) -> None:
    text = BROKEN
    for name, default in (("PREDICT", "pass"), ("SAVE", "pass"), ("BIAS", "0.5")):
        text = text.replace(name, parts.get(name, default))
    name = f"broken_{abs(hash(str(parts)))}"
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    with pytest.raises(AssertionError, match=message):
        check_contract(name, tmp_path / "work", paths=[path], cache=session_cache)
