"""What trained stages and shared work are keyed by: a name, a configuration, studies, and who builds them."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from bench.data.cohort import Cohort
from bench.errors import UsageError
from bench.jobs.config import canonical
from bench.jobs.fingerprint import file_parts


def key_of(name: str, config: BaseModel | Mapping[str, Any], studies: Cohort) -> dict[str, Any]:
    """The part of a key that its user gives.

    Raises:
        UsageError: the name cannot be part of a file name, or the configuration cannot be written as JSON.
    """
    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise UsageError(f"stage or shared work {name!r}: use letters, digits, '-' and '_' in its name.")
    values = config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config)
    try:
        text = canonical(values)
    except TypeError as error:
        raise UsageError(
            f"config of {name!r}: {error}. Give a pydantic model, or a mapping of numbers, texts, lists and mappings."
        ) from error
    files = file_parts(values)
    return {
        "name": name,
        "config": text,
        "files": files,
        "studies": sorted(int(study_id) for study_id in studies.study_ids),
    }


def require_module_level(build: Callable[..., Any], name: str) -> None:
    """Make sure that a builder is a function at module level.

    Only then does its source, which belongs to the key of what it builds, decide what it does: a lambda, a nested
    function or a method could capture anything, labels too.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(build, types.FunctionType) and build.__qualname__.isidentifier():
        return
    what = getattr(build, "__qualname__", None) or repr(build)
    raise UsageError(
        f"the builder of {name!r} is {what}: it must be a function at module level, so that the source of its module "
        "decides what it builds. Write `def build(studies, context, config): ...` outside of any class or function, "
        "and hand on what it needs as `config`."
    )
