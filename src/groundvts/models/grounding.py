"""GroundVTS as a delta on a stock video language model: embed, sample, drop, go on as usual.

A backbone mixes `GroundVTS` into its stock transformers class and says how it turns a video into
tokens and a sequence into positions (see `qwen.py`). With `config.vts` None nothing is sampled.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from groundvts.models.pruning import Prune, install
from groundvts.models.query import query_tokens
from groundvts.models.reduced import Reduced
from groundvts.models.sequence import (
    IGNORED,
    Sequence,
    gather_kept,
    masked_mean,
    pad_rows,
    reindexed,
    sequential_1d,
)
from groundvts.models.vts import VTS, Selection
from groundvts.models.vts_config import VTSConfig


class GroundVTS:
    """Mixin for a `...ForConditionalGeneration` class; needs `config.vts` (a dict or None)."""

    def init_vts(self) -> None:
        """Adds the sampling module; the configuration then holds all of its settings."""
        self.vts = None
        if self.config.vts is not None:
            settings = VTSConfig.from_dict(self.config.vts)
            self.config.vts = settings.to_dict()
            self.vts = VTS(self.config.text_config.hidden_size, settings)

    def _init_weights(self, module) -> None:
        super()._init_weights(module)
        if isinstance(module, VTS):
            module.reset_parameters()

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

    def placeholders(self, input_ids: torch.Tensor, **inputs) -> torch.Tensor:
        """Mask (B, L) of what stands for visual tokens, of videos and of still images."""
        config = self.config
        return (input_ids == config.video_token_id) | (input_ids == config.image_token_id)

    # -----------------------------------------------------------------------------------------
    def reduce(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        sample_seed: torch.Tensor | None = None,
        projected_tokens: torch.Tensor | None = None,
        padding_side: str = "left",
        **inputs,
    ) -> Reduced:
        """Embeds ids (B, L) and their videos, samples visual tokens and drops the others.

        `query_mask` (B, L) marks the query's tokens; without it they are the user's text after
        the video. `sample_seed` (B,) fixes what a sampler draws at random outside training.
        `projected_tokens` (sum of n, D) are what `video_tokens` has given, in place of the videos'
        pixels. Dropped tokens lose embedding, position, label and attention together, and what
        stays keeps its dense position, unless `config.vts` says otherwise. `padding_side` is where
        shorter samples are filled (ValueError for `right` with labels where the language model
        drops tokens inside it: it fills on the left).
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        positions = self.dense_positions(input_ids, attention_mask, **inputs)
        text_BLD = self.get_input_embeddings()(input_ids)
        embeds_BLD = self.embed_images(text_BLD, input_ids, **inputs)
        visual_BL = input_ids == self.config.video_token_id
        rows = self._rows(projected_tokens, int(visual_BL.sum()), **inputs).to(embeds_BLD.dtype)
        if self.vts is None:
            embeds_BLD = embeds_BLD.masked_scatter(visual_BL[..., None], rows)
            dense = Sequence(embeds_BLD, attention_mask, positions, labels, visual_BL)
            return Reduced(dense, None)
        given = (attention_mask, query_mask, labels)
        query_BD, shown_BL = self._query(text_BLD, input_ids, *given, **inputs)
        seeds = [0] * len(input_ids) if sample_seed is None else sample_seed.tolist()
        tokens_BND, valid_BN = pad_rows(rows, visual_BL.sum(1))
        grids = self.merged_grids(**inputs)
        kept_BND, selection = self.vts(tokens_BND, valid_BN, query_BD, grids, seeds)
        embeds_BLD = embeds_BLD.masked_scatter(visual_BL[..., None], kept_BND[valid_BN])
        keep_BL = attention_mask.bool().masked_scatter(visual_BL, selection.keep_BN[valid_BN])
        dense = Sequence(embeds_BLD, attention_mask, positions, labels, visual_BL)
        reduced = self._dropped(dense, selection, keep_BL, shown_BL, padding_side)
        return self._pruned(reduced, valid_BN, padding_side) if self.vts.config.inside else reduced

    def _rows(self, projected: torch.Tensor | None, count: int, **inputs) -> torch.Tensor:
        """Projected tokens (`count`, D), given or made; ValueError where they are not so many."""
        rows = self.video_tokens(**inputs) if projected is None else projected
        if len(rows) != count:
            raise ValueError(f"{count} video placeholders for {len(rows)} tokens")
        return rows

    def _query(
        self, text_BLD, input_ids, attention_mask, query_mask, labels, **inputs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The pooled query (B, D) in the scope that is set, and the visual placeholders (B, L)."""
        shown_BL = self.placeholders(input_ids, **inputs)
        pooled_BL = query_tokens(
            self.config.vts["query_scope"],
            text_BL=~shown_BL,
            attention_mask=attention_mask,
            user_BL=self.user_text(input_ids),
            words_BL=query_mask,
            labels=labels,
        )
        return masked_mean(text_BLD, pooled_BL), shown_BL

    def _dropped(
        self,
        dense: Sequence,
        selection: Selection,
        keep_BL: torch.Tensor,
        shown_BL: torch.Tensor,
        padding_side: str,
    ) -> Reduced:
        """The dense sequence without what is not kept, as drop, decode and positions ask for it."""
        settings, mask = self.config.vts, dense.attention_mask
        if settings["positions"] == "sequential_1d":
            dense = replace(dense, position_ids=sequential_1d(dense.position_ids, mask))
        elif settings["positions"] == "reindexed":
            dense = replace(dense, position_ids=reindexed(dense.position_ids, keep_BL, shown_BL))
        if settings["drop"] == "real":
            return Reduced(gather_kept(dense, keep_BL, padding_side), selection)
        hidden = replace(dense, attention_mask=keep_BL.to(mask.dtype))
        return Reduced(hidden, selection, mask if settings["decode"] == "leak" else None)

    def _pruned(self, reduced: Reduced, valid_BN: torch.Tensor, padding_side: str) -> Reduced:
        """The sequence with what the language model needs to choose."""
        sequence, settings = reduced.sequence, self.vts.config
        if padding_side != "left" and sequence.labels is not None and settings.drop == "real":
            raise ValueError(f"sampler {settings.sampler}: with labels, pad to the left")
        install(self.model.language_model, settings.prune_after)
        attended_BM = sequence.attention_mask.bool()
        prompt_BM = attended_BM
        if sequence.labels is not None:
            prompt_BM = attended_BM & (sequence.labels == IGNORED)
        index_M = torch.arange(prompt_BM.shape[1], device=prompt_BM.device)
        asked = Prune(
            visual_BL=sequence.visual_mask,
            attended_BL=attended_BM,
            asking_B=torch.where(prompt_BM, index_M, -1).amax(1),
            counts_B=self.vts.counts(valid_BN),
            after=settings.prune_after,
            remove=settings.drop == "real",
        )
        return replace(reduced, prune=asked)

    def user_text(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Mask (B, L) of the words between each row's last video and the end of the user's turn."""
        visual_BL = input_ids == self.config.video_token_id
        after_BL = visual_BL.flip(1).cumsum(1).flip(1) == 0
        after_BL &= input_ids != self.config.vision_end_token_id
        ended_BL = (after_BL & (input_ids == self.config.text_config.eos_token_id)).cumsum(1) > 0
        return after_BL & ~ended_BL

    def generate_from(self, reduced: Reduced, **options):
        """Generates after a reduced, left-padded sequence; returns the new tokens only.

        The cache holds the kept tokens and nothing else, unless dropped ones are only hidden.
        """
        sequence = reduced.sequence
        if reduced.decode_mask is not None:
            options["decode_mask"] = reduced.decode_mask
        if reduced.prune is not None:
            options["prune"] = reduced.prune
        return super().generate(
            inputs_embeds=sequence.inputs_embeds,
            attention_mask=sequence.attention_mask,
            position_ids=sequence.position_ids,
            **options,
        )

    def prepare_inputs_for_generation(
        self,
        input_ids,
        past_key_values=None,
        attention_mask=None,
        inputs_embeds=None,
        is_first_iteration=False,
        decode_mask=None,
        prune=None,
        **kwargs,
    ):
        """As transformers' own, for prompts that come as embeddings.

        The prompt alone is pruned. With a cache, `decode_mask` (B, M) takes the place of the
        prompt's mask after the first new token. Without one, prompt and new tokens are read anew
        each time.
        """
        if inputs_embeds is not None and not is_first_iteration:
            if past_key_values is None:
                new_BLD = self.get_input_embeddings()(input_ids)
                inputs_embeds = torch.cat([inputs_embeds, new_BLD], dim=1)
                is_first_iteration = True
            elif decode_mask is not None:
                new_BL = attention_mask[:, decode_mask.shape[1] :]
                attention_mask = torch.cat([decode_mask, new_BL], dim=1)
        if prune is not None and is_first_iteration:
            length = inputs_embeds.shape[1]
            kwargs["prune"] = prune if length == prune.visual_BL.shape[1] else prune.grown(length)
        return super().prepare_inputs_for_generation(
            input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )

    @torch.no_grad()
    def generate(self, input_ids: torch.Tensor | None = None, **inputs):
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
        found = self.generate_from(self.reduce(input_ids, **given), **inputs)
        new = found if torch.is_tensor(found) else found.sequences
        prompt = input_ids.repeat_interleave(len(new) // len(input_ids), dim=0)
        whole = torch.cat([prompt, new], dim=1)
        if torch.is_tensor(found):
            return whole
        found.sequences = whole
        return found
