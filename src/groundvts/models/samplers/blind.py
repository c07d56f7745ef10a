"""Samplers that look at neither query nor video: all, at random, evenly spaced."""

from __future__ import annotations

import torch

from groundvts.models.samplers.registry import Video, sampler


@sampler("none")
def none(video: Video) -> torch.Tensor:
    """No preference: with a ratio of 1 every token is kept."""
    return torch.zeros_like(video.valid_BN, dtype=torch.float32)


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
