"""Visual Token Sampling: score each visual token against the query and keep the best.

Shapes: B samples, N visual tokens (padded), K of them kept in all, D width of the language model, R
scorer width.
Scores, softmaxes and the choice are float32 whatever the model's dtype.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from groundvts.errors import RunFailed
from groundvts.models.samplers import SAMPLERS, Merging, Video, keep_highest, step_mean
from groundvts.models.vts_config import VTSConfig


@dataclass(frozen=True)
class Selection:
    """What was kept: mask (B, N), factor on each kept token (B, N), scores (B, N) or None."""

    keep_BN: torch.Tensor
    weight_BN: torch.Tensor
    scores_BN: torch.Tensor | None


class VTS(nn.Module):
    """The sampling module between projector and language model (paper, section 3.2)."""

    def __init__(self, width: int, config: VTSConfig) -> None:
        super().__init__()
        self.config = config
        self.project_visual = nn.Linear(width, config.hidden_size, bias=False)
        self.project_query = nn.Linear(width, config.hidden_size, bias=False)
        self.post_mlp = nn.Identity()
        if config.post_mlp:
            layers = (nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            self.post_mlp = nn.Sequential(*layers)
        self.register_buffer("centre_D", torch.zeros(width))
        self.register_buffer("centre_steps", torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the start of the weights from torch's global generator."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
        if self.config.start == "shared":
            weight = self.project_visual.weight
            start = nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float32))
            with torch.no_grad():
                weight.copy_(start)  # no decomposition is there for bfloat16
                self.project_query.weight.copy_(start)
        self.centre_D.zero_()
        self.centre_steps.zero_()

    @property
    def scores_tokens(self) -> bool:
        """Whether the choice or the weights look at the query."""
        return self.config.scored is not None or self.config.weights == "score"

    @property
    def projects(self) -> bool:
        """Whether the learned projections take part in scores."""
        return self.scores_tokens and self.config.scored != "cosine"

    @property
    def learns(self) -> bool:
        """Whether any weight of the module gets a gradient."""
        return self.projects or self.config.post_mlp

    def score(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, query_BD: torch.Tensor
    ) -> torch.Tensor:
        """Softmax over each video's tokens of their match with the query, (B, N) (section 3.2)."""
        with torch.autocast(tokens_BND.device.type, enabled=False):
            tokens_BND, query_BD = tokens_BND.float(), self._centred(query_BD.float())
            if self.config.scored == "cosine":
                score_BN = F.cosine_similarity(tokens_BND, query_BD[:, None], dim=-1)
            else:
                score_BN = self._projected(tokens_BND, query_BD)
            score_BN = score_BN / self.config.tau
            # a row without a video stays finite
            return score_BN.masked_fill(~valid_BN, torch.finfo(score_BN.dtype).min).softmax(-1)

    def _projected(self, tokens_BND: torch.Tensor, query_BD: torch.Tensor) -> torch.Tensor:
        """Dot products (B, N) of projected tokens and query, as `score_norm` says."""
        normed = self.config.score_norm == "layernorm"
        if normed:
            tokens_BND = F.layer_norm(tokens_BND, tokens_BND.shape[-1:])
            query_BD = F.layer_norm(query_BD, query_BD.shape[-1:])
        visual_BNR = F.linear(tokens_BND, self.project_visual.weight.float())
        query_BR = F.linear(query_BD, self.project_query.weight.float())
        score_BN = torch.einsum("bnr,br->bn", visual_BNR, query_BR)
        return score_BN / self.config.hidden_size**0.5 if normed else score_BN

    def _centred(self, query_BD: torch.Tensor) -> torch.Tensor:
        if not self.config.centring:
            return query_BD
        if self.training:
            with torch.no_grad():
                self.centre_steps += 1
                step = self.centre_steps.clamp(max=50)
                self.centre_D += (query_BD.mean(0) - self.centre_D) / step
        return query_BD - self.centre_D

    def forward(
        self,
        tokens_BND: torch.Tensor,
        valid_BN: torch.Tensor,
        query_BD: torch.Tensor,
        grids: list[tuple[int, int, int]],
        seeds: list[int],
    ) -> tuple[torch.Tensor, Selection]:
        """Keeps K = ceil(ratio * n) tokens of each video; all where the language model chooses.

        Returns the embeddings (B, N, D) that stand for the kept tokens, weight * MLP(token), with
        dropped tokens as they came, and the selection. Where tokens are merged, a kept one is first
        the mean of its group.
        """
        if self.config.step_mean:
            tokens_BND = step_mean(tokens_BND, grids)
        counts_B = self.counts(valid_BN)
        kept_B = valid_BN.sum(1) if self.config.inside else counts_B
        scores_BN = self.score(tokens_BND, valid_BN, query_BD) if self.scores_tokens else None
        seeds = [zlib.crc32(f"{self.config.seed}:{seed}".encode()) for seed in seeds]
        video = Video(
            tokens_BND, valid_BN, query_BD, kept_B, grids, scores_BN, seeds, self.training
        )
        keep_BN, merging = self._choice(video)
        if merging is not None:
            tokens_BND = _merged(tokens_BND, scores_BN, merging)
        weight_BN = self._weights(scores_BN, keep_BN, valid_BN, counts_B)
        weight_K1 = weight_BN[keep_BN][:, None].to(tokens_BND.dtype)
        kept_KD = self.post_mlp(tokens_BND[keep_BN]) * weight_K1
        embeds_BND = tokens_BND.masked_scatter(keep_BN[..., None], kept_KD)
        return embeds_BND, Selection(keep_BN, weight_BN, scores_BN)

    def counts(self, valid_BN: torch.Tensor) -> torch.Tensor:
        """K of each video (B,)."""
        asked_B = valid_BN.sum(1)
        kept_B = torch.ceil(asked_B.double() * self.config.ratio - 1e-9).long()
        return torch.maximum(kept_B, asked_B.clamp(max=1))

    @torch.no_grad()
    def _choice(self, video: Video) -> tuple[torch.Tensor, Merging | None]:
        """The mask (B, N) of kept tokens, and how the others are merged into them, if at all."""
        with torch.autocast(video.tokens_BND.device.type, enabled=False):
            chosen = SAMPLERS[self.config.sampler](video)
        if not isinstance(chosen, Merging):
            return keep_highest(chosen, video.valid_BN, video.counts_B), None
        keep_BN = (chosen.into_BN == video.index_BN) & video.valid_BN
        if not torch.equal(keep_BN.sum(1), video.counts_B):
            raise RunFailed(
                f"sampler {self.config.sampler}: {keep_BN.sum(1).tolist()} groups instead of "
                f"{video.counts_B.tolist()}: correct it"
            )
        return keep_BN, chosen

    def _weights(
        self,
        scores_BN: torch.Tensor | None,
        keep_BN: torch.Tensor,
        valid_BN: torch.Tensor,
        counts_B: torch.Tensor,
    ) -> torch.Tensor:
        """Weights (B, N) of the kept tokens, a second softmax over their scores (equation 6)."""
        weight_BN = keep_BN / counts_B.clamp(min=1)[:, None]
        if scores_BN is not None:
            logits_BN = (scores_BN / self.config.tau_weight).masked_fill(~keep_BN, -1e9)
            chosen_BN = logits_BN.softmax(-1) * keep_BN
            if self.config.inside:  # more enter than stay: K of them have a sum of 1 on average
                chosen_BN = chosen_BN * (keep_BN.sum(1) / counts_B.clamp(min=1))[:, None]
            through_BN = chosen_BN
            if self.config.estimator != "none" and self.config.scored:
                through_BN = self._straight_through(scores_BN, keep_BN, valid_BN)
            if self.config.weights == "score":
                weight_BN = chosen_BN
            if weight_BN is not through_BN:  # the value of the one, the gradient of the other
                weight_BN = weight_BN.detach() + (through_BN - through_BN.detach())
        if self.config.weight_scale == "mean1":
            weight_BN = weight_BN * counts_B[:, None]
        return weight_BN

    def _straight_through(
        self, scores_BN: torch.Tensor, keep_BN: torch.Tensor, valid_BN: torch.Tensor
    ) -> torch.Tensor:
        """Weights (B, N) by equation 6 with the choice z of equation 5, for the backward pass.

        z is 1 for a kept token and 0 for another, and has the gradient of a softmax over all.
        """
        tiny = torch.finfo(scores_BN.dtype).tiny
        log_BN = scores_BN.clamp(min=tiny).log()
        if self.config.estimator == "gumbel_ste" and self.training:
            log_BN = log_BN - torch.empty_like(log_BN).exponential_().log()
        lowest = torch.finfo(log_BN.dtype).min
        soft_BN = (log_BN / self.config.tau_gumbel).masked_fill(~valid_BN, lowest).softmax(-1)
        choice_BN = keep_BN + soft_BN - soft_BN.detach()
        top_B1 = scores_BN.masked_fill(~keep_BN, 0).amax(-1, keepdim=True).detach()
        share_BN = ((scores_BN - top_B1) / self.config.tau_weight).exp() * choice_BN
        return share_BN / share_BN.sum(-1, keepdim=True).clamp(min=tiny)


def _merged(
    tokens_BND: torch.Tensor, scores_BN: torch.Tensor | None, merging: Merging
) -> torch.Tensor:
    """Tokens (B, N, D) with the mean of its group, in float32, in the place of each kept one."""
    tiny = torch.finfo(torch.float32).tiny
    part_BN = (merging.into_BN >= 0).float()
    if merging.by_score:
        part_BN = part_BN * scores_BN.clamp(min=tiny)
    into_BN = merging.into_BN.clamp(min=0)
    total_BN = torch.zeros_like(part_BN).scatter_add(1, into_BN, part_BN)
    with torch.autocast(tokens_BND.device.type, enabled=False):
        shares_BN1 = (part_BN / total_BN.gather(1, into_BN).clamp(min=tiny))[..., None]
        index_BND = into_BN[..., None].expand_as(tokens_BND)
        parts_BND = tokens_BND.float() * shares_BN1
        means_BND = torch.zeros_like(parts_BND).scatter_add(1, index_BND, parts_BND)
    stands_BN1 = (total_BN > 0)[..., None]
    return torch.where(stands_BN1, means_BND.to(tokens_BND.dtype), tokens_BND)
