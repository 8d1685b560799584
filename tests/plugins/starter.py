"""An approach for tests of the harness that starts processes, in each way that training code does, or leaves some."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench import Approach, Cohort, Context, Predictions
from bench.approach import Config
from bench.files.atomic import write_json


class Settings(Config):
    start: str = ""  # ways to start processes, joined by +
    leave: bool = False  # leave processes behind
    end: str = ""  # how fit ends


def square(number: int) -> int:
    return number * number


class Numbers:
    """A data set for `torch.utils.data.DataLoader`."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> float:
        return float(square(index))


def with_loader(how: str) -> float:
    from torch.utils.data import DataLoader

    return sum(float(batch.sum()) for batch in DataLoader(Numbers(), 2, num_workers=2, multiprocessing_context=how))


def with_pool(how: str) -> int:
    with multiprocessing.get_context(how).Pool(2) as pool:
        return sum(pool.map(square, range(4)))


def with_futures(how: str) -> int:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(how)) as pool:
        return sum(pool.map(square, range(4)))


def with_joblib(how: str) -> int:
    from joblib import Parallel, delayed

    return sum(Parallel(n_jobs=2, backend=how)(delayed(square)(number) for number in range(4)))


def with_subprocess(how: str) -> int:
    program = (
        "import sys; from bench.approaches.starter import square; print(sum(map(square, range(4))), sys.stdin.read())"
    )
    return int(subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout)


WAYS = {
    "loader": with_loader, "pool": with_pool, "futures": with_futures, "joblib": with_joblib, "sub": with_subprocess,
}  # fmt: skip


class Starter(Approach):
    """Grades nothing."""

    Config = Settings

    def fit(self, train: Cohort, context: Context) -> None:
        found = {}
        for way in filter(None, self.config.start.split("+")):
            name, _, how = way.partition("_")
            found[way] = float(WAYS[name](how))
        write_json(context.folder / "found.json", found)
        if self.config.leave:
            self.pool = leave_processes()
        write_json(context.folder / "left.json", os.getpid())
        end(self.config.end, context)

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        return Predictions(studies.study_ids, np.full((len(studies), 25, 3), 1 / 3))

    def save(self, folder: Path) -> None:
        pass

    @classmethod
    def load(cls, folder: Path, config: Any) -> Self:
        return cls(config)


def leave_processes() -> Any:
    """A program, one that ignores SIGTERM, a daemon that left session and parent, and workers that are waited for."""
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000; sleep 1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "1000"])
        os._exit(0)
    os.wait()
    multiprocessing.get_context("spawn").Process(target=time.sleep, args=(1000,)).start()
    return multiprocessing.get_context("fork").Pool(2)


def end(how: str, context: Context) -> None:
    if how == "raise":
        raise RuntimeError("as told")
    if how == "wait":
        time.sleep(1000)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        ctypes.string_at(0)
    if how == "ask":
        input("Your key: ")
    if how == "tell":  # in a fork: nobody hears it, and nothing breaks
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.apply(context.note, (1, "from a fork"))
    if how == "fork" and os.fork() == 0:
        raise RuntimeError("a child that comes back")
