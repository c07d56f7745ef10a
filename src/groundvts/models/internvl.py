"""GroundVTS-I: InternVL with visual token sampling, a delta on the stock class.

A video's frames are pictures, each after a label in the text, and positions are one-dimensional.
The stock class gives pictures of a video and still images one placeholder; here a video's frames
come as `pixel_values_videos`, and the last t * h * w placeholders of a row are those of its video.
"""

from __future__ import annotations

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    InternVLConfig,
    InternVLForConditionalGeneration,
)
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)

from groundvts.models.grounding import GroundVTS


class GroundVTSInternConfig(InternVLConfig):
    """InternVL's configuration and `vts`, the sampling module's settings (None: no module)."""

    model_type = "groundvts_internvl"
    vts: dict | None = None

    @property
    def video_token_id(self) -> int:
        """The placeholder of a visual token, which frames share with still images."""
        return self.image_token_id

    @property
    def vision_end_token_id(self) -> int:
        """What closes a picture: in InternVL's vocabularies it stands before the placeholder."""
        return self.image_token_id - 1

    @property
    def merge_size(self) -> int:
        """Patches of a side that become one visual token."""
        return round(1 / self.downsample_ratio)

    def stock(self) -> InternVLConfig:
        """The configuration of the stock model inside."""
        settings = self.to_dict()
        for key in ("vts", "model_type", "architectures"):
            settings.pop(key, None)
        return InternVLConfig.from_dict(settings)

    @classmethod
    def from_stock(cls, stock: dict, vts: dict | None) -> GroundVTSInternConfig:
        """A stock model's configuration (as read from its folder) with sampling settings.

        A placeholder of its own for videos, where one is stated, is left out.
        """
        left_out = ("model_type", "architectures", "video_token_id")
        settings = {key: value for key, value in stock.items() if key not in left_out}
        return cls.from_dict({**settings, "vts": vts})


