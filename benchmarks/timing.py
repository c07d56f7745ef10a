"""What the model benchmarks share: seconds by part, a model's sampling, bytes of a cache."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from groundvts.models.vts import VTS
from groundvts.models.vts_config import VTSConfig


class Stopwatch:
    """Seconds of named parts of the work on a device; a part within another counts once."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device
        self._open: list[list] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Times what is done inside."""
        self.enter(name)
        try:
            yield
        finally:
            self.leave()

    @contextmanager
    def watching(self, modules: dict[str, nn.Module]) -> Iterator[None]:
        """Times every call of the modules, under their names."""
        hooks = []
        for name, module in modules.items():
            hooks += [
                module.register_forward_pre_hook(lambda *_, name=name: self.enter(name)),
                module.register_forward_hook(lambda *_: self.leave()),
            ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def enter(self, name: str) -> None:
        self._open.append([name, self._now(), 0.0])

    def leave(self) -> None:
        name, began, within = self._open.pop()
        spent = self._now() - began
        self.seconds[name] += spent - within
        if self._open:
            self._open[-1][2] += spent


def sample_as(model, settings: dict) -> None:
    """Lets a model with a sampling module sample by other settings; its weights stay."""
    config = VTSConfig.from_dict(settings)
    model.config.vts = config.to_dict()
    for module in model.modules():  # PEFT trains a copy
        if isinstance(module, VTS):
            module.config = config


def cache_bytes(cache) -> int:
    """Bytes of all keys and values that a cache holds."""
    held = (tensor for layer in cache.layers for tensor in (layer.keys, layer.values))
    return sum(tensor.numel() * tensor.element_size() for tensor in held)
