"""Pool neighbouring tokens, those that match the query counting most."""

from __future__ import annotations

import torch

from groundvts.models.samplers.registry import Merging, Video, sampler


@sampler("guided_pooling", scored="learned")
def guided_pooling(video: Video) -> Merging:
    """K windows of neighbouring tokens, each pooled to their mean weighted by score.

    Source: PPLLaVA's prompt-guided pooling (arXiv 2411.02327), which weighs tokens by their match
    with the prompt and pools them in windows of time, height and width. Adapted: the weights are
    the module's scores instead of CLIP's; windows stay within a step, and are runs of a Z-shaped
    curve through each step (2 x 2 blocks where they hold four tokens), so that there are exactly K;
    a window stands at the position of its token of highest score.
    """
    into_BN = torch.full_like(video.valid_BN, -1, dtype=torch.long)
    for row, (grid, count) in enumerate(zip(video.grids, video.counts_B.tolist(), strict=True)):
        window_N = windows(grid, count).to(into_BN.device)
        scores_N = video.scores_BN[row, : len(window_N)]
        order_N = scores_N.argsort(descending=True, stable=True)
        rank_N = torch.empty_like(order_N).scatter_(
            0, order_N, torch.arange(len(order_N)).to(order_N)
        )
        best_K = rank_N.new_zeros(count).scatter_reduce(
            0, window_N, rank_N, "amin", include_self=False
        )
        into_BN[row, : len(window_N)] = order_N[best_K][window_N]
    return Merging(into_BN, by_score=True)


def windows(grid: tuple[int, int, int], count: int) -> torch.Tensor:
    """The window, 0 to `count` - 1, of each token (n,) of a grid; none is empty.

    Steps share windows out evenly; with fewer windows than steps, neighbouring steps share one.
    """
    t, h, w = grid
    step_T1 = torch.arange(t)[:, None]
    start_T1 = step_T1 * count // t
    number_T1 = ((step_T1 + 1) * count // t - start_T1).clamp(min=1)
    return (start_T1 + curve(h, w) * number_T1 // (h * w)).clamp(max=count - 1).flatten()


def curve(h: int, w: int) -> torch.Tensor:
    """The place of each token (h * w,) of a step along a Z-shaped curve through it."""
    row, column = torch.arange(h)[:, None], torch.arange(w)
    code = torch.zeros(h, w, dtype=torch.long)
    for bit in range(max(h, w).bit_length()):
        code |= (row >> bit & 1) << (2 * bit + 1) | (column >> bit & 1) << (2 * bit)
    return code.flatten().argsort().argsort()
