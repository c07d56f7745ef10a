"""The processes that train one stage together, as torchrun's variables name them; else one alone.

The first one writes, prints and records. Where one fails, torchrun ends the others.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from accelerate.utils import broadcast_object_list

from groundvts.errors import BadInput

PR_SET_PDEATHSIG = 1
POLITE_S = 5.0  # in which torchrun ends the others where the first process has failed


@dataclass(frozen=True)
class Processes:
    """This process's rank among `count` on `nodes` nodes; `launched` where torchrun started it."""

    rank: int = 0
    count: int = 1
    nodes: int = 1
    launched: bool = False

    @classmethod
    def start(cls) -> Processes:
        """Reads torchrun's variables and takes this rank's GPU.

        A rank that torchrun started does not outlive it, so that none trains on unseen.
        """
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return cls()
        rank, count, local, local_count = (
            int(os.environ[name])
            for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if torch.cuda.is_available():
            torch.cuda.set_device(local)
        return cls(rank, count, count // local_count, launched=True)

    @property
    def first(self) -> bool:
        return self.rank == 0

    def agreed(self, value):
        """What the first process found, in all of them."""
        return broadcast_object_list([value])[0]

    @contextmanager
    def one_voice(self) -> Iterator[None]:
        """Lets the first process alone tell of a bad input that all of them find in the block."""
        try:
            yield
        except BadInput:
            if not self.first:
                time.sleep(POLITE_S)
            raise

    @contextmanager
    def parting(self) -> Iterator[None]:
        """In the block the first process works on alone; after it each goes its own way.

        The others wait: torchrun gives up on nodes that end minutes before another.
        """
        if not torch.distributed.is_initialized():
            yield
            return
        end = torch.distributed.new_group(backend="gloo", timeout=timedelta(days=7))
        yield
        torch.distributed.barrier(end)
        torch.distributed.destroy_process_group()
