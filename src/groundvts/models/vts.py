"""Visual Token Sampling: score each visual token against the query and keep the best.

Shapes: B samples, N visual tokens (padded), D width of the language model, R scorer width.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from torch import nn

from groundvts.errors import BadInput
from groundvts.models.samplers import SAMPLERS, SCORED, Video, keep_highest


@dataclass(frozen=True)
class VTSConfig:
    """Settings of the module; the defaults are the protocol `fixed`.

    ratio: share of a video's tokens to keep, K = ceil(ratio * n) (section 3.2).
    weights: `score` multiplies each kept token by its weight (equation 6); `constant` by 1/K,
      with the gradient of `score` where the sampler scores.
    score_norm: `layernorm` (without parameters, with 1/sqrt(R)) or `none`, the paper's dot product.
    centring: subtract the running mean of pooled queries before scoring.
    start: `shared` lets both projections start as one orthogonal matrix; `default` is torch's.
    tau, tau_weight: temperatures of the score's and the weights' softmax (tau, tau').
    weight_scale: `sum1` lets the weights of kept tokens sum to 1; `mean1` to K.
    drop: `real` removes dropped tokens from the sequence; `masked` only hides them.
    seed: of samplers that draw, beside each sample's own.
    """

    hidden_size: int = 512
    sampler: str = "vts"
    ratio: float = 0.5
    weights: str = "score"
    score_norm: str = "layernorm"
    centring: bool = False
    start: str = "shared"
    tau: float = 1.0
    tau_weight: float = 1.0
    weight_scale: str = "sum1"
    drop: str = "real"
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "sampler": tuple(SAMPLERS),
            "weights": ("score", "constant"),
            "score_norm": ("layernorm", "none"),
            "start": ("shared", "default"),
            "weight_scale": ("sum1", "mean1"),
            "drop": ("real", "masked"),
        }
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise BadInput(f"vts.{key}: {getattr(self, key)!r} is none of {', '.join(allowed)}")
        if not 0 < self.ratio <= 1:
            raise BadInput(f"vts.ratio: {self.ratio} is outside (0, 1]: name the share to keep")
        if self.sampler == "none" and self.ratio != 1:
            raise BadInput(f"vts.ratio: {self.ratio}, but the sampler none keeps all: set it to 1")

    @classmethod
    def from_dict(cls, settings: dict) -> VTSConfig:
        """Reads settings, refusing unknown keys by name (BadInput)."""
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown:
            raise BadInput(f"vts.{sorted(unknown)[0]}: no such setting")
        return cls(**settings)

    def to_dict(self) -> dict:
        return asdict(self)


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
        self.post_mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.register_buffer("centre_D", torch.zeros(width))
        self.register_buffer("centre_steps", torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the start of the weights from torch's global generator."""
        for layer in (self.project_visual, self.project_query, *self.post_mlp[::2]):
            layer.reset_parameters()
        if self.config.start == "shared":
            nn.init.orthogonal_(self.project_visual.weight)
            with torch.no_grad():
                self.project_query.weight.copy_(self.project_visual.weight)
        self.centre_D.zero_()
        self.centre_steps.zero_()

    @property
    def scores_tokens(self) -> bool:
        """Whether the choice or the weights look at the query."""
        return self.config.sampler in SCORED or self.config.weights == "score"

    def score(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, query_BD: torch.Tensor
    ) -> torch.Tensor:
        """Softmax over each video's tokens of their match with the query, (B, N), float32."""
        query_BD = self._centred(query_BD)
        if self.config.score_norm == "layernorm":
            tokens_BND = F.layer_norm(tokens_BND, tokens_BND.shape[-1:])
            query_BD = F.layer_norm(query_BD, query_BD.shape[-1:])
        with torch.autocast(tokens_BND.device.type, enabled=False):
            visual_BNR = F.linear(tokens_BND.float(), self.project_visual.weight.float())
            query_BR = F.linear(query_BD.float(), self.project_query.weight.float())
            score_BN = torch.einsum("bnr,br->bn", visual_BNR, query_BR) / self.config.tau
        if self.config.score_norm == "layernorm":
            score_BN = score_BN / self.config.hidden_size**0.5
        # a row without a video stays finite
        return score_BN.masked_fill(~valid_BN, torch.finfo(score_BN.dtype).min).softmax(-1)

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
        """Keeps K = ceil(ratio * n) tokens of each video.

        Returns the embeddings (B, N, D) that stand for the kept tokens, weight * MLP(token), with
        dropped tokens as they came, and the selection.
        """
        sizes_B = valid_BN.sum(1)
        counts_B = torch.ceil(sizes_B.double() * self.config.ratio - 1e-9).long()
        scores_BN = self.score(tokens_BND, valid_BN, query_BD) if self.scores_tokens else None
        seeds = [zlib.crc32(f"{self.config.seed}:{seed}".encode()) for seed in seeds]
        video = Video(tokens_BND, valid_BN, counts_B, grids, scores_BN, seeds, self.training)
        with torch.no_grad():
            priority_BN = SAMPLERS[self.config.sampler](video)
            keep_BN = keep_highest(priority_BN, valid_BN, counts_B)
        weight_BN = self._weights(scores_BN, keep_BN, counts_B)
        kept_BND = self.post_mlp(tokens_BND) * weight_BN[..., None].to(tokens_BND.dtype)
        embeds_BND = torch.where(keep_BN[..., None], kept_BND, tokens_BND)
        return embeds_BND, Selection(keep_BN, weight_BN, scores_BN)

    def _weights(
        self, scores_BN: torch.Tensor | None, keep_BN: torch.Tensor, counts_B: torch.Tensor
    ) -> torch.Tensor:
        """Weights (B, N) of the kept tokens, a second softmax over their scores (equation 6)."""
        constant_BN = keep_BN / counts_B.clamp(min=1)[:, None]
        weight_BN = constant_BN
        if scores_BN is not None:
            logits_BN = (scores_BN / self.config.tau_weight).masked_fill(~keep_BN, -1e9)
            weight_BN = logits_BN.softmax(-1) * keep_BN
            if self.config.weights == "constant":
                weight_BN = constant_BN + (weight_BN - weight_BN.detach())
        if self.config.weight_scale == "mean1":
            weight_BN = weight_BN * counts_B[:, None]
        return weight_BN
