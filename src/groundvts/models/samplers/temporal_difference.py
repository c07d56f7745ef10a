"""Keep what changes between neighbouring frames, whatever is asked."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from groundvts.models.samplers.registry import Video, sampler

FIRST = 3.0  # above any difference of two directions


@sampler("temporal_difference")
def temporal_difference(video: Video) -> torch.Tensor:
    """The tokens that differ most from the token before them in the same place of the frame.

    Source: TimeChat-Online's differential token drop (arXiv 2504.17343). As there the query is not
    looked at, and the first step stays whole as long as K reaches. Adapted: it drops what is more
    alike than a threshold, so that each video keeps another share; here the K least alike are kept.
    Alike is the cosine of projected tokens, where it compares pixels or the tower's features.
    """
    priority_BN = torch.zeros_like(video.valid_BN, dtype=torch.float32)
    for row, (t, h, w) in enumerate(video.grids):
        tokens_ND = F.normalize(video.tokens_BND[row, : t * h * w].float(), dim=-1)
        steps_TCD = tokens_ND.unflatten(0, (t, h * w))
        change_TC = 1 - (steps_TCD[1:] * steps_TCD[:-1]).sum(-1)
        first_1C = torch.full_like(steps_TCD[:1, :, 0], FIRST)
        priority_BN[row, : t * h * w] = torch.cat([first_1C, change_TC]).flatten()
    return priority_BN
