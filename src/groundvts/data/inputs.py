"""From a conversation and a video's frames to model inputs, for training and inference alike.

The one owner of frames, fps, seconds per grid step and prompts: both sides call `Encoder.prompt`
and `Encoder.video`, so that time and pixels cannot drift apart. What a backbone does its own way
is in `qwen_inputs.py` and `internvl_inputs.py`.

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
from transformers.image_processing_base import ImageProcessingMixin

from groundvts.data.video import Frames
from groundvts.errors import BadInput
from groundvts.models.folder import model_settings, reading
from groundvts.prompts import query_place

IGNORED = -100


@dataclass(frozen=True)
class VideoInput:
    """One video for the model, and its time: pixels or tower features (P, width) in token order,
    or `tokens` (n, D), what the projector makes of them.

    `grid_thw` counts patches before the merge; `second_per_grid` is the span of a grid step in s;
    `timestamps` (s) are those of each step's frame, where the text names them.
    """

    grid_thw: tuple[int, int, int]
    second_per_grid: float
    patches: torch.Tensor | None = None
    features: torch.Tensor | None = None
    tokens: torch.Tensor | None = None
    timestamps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """Token ids with one placeholder for the video, and which of them are the query's."""

    ids: list[int]
    query: list[bool]
    answer: list[int] = field(default_factory=list)


class Encoder:
    """Tokenizer and pixel settings of one model folder or hub id.

    `Encoder(model)` makes the encoder of the model's backbone. BadInput where the backbone is
    unknown or tokenizer, configuration or preprocessor settings are absent.
    """

    placeholder: str  # what the chat template puts in a video's place
    user_after: str  # the marker after which the user's text begins
    visual: str  # the token that stands for one visual token
    temporal_patch_size: int  # frames to a grid step
    patch_size: int
    merge_size: int  # patches of a side that become one visual token
    frames: dict  # settings of `FrameSampling` where nobody names others

    def __new__(cls, model: str) -> Encoder:
        return super().__new__(_encoder_class(model) if cls is Encoder else cls)

    def __init__(self, model: str) -> None:
        self.tokenizer, self.settings = _folder_files(model)
        self._prompt = lru_cache(maxsize=100_000)(self._encode_prompt)
        self._answer = lru_cache(maxsize=100_000)(self._encode_answer)
        with reading(model, "preprocessor_config.json"):
            self.frames = {}
            scale = torch.tensor([self.settings["image_mean"], self.settings["image_std"]]) * 255
            self.mean, self.std = scale.view(2, 1, 3, 1, 1)
            self.configure(model)
            side = self.patch_size * self.merge_size
            self.video(Frames(np.zeros((1, side, side, 3), np.uint8), np.zeros(1), 1.0, 1.0, ""))
        with reading(model, "tokenizer_config.json"):
            names = (self.visual, self.placeholder, "<|im_end|>", self.tokenizer.pad_token)
            known = self.tokenizer.get_vocab()
            self.video_token, self._place, self.end_of_turn, self.pad = (known[n] for n in names)
            if self._place not in self.prompt("", "When?", "When?").ids:
                raise ValueError("the chat template has no place for a video")

    # What a backbone provides -------------------------------------------------------------
    def configure(self, model: str) -> None:
        """Sets the sizes above from the model's settings."""
        raise NotImplementedError

    def video(self, frames: Frames) -> VideoInput:
        """Normalised pixels of frames (T, H, W, 3) uint8, (x - mean * 255) / (std * 255), and time.

        Raises BadInput where the model cannot read frames of that size.
        """
        raise NotImplementedError

    def visual_ids(self, video: VideoInput) -> list[int]:
        """Token ids that take the video's place in the prompt."""
        raise NotImplementedError

    # -----------------------------------------------------------------------------------------
    @staticmethod
    def copy_files(model: str, out: Path) -> None:
        """Copies tokenizer, chat template and preprocessor settings of `model` to `out`.

        No weight and no model configuration is touched.
        """
        tokenizer, settings = _folder_files(model)
        tokenizer.save_pretrained(out)
        text = json.dumps(settings, indent=2) + "\n"
        (out / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def prompt(self, system: str, user: str, query: str, answer: str | None = None) -> Prompt:
        """The chat prompt of one sample; `query` must occur in `user`, else BadInput."""
        prompt = self._prompt(system, user, query)
        if answer is None:
            return prompt
        return Prompt(prompt.ids, prompt.query, self._answer(answer))

    def _encode_answer(self, answer: str) -> list[int]:
        ids = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [*ids, self.end_of_turn]

    def _encode_prompt(self, system: str, user: str, query: str) -> Prompt:
        special = [*self.tokenizer.all_special_tokens, self.placeholder, self.visual]
        special = [token for token in special if token in system + user]
        if special:
            raise BadInput(f"the prompt {user!r} holds the special token {special[0]}: remove it")
        content = [{"type": "video"}, {"type": "text", "text": user}]
        messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        place = query_place(query, user)
        if place < 0 or not query.strip():
            raise BadInput(f"the query {query!r} does not occur in the user's turn {user!r}")
        start = text.find(user, text.rfind(self.user_after) + len(self.user_after)) + place
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        end = start + len(query)
        marked = [low < end and high > start for low, high in encoded["offset_mapping"]]
        return Prompt(encoded["input_ids"], marked)

    def sample(self, prompt: Prompt, video: VideoInput, name: str = "") -> dict:
        """Lists of one sample: ids, labels (answer tokens only) and query mask, each (L,).

        `name` says which sample it is (video and query): what is drawn for it depends on it alone.
        """
        visual = self.visual_ids(video)
        at = prompt.ids.index(self._place)
        ids = [*prompt.ids[:at], *visual, *prompt.ids[at + 1 :]]
        query = [*prompt.query[:at], *[False] * len(visual), *prompt.query[at + 1 :]]
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
        names = {"tokens": "projected_tokens", "features": "vision_features",
                 "patches": "pixel_values_videos"}  # fmt: skip
        [key, *_] = [key for key in names if getattr(videos[0], key) is not None]
        batch[names[key]] = torch.cat([getattr(video, key) for video in videos])
        return batch


def _encoder_class(model: str) -> type[Encoder]:
    from groundvts.data.internvl_inputs import InternVLEncoder
    from groundvts.data.qwen_inputs import QwenEncoder
    from groundvts.models.load import BACKBONES

    encoders = {"qwen2_5_vl": QwenEncoder, "internvl": InternVLEncoder}
    settings = model_settings(model, encoders)
    kind = settings["model_type"].removeprefix("groundvts_")
    with reading(model, "config.json"):  # libraries read it for the tokenizer too
        BACKBONES[kind][0].from_dict(settings)
    return encoders[kind]


def _folder_files(model: str) -> tuple:
    """Tokenizer and preprocessor settings of a model folder."""
    with reading(model, "tokenizer.json"):
        tokenizer = AutoTokenizer.from_pretrained(model)
        if tokenizer.decode(tokenizer("When?")["input_ids"]) != "When?":
            raise ValueError("it does not know the words that it reads")
    with reading(model, "preprocessor_config.json"):
        settings, _ = ImageProcessingMixin.get_image_processor_dict(str(model))
    return tokenizer, settings
