"""Keep and gather: the shorter sequence that the language model reads once tokens are dropped.

Shapes: B samples, L tokens of the dense sequence, M tokens of the longest reduced one, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

IGNORED = -100


@dataclass(frozen=True)
class Sequence:
    """Inputs of the language model, all of one length, and where its visual tokens went."""

    inputs_embeds: torch.Tensor  # (B, M, D)
    attention_mask: torch.Tensor  # (B, M)
    position_ids: torch.Tensor  # (3, B, M) or (B, M), dense: a dropped token leaves a gap
    labels: torch.Tensor | None  # (B, M)

    def answer_length(self) -> int:
        """Columns from the first labelled one to the end."""
        labelled = (self.labels != IGNORED).any(0).nonzero()
        return self.labels.shape[1] - int(labelled[0]) if len(labelled) else 0


def gather_kept(sequence: Sequence, keep_BL: torch.Tensor, padding_side: str) -> Sequence:
    """Removes every token outside `keep_BL` from all parts of `sequence` together.

    Kept tokens stay in order; shorter samples are padded on `padding_side` (`left`, `right`).
    """
    length = int(keep_BL.sum(1).max())
    first = keep_BL if padding_side == "left" else ~keep_BL
    order_BL = first.byte().argsort(dim=1, stable=True)
    index_BM = order_BL[:, -length:] if padding_side == "left" else order_BL[:, :length]
    positions = sequence.position_ids
    labels = sequence.labels
    mask_BM = keep_BL.gather(1, index_BM)
    if labels is not None:
        labels = labels.gather(1, index_BM).masked_fill(~mask_BM, IGNORED)
    return Sequence(
        inputs_embeds=sequence.inputs_embeds.gather(
            1, index_BM[..., None].expand(-1, -1, sequence.inputs_embeds.shape[-1])
        ),
        attention_mask=mask_BM.to(sequence.attention_mask.dtype),
        position_ids=positions.gather(-1, index_BM.expand(*positions.shape[:-1], -1)),
        labels=labels,
    )


def pad_rows(rows: torch.Tensor, counts_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spreads rows (sum of counts, D) over (B, N, D) with a mask (B, N) of what is filled."""
    width = int(counts_B.max())
    valid_BN = torch.arange(width, device=rows.device) < counts_B.to(rows.device)[:, None]
    padded = rows.new_zeros(len(counts_B), width, rows.shape[-1])
    return padded.masked_scatter(valid_BN[..., None], rows), valid_BN


def masked_mean(embeds_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
    """Mean (B, D) of the marked tokens; zero where none is marked."""
    weight_BL = mask_BL.to(embeds_BLD.dtype)
    total_B1 = weight_BL.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bld,bl->bd", embeds_BLD, weight_BL) / total_B1
