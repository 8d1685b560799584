from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from superres import measured, opened_phantom, quality, trained, true_crops

from bench.approaches.multitask.superres import Upscaler
from bench.testing import make_context


def test_quality_is_perfect_for_what_averaging_does_not_change() -> None:
    flat = torch.full((2, 1, 64, 64), 0.5)
    found = quality(Upscaler(), flat + torch.zeros(2, 1, 64, 64))
    assert (found[:, 0] > 80).all()
    np.testing.assert_allclose(found[:, 1], 1, atol=1e-6)


@pytest.mark.slow
def test_the_trained_network_restores_slices_of_strangers_better_than_bicubic(tmp_path: Path) -> None:
    opened = opened_phantom("tiny:0")
    ids = opened.cohort.study_ids
    upscalers = {"bicubic": Upscaler(), "trained": trained(opened.cohort.subset(ids[:12]), tmp_path, opened)}
    crops = true_crops(opened.cohort.subset(ids[12:]), make_context(tmp_path / "m", opened.volumes))
    for some in crops.values():
        gain = quality(upscalers["trained"], some) - quality(upscalers["bicubic"], some)
        assert (gain.mean(axis=0) > 0).all()
    assert len(measured(upscalers, crops)) == 2 * len(crops)
