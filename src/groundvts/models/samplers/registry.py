"""What a sampler is, and the register of all.

A sampler gives every visual token a priority; the K tokens of highest priority are kept, ties
going to the lower index, so that all samplers keep the same number. One that merges tokens says
instead into which kept token each of them goes.
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


@dataclass(frozen=True)
class Merging:
    """Tokens become the mean of their group: K groups, each of which one token stands for.

    `into_BN` holds for each token the index of the one it is merged into, itself for those that are
    kept, -1 for what goes nowhere. The mean is weighted by scores where `by_score` says so.
    """

    into_BN: torch.Tensor
    by_score: bool = False


Sampler = Callable[[Video], torch.Tensor | Merging]
SAMPLERS: dict[str, Sampler] = {}
SCORED: dict[str, str] = {}  # samplers that choose by score, and which
INSIDE: set[str] = set()  # samplers that choose inside the language model (see models/pruning.py)


def sampler(
    name: str, scored: str | None = None, inside: bool = False
) -> Callable[[Sampler], Sampler]:
    """Registers a function (Video -> priorities (B, N), or a Merging).

    `scored`: it chooses by `scores_BN`, made by the module's projections (`learned`) or from the
    `cosine` of token and query. Weights follow the same scores; without any, `learned` ones.
    `inside`: all tokens enter the language model, and what it keeps is chosen there.
    """

    def register(function: Sampler) -> Sampler:
        SAMPLERS[name] = function
        if scored is not None:
            SCORED[name] = scored
        if inside:
            INSIDE.add(name)
        return function

    return register


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
