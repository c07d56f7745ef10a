"""GroundVTS as a delta on a stock video language model: embed, sample, drop, go on as usual.

A backbone mixes `GroundVTS` into its stock transformers class and says how it turns a video into
tokens and a sequence into positions (see `qwen.py`). With `config.vts` None nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from groundvts.models.sequence import Sequence, gather_kept, masked_mean, pad_rows
from groundvts.models.vts import VTS, Selection, VTSConfig


@dataclass(frozen=True)
class Reduced:
    """The sequence for the language model and, where VTS is on, what it kept of each video."""

    sequence: Sequence
    selection: Selection | None


class GroundVTS:
    """Mixin for a `...ForConditionalGeneration` class; needs `config.vts` (a dict or None)."""

    def init_vts(self) -> None:
        """Adds the sampling module; the configuration then holds all of its settings."""
        self.vts = None
        if self.config.vts is not None:
            settings = VTSConfig.from_dict(self.config.vts)
            self.config.vts = settings.to_dict()
            self.vts = VTS(self.config.text_config.hidden_size, settings)

    # What a backbone provides -------------------------------------------------------------
    def video_tokens(self, **inputs) -> torch.Tensor:
        """Projected visual tokens of all videos in order, (sum of n, D)."""
        raise NotImplementedError

    def dense_positions(self, input_ids: torch.Tensor, attention_mask, **inputs) -> torch.Tensor:
        """Position ids of the dense sequence, (3, B, L) or (B, L)."""
        raise NotImplementedError

    def merged_grids(self, **inputs) -> list[tuple[int, int, int]]:
        """Merged (t, h, w) of each video."""
        raise NotImplementedError

    # -----------------------------------------------------------------------------------------
    def reduce(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        sample_seed: torch.Tensor | None = None,
        padding_side: str = "left",
        **inputs,
    ) -> Reduced:
        """Embeds ids (B, L) and their videos, samples visual tokens and drops the others.

        `query_mask` (B, L) marks the query's tokens; without it they are the user's text after
        the video. `sample_seed` (B,) fixes what a sampler draws at random outside training. Dropped
        tokens lose embedding, position, label and attention together, and what stays keeps its
        dense position. `padding_side` is where shorter samples are filled.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        positions = self.dense_positions(input_ids, attention_mask, **inputs)
        text_BLD = self.get_input_embeddings()(input_ids)
        embeds_BLD = self.embed_images(text_BLD, input_ids, **inputs)
        visual_BL = input_ids == self.config.video_token_id
        rows = self.video_tokens(**inputs).to(embeds_BLD.dtype)
        if int(visual_BL.sum()) != len(rows):
            raise ValueError(f"{int(visual_BL.sum())} video placeholders for {len(rows)} tokens")
        if self.vts is None:
            embeds_BLD = embeds_BLD.masked_scatter(visual_BL[..., None], rows)
            return Reduced(Sequence(embeds_BLD, attention_mask, positions, labels), None)
        if query_mask is None:
            query_mask = self.user_text(input_ids)
        tokens_BND, valid_BN = pad_rows(rows, visual_BL.sum(1))
        query_BD = masked_mean(text_BLD, query_mask)
        if sample_seed is None:
            sample_seed = torch.zeros(len(input_ids), dtype=torch.long)
        grids = self.merged_grids(**inputs)
        kept_BND, selection = self.vts(tokens_BND, valid_BN, query_BD, grids, sample_seed.tolist())
        embeds_BLD = embeds_BLD.masked_scatter(visual_BL[..., None], kept_BND[valid_BN])
        keep_BL = attention_mask.bool().masked_scatter(visual_BL, selection.keep_BN[valid_BN])
        if self.config.vts["drop"] == "masked":
            sequence = Sequence(embeds_BLD, keep_BL.to(attention_mask.dtype), positions, labels)
        else:
            dense = Sequence(embeds_BLD, attention_mask, positions, labels)
            sequence = gather_kept(dense, keep_BL, padding_side)
        return Reduced(sequence, selection)

    def user_text(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Mask (B, L) of the words between each row's last video and the end of the user's turn."""
        visual_BL = input_ids == self.config.video_token_id
        after_BL = visual_BL.flip(1).cumsum(1).flip(1) == 0
        after_BL &= input_ids != self.config.vision_end_token_id
        ended_BL = (after_BL & (input_ids == self.config.text_config.eos_token_id)).cumsum(1) > 0
        return after_BL & ~ended_BL

    def generate_from(self, reduced: Reduced, **options) -> torch.Tensor:
        """Generates after a reduced, left-padded sequence; returns the new tokens only.

        The cache holds the kept tokens and nothing else.
        """
        sequence = reduced.sequence
        return super().generate(
            inputs_embeds=sequence.inputs_embeds,
            attention_mask=sequence.attention_mask,
            position_ids=sequence.position_ids,
            **options,
        )

    @torch.no_grad()
    def generate(self, input_ids: torch.Tensor | None = None, **inputs) -> torch.Tensor:
        """As transformers' `generate`; a prompt with videos is reduced once, before it."""
        if input_ids is None or all(inputs.get(name) is None for name in self.video_inputs):
            return super().generate(input_ids, **inputs)
        names = {
            "attention_mask",
            "query_mask",
            "sample_seed",
            *self.video_inputs,
            *self.side_inputs,
        }
        given = {name: inputs.pop(name) for name in names & set(inputs)}
        reduced = self.reduce(input_ids, **given)
        new = self.generate_from(reduced, **inputs)
        return torch.cat([input_ids, new], dim=1)