class GroundVTSIntern(GroundVTS, InternVLForConditionalGeneration):
    """InternVL that reads only the visual tokens its sampler keeps.

    Beyond the stock inputs it takes `query_mask` (B, L), the query's tokens; the frames of all
    videos as `pixel_values_videos` (sum of t, 3, H, W) or, in their place, `vision_features`
    (m * m * sum of n, width): the frozen tower's output before the projector, m * m patches to a
    token, in the order of the tokens; and `video_grid_thw` (B, 3), frames and patches of each
    video. Still images are `pixel_values`, as in the stock class, and bypass the sampler.
    """

    config_class = GroundVTSInternConfig
    video_inputs = ("pixel_values_videos", "vision_features")
    side_inputs = ("video_grid_thw", "second_per_grid_ts", "pixel_values")

    def __init__(self, config: GroundVTSInternConfig) -> None:
        super().__init__(config)
        self.loss_type = "ForConditionalGeneration"  # the stock class has it from its name
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
        video_grid_thw=None,
        second_per_grid_ts=None,
        **kwargs,
    ):
        """As the stock forward; a prompt with videos is reduced first (see `GroundVTS.reduce`).

        With labels, logits are computed from the first answer token on and no earlier. Notable:
        without a mask transformers would read a gap in the positions as the border between two
        packed sequences, so that a mask is always given.
        """
        given = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, "labels": labels}
        given |= {"attention_mask": attention_mask, "position_ids": position_ids}
        given["pixel_values"] = pixel_values
        videos = {"pixel_values_videos": pixel_values_videos, "vision_features": vision_features}
        if any(one is not None for one in videos.values()):
            videos |= {"pixel_values": pixel_values, "video_grid_thw": video_grid_thw}
            asked = (input_ids, attention_mask, labels, query_mask, sample_seed)
            given = self.reduce(*asked, **videos).forward_inputs()
        elif attention_mask is None and past_key_values is None and position_ids is not None:
            given["attention_mask"] = torch.ones_like(position_ids)
        return super().forward(past_key_values=past_key_values, **given, **kwargs)

    def reduce(self, input_ids, *arguments, pixel_values=None, video_grid_thw=None, **inputs):
        """As `GroundVTS.reduce`; what precedes a row's last t * h * w placeholders is still images.

        Still images are embedded in the stock way and count as text that is always kept.
        """
        inputs["video_grid_thw"] = video_grid_thw
        if pixel_values is None:
            return super().reduce(input_ids, *arguments, **inputs)
        visual_BL = input_ids == self.config.image_token_id
        counts = [t * h * w for t, h, w in self.merged_grids(video_grid_thw)]
        left_BL = visual_BL.flip(1).cumsum(1).flip(1)  # placeholders from here to the row's end
        still_BL = visual_BL & (left_BL > torch.tensor(counts, device=left_BL.device)[:, None])
        hidden = input_ids.masked_fill(still_BL, self.config.vision_end_token_id)
        inputs |= {"pixel_values": pixel_values, "still_BL": still_BL}
        return super().reduce(hidden, *arguments, **inputs)

    def vision_features(self, pixel_values_videos, video_grid_thw=None) -> torch.Tensor:
        """The tower's output before the projector, (m * m * sum of n, width), in token order."""
        config, layer = self.config, self.config.vision_feature_layer
        pixels = pixel_values_videos.to(self.dtype)
        output = self.model.vision_tower(pixels, output_hidden_states=layer != -1)
        hidden_FPD = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
        if config.vision_feature_select_strategy == "default":
            hidden_FPD = hidden_FPD[:, 1:]  # without the class token
        side = round(hidden_FPD.shape[1] ** 0.5)
        square = hidden_FPD.unflatten(1, (side, side))
        merged = self.model.pixel_shuffle(square, config.downsample_ratio)
        return merged.reshape(-1, hidden_FPD.shape[-1])

    def video_tokens(
        self, pixel_values_videos=None, vision_features=None, video_grid_thw=None, **_
    ) -> torch.Tensor:
        if vision_features is None:
            vision_features = self.vision_features(pixel_values_videos)
        patches = self.config.merge_size**2
        rows = vision_features.to(self.dtype).reshape(-1, patches * vision_features.shape[-1])
        return self.model.multi_modal_projector(rows)

    def embed_images(self, embeds_BLD, input_ids, pixel_values=None, still_BL=None, **_):
        """Text embeddings with still images put in place; images bypass the sampler."""
        if pixel_values is None:
            return embeds_BLD
        rows = self.get_image_features(pixel_values, return_dict=True).pooler_output
        count = rows.shape[0] * rows.shape[1]
        if count != int(still_BL.sum()):
            raise ValueError(f"{int(still_BL.sum())} image placeholders for {count} tokens")
        return embeds_BLD.masked_scatter(still_BL[..., None], rows.to(embeds_BLD.dtype))

    def placeholders(self, input_ids, still_BL=None, **_) -> torch.Tensor:
        visual_BL = input_ids == self.config.image_token_id
        return visual_BL if still_BL is None else visual_BL | still_BL

    def dense_positions(self, input_ids, attention_mask, **_) -> torch.Tensor:
        """Position ids (B, L) of the dense sequence, from 0 at the first attended token."""
        return (attention_mask.long().cumsum(1) - 1).clamp(min=0)

    def merged_grids(self, video_grid_thw=None, **_) -> list[tuple[int, int, int]]:
        merge = self.config.merge_size
        return [(t, h // merge, w // merge) for t, h, w in video_grid_thw.tolist()]

    def user_text(self, input_ids: torch.Tensor) -> torch.Tensor:
        """As for all backbones, without the line break that follows a video in the prompt."""
        text_BL = super().user_text(input_ids)
        return text_BL & (text_BL.cumsum(1) > 1)


register_checkpoint_conversion_mapping(
    GroundVTSIntern.__name__, get_checkpoint_conversion_mapping(InternVLConfig.model_type)
)
AutoConfig.register(GroundVTSInternConfig.model_type, GroundVTSInternConfig)
AutoModelForImageTextToText.register(GroundVTSInternConfig, GroundVTSIntern)
