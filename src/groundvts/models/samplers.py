"""Token samplers: which visual tokens of a video the language model gets to read.

A sampler gives every visual token a priority; the K tokens of highest priority are kept, ties
going to the lower index, so that all samplers keep the same number. To add one, write a function
of a `Video` and register it under a name:

    @sampler("last")
    def last(video):
        return video.index_BN.float()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Video:
    """What a sampler may look at, for a padded batch of B videos of at most N tokens each."""

    tokens_BND: torch.Tensor
    valid_BN: torch.Tensor
    counts_B: torch.Tensor  # K of each video
    grids: list[tuple[int, int, int]]  # merged (t, h, w) of each video
    scores_BN: torch.Tensor | None  # relevance to the query, where VTS computed one
    seeds: list[int]  # one a sample, from its video and query: no batch changes the choice
    training: bool

    @property
    def index_BN(self) -> torch.Tensor:
        return torch.arange(self.valid_BN.shape[1], device=self.valid_BN.device).expand(
            self.valid_BN.shape
        )


Sampler = Callable[[Video], torch.Tensor]
SAMPLERS: dict[str, Sampler] = {}
SCORED: set[str] = set()


def sampler(name: str, scored: bool = False) -> Callable[[Sampler], Sampler]:
    """Registers a function (Video -> priorities (B, N)); `scored`: it needs `scores_BN`."""

    def register(function: Sampler) -> Sampler:
        SAMPLERS[name] = function
        if scored:
            SCORED.add(name)
        return function

    return register


@sampler("none")
def none(video: Video) -> torch.Tensor:
    """No preference: with a ratio of 1 every token is kept."""
    return torch.zeros_like(video.valid_BN, dtype=torch.float32)


@sampler("vts", scored=True)
def vts(video: Video) -> torch.Tensor:
    """The tokens that score highest against the query (paper, section 3.2)."""
    return video.scores_BN


@sampler("random")
def random(video: Video) -> torch.Tensor:
    """A random choice: drawn anew at each training step, fixed by the sample otherwise."""
    shape, device = video.valid_BN.shape, video.valid_BN.device
    if video.training:
        return torch.rand(shape, device=device)
    rows = [
        torch.rand(shape[1], generator=torch.Generator().manual_seed(seed)) for seed in video.seeds
    ]
    return torch.stack(rows).to(device)


@sampler("uniform")
def uniform(video: Video) -> torch.Tensor:
    """Whole grid steps, evenly spaced in time; the last of them in part where K asks for it."""
    priority = torch.full(video.valid_BN.shape, -1.0)
    for row, ((t, h, w), count) in enumerate(
        zip(video.grids, video.counts_B.tolist(), strict=True)
    ):
        steps = -(-count // (h * w))
        chosen = ((torch.arange(steps) + 0.5) * t / steps).long()
        index = chosen[:, None] * h * w + torch.arange(h * w)
        priority[row, index.flatten()] = torch.arange(steps * h * w, 0, -1).float()
    return priority.to(video.valid_BN.device)


def keep_highest(
    priority_BN: torch.Tensor, valid_BN: torch.Tensor, counts_B: torch.Tensor
) -> torch.Tensor:
    """Mask (B, N) of the `counts_B` valid tokens of highest priority, ties to the lower index."""
    ranked = priority_BN.float().masked_fill(~valid_BN, -torch.inf)
    order = ranked.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return (rank < counts_B[:, None]) & valid_BN
