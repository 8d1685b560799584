from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.approaches.multitask.classifier import Classifier, head_names
from bench.approaches.multitask.classifier_config import ClassifierConfig
from bench.metric.prior import prior_probabilities
from bench.targets import TARGETS, indices
from bench.training.losses import study_loss

SCHEDULE = {"epochs": 1, "batch_size": 2, "learning_rate": 1e-3}
OWN = {"canal_sagittal": "spinal", "foraminal_sagittal": "foraminal", "recess_axial": "subarticular"}
CONTEXT = {"canal_axial": "spinal", "foraminal_axial": "foraminal"}


def config(**changes) -> ClassifierConfig:
    return ClassifierConfig(backbone="test_resnet", hidden=(8,), schedule=SCHEDULE, **changes)  # type: ignore[arg-type]


def network(**changes) -> Classifier:
    torch.manual_seed(0)
    model = Classifier(config(**changes))
    model.start(np.random.default_rng(0).integers(0, 3, size=(50, 25)).astype(np.int8))
    return model


def crops(present: np.ndarray, streams: dict[str, str]) -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray]]:
    """Random crops of 32 pixels of the targets (B, 25) that are present."""
    torch.manual_seed(1)
    images, there = {}, {}
    for name, condition in streams.items():
        mine = np.zeros_like(present)
        mine[:, indices(condition)] = present[:, indices(condition)]
        there[name] = mine
        images[name] = torch.rand(int(mine.sum()), 3, 32, 32)
    return images, there


EVERY = np.ones((2, 25), dtype=bool)
CONFIGS = [
    ({}, 25),
    ({"heads": "side", "mirror": True}, 15),
    ({"heads": "condition", "mirror": True, "level_bias": True}, 3),
    ({"sharing": "one", "axial_context": True, "hidden": ()}, 25),
]


@pytest.mark.parametrize(("changes", "heads"), CONFIGS)
def test_there_is_a_head_per_condition_level_and_side_unless_they_are_shared(changes, heads: int) -> None:
    model = Classifier(config(**{key: value for key, value in changes.items() if key != "hidden"}))
    assert len(model.heads) == heads
    assert len(head_names(model.config.heads)) == len(TARGETS)


def test_every_target_is_graded_from_its_own_crop_by_its_own_head() -> None:
    model = network().eval()
    images, there = crops(EVERY, OWN)
    for one in images.values():
        one.requires_grad_()
    logits = model(images, there)
    for target, described in enumerate(TARGETS):
        model.zero_grad()
        inputs = list(images.values())
        wanted = (*inputs, *(head.last.weight for head in model.heads.values()))
        found = torch.autograd.grad(logits[1, target, 2], wanted, retain_graph=True, allow_unused=True)
        reached = {
            (name, int(row))
            for name, gradient in zip(images, found, strict=False)
            if gradient is not None
            for row in torch.nonzero(gradient.flatten(1).any(dim=1))
        }
        stream = next(name for name, condition in OWN.items() if condition == described.condition)
        place = int(there[stream][0].sum()) + int(there[stream][1, :target].sum())
        assert reached == {(stream, place)}
        heads = zip(model.heads, found[len(inputs) :], strict=True)
        assert [name for name, gradient in heads if gradient is not None and gradient.any()] == [described.name]


def test_a_target_without_a_crop_gets_the_class_prior_and_teaches_nothing() -> None:
    model = network(level_bias=True).train()
    present = EVERY.copy()
    present[0, 3] = present[1, 12] = False
    logits = model(*crops(present, OWN))
    prior = prior_probabilities(np.random.default_rng(0).integers(0, 3, size=(50, 25)).astype(np.int8))
    expected = torch.from_numpy(prior / prior.sum(axis=1, keepdims=True)).float()
    torch.testing.assert_close(logits[0, 3].softmax(dim=0), expected[3])
    torch.testing.assert_close(logits[1, 12].softmax(dim=0), expected[12])
    grades = torch.full((2, 25), -1)
    grades[0, 3] = 2
    study_loss(logits, grades).backward()
    assert all(one.grad is None or not one.grad.any() for one in model.parameters())


def test_missing_crops_do_not_change_what_others_are_given() -> None:
    model = network().eval()
    images, there = crops(EVERY, OWN)
    whole = model(images, there)
    fewer = {name: present[:1] for name, present in there.items()}
    alone = model({name: one[: int(fewer[name].sum())] for name, one in images.items()}, fewer)
    torch.testing.assert_close(whole[:1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_a_batch_with_a_single_crop_or_none_can_be_trained_on(count: int) -> None:
    model = network(axial_context=True).train()
    present = np.zeros((1, 25), dtype=bool)
    present[0, :count] = True
    logits = model(*crops(present, {**OWN, **CONTEXT}))
    assert torch.isfinite(logits).all()
    assert logits.shape == (1, 25, 3)


def test_the_bias_starts_at_the_class_prior_of_each_level() -> None:
    model = network(level_bias=True, heads="condition", mirror=True)
    for head in model.heads.values():
        torch.nn.init.zeros_(head.last.weight)
        torch.nn.init.zeros_(head.last.bias)
    found = model.eval()(*crops(EVERY, OWN)).softmax(dim=2)
    torch.testing.assert_close(found[0], model.prior, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": "side"}, "needs mirror"),
        ({"heads": "condition", "mirror": True}, "needs level_bias"),
        ({"sizes": [{"first_epoch": 2, "size": 64}]}, "give the first as 1"),
        ({"sizes": [{"first_epoch": 1, "size": 64}, {"first_epoch": 1, "size": 96}]}, "later than the one before"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**changes)


def test_the_size_of_crops_follows_the_epochs() -> None:
    sizes = [{"first_epoch": 1, "size": 64}, {"first_epoch": 11, "size": 128}, {"first_epoch": 16, "size": 256}]
    made = config(sizes=sizes)
    assert [made.size_in(epoch) for epoch in (1, 10, 11, 15, 16, 30)] == [64, 64, 128, 128, 256, 256]
