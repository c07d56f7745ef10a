"""GroundVTS-Q: Qwen2.5-VL with visual token sampling, a delta on the stock class."""

from __future__ import annotations

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import get_vision_window_index

from groundvts.models.grounding import GroundVTS
from groundvts.models.positions import mrope_positions


class GroundVTSQwenConfig(Qwen2_5_VLConfig):
    """Qwen2.5-VL's configuration and `vts`, the sampling module's settings (None: no module)."""

    model_type = "groundvts_qwen2_5_vl"
    vts: dict | None = None

    def stock(self) -> Qwen2_5_VLConfig:
        """The configuration of the stock model inside."""
        settings = self.to_dict()
        for key in ("vts", "model_type", "architectures"):
            settings.pop(key, None)
        return Qwen2_5_VLConfig.from_dict(settings)

    @classmethod
    def from_stock(cls, stock: dict, vts: dict | None) -> GroundVTSQwenConfig:
        """A stock model's configuration (as read from its folder) with sampling settings."""
        settings = {k: v for k, v in stock.items() if k not in ("model_type", "architectures")}
        return cls.from_dict({**settings, "vts": vts})


class GroundVTSQwen(GroundVTS, Qwen2_5_VLForConditionalGeneration):
    """Qwen2.5-VL that reads only the visual tokens its sampler keeps.

    Beyond the stock inputs it takes `query_mask` (B, L), the query's tokens, and, in place of
    `pixel_values_videos`, `vision_features` (4 * sum of n, width): the frozen tower's output
    before the projector, four patches to a token, in the order of the tokens.
    """

    config_class = GroundVTSQwenConfig
    video_inputs = ("pixel_values_videos", "vision_features")
    side_inputs = ("video_grid_thw", "second_per_grid_ts", "pixel_values", "image_grid_thw")

    def __init__(self, config: GroundVTSQwenConfig) -> None:
        super().__init__(config)
        self.init_vts()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        query_mask=None,
        sample_seed=None,
        vision_features=None,
        pixel_values=None,
        pixel_values_videos=None,
        image_grid_thw=None,
        video_grid_thw=None,
        second_per_grid_ts=None,
        **kwargs,
    ):
        """As the stock forward; a prompt with videos is reduced first (see `GroundVTS.reduce`).

        With labels, logits are computed from the first answer token on and no earlier.
        """
        given = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, "labels": labels}
        given |= {"attention_mask": attention_mask, "position_ids": position_ids}
        images = {"pixel_values": pixel_values, "image_grid_thw": image_grid_thw}
        videos = {"pixel_values_videos": pixel_values_videos, "vision_features": vision_features}
        if any(one is not None for one in videos.values()):
            videos |= {"video_grid_thw": video_grid_thw, "second_per_grid_ts": second_per_grid_ts}
            asked = (input_ids, attention_mask, labels, query_mask, sample_seed)
            given, images = self.reduce(*asked, **videos, **images).forward_inputs(), {}
        return super().forward(past_key_values=past_key_values, **given, **images, **kwargs)

    def vision_features(self, pixel_values_videos, video_grid_thw) -> torch.Tensor:
        """The tower's output before the projector, (4 * sum of n, width), in token order."""
        visual = self.model.visual
        hidden = visual(pixel_values_videos.type(visual.dtype), grid_thw=video_grid_thw)
        window_index, _ = get_vision_window_index(
            video_grid_thw,
            spatial_merge_size=visual.spatial_merge_size,
            window_size=visual.window_size,
            patch_size=visual.patch_size,
        )
        patches = hidden.last_hidden_state
        groups = patches.view(-1, visual.spatial_merge_unit, patches.shape[-1])
        return groups[torch.argsort(window_index)].flatten(0, 1)

    def video_tokens(
        self, pixel_values_videos=None, vision_features=None, video_grid_thw=None, **_
    ) -> torch.Tensor:
        if vision_features is not None:
            return self.model.visual.merger(vision_features.to(self.dtype))
        output = self.get_video_features(pixel_values_videos, video_grid_thw, return_dict=True)
        return torch.cat(output.pooler_output)

    def embed_images(self, embeds_BLD, input_ids, pixel_values=None, image_grid_thw=None, **_):
        """Text embeddings with still images put in place; images bypass the sampler."""
        if pixel_values is None:
            return embeds_BLD
        output = self.get_image_features(pixel_values, image_grid_thw, return_dict=True)
        rows = torch.cat(output.pooler_output).to(embeds_BLD.dtype)
        return embeds_BLD.masked_scatter((input_ids == self.config.image_token_id)[..., None], rows)

    def dense_positions(
        self,
        input_ids,
        attention_mask,
        image_grid_thw=None,
        video_grid_thw=None,
        second_per_grid_ts=None,
        **_,
    ) -> torch.Tensor:
        vision = self.config.vision_config
        return mrope_positions(
            input_ids,
            attention_mask,
            image_token_id=self.config.image_token_id,
            video_token_id=self.config.video_token_id,
            image_grid_thw=image_grid_thw,
            video_grid_thw=video_grid_thw,
            second_per_grid=second_per_grid_ts,
            tokens_per_second=vision.tokens_per_second,
            merge_size=vision.spatial_merge_size,
        )

    def merged_grids(self, video_grid_thw=None, **_) -> list[tuple[int, int, int]]:
        merge = self.config.vision_config.spatial_merge_size
        return [(t, h // merge, w // merge) for t, h, w in video_grid_thw.tolist()]


register_checkpoint_conversion_mapping(
    GroundVTSQwen.__name__,
    get_checkpoint_conversion_mapping(Qwen2_5_VLForConditionalGeneration.__name__),
)
AutoConfig.register(GroundVTSQwenConfig.model_type, GroundVTSQwenConfig)
AutoModelForImageTextToText.register(GroundVTSQwenConfig, GroundVTSQwen)
