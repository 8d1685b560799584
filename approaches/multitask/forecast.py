"""How often each network is used, for a forecast of what a job costs."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bench.approach import NetworkUse, StudyCounts
from bench.targets import AXIAL_T2, CONDITIONS, LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices

from .classifier import Classifier, head_names
from .classifier_config import ClassifierConfig
from .config import MultitaskConfig
from .keypoint_config import KeypointConfig
from .keypoint_stage import untrained
from .locator import CHANNELS, Locator, encoded_by, encoder_key
from .streams import condition_streams, used_streams
from .superres import TRAINED, PixelShuffleNet

FRAMES = {SAGITTAL_T2: 1, SAGITTAL_T1: 2, AXIAL_T2: len(LEVELS)}  # images of a study that the localiser is shown
_STUDIES_PER_BATCH = 8  # in prediction


def network_uses(config: MultitaskConfig, studies: StudyCounts) -> list[NetworkUse]:
    """Every network, as if every study had every series, point and label."""
    uses = [_localiser(config, studies, one_loop=False)] if config.needs_errors and config.keypoints.splits else []
    beside: tuple[str, ...] = ()
    if config.training == "one_loop":
        uses.append(_localiser(config, studies, one_loop=True))
        beside = (uses[-1].name,)
    if config.superres.upscaler == TRAINED:
        uses.append(_superres(config, studies))
    return [*uses, *_classifier(config.classifier, studies, beside, joint=config.joint_gradient)]


def _localiser(config: MultitaskConfig, studies: StudyCounts, *, one_loop: bool) -> NetworkUse:
    """A sample is a study with its eight images."""
    keypoints: KeypointConfig = config.keypoints
    schedule = config.classifier.schedule if one_loop else keypoints.schedule
    splits = 1 if one_loop else keypoints.splits
    left_out = 0.0 if one_loop else studies.train / keypoints.inner_folds
    predicts = one_loop or config.training == "staged"
    return NetworkUse(
        name="localiser in one loop" if one_loop else "localiser",
        build=partial(untrained, keypoints),
        forward=_forward_frames,
        batch_size=schedule.batch_size,
        images=CHANNELS * sum(FRAMES.values()),
        trained=splits * (studies.train - left_out) * schedule.epochs,
        evaluated=splits * left_out,
        predicted=splits * studies.graded if predicts else 0,
        prediction_batch=_STUDIES_PER_BATCH,
        count=splits,
        staged=not one_loop,
        averaged=schedule.average > 0,
        kept_mb=len(FRAMES) * keypoints.keep_mb,
        kept_on_device=True,
    )


def _forward_frames(network: Locator, samples: int) -> dict[str, Tensor]:
    """The images of some studies through the localiser."""
    images = {kind: torch.zeros(samples * count, CHANNELS, *network.size(kind)) for kind, count in FRAMES.items()}
    found: dict[str, Tensor] = network(images)
    return found


def _superres(config: MultitaskConfig, studies: StudyCounts) -> NetworkUse:
    """A sample is a patch of one slice, or a slice of a crop that is enlarged once."""
    network, classifier = config.superres.network, config.classifier
    per_study = studies.series * network.slices_per_series * network.patches_per_slice
    epochs = range(1, classifier.schedule.epochs + 1)
    larger = sum(classifier.size_in(epoch) > classifier.crop_size for epoch in epochs)
    slices = _crops(classifier) * CHANNELS
    return NetworkUse(
        name="super-resolution",
        build=partial(PixelShuffleNet, network),
        forward=partial(_forward_patches, network.patch // 2),
        batch_size=network.schedule.batch_size,
        images=0,  # of patches; crops are counted with the classifier
        trained=studies.train * per_study * network.schedule.epochs,
        evaluated=studies.train * slices * larger,
        predicted=studies.graded * slices if larger else 0,
        prediction_batch=_STUDIES_PER_BATCH * slices,
        staged=True,
    )


def _forward_patches(size: int, network: nn.Module, samples: int) -> Tensor:
    output: Tensor = network(torch.zeros(samples, 1, size, size))
    return output


def _crops(config: ClassifierConfig) -> int:
    """Crops of a study."""
    return sum(len(stream.targets) for stream in used_streams(config.axial_context))


def _classifier(
    config: ClassifierConfig, studies: StudyCounts, beside: tuple[str, ...], *, joint: bool
) -> list[NetworkUse]:
    """A sample is a study with all its crops; one use per size of the schedule, of which the last is stored."""
    held_out = studies.train / config.validation_folds if config.validation_folds else 0.0
    schedule, uses = config.schedule, []
    last = config.size_in(schedule.epochs)
    for size in dict.fromkeys(config.size_in(epoch) for epoch in range(1, schedule.epochs + 1)):
        epochs = sum(config.size_in(epoch) == size for epoch in range(1, schedule.epochs + 1))
        bare = config.model_copy(update={"pretrained": False})
        uses.append(
            NetworkUse(
                name=f"classifier at {size}",
                build=partial(Classifier, bare),
                forward=partial(_forward_crops, size),
                batch_size=schedule.batch_size,
                images=CHANNELS * _crops(config),
                trained=(studies.train - held_out) * epochs,
                evaluated=held_out * epochs,
                predicted=studies.graded if size == last else 0,
                prediction_batch=_STUDIES_PER_BATCH,
                count=1 if size == last else 0,
                averaged=schedule.average > 0,
                kept_mb=config.keep_mb,
                kept_on_device=True,
                beside=beside,
                joint=joint,
            )
        )
    return uses


def _forward_crops(size: int, network: Classifier, samples: int) -> list[Tensor]:
    """The crops of some studies through backbones and heads."""
    config = network.config
    counts: dict[str, int] = {}
    for stream in network.streams:
        key = encoder_key(stream.kind, config.sharing)
        counts[key] = counts.get(key, 0) + samples * len(stream.targets)
    outputs = [
        encoded_by(network.encoders[key], torch.zeros(count, CHANNELS, size, size)) for key, count in counts.items()
    ]
    names, streams = head_names(config.heads), condition_streams(config.axial_context)
    for condition in CONDITIONS:
        width = network.num_features * len(streams[condition])
        of_heads = [names[target] for target in indices(condition)]
        features = {name: torch.zeros(samples * of_heads.count(name), width) for name in of_heads}
        outputs += [network.heads[name](one) for name, one in features.items()]
    return outputs
