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
    visual_mask: torch.Tensor  # (B, M)

    def answer_length(self) -> int:
        """Columns from the first labelled one to the end."""
        labelled = (self.labels != IGNORED).any(0).nonzero()
        return self.labels.shape[1] - int(labelled[0]) if len(labelled) else 0

    def forward_inputs(self) -> dict:
        """Arguments of a stock forward; with labels, logits from the first answer token on."""
        given = {
            "inputs_embeds": self.inputs_embeds,
            "attention_mask": self.attention_mask,
            "position_ids": self.position_ids,
        }
        if self.labels is not None:
            given["logits_to_keep"] = count = self.answer_length() + 1
            given["labels"] = self.labels[:, -count:]
        return given


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
        visual_mask=sequence.visual_mask.gather(1, index_BM) & mask_BM,
    )


def pad_rows(rows: torch.Tensor, counts_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spreads rows (sum of counts, D) over (B, N, D) with a mask (B, N) of what is filled."""
    width = int(counts_B.max())
    valid_BN = torch.arange(width, device=rows.device) < counts_B.to(rows.device)[:, None]
    padded = rows.new_zeros(len(counts_B), width, rows.shape[-1])
    return padded.masked_scatter(valid_BN[..., None], rows), valid_BN


def masked_mean(embeds_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
    """Mean (B, D) of the marked tokens in float32; zero where none is marked."""
    with torch.autocast(embeds_BLD.device.type, enabled=False):
        weight_BL = mask_BL.float()
        total_B1 = weight_BL.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("bld,bl->bd", embeds_BLD.float(), weight_BL) / total_B1


def sequential_1d(positions: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The index of each attended token in its dense sequence, on every axis of `positions`.

    It is what the released "no position encoding" variant comes to; padding gets 0.
    """
    index_BL = (attention_mask.long().cumsum(1) - 1).clamp(min=0) * attention_mask.bool()
    return index_BL.expand_as(positions).contiguous()


def reindexed(
    positions: torch.Tensor, keep_BL: torch.Tensor, visual_BL: torch.Tensor
) -> torch.Tensor:
    """Position ids as if the kept tokens were all there is; the others get 0.

    Text counts on; the kept tokens of a run of visual tokens start where the text ends and take,
    on each axis, the rank of their dense position among the positions kept there: order in time,
    height and width stays, gaps go. What follows starts at the largest id so far + 1.
    """
    dense_ABL = positions.reshape(-1, *keep_BL.shape)
    found_ABL = torch.zeros_like(dense_ABL)
    for row, keep_L in enumerate(keep_BL):
        kept, start = keep_L.nonzero().flatten(), 0
        lengths = visual_BL[row, kept].unique_consecutive(return_counts=True)[1]
        for places in kept.split(lengths.tolist()):
            ids = torch.arange(len(places), device=kept.device)
            if visual_BL[row, places[0]]:
                axes = dense_ABL[:, row, places]
                ids = torch.stack([axis.unique(return_inverse=True)[1] for axis in axes])
            found_ABL[:, row, places] = ids + start
            start += int(ids.max()) + 1
    return found_ABL.view_as(positions)
