"""One training step of the published network at its real size, on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.approaches.sequence.fitting import Examples, StudyBatches, sequence_loss
from bench.approaches.sequence.model import SequenceNet
from bench.approaches.sequence.prepare import prepare_studies
from bench.approaches.sequence.slice_choice import KINDS
from bench.testing import make_context

pytestmark = pytest.mark.slow


def test_one_step_at_real_size_changes_what_is_not_frozen(odd, tmp_path: Path, config_of) -> None:
    config = config_of("network.pretrained=false", preset="paper")
    whole = next(study for study in odd.cohort.studies if all(study.of(kind) for kind in KINDS))
    cohort = odd.cohort.subset([whole.study_id])  # the preset's four at once take 16 GB
    context = make_context(tmp_path, odd.volumes)
    folder = context.shared("slices", config.preparation, cohort, prepare_studies)
    batches = StudyBatches(Examples.of(cohort, folder, config, context), config, seed=0)
    batch, images = next(iter(batches.epoch(1)))
    shapes = {tuple(scans.images.shape) for scans in batch.scans.values()}
    assert shapes == {(1, 10, 224, 224)}
    assert 20 < images <= 30
    torch.manual_seed(0)
    model = SequenceNet(config.network, config.preparation).train()
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = sequence_loss(config)(model, batch)["loss"]
    assert 0.5 < float(loss.detach()) < 3
    loss.backward()
    optimizer.step()
    still = [name for name, one in model.named_parameters() if torch.equal(one, before[name])]
    assert not still


def test_every_group_of_rates_has_parameters(config_of) -> None:
    config = config_of("network.pretrained=false", preset="paper")
    names = [name for name, _ in SequenceNet(config.network, config.preparation).named_parameters()]
    for group in config.training.schedule.groups:
        assert any(name.startswith(f"{group}.") for name in names), group
