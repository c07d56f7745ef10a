"""Choose frames by the query, then take evenly spaced tokens from them."""

from __future__ import annotations

import math

import torch

from groundvts.models.samplers.registry import Video, sampler


@sampler("frame_selection", scored="learned")
def frame_selection(video: Video) -> torch.Tensor:
    """K evenly spaced tokens of the grid steps with the highest mean score.

    Source: the idea of QuoTA (arXiv 2503.08689) and VideoITG (arXiv 2507.13353), which rate frames
    against the question before the model reads them: to share tokens out, and to choose frames.
    Adapted: they ask a second model; here a step's rating is the mean score of its tokens, and the
    best steps are chosen with evenly spaced tokens: a share of sqrt(K / n) of both. Which places of
    the frame are taken moves on from step to step, so that none is always left out.
    """
    priority_BN = torch.zeros_like(video.valid_BN, dtype=torch.float32)
    for row, ((t, h, w), count) in enumerate(
        zip(video.grids, video.counts_B.tolist(), strict=True)
    ):
        cells = h * w
        steps = math.ceil(math.sqrt(count * t / cells) - 1e-9)
        steps = min(max(steps, math.ceil(count / cells)), count)
        rating_T = video.scores_BN[row, : t * cells].unflatten(0, (t, cells)).mean(1)
        chosen = rating_T.argsort(descending=True, stable=True)[:steps].sort().values.tolist()
        for place, step in enumerate(chosen):
            number = (place + 1) * count // steps - place * count // steps
            inside = (place + torch.arange(number) * cells // number) % cells
            priority_BN[row, step * cells + inside] = 1.0
    return priority_BN
