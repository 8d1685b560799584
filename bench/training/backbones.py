"""Image encoders from timm by name, from scratch or with pretrained weights from the hub or a local file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import timm
from pydantic import AfterValidator
from torch import nn

from bench.errors import BenchError, UsageError


def _known_network(name: str) -> str:
    """The name itself. Raises ValueError, as a setting's check has to, unless `require_name` accepts it."""
    try:
        require_name(name)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return name


BackboneName = Annotated[str, AfterValidator(_known_network)]
"""A setting that names a timm network, with or without a pretrained tag; checked when the configuration is read."""
# False: from scratch. True: timm's own weights, from its cache or the hub. Otherwise the path of a weights file.
Pretrained = bool | str


def encoder(
    name: str,
    *,
    channels: int = 1,
    pretrained: Pretrained = False,
    image_size: tuple[int, int] | None = None,
    features_only: bool = False,
    **options: Any,
) -> nn.Module:
    """A timm network without its classifier: images (B, channels, H, W) to features (B, ``num_features``).

    Args:
        name: timm's name, with or without a pretrained tag, such as ``convnext_small.fb_in22k_ft_in1k``.
        channels: input channels; pretrained stems are folded to that number by timm.
        pretrained: see `Pretrained`.
        image_size: (H, W), used by networks that are built for one size alone (most vision transformers).
        features_only: instead return the list of feature maps, coarsest last.
        options: more arguments for ``timm.create_model``.

    Raises:
        UsageError: timm has no such network.
        BenchError: its weights cannot be had.
    """
    require_name(name)
    arguments: dict[str, Any] = {"in_chans": channels, **options}
    arguments |= {"features_only": True} if features_only else {"num_classes": 0}
    config = timm.get_pretrained_cfg(name.partition(".")[0], allow_unregistered=True)
    if image_size is not None and config is not None and config.fixed_input_size:
        arguments["img_size"] = image_size
    if isinstance(pretrained, str):
        if not Path(pretrained).is_file():
            raise BenchError(
                f"no weights file {pretrained!r} for {name}. Give the path of a .safetensors file that exists."
            )
        arguments["pretrained_cfg_overlay"] = {"file": pretrained}
    try:
        return timm.create_model(name, pretrained=bool(pretrained), **arguments)
    except Exception as error:
        if not pretrained:
            raise
        raise BenchError(
            f"the pretrained weights of {name} cannot be had ({type(error).__name__}: {_first_line(error)}). Connect "
            "this machine to the hub once, or set `pretrained` to the path of a downloaded weights file, or to false "
            "to train from scratch."
        ) from error


def num_features(network: nn.Module) -> int:
    """Features of an encoder's output."""
    return int(network.num_features)  # type: ignore[arg-type]


def feature_maps(network: nn.Module) -> list[tuple[int, int]]:
    """(Stride, channels) of every map that an encoder with ``features_only`` returns."""
    info: Any = network.feature_info
    return list(zip(info.reduction(), info.channels(), strict=True))


def require_name(name: str) -> None:
    """Raise UsageError, with a guess at what was meant, unless timm knows this network and pretrained tag."""
    network, _, tag = name.partition(".")
    if not timm.is_model(network):
        raise UsageError(f"timm has no network {network!r}.{_guess(network, timm.list_models())}")
    if tag:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{network}.*")]
        if tag not in tags:
            raise UsageError(
                f"timm knows no weights {tag!r} of {network}.{_guess(tag, tags)} Available: {', '.join(tags)}."
            )


def _guess(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f" Did you mean {close[0]!r}?" if close else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
