"""Reading ahead: the next batches are read while the device computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

import torch

Item = TypeVar("Item")
AHEAD = 2
_END = object()


def batches_ahead(device: str) -> int:
    """How many batches to read ahead for a torch device: none on a CPU, whose cores are busy with computing."""
    return 0 if torch.device(device).type in ("cpu", "meta") else AHEAD


def read_ahead(batches: Iterator[Item], ahead: int) -> Iterator[Item]:
    """The same batches in the same order, read by one thread up to ``ahead`` batches early.

    Args:
        batches: must not draw from torch's global random generator, which the network draws from meanwhile.
        ahead: 0 reads each batch when it is asked for, without a thread.

    An error while reading is raised where its batch would have come. The thread ends with the iteration, also when that
    is left early.
    """
    if ahead < 1:
        yield from batches
        return
    ready: queue.Queue[tuple[Item | object, BaseException | None]] = queue.Queue(ahead)
    stopped = threading.Event()
    reader = threading.Thread(target=_fill, args=(batches, ready, stopped), daemon=True, name="read ahead")
    reader.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            yield batch  # type: ignore[misc]
    finally:
        stopped.set()
        while reader.is_alive():
            _empty(ready)
            reader.join(timeout=0.01)


def _fill(
    batches: Iterator[Item], ready: queue.Queue[tuple[Item | object, BaseException | None]], stopped: threading.Event
) -> None:
    try:
        for batch in batches:
            ready.put((batch, None))
            if stopped.is_set():
                return
    except BaseException as error:  # raised again by the thread that asks for the batch
        ready.put((_END, error))
        return
    ready.put((_END, None))


def _empty(ready: queue.Queue[tuple[Item | object, BaseException | None]]) -> None:
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
