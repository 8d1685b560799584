"""Super-resolution of crops: bicubic, a small pixel-shuffle network, or local weights of a known architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import BenchError

from .superres_config import SuperresNetwork

BICUBIC, TRAINED = "bicubic", "trained"
FACTOR = 2  # of `PixelShuffleNet`
_TRIAL = (45, 50)  # no multiple of what networks ask for


class PixelShuffleNet(nn.Module):
    """Twice the size by convolutions at the small size and a pixel shuffle (Shi et al., 2016), added to bicubic."""

    def __init__(self, config: SuperresNetwork) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, config.width, 5, padding=2), nn.ReLU()]
        for _ in range(config.layers - 1):
            layers += [nn.Conv2d(config.width, config.width, 3, padding=1), nn.ReLU()]
        last = nn.Conv2d(config.width, FACTOR**2, 3, padding=1)
        nn.init.zeros_(last.weight)  # it starts as bicubic
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last, nn.PixelShuffle(FACTOR))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) in 0..1 to (B, 1, 2 H, 2 W)."""
        height, width = images.shape[-2:]
        return resized(images, (FACTOR * height, FACTOR * width)) + self.layers(images)


class Upscaler(nn.Module):
    """Enlarges crops (B, C, H, W), each channel as an image of its own.

    Args:
        network: None: bicubic. Else a network that enlarges (B, c, H, W) by a whole factor.
        factor: by which it enlarges.
        channels: c, 1 or 3; with 3 the image is repeated and the mean of the output taken.
    """

    def __init__(self, network: nn.Module | None = None, *, factor: int = 1, channels: int = 1) -> None:
        super().__init__()
        self.network, self.factor, self.channels = network, factor, channels
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Upscaler:
        """It stays in evaluation mode."""
        return super().train(False)

    def forward(self, crops: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, H, W) in 0..1 to (B, C, *size) in 0..1; as it is where it has that size."""
        if tuple(crops.shape[-2:]) == tuple(size) or not len(crops):
            return crops if tuple(crops.shape[-2:]) == tuple(size) else crops.new_zeros((0, crops.shape[1], *size))
        if self.network is None:
            return resized(crops, size).clamp(0, 1)
        images = crops.reshape(-1, 1, *crops.shape[-2:])  # (B * C, 1, H, W)
        while self.factor > 1 and (images.shape[-2] < size[0] or images.shape[-1] < size[1]):
            images = self._once(images)
        return resized(images, size).clamp(0, 1).reshape(*crops.shape[:2], *size)

    def _once(self, images: Tensor) -> Tensor:
        assert self.network is not None
        larger = self.network(images.expand(-1, self.channels, -1, -1))
        return larger.mean(dim=1, keepdim=True).to(images.dtype).clamp(0, 1)


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) at another size: bicubic, and smoothed first where it shrinks."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    shrinks = size[0] < images.shape[-2] or size[1] < images.shape[-1]
    return F.interpolate(images, size, mode="bicubic", align_corners=False, antialias=shrinks)


def upscaler_from_file(path: Path) -> Upscaler:
    """A network of any architecture that spandrel knows, from a file that cannot run code.

    Raises:
        BenchError: there is no such file, it is a pickle that holds more than weights, its architecture is unknown, it
            is incomplete, it does not enlarge crops, or the extra is not installed. The message says which.
    """
    if not path.is_file():
        raise BenchError(
            f"superres.upscaler: no weights file {str(path)!r}. Give the path of a .safetensors file that exists, "
            f"or {BICUBIC!r} or {TRAINED!r}."
        )
    state = _weights(path)
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise BenchError(
            "super-resolution with weights from a file needs spandrel, which is not installed. "
            "Run `pip install 'rsna-lumbar-bench[superres]'`."
        ) from error
    try:
        found = ModelLoader(device="cpu").load_from_state_dict(state)
    except UnsupportedModelError as error:
        raise BenchError(
            f"superres.upscaler: the weights in {str(path)!r} are of no architecture that spandrel knows. "
            "Give weights of one that it lists, such as ESRGAN, SPAN or SwinIR."
        ) from error
    except Exception as error:  # an architecture that is known, with tensors that are missing or of another shape
        raise BenchError(
            f"superres.upscaler: the weights in {str(path)!r} are incomplete or do not fit their architecture "
            f"({type(error).__name__}: {' '.join(str(error).split())}). Get the file anew."
        ) from error
    return _tried(_described(found, path, ImageModelDescriptor), path)


def _described(found: object, path: Path, kind: type) -> Upscaler:
    """The network of a descriptor, if it enlarges single images in grey or colour."""
    scale = int(getattr(found, "scale", 1))
    channels = int(getattr(found, "input_channels", 0)), int(getattr(found, "output_channels", 0))
    model = getattr(found, "model", None)
    if not isinstance(found, kind) or not isinstance(model, nn.Module) or scale < 2 or channels not in ((1, 1), (3, 3)):
        raise BenchError(
            f"superres.upscaler: the network in {str(path)!r} enlarges {scale} times and has {channels[0]} input and "
            f"{channels[1]} output channels. Give one that enlarges at least twice, with 1 or 3 channels."
        )
    return Upscaler(_Padded(model, getattr(found, "size_requirements", None)), factor=scale, channels=channels[0])


class _Padded(nn.Module):
    """A network that takes only images of some sizes, such as multiples of 16, for images of any size.

    Args:
        network: enlarges (B, C, H, W) by a whole factor.
        requirements: spandrel's ``SizeRequirements``, or None.
    """

    def __init__(self, network: nn.Module, requirements: Any) -> None:
        super().__init__()
        self.network, self.requirements = network, requirements

    def forward(self, images: Tensor) -> Tensor:
        """The images enlarged. What is added on the right and at the bottom repeats the edge, and is cut off again."""
        height, width = images.shape[-2:]
        right, bottom = (0, 0) if self.requirements is None else self.requirements.get_padding(width, height)
        larger: Tensor = self.network(F.pad(images, (0, right, 0, bottom), mode="replicate"))
        factor = larger.shape[-1] // (width + right)
        return larger[..., : factor * height, : factor * width]


@torch.inference_mode()
def _tried(upscaler: Upscaler, path: Path) -> Upscaler:
    """The same, if it enlarges a crop: networks that cannot are told before any training."""
    assert upscaler.network is not None
    try:
        shape = upscaler.network(torch.zeros(1, upscaler.channels, *_TRIAL)).shape
    except Exception as error:
        raise BenchError(
            f"superres.upscaler: the network in {str(path)!r} fails on a crop of {_TRIAL[0]} x {_TRIAL[1]} pixels "
            f"({type(error).__name__}: {error}). Give another."
        ) from error
    expected = 1, upscaler.channels, upscaler.factor * _TRIAL[0], upscaler.factor * _TRIAL[1]
    if tuple(shape) != expected:
        raise BenchError(
            f"superres.upscaler: the network in {str(path)!r} makes {tuple(shape)} of a crop of {_TRIAL[0]} x "
            f"{_TRIAL[1]} pixels, not {expected}. Give another."
        )
    return upscaler


def _weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, read without running anything that it holds."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise BenchError(f"superres.upscaler: {str(path)!r} is no safetensors file ({error}).") from error
    if path.suffix not in (".pth", ".pt"):
        raise BenchError(f"superres.upscaler: {str(path)!r} ends in {path.suffix!r}. Give a .safetensors or .pth file.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BenchError(
            f"superres.upscaler: {str(path)!r} is refused, since it holds more than weights or is damaged "
            f"({type(error).__name__}). Convert it to .safetensors where it comes from."
        ) from error
    for key in ("params_ema", "params", "state_dict"):  # where trainers keep the weights
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BenchError(f"superres.upscaler: {str(path)!r} holds no table of tensors. Give a file of weights alone.")
    return state
