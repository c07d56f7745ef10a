"""Peak memory of a piece of work: of the GPU, or of this process where there is none."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from groundvts.errors import RunFailed

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of mallopt
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """`bytes` is the most that the work inside took beyond what was there before.

    Raises RunFailed where the system does not tell a process's memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        else:
            _return_freed()
            try:
                RESET.write_text("5")  # the peak starts anew
            except OSError as error:
                raise RunFailed(f"{RESET}: {error}: peak memory is known on Linux only") from None
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *_) -> None:
        peak = torch.cuda.max_memory_allocated() if self.on_gpu else _status("VmHWM")
        self.bytes = max(peak - self._before, 0)


def keep_freed() -> None:
    """Lets the C library keep freed memory, as allocators of GPUs do.

    Else it goes back to the system after every step, and getting it anew is a part of what is
    timed, more for long sequences than for short ones. (glibc only.)
    """
    if tune := getattr(ctypes.CDLL(None), "mallopt", None):
        tune(MMAP_MAX, 0)
        tune(TRIM_THRESHOLD, -1)


def _return_freed() -> None:
    """Hands freed memory that the C library keeps back to the system, so that it counts again."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _status(key: str) -> int:
    """A line of the process's status, in bytes."""
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:")]
    return int(line.split()[1]) * 1024
