"""Samplers that keep what scores highest against the query: GroundVTS and its variants."""

from __future__ import annotations

import torch

from groundvts.models.samplers.registry import Video, sampler, step_mean


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
