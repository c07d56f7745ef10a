"""Model inputs in InternVL's layout: every frame is a picture after a label in the text.

A folder's preprocessor settings may change how frames are written: `frame_template` and
`frame_separator`, with {tokens} for the frame's visual tokens, {number} for its number from 1 on
and {seconds} for its time; `frame_stride` reads only every so manyth of the frames given.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from transformers import InternVLConfig

from groundvts.data.inputs import Encoder, VideoInput
from groundvts.data.video import Frames, FrameSampling, resize
from groundvts.errors import BadInput
from groundvts.models.folder import model_settings

TEMPLATE = "Frame{number}: <img>{tokens}</img>"  # InternVL's own wording
SEPARATOR = "\n"
FRAMES = 16  # of a video, as the released configuration reads it


class InternVLEncoder(Encoder):
    """InternVL: square frames of one size, each with its label and its visual tokens."""

    placeholder = user_after = "<video>"
    visual = "<IMG_CONTEXT>"

    def configure(self, model: str) -> None:
        stated = model_settings(model)
        known = {key: stated[key] for key in ("vision_config", "downsample_ratio") if key in stated}
        config = InternVLConfig(**known)
        self.size = tuple(config.vision_config.image_size)
        self.frames = {"count": FRAMES, "side": self.size[0]}
        self.patch_size = config.vision_config.patch_size[0]
        self.merge_size = round(1 / config.downsample_ratio)
        self.temporal_patch_size = self.settings.get("frame_stride", 1)
        template = self.settings.get("frame_template", TEMPLATE)
        self.head, _, self.tail = template.partition("{tokens}")
        self.separator = self.settings.get("frame_separator", SEPARATOR)
        try:
            if "{tokens}" not in template:
                raise ValueError("it lacks {tokens}")
            (self.head + self.tail).format(number=1, seconds=0.0)
        except (ValueError, LookupError) as error:
            why = f"{error}: use {{tokens}}, {{number}} and {{seconds}}"
            place = f"{model}: preprocessor_config.json: frame_template"
            raise BadInput(f"{place} {template!r}: {why}") from None
        self._text_ids = lru_cache(maxsize=10_000)(self._encode_text)

    def video(self, frames: Frames) -> VideoInput:
        """Pixels (t, 3, H, W) of every `frame_stride`-th frame; a step spans that many frames.

        Frames of another size become squares of the model's, whatever their shape.
        """
        stride, side = self.temporal_patch_size, self.size[0]
        square = FrameSampling(count=len(frames.pixels), side=side)
        shown = np.ascontiguousarray(resize(frames.pixels[::stride], square))
        pixels = (torch.from_numpy(shown).permute(0, 3, 1, 2).float() - self.mean) / self.std
        height, width = (side // self.patch_size for side in self.size)
        return VideoInput(
            (len(pixels), height, width),
            stride / frames.fps,
            patches=pixels,
            timestamps=tuple(frames.timestamps[::stride].tolist()),
        )

    def visual_ids(self, video: VideoInput) -> list[int]:
        """Label and visual tokens of each frame; a label's time is the frame's true one."""
        _, h, w = video.grid_thw
        tokens = [self.video_token] * (h * w // self.merge_size**2)
        ids: list[int] = []
        between = ""
        for number, seconds in enumerate(video.timestamps, 1):
            head, tail = (p.format(number=number, seconds=seconds) for p in (self.head, self.tail))
            ids += (*self._text_ids(between + head), *tokens)
            between = tail + self.separator
        return [*ids, *self._text_ids(between.removesuffix(self.separator))]

    def _encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
