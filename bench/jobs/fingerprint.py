"""What a job was made from, part by part: a stored result holds only while all parts are equal.

Which source counts is found by following imports (`bench.imports`), never listed: everything that the approach reaches,
and everything that the code which executes a job reaches, `BOOKKEEPING` aside. What only scores is a part of its own.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.imports import Package, SourceTree, once_per_version
from bench.jobs.data_files import data_files, files_in_config
from bench.jobs.job import Job
from bench.plugin_files import framework, modules_of, outermost_package, pieces
from bench.plugins import CONTRACTS, Live, Plugin

EXECUTES = ("bench.jobs.execute",)
SCORES = ("bench.jobs.score",)
SCORING = "scoring"
"""The part whose change leaves predictions as they are: they are scored anew."""

HANDED_TO_STAGES = ("bench.data.load", "bench.jobs.context")
"""What makes the studies and the context that a stage is given."""

# Reached by the executing code, but unable to change a prediction. What is reached through these alone counts neither.
# Where an approach imports one of them itself, it counts for that approach.
BOOKKEEPING = frozenset(
    {
        "bench.files.atomic",  # how files are written, not what is in them
        "bench.files.checksums",
        "bench.files.csv_cells",  # refuses tables, and changes none
        "bench.files.foreign",  # how text is shown
        "bench.files.inflated",
        "bench.files.memory",
        "bench.files.places",  # whether a folder is there
        "bench.files.processes",
        "bench.imaging.contents",  # whether images changed, which the data hash says
        "bench.imaging.sealed",
        "bench.jobs.clock",  # what it cost
        "bench.jobs.config",  # makes the configuration, which is a part of its own
        "bench.jobs.fingerprint",
        "bench.jobs.fitted",
        "bench.jobs.folder",  # what the files of a job are called
        "bench.jobs.forecast",  # told beside the result
        "bench.jobs.hardware",  # device, precision and threads are recorded, and make nothing stale
        "bench.jobs.history",
        "bench.jobs.keys",
        "bench.jobs.order",
        "bench.jobs.result",  # how results are written
        "bench.jobs.score",  # has its own part: SCORING
        "bench.jobs.shared",
        "bench.jobs.stages",  # where stages are kept
        "bench.jobs.stopping",  # when it ends, to go on from where it was
        "bench.jobs.store",  # where results lie
        "bench.plugins",  # finds the plug-in, which is a part of its own
    }
)


def fingerprint(job: Job, plugin: Plugin) -> dict[str, Any]:
    """Everything that decides what a job predicts and scores, part by part."""
    tree = SourceTree([framework()])
    executing = tree.closure(EXECUTES, BOOKKEEPING)
    return {
        "data": job.data_hash,
        "folds": job.fold_hash,
        "fold": job.fold,
        "config": job.config_hash,
        "seed": job.seed,
        "train fraction": job.train_fraction,
        **plugin_parts(plugin, counted=executing),
        **_by_room(executing, "source of {room}"),
        SCORING: _digest(tree.closure(SCORES, BOOKKEEPING.difference(SCORES))),
        **file_parts(json.loads(job.config)),
    }


def changed_parts(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The parts of two fingerprints that differ, in words."""
    return [part for part in {**current, **stored} if stored.get(part) != current.get(part)]


def plugin_parts(plugin: Plugin, counted: Collection[str] = ()) -> dict[str, str]:
    """The parts that are a plug-in's own: its code, its data files, and what it reaches of `bench`, room by room.

    Args:
        plugin: the plug-in.
        counted: modules of `bench` that are in other parts already.
    """
    if plugin.live is not None:
        return _live_parts(plugin.name, plugin.live, counted)
    package = plugin.package()
    own = pieces(package)
    return _parts(plugin.name, own, [module for piece in own for module in modules_of(piece)], counted)


def stage_source(build: Callable[..., Any]) -> dict[str, str]:
    """The source of a stage or of shared work, part by part.

    It is what the module that defines ``build`` reaches, the data files of its plug-in, and the code that makes the
    studies and the context which it is given. So the stages of an approach that lie in modules of their own do not
    depend on each other's code.

    Args:
        build: a function. Of one that is defined within another, the module that defines it counts, and those of the
            functions and classes that it has captured.

    Raises:
        UsageError: its module cannot be told.
    """
    package, modules = _modules_of(build)
    handed = SourceTree([framework()]).closure(HANDED_TO_STAGES, BOOKKEEPING)
    parts = _parts(package.name.rpartition(".")[2], pieces(package), modules, counted=handed)
    return {**parts, **_by_room(handed, "source of {room}")}


