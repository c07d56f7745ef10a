"""What attention really computes: how the model calls it, and what such a call costs here."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from timing import Stopwatch
from torch.overrides import TorchFunctionMode
from torch.profiler import ProfilerActivity, profile

from groundvts.models.flops import head_widths

SHOWN = 8  # operators of a profile


class Seen(TorchFunctionMode):
    """Notes how torch's attention is called within it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: set[str] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            masked = kwargs.get("attn_mask") is not None
            self.calls.add("mask" if masked else "causal" if kwargs.get("is_causal") else "square")
        return func(*args, **kwargs)

    @property
    def only_causal(self) -> bool:
        """Whether every call said `is_causal`, none with a mask."""
        return self.calls == {"causal"}

    @property
    def words(self) -> str:
        return ", ".join(sorted(self.calls))


@torch.inference_mode()
def kernel_seconds(model, tokens: int, repeats: int = 5) -> dict[str, float]:
    """Best seconds of one layer's attention: told that it is causal, with such a mask, square."""
    text = model.config.text_config
    queries, _ = head_widths(text)
    shape = (1, text.num_attention_heads, tokens, queries // text.num_attention_heads)
    q, k, v = (torch.randn(shape, dtype=model.dtype, device=model.device) for _ in range(3))
    mask = torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=model.device).tril()
    ways = {"causal": {"is_causal": True}, "mask": {"attn_mask": mask}, "square": {}}
    best = {}
    for name, way in ways.items():
        spent = []
        for _ in range(repeats):
            watch = Stopwatch(model.device)
            with watch.part(name):
                F.scaled_dot_product_attention(q, k, v, **way)
            spent.append(watch.seconds[name])
        best[name] = min(spent)
    return best


def skips_hidden_half(seconds: dict[str, float]) -> bool:
    """Whether a causal call leaves out what it hides: it is clearly faster than the square."""
    return seconds["causal"] < 0.85 * seconds["square"]


def top_operators(work: Callable[[], object], device: torch.device) -> list[dict]:
    """The operators in which `work` spends most of its own time."""
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as found:
        work()
    key = "self_device_time_total" if cuda else "self_cpu_time_total"
    ranked = sorted(found.key_averages(), key=lambda one: getattr(one, key), reverse=True)
    return [
        {"operator": one.key, "seconds": getattr(one, key) / 1e6, "calls": one.count}
        for one in ranked[:SHOWN]
    ]
