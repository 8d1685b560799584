"""From networks and how often they are used to multiply-adds, memory, disk and slices of one job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.approach import NetworkUse
from bench.training.forecast.profile import Profile, profile

BACKWARD = 2  # a backward pass costs as much as two forward passes
_GB = 2**30
_GPU_BASE_GB = 0.8  # CUDA context, cuDNN workspaces
_FRAGMENTATION = 1.1
_MAIN_BASE_GB = 1.0  # Python, torch and the libraries
_FLOAT, _HALF = 4, 2


@dataclass(frozen=True, slots=True)
class NetworkForecast:
    """One kind of network of a job.

    Attributes:
        use: the network and how often it is used.
        costs: of one.
    """

    use: NetworkUse
    costs: Profile

    @property
    def training_multiply_adds(self) -> float:
        """Of all samples, backward included, and of what is evaluated while fitting."""
        return self.costs.multiply_adds * ((1 + BACKWARD) * self.use.trained + self.use.evaluated)

    @property
    def prediction_multiply_adds(self) -> float:
        """Of all graded studies."""
        return self.costs.multiply_adds * self.use.predicted

    @property
    def step_bytes(self) -> int:
        """Device memory of its largest step."""
        return max(self.costs.training_bytes, self.costs.prediction_bytes)

    @property
    def resident_bytes(self) -> int:
        """Device memory of one between its steps: weights, gradients, two moments and the average."""
        return self.costs.parameters * _FLOAT * (4 + self.use.averaged)

    @property
    def stored_bytes(self) -> int:
        """Weights of all of them, on the disk."""
        return self.costs.parameters * (_HALF if self.use.half_weights else _FLOAT) * self.use.count

    @property
    def kept_bytes(self) -> int:
        """Weights of all of them that stay in main memory once they are trained."""
        return 0 if self.use.on_disk else self.costs.parameters * _FLOAT * self.use.count

    @property
    def checkpoint_bytes(self) -> int:
        """The checkpoint of one while it is trained: weights, two moments and the average."""
        return self.costs.parameters * _FLOAT * (3 + self.use.averaged)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one job will cost.

    Attributes:
        networks: of the approach.
        precision: that device memory is forecast for.
    """

    networks: tuple[NetworkForecast, ...]
    precision: str

    @property
    def training_multiply_adds(self) -> float:
        """Of fitting."""
        return sum(one.training_multiply_adds for one in self.networks)

    @property
    def prediction_multiply_adds(self) -> float:
        """Of predicting all graded studies."""
        return sum(one.prediction_multiply_adds for one in self.networks)

    @property
    def operations(self) -> float:
        """Floating-point operations, two per multiply-add."""
        return 2 * (self.training_multiply_adds + self.prediction_multiply_adds)

    @property
    def slices(self) -> float:
        """Slices that are read."""
        return sum(one.use.images * (one.use.trained + one.use.evaluated + one.use.predicted) for one in self.networks)

    @property
    def parameters(self) -> int:
        """Of all networks."""
        return sum(one.costs.parameters * one.use.count for one in self.networks)

    @property
    def gpu_memory_gb(self) -> float:
        """The largest step of any network with those beside it and images kept on the device, GiB."""
        needed = [
            _FRAGMENTATION * self._step_bytes(one) / _GB + self._kept_gb(one, on_device=True) for one in self.networks
        ]
        return _GPU_BASE_GB + max(needed) if needed else 0.0

    @property
    def memory_gb(self) -> float:
        """Main memory beside a GPU, GiB: networks that stay there, a checkpoint that is written, images that are kept.

        To read a network from the disk takes less than to write its checkpoint.
        """
        return self._main_memory_gb + max((self._kept_gb(one, on_device=False) for one in self.networks), default=0.0)

    @property
    def cpu_memory_gb(self) -> float:
        """Main memory of a job that computes on the processor, GiB: its steps and all kept images are there too.

        Steps are taken as twice those of `precision`, as in fp32.
        """
        needed = [
            2 * self._step_bytes(one) / _GB + self._kept_gb(one, on_device=True) + self._kept_gb(one, on_device=False)
            for one in self.networks
        ]
        return self._main_memory_gb + max(needed, default=0.0)

    @property
    def _main_memory_gb(self) -> float:
        stored = sum(one.kept_bytes for one in self.networks)
        checkpoint = max((one.checkpoint_bytes for one in self.networks), default=0)
        return _MAIN_BASE_GB + (stored + checkpoint) / _GB

    def _beside(self, one: NetworkForecast) -> list[NetworkForecast]:
        return [each for each in self.networks if each.use.name in one.use.beside]

    def _step_bytes(self, one: NetworkForecast) -> int:
        """Of its largest step, with what the networks beside it take."""
        beside = self._beside(one)
        return one.step_bytes + sum(each.step_bytes if one.use.joint else each.resident_bytes for each in beside)

    def _kept_gb(self, one: NetworkForecast, *, on_device: bool) -> float:
        """Images kept for it and for the networks beside it."""
        kept = [each.use.kept_mb for each in (one, *self._beside(one)) if each.use.kept_on_device == on_device]
        return sum(kept) / 1024

    @property
    def stored_gb(self) -> float:
        """Weights that stay on the disk, GiB."""
        return sum(one.stored_bytes for one in self.networks) / _GB

    @property
    def working_gb(self) -> float:
        """Disk that is free again when the job is done, GiB: checkpoints of trainings, and weights of finished ones."""
        finished = sum(one.stored_bytes for one in self.networks if not one.use.staged)
        # a checkpoint is replaced only when the next one is written
        return (finished + 2 * max((one.checkpoint_bytes for one in self.networks), default=0)) / _GB

    @property
    def shared_gb(self) -> float:
        """Files of shared work on the disk, for all jobs together, GiB."""
        return sum(one.use.shared_mb for one in self.networks) / 1024

    def disk_gb(self, jobs: int, *, beside: int = 1) -> float:
        """Disk of so many jobs beside the cache of volumes, GiB; ``beside``: how many run at a time."""
        return jobs * self.stored_gb + min(jobs, beside) * self.working_gb + self.shared_gb

    def document(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        return {
            "training_multiply_adds": round(self.training_multiply_adds),
            "prediction_multiply_adds": round(self.prediction_multiply_adds),
            "parameters": self.parameters,
            "gpu_memory_mb": round(self.gpu_memory_gb * 1024, 1),
            "memory_mb": round(self.memory_gb * 1024, 1),
            "stored_mb": round(self.stored_gb * 1024, 1),
            "working_mb": round(self.working_gb * 1024, 1),
            "shared_mb": round(self.shared_gb * 1024, 1),
            "slices": round(self.slices),
            "precision": self.precision,
        }


def estimate(uses: Sequence[NetworkUse], *, precision: str = "fp16") -> Forecast:
    """The forecast of one job from what its approach says of its networks."""
    return Forecast(tuple(NetworkForecast(use, profile(use, precision)) for use in uses), precision)