def file_parts(config: Mapping[str, Any]) -> dict[str, str]:
    """A part for each file that a configuration names, such as local weights: what is in it counts."""
    return {f"file {value}": _file_hash(path) for value, path in files_in_config(config).items()}


def source_of(module: str) -> str:
    """The hash of everything that a module of `bench` reaches."""
    return _digest(SourceTree([framework()]).closure([module]))


def hash_files(paths: Iterable[Path]) -> str:
    """The sha256 of files: paths and contents."""
    return _digest({str(path): path for path in paths})


def _parts(name: str, own: Sequence[Package], roots: Sequence[str], counted: Collection[str]) -> dict[str, str]:
    """The parts of what some modules reach: in the packages ``own``, the data files of these, and the rest by room."""
    modules: dict[str, Path] = {}
    data: dict[str, Path] = {}
    for package in own:
        inside = modules_of(package)
        (root,) = package.roots
        for path in data_files(list(inside.values()), root if root.is_dir() else None):
            data[os.path.relpath(path, root.parent)] = path
        modules |= inside
    reached = SourceTree([*own, framework()]).closure(roots)
    parts = {f"source of {name}": _digest({module: reached[module] for module in reached.keys() & modules.keys()})}
    if data:
        parts[f"data files of {name}"] = _digest(data)
    rest = {module: reached[module] for module in reached.keys() - modules.keys() - set(counted)}
    return {**parts, **_by_room(rest, f"source of {name} ({{room}})")}


def _live_parts(name: str, live: Live, counted: Collection[str]) -> dict[str, str]:
    """The same of a class that lies in no file."""
    digest = hashlib.sha256(json.dumps(sorted(live.sources.items())).encode()).hexdigest()
    reached = SourceTree([framework()]).closure(live.reaches)
    rest = {module: file for module, file in reached.items() if module not in counted}
    return {f"source of {name}": digest, **_by_room(rest, f"source of {name} ({{room}})")}


def _by_room(modules: Mapping[str, Path], words: str) -> dict[str, str]:
    """One hash per room: ``bench.data`` for all that lies below it, ``bench`` for the loose modules at its top."""
    rooms: dict[str, dict[str, Path]] = {}
    for module, file in sorted(modules.items()):
        parts = module.split(".")
        loose = len(parts) == 2 and file.name != "__init__.py"
        rooms.setdefault(parts[0] if loose else ".".join(parts[:2]), {})[module] = file
    return {words.format(room=room): _digest(files) for room, files in rooms.items()}


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{_file_hash(path)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _file_hash(path: Path) -> str:
    """The sha256 of a file's contents; line ends of Python files aside."""
    return once_per_version(path, "sha256", lambda: _read_hash(path))


def _read_hash(path: Path) -> str:
    if path.suffix == ".py":
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _modules_of(build: Any) -> tuple[Package, list[str]]:
    """The package of a function, and the modules that define it and the functions and classes that it has captured."""
    found: dict[str, None] = {}
    package, tree = None, None
    waiting, seen = [build], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, functools.partial):
            waiting += [*filter(_is_code, (*one.args, *one.keywords.values())), one.func]
            continue
        one = inspect.unwrap(getattr(one, "__func__", one))
        code = one if _is_code(one) else type(one)  # an object that can be called
        if code in seen:
            continue
        seen.add(code)
        if tree is None:
            package = _package_of(code.__module__)
            tree = SourceTree([*pieces(package), framework()])
        if tree.locate(code.__module__) is not None:  # not of a library
            found[code.__module__] = None
        waiting += [inner for inner in _captured(code) if _is_code(inner)]
    assert package is not None
    return package, list(found)


def _is_code(value: Any) -> bool:
    return isinstance(value, (type, types.FunctionType, types.MethodType, functools.partial))


def _captured(function: Any) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # a name that has no value yet
            yield cell.cell_contents


def _package_of(module: str) -> Package:
    """The folder or the file that a module belongs to as a plug-in."""
    parts = module.split(".")
    if parts[0] == "bench" and (len(parts) < 3 or parts[1] not in CONTRACTS):
        return framework()
    top = ".".join(parts[:3]) if parts[0] == "bench" else module
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None:
        raise UsageError(
            f"cannot tell which file defines the function of module {module!r} that builds a stage or shared work. "
            "Define it in a module of the approach."
        )
    if parts[0] == "bench":
        return Package(top, (Path(file).parent if Path(file).name == "__init__.py" else Path(file),))
    return outermost_package(module, Path(file))
