"""Let all tokens enter the language model, and drop them there by the attention they receive."""

from __future__ import annotations

import torch

from groundvts.models.samplers.registry import Video, sampler


@sampler("attention", inside=True)
def attention(video: Video) -> torch.Tensor:
    """The tokens that the prompt's last token attends to most in a layer of the language model.

    Source: FastV (arXiv 2403.06764): after layer `prune_after` (2 there) the tokens that receive
    least attention, averaged over heads, are dropped. Adapted: K = ceil(ratio * n) of each video
    stay, in a batch as alone; dropped tokens leave sequence and cache of all later layers (the
    earlier ones hold them all); attention is taken for one row only, so that fast kernels go on
    working; and in training the last token is the one before the answer. `pruning.py` does it.
    """
    return torch.zeros_like(video.valid_BN, dtype=torch.float32)
