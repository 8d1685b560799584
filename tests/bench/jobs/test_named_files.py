"""A setting that names weights which do not exist is refused before data are touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.jobs.configured import resolve_approaches
from bench.jobs.named_files import require_named_files
from bench.jobs.request import Request


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"severity": {"pretrained": "gone"}}, "severity.pretrained"),
        ({"superres": {"upscaler": "gone.pth"}}, "superres.upscaler"),
        ({"atlases": ["bicubic", "gone.safetensors"]}, "atlases"),
        ({"pretrained": "."}, "pretrained"),
    ],
)
def test_a_file_that_is_not_there_is_named_with_its_setting(config: dict, key: str) -> None:
    with pytest.raises(UsageError, match=f"setting {key} of mine names the file .*--set mine:{key}=PATH"):
        require_named_files("mine", json.dumps(config))


def test_files_that_exist_and_other_strings_are_taken(tmp_path: Path) -> None:
    weights = tmp_path / "net.safetensors"
    weights.touch()
    config = {"a": {"pretrained": str(weights)}, "b": {"pretrained": True}, "c": "bicubic", "d": "convnext_tiny.in12k"}
    require_named_files("mine", json.dumps(config))


def test_a_run_and_a_dry_run_resolve_with_this_check(tmp_path: Path) -> None:
    request = Request(("mil",), overrides=("severity.pretrained=gone.safetensors",), cache=tmp_path)
    for memory in (None, tmp_path):
        with pytest.raises(UsageError, match=r"severity\.pretrained of mil"):
            resolve_approaches(request, memory)
