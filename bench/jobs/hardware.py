"""What a job ran on and with: devices, versions, memory. Recorded with every result; makes none stale."""

from __future__ import annotations

import glob
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from bench.errors import UsageError

_RECORDED = (
    "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "scikit-learn", "scikit-image", "xgboost-cpu",
    "xgboost", "pydicom", "pylibjpeg-rle", "python-gdcm",
)  # fmt: skip


def cpu_count() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """How many CUDA devices this process may use. Does not load torch where there is no NVIDIA driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    if glob.glob("/dev/nvidia[0-9]*"):
        return len(glob.glob("/dev/nvidia[0-9]*"))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return listed.stdout.count("GPU ")


def choose_device(wish: str) -> str:
    """The device that ``--device`` means; ``auto`` is CUDA where there is a GPU, else the CPU.

    MPS has to be asked for: nothing has been run on it yet.
    """
    if wish == "auto":
        return "cuda" if gpu_count() else "cpu"
    if re.fullmatch(r"cpu|cuda(:\d+)?|mps", wish) is None:
        raise UsageError(f"--device {wish}: choose auto, cpu, cuda, cuda:0, ... or mps.")
    if wish.startswith("cuda") and not gpu_count():
        raise UsageError(f"--device {wish}: no NVIDIA GPU was found here. Leave --device out to use what there is.")
    if wish.startswith("cuda:") and int(wish.removeprefix("cuda:")) >= gpu_count():
        raise UsageError(f"--device {wish}: the last GPU here is cuda:{gpu_count() - 1}. Choose one of those.")
    return wish


def device_count(device: str) -> int:
    """How many accelerators jobs are dealt to: all GPUs for ``cuda``, one for ``cuda:1`` or ``mps``, 0 for a CPU."""
    if device == "cpu":
        return 0
    return gpu_count() if device == "cuda" else 1


def choose_precision(wish: str, device: str) -> str:
    """What autocast uses for ``--precision auto``: bf16 where the hardware computes in it, else fp32."""
    if wish != "auto":
        return wish
    if device.startswith("cuda"):
        import torch

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device == "cpu" and _cpu_has_bf16() else "fp32"


def peak_gpu_memory_mb(device: str) -> float | None:
    """The most GPU memory that torch has reserved in this process, in MiB; None where no CUDA device computes.

    On MPS torch tells what is in use at the moment, and no peak.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_reserved(device) / 2**20


def compute_deterministically() -> None:
    """Have torch add up in the same order each time; an operation that cannot is an error that names it.

    Slower on CUDA. On a CPU results are the same each time anyway.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def versions() -> dict[str, str]:
    """Versions of Python, of the suite and of the libraries that compute."""
    import bench

    found = {"python": platform.python_version(), "rsna-lumbar-bench": bench.__version__}
    for name in _RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware(device: str) -> dict[str, str | int]:
    """Processor, cores, memory and the device that computes."""
    described: dict[str, str | int] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _cpu_info("model name") or platform.processor() or "unknown",
        "cores": cpu_count(),
        "device": device,
    }
    if device.startswith("cuda"):
        import torch

        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def _cpu_has_bf16() -> bool:
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(_cpu_info("flags").split() + _cpu_info("Features").split()))


def _cpu_info(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")
