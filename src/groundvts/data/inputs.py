"""From a conversation and a video's frames to model inputs, for training and inference alike.

The one owner of frames, fps, seconds per grid step and prompts: both sides call `Encoder.prompt`
and `Encoder.video`, so that time and pixels cannot drift apart.

Shapes: L tokens of a sample, P patches of a video, B samples.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer
from transformers.models.qwen2_vl import Qwen2VLImageProcessorPil

from groundvts.data.video import Frames
from groundvts.errors import BadInput

IGNORED = -100
VIDEO_END = "<|vision_end|>"


@dataclass(frozen=True)
class VideoInput:
    """One video for the model: patches (P, patch pixels) or tower features (P, width), and time.

    `grid_thw` counts patches before the merge; `second_per_grid` is the span of a grid step in s.
    """

    grid_thw: tuple[int, int, int]
    second_per_grid: float
    patches: torch.Tensor | None = None
    features: torch.Tensor | None = None


@dataclass(frozen=True)
class Prompt:
    """Token ids with one placeholder for the video, and which of them are the query's."""

    ids: list[int]
    query: list[bool]
    answer: list[int] = field(default_factory=list)


class Encoder:
    """Tokenizer and pixel settings of one model folder or hub id (Qwen2.5-VL layout)."""

    def __init__(self, model: str) -> None:
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(model)
            settings, _ = Qwen2VLImageProcessorPil.get_image_processor_dict(str(model))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BadInput(f"{model}: no tokenizer or preprocessor there: {reason}") from None
        self.patch_size = settings["patch_size"]
        self.temporal_patch_size = settings["temporal_patch_size"]
        self.merge_size = settings["merge_size"]
        scale = torch.tensor([settings["image_mean"], settings["image_std"]]) * 255
        self.mean, self.std = scale.view(2, 1, 3, 1, 1)
        self.video_token = self.tokenizer.convert_tokens_to_ids("<|video_pad|>")
        self.end_of_turn = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad = self.tokenizer.pad_token_id
        self._prompt = lru_cache(maxsize=100_000)(self._encode_prompt)

    @staticmethod
    def copy_files(model: str, out: Path) -> None:
        """Copies tokenizer, chat template and preprocessor settings of `model` to `out`.

        No weight and no model configuration is touched.
        """
        AutoTokenizer.from_pretrained(model).save_pretrained(out)
        settings, _ = Qwen2VLImageProcessorPil.get_image_processor_dict(str(model))
        text = json.dumps(settings, indent=2) + "\n"
        (out / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def video(self, frames: Frames) -> VideoInput:
        """Patches (P, 3 * temporal patch * patch^2) of frames (T, H, W, 3) uint8 with their time.

        Normalised as (x - mean * 255) / (std * 255); an odd last frame is repeated.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(frames.pixels)).permute(0, 3, 1, 2)
        pixels = (pixels.float() - self.mean) / self.std
        if missing := -len(pixels) % self.temporal_patch_size:
            pixels = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)])
        tp, m, p = self.temporal_patch_size, self.merge_size, self.patch_size
        t, h, w = len(pixels) // tp, pixels.shape[2] // p, pixels.shape[3] // p
        patches = pixels.view(t, tp, 3, h // m, m, p, w // m, m, p)
        patches = patches.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(t * h * w, 3 * tp * p * p)
        return VideoInput((t, h, w), self.temporal_patch_size / frames.fps, patches=patches)

    def prompt(self, system: str, user: str, query: str, answer: str | None = None) -> Prompt:
        """The chat prompt of one sample; `query` must occur in `user`, else BadInput."""
        prompt = self._prompt(system, user, query)
        if answer is None:
            return prompt
        ids = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return Prompt(prompt.ids, prompt.query, [*ids, self.end_of_turn])

    def _encode_prompt(self, system: str, user: str, query: str) -> Prompt:
        content = [{"type": "video"}, {"type": "text", "text": user}]
        messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        start = text.find(query, text.rfind(VIDEO_END) + len(VIDEO_END))
        if start < 0 or not query.strip():
            raise BadInput(f"the query {query!r} does not occur in the user's turn {user!r}")
        special = [token for token in self.tokenizer.all_special_tokens if token in system + user]
        if special:
            raise BadInput(f"the prompt {user!r} holds the special token {special[0]}: remove it")
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        end = start + len(query)
        marked = [low < end and high > start for low, high in encoded["offset_mapping"]]
        return Prompt(encoded["input_ids"], marked)

    def sample(self, prompt: Prompt, video: VideoInput, name: str = "") -> dict:
        """Lists of one sample: ids, labels (answer tokens only) and query mask, each (L,).

        `name` says which sample it is (video and query): what is drawn for it depends on it alone.
        """
        t, h, w = video.grid_thw
        count = t * h * w // self.merge_size**2
        at = prompt.ids.index(self.video_token)
        ids = [*prompt.ids[:at], *[self.video_token] * count, *prompt.ids[at + 1 :]]
        query = [*prompt.query[:at], *[False] * count, *prompt.query[at + 1 :]]
        labels = [IGNORED] * len(ids) + prompt.answer
        return {
            "input_ids": ids + prompt.answer,
            "labels": labels,
            "query_mask": query + [False] * len(prompt.answer),
            "video": video,
            "seed": zlib.crc32(name.encode()),
        }

    def collate(self, samples: list[dict], padding_side: str = "left") -> dict:
        """Pads samples to tensors (B, L) on `padding_side`; videos are concatenated."""
        length = max(len(sample["input_ids"]) for sample in samples)
        fill = {"input_ids": self.pad, "labels": IGNORED, "query_mask": False}

        def padded(key: str, value) -> torch.Tensor:
            rows = []
            for sample in samples:
                gap = [value] * (length - len(sample[key]))
                rows.append(gap + sample[key] if padding_side == "left" else sample[key] + gap)
            return torch.tensor(rows)

        batch = {key: padded(key, value) for key, value in fill.items()}
        lengths = torch.tensor([len(sample["input_ids"]) for sample in samples])
        mask = (torch.arange(length) < lengths[:, None]).long()
        batch["sample_seed"] = torch.tensor([sample["seed"] for sample in samples])
        batch["attention_mask"] = mask.flip(1) if padding_side == "left" else mask
        videos = [sample["video"] for sample in samples]
        batch["video_grid_thw"] = torch.tensor([video.grid_thw for video in videos])
        batch["second_per_grid_ts"] = torch.tensor([video.second_per_grid for video in videos])
        if videos[0].features is not None:
            batch["vision_features"] = torch.cat([video.features for video in videos])
        else:
            batch["pixel_values_videos"] = torch.cat([video.patches for video in videos])
        return batch
