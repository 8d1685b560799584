"""What nested tensors cost beside a dictionary of present images by kind with a mask, for the localiser's batches.

Run it as ``python tests/evidence/multitask/nested.py``. Both hold the same images: sagittal and axial frames of the
preset ``quick`` (or ``--paper`` sizes) of studies of which some lack images. A convolution takes no nested tensor, so
one has to be taken apart again: image by image, or stacked by size.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
import torch
from torch import Tensor, nn

from bench.training.backbones import encoder

STUDIES, ROUNDS = 4, 15
COUNTS = {"t2": 1, "t1": 2, "axial": 5}


def images(sagittal: tuple[int, int], axial: tuple[int, int]) -> list[tuple[str, Tensor]]:
    """The present images of some studies; one study in four lacks the second T1 image and two axial ones."""
    torch.manual_seed(0)
    found = []
    for study in range(STUDIES):
        for kind, count in COUNTS.items():
            missing = {"t1": 1, "axial": 2}.get(kind, 0) if study == STUDIES - 1 else 0
            size = axial if kind == "axial" else sagittal
            found += [(kind, torch.rand(3, *size)) for _ in range(count - missing)]
    return found


def by_kind(some: list[tuple[str, Tensor]], network: nn.Module) -> None:
    """A dictionary of stacks, the two sagittal kinds together: what the approach does."""
    stacks = [torch.stack([one for kind, one in some if (kind == "axial") is axial]) for axial in (False, True)]
    sum(network(stack).sum() for stack in stacks).backward()


def nested_one_by_one(some: list[tuple[str, Tensor]], network: nn.Module) -> None:
    """A nested tensor, its images sent one by one."""
    batch = torch.nested.nested_tensor([one for _, one in some])
    torch.stack([network(one[None])[0].sum() for one in batch.unbind()]).sum().backward()


def nested_regrouped(some: list[tuple[str, Tensor]], network: nn.Module) -> None:
    """A nested tensor, its images stacked again by their size."""
    batch = torch.nested.nested_tensor([one for _, one in some])
    groups: dict[torch.Size, list[Tensor]] = {}
    for one in batch.unbind():
        groups.setdefault(one.shape, []).append(one)
    sum(network(torch.stack(group)).sum() for group in groups.values()).backward()


def padded(some: list[tuple[str, Tensor]], network: nn.Module) -> None:
    """One dense tensor, padded to the largest size, missing images as zeros."""
    height, width = np.max([one.shape[1:] for _, one in some], axis=0)
    batch = torch.zeros(STUDIES * sum(COUNTS.values()), 3, int(height), int(width))
    for place, (_, one) in enumerate(some):
        batch[place, :, : one.shape[1], : one.shape[2]] = one
    network(batch).sum().backward()


def milliseconds(work: Callable[[], object]) -> float:
    """The median CPU time of some rounds, on one thread."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return 1000 * float(np.median(times))


def convolution_refuses() -> str:
    """What a convolution says to a nested tensor of two sizes."""
    batch = torch.nested.nested_tensor([torch.rand(3, 8, 8), torch.rand(3, 9, 7)])
    try:
        nn.Conv2d(3, 4, 3)(batch)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:90]}"
    return "taken"


@click.command()
@click.option("--paper", is_flag=True, help="The sizes of the preset paper.")
@click.option("--backbone", default="test_resnet")
def main(paper: bool, backbone: str) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    sizes = ((490, 275), (310, 250)) if paper else ((128, 64), (64, 64))
    some, network = images(*sizes), encoder(backbone, channels=3).train()
    print(f"{len(some)} images of {STUDIES} studies, {sizes}, {backbone}, CPU time on one thread; forward and backward")
    print(f"a convolution and a nested tensor: {convolution_refuses()}")
    for way in (by_kind, nested_regrouped, nested_one_by_one, padded):
        print(f"{way.__name__:18} {milliseconds(lambda way=way: way(some, network)):8.1f} ms")


if __name__ == "__main__":
    main()
