"""Token samplers: which visual tokens of a video the language model gets to read.

A sampler gives every visual token a priority; the K tokens of highest priority are kept, ties
going to the lower index, so that all samplers keep the same number. README.md beside this file
tells how to add one.
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
    query_BD: torch.Tensor  # mean embedding of the query's tokens
    counts_B: torch.Tensor  # K of each video
    grids: list[tuple[int, int, int]]  # merged (t, h, w) of each video
    scores_BN: torch.Tensor | None  # relevance to the query, float32, where there is one
    seeds: list[int]  # one a sample, from its video and query: no batch changes the choice
    training: bool

    @property
    def index_BN(self) -> torch.Tensor:
        return torch.arange(self.valid_BN.shape[1], device=self.valid_BN.device).expand(
            self.valid_BN.shape
        )


Sampler = Callable[[Video], torch.Tensor]
SAMPLERS: dict[str, Sampler] = {}
SCORED: dict[str, str] = {}  # samplers that choose by score, and which


def sampler(name: str, scored: str | None = None) -> Callable[[Sampler], Sampler]:
    """Registers a function (Video -> priorities (B, N)).

    `scored`: it chooses by `scores_BN`, made by the module's projections (`learned`) or from the
    `cosine` of token and query. Weights follow the same scores; without any, `learned` ones.
    """

    def register(function: Sampler) -> Sampler:
        SAMPLERS[name] = function
        if scored is not None:
            SCORED[name] = scored
        return function

    return register


@sampler("none")
def none(video: Video) -> torch.Tensor:
    """No preference: with a ratio of 1 every token is kept."""
    return torch.zeros_like(video.valid_BN, dtype=torch.float32)


@sampler("vts", scored="learned")
def vts(video: Video) -> torch.Tensor:
    """The tokens that score highest against the query (paper, section 3.2)."""
    return video.scores_BN


@sampler("cosine", scored="cosine")
def cosine(video: Video) -> torch.Tensor:
    """The tokens nearest to the query, without projections (paper, table 10)."""
    return video.scores_BN


@sampler("frame_vts", scored="learned")
def frame_vts(video: Video) -> torch.Tensor:
    """The tokens of the grid steps with the highest mean score (paper, table 5).

    Tokens stay their own; of the last step that K reaches, the first ones.
    """
    return step_mean(video.scores_BN, video.grids)


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


def step_mean(values: torch.Tensor, grids: list[tuple[int, int, int]]) -> torch.Tensor:
    """The mean over its grid step in the place of each token's value, (B, N) or (B, N, D)."""
    means = values.clone()
    for row, (t, h, w) in enumerate(grids):
        steps = values[row, : t * h * w].unflatten(0, (t, h * w))
        means[row, : t * h * w] = steps.mean(1, keepdim=True).expand_as(steps).flatten(0, 1)
    return means


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
