"""Split a video where it changes; merge what repeats in time, then in space.

Shapes: T steps of C cells, N = T * C tokens, G groups of them, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from groundvts.models.samplers.registry import Merging, Video, sampler

REPEATS = 0.8  # cosine with the token before it above which a token repeats it
NEIGHBOURS = 5  # whose mean distance is a group's density
SAME_STEP, SAME_SEGMENT = 4.0, 2.0  # above any cosine: where a group looks first for its centre


@sampler("segment_merging")
def segment_merging(video: Video) -> Merging:
    """K means of tokens that repeat each other, whatever is asked.

    Source: HoliTom (arXiv 2505.21334). As there, segments are cut so that as many tokens as
    possible repeat through a whole one (by dynamic programming), those are merged into its first
    step, and what is left is merged in space around centres by density and distance (DPC-KNN).
    Adapted: centres are chosen over the whole video so that exactly K tokens stay; what has none in
    its own step goes to one of its segment; with room for more than the merged groups, merged
    tokens are let go again, those least like their group first. HoliTom's second half, which merges
    tokens inside the language model too, is left out.
    """
    into_BN = torch.full_like(video.valid_BN, -1, dtype=torch.long)
    for row, ((t, h, w), count) in enumerate(
        zip(video.grids, video.counts_B.tolist(), strict=True)
    ):
        tokens_ND = F.normalize(video.tokens_BND[row, : t * h * w].float(), dim=-1)
        into_BN[row, : t * h * w] = merged(tokens_ND.unflatten(0, (t, h * w)), count)
    return Merging(into_BN)


def merged(steps_TCD: torch.Tensor, count: int) -> torch.Tensor:
    """For each token of unit vectors (T, C, D) the index of the one it is merged into, (N,)."""
    t, c, _ = steps_TCD.shape
    repeats_TC = (steps_TCD[1:] * steps_TCD[:-1]).sum(-1) > REPEATS
    repeats_TC = torch.cat([torch.zeros_like(steps_TCD[:1, :, 0], dtype=torch.bool), repeats_TC])
    segment_T = segments(repeats_TC)
    into_N = _merged_in_time(repeats_TC, segment_T)
    segment_N = segment_T.repeat_interleave(c)
    tokens_ND = steps_TCD.flatten(0, 1)
    heads = (into_N == torch.arange(t * c, device=into_N.device)).nonzero().flatten()
    if len(heads) <= count:
        return _let_go(tokens_ND, into_N, count - len(heads))
    sums_ND = torch.zeros_like(tokens_ND).index_add_(0, into_N, tokens_ND)
    means_GD = F.normalize(sums_ND[heads], dim=-1)
    to_G = _merged_in_space(means_GD, heads // c, segment_N[heads], count)
    target_N = torch.empty_like(into_N).index_copy_(0, heads, heads[to_G])
    return target_N[into_N]


def segments(repeats_TC: torch.Tensor) -> torch.Tensor:
    """Number of the segment of each step (T,): the cut that lets most tokens be merged.

    A segment from step s to e saves e - s tokens for every cell that repeats all through it.
    """
    t = len(repeats_TC)
    best, start = [0.0], []
    saved_TT = torch.full((t, t), -1.0)
    for s in range(t):
        lasting = repeats_TC[s + 1 :].cumprod(0).sum(1)
        saved_TT[s, s] = 0.0
        saved_TT[s, s + 1 :] = lasting.cpu() * torch.arange(1, t - s)
    for e in range(t):
        total = torch.tensor(best) + saved_TT[: e + 1, e]
        start.append(int(total.argmax()))
        best.append(float(total.max()))
    number_T, e = torch.zeros(t, dtype=torch.long), t
    while e > 0:
        s = start[e - 1]
        number_T[e:] += 1
        e = s
    return number_T.to(repeats_TC.device)


def _merged_in_time(repeats_TC: torch.Tensor, segment_T: torch.Tensor) -> torch.Tensor:
    """Cells that repeat all through a segment go to its first step, other tokens stay, (N,)."""
    t, c = repeats_TC.shape
    own_TC = torch.arange(t * c, device=repeats_TC.device).view(t, c)
    into_TC = own_TC.clone()
    for number in range(int(segment_T[-1]) + 1):
        steps = (segment_T == number).nonzero().flatten()
        lasting_C = repeats_TC[steps[1:]].all(0)
        into_TC[steps] = torch.where(lasting_C, own_TC[steps[0]], own_TC[steps])
    return into_TC.flatten()


def _let_go(tokens_ND: torch.Tensor, into_N: torch.Tensor, more: int) -> torch.Tensor:
    """`more` merged tokens stand for themselves again, those least like what they went into."""
    own_N = torch.arange(len(into_N), device=into_N.device)
    alike_N = (tokens_ND * tokens_ND[into_N]).sum(-1).masked_fill(into_N == own_N, torch.inf)
    free = alike_N.argsort(stable=True)[:more]
    return into_N.index_copy(0, free, free)


def _merged_in_space(
    means_GD: torch.Tensor, step_G: torch.Tensor, segment_G: torch.Tensor, count: int
) -> torch.Tensor:
    """Which group each group goes into (G,): one of `count` centres, itself for those."""
    alike_GG = means_GD @ means_GD.T
    rank_G = centrality(alike_GG)
    found = len(segment_G.unique())
    if found <= count:  # the first centre of every segment before all others
        order = rank_G.argsort(descending=True, stable=True)
        first = torch.stack([order[segment_G[order] == s][0] for s in segment_G.unique()])
        rank_G = rank_G.index_fill(0, first, torch.inf)
    centres = rank_G.argsort(descending=True, stable=True)[:count].sort().values
    nearness = alike_GG[:, centres]
    nearness = nearness + SAME_STEP * (step_G[:, None] == step_G[centres])
    nearness = nearness + SAME_SEGMENT * (segment_G[:, None] == segment_G[centres])
    to_G = centres[nearness.argmax(1)]
    return to_G.index_copy(0, centres, centres)


def centrality(alike_GG: torch.Tensor) -> torch.Tensor:
    """Density times distance to the next denser group (G,), by cosines (DPC-KNN)."""
    groups = len(alike_GG)
    far_GG = (2 - 2 * alike_GG).clamp(min=0)
    near = far_GG.topk(min(NEIGHBOURS + 1, groups), largest=False).values[:, 1:]
    density_G = (-near.mean(1)).exp() if groups > 1 else far_GG.new_ones(1)
    order = density_G.argsort(descending=True, stable=True)
    sorted_GG = far_GG[order][:, order].sqrt()
    denser = torch.ones_like(sorted_GG, dtype=torch.bool).tril(-1)
    gap = sorted_GG.masked_fill(~denser, torch.inf).amin(1)
    gap[0] = sorted_GG.max()
    return torch.empty_like(density_G).index_copy_(0, order, density_G[order] * gap)
