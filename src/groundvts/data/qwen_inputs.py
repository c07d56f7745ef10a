"""Model inputs in Qwen2.5-VL's layout: patches of pairs of frames, time in the positions alone."""

from __future__ import annotations

import numpy as np
import torch

from groundvts.data.inputs import Encoder, VideoInput
from groundvts.data.video import Frames


class QwenEncoder(Encoder):
    """Qwen2.5-VL: one placeholder for each visual token, nothing between them."""

    placeholder = visual = "<|video_pad|>"
    user_after = "<|vision_end|>"

    def configure(self, model: str) -> None:
        self.patch_size = self.settings["patch_size"]
        self.temporal_patch_size = self.settings["temporal_patch_size"]
        self.merge_size = self.settings["merge_size"]

    def video(self, frames: Frames) -> VideoInput:
        """Patches (P, 3 * temporal patch * patch^2); an odd last frame is repeated."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames.pixels)).permute(0, 3, 1, 2)
        pixels = (pixels.float() - self.mean) / self.std
        if missing := -len(pixels) % self.temporal_patch_size:
            pixels = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)])
        tp, m, p = self.temporal_patch_size, self.merge_size, self.patch_size
        t, h, w = len(pixels) // tp, pixels.shape[2] // p, pixels.shape[3] // p
        patches = pixels.view(t, tp, 3, h // m, m, p, w // m, m, p)
        patches = patches.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(t * h * w, 3 * tp * p * p)
        return VideoInput((t, h, w), self.temporal_patch_size / frames.fps, patches=patches)

    def visual_ids(self, video: VideoInput) -> list[int]:
        t, h, w = video.grid_thw
        return [self.video_token] * (t * h * w // self.merge_size**2)
