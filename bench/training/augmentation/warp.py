"""Moving the pixels of images that have been read already, and the points with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.training.augmentation.affine import Matrices, ShiftScaleRotate, shift_scale_rotate

_STEPS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Where the pixels of B changed images come from, in coordinates -1..1 from edge to edge:
    source = affine (output + displacement (output)).

    Attributes:
        displacement: (B, 2, H, W) x and y, at the centres of the output's pixels.
        affine: (B, 2, 3).
    """

    displacement: Tensor
    affine: Tensor

    def images(self, images: Tensor) -> Tensor:
        """Items (B, ..., H, W), all images of an item moved alike; zeros where a source lies outside."""
        height, width = images.shape[-2:]
        moved = _centres(height, width, images) + self.displacement.movedim(1, -1)  # (B, H, W, 2)
        grid = _map(self.affine, moved.flatten(1, 2)).reshape(moved.shape)
        flat = images.reshape(len(images), -1, height, width)
        return F.grid_sample(flat, grid, align_corners=False).reshape(images.shape)

    def points(self, points: Tensor) -> Tensor:
        """Where points (B, ..., 2), as shares 0..1 of width and height, appear; NaN once they have left the image."""
        flat = points.reshape(len(points), -1, 2)
        linear, offset = self.affine[:, None, :, :2], self.affine[:, None, :, 2]
        wanted = torch.linalg.solve(linear, (2 * flat - 1 - offset)[..., None])[..., 0]
        shares = (self._before(wanted) + 1) / 2
        inside = ((shares >= 0) & (shares <= 1)).all(dim=-1, keepdim=True)
        return torch.where(inside, shares, torch.nan).reshape(points.shape)

    def _before(self, wanted: Tensor) -> Tensor:
        """Solve place + displacement(place) = wanted (B, P, 2), by Newton's method on the displacements as sampled.

        A step that makes it worse is taken back and tried again at half its length: at the kinks of a piecewise linear
        field whole steps may run in circles.
        """
        target = torch.nan_to_num(wanted)
        best, error = target, torch.full_like(target[..., :1], torch.inf)
        step, length = torch.zeros_like(target), torch.ones_like(error)
        for _ in range(_STEPS):
            place = best + length * step
            missing, slopes = self._missing(place, target)
            size = missing.norm(dim=-1, keepdim=True)
            better = size < error
            best, error = torch.where(better, place, best), torch.where(better, size, error)
            newton = torch.linalg.solve(slopes, missing[..., None])[..., 0]
            step, length = torch.where(better, newton, step), torch.where(better, 1.0, length / 2)
        return torch.where(torch.isfinite(wanted), best, torch.nan)

    def _missing(self, place: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What is missing to the target (B, P, 2), and how the source moves with the place (B, P, 2, 2)."""
        half = place.new_tensor([1 / self.displacement.shape[3], 1 / self.displacement.shape[2]])
        x, y = place.new_tensor([1.0, 0.0]), place.new_tensor([0.0, 1.0])
        nearby = torch.stack([place, place + x * half, place - x * half, place + y * half, place - y * half], dim=1)
        here, right, left, below, above = self._sampled(nearby).unbind(1)
        slopes = torch.stack([(right - left) / (2 * half[0]) + x, (below - above) / (2 * half[1]) + y], dim=-1)
        return target - place - here, slopes

    def _sampled(self, places: Tensor) -> Tensor:
        """Displacements at places (B, n, P, 2), those of the border outside."""
        found = F.grid_sample(self.displacement, places, align_corners=False, padding_mode="border")
        return found.movedim(1, -1)


def warp_items(
    images: Tensor, points: Tensor | None, warp: Warp, chosen: Sequence[int] | np.ndarray
) -> tuple[Tensor, Tensor | None]:
    """Images and points of the batch, with the warp applied to the chosen items alone."""
    if not len(chosen):
        return images, points
    images = images.clone()
    images[chosen] = warp.images(images[chosen])
    if points is not None:
        points = points.clone()
        points[chosen] = warp.points(points[chosen])
    return images, points


def affine_warp(
    images: Tensor, points: Tensor | None, affine: ShiftScaleRotate, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """`shift_scale_rotate` for images (B, ..., H, W) that have been read, and their points (B, ..., 2) as shares."""
    matrices = draw_affine(len(images), images.shape[-2], images.shape[-1], affine, random)
    chosen = changed_items(matrices)
    still = torch.zeros(len(chosen), 2, *images.shape[-2:], device=images.device)
    return warp_items(images, points, Warp(still, on_device(matrices[chosen], images)), chosen)


def draw_affine(count: int, height: int, width: int, affine: ShiftScaleRotate, random: np.random.Generator) -> Matrices:
    """(B, 2, 3) random maps within -1..1 that keep angles on pixels."""
    half = np.array([width, height]) / 2
    whole = np.concatenate([np.diag(half), np.zeros((2, 1))], axis=1)
    changed = shift_scale_rotate(np.tile(whole, (count, 1, 1)), affine, random)
    return changed / half[:, None]


def changed_items(matrices: Matrices) -> np.ndarray:
    """The items whose map is not the identity."""
    return np.flatnonzero((matrices != np.eye(2, 3)).any(axis=(1, 2)))


def on_device(values: np.ndarray, like: Tensor) -> Tensor:
    """Numbers drawn on the host, as float32 on the images' device."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(like.device)


def _centres(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W, 2) centres of the pixels, in -1..1 from edge to edge."""
    y, x = ((torch.arange(count, device=like.device) * 2 + 1) / count - 1 for count in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def _map(affine: Tensor, places: Tensor) -> Tensor:
    """Places (B, P, 2) through maps (B, 2, 3)."""
    return torch.baddbmm(affine[:, None, :, 2], places, affine[:, :, :2].mT)
