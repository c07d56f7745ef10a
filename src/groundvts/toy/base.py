"""A tiny pretrained Qwen2.5-VL folder, laid out as one would download it.

It stands in for the checkpoint that the paper starts from: it answers simple questions about a
clip and grounds poorly. `SUPERVISION` says what it was taught with; its record carries it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from groundvts.data.conversations import Conversation
from groundvts.data.frames import FrameCache
from groundvts.data.inputs import Encoder
from groundvts.models.qwen import GroundVTSQwen, GroundVTSQwenConfig
from groundvts.records import write_json
from groundvts.toy.clips import COLOURS, SHAPES
from groundvts.toy.pretrain import (
    BaseSettings,
    align,
    pretrain,
    rescale_tokens,
    tower_features,
)
from groundvts.toy.tokenizer import make_tokenizer

SUPERVISION = [
    "Alignment: the colour and shape shown by every visual token, given as labels; this stands in "
    "for image-text pretraining. Trains vision tower, projector and word embeddings.",
    "Pretraining: questions, captions and a small share of grounding and highlights over easy "
    "clips. Trains projector and language model; the vision tower is frozen.",
]


def make_base(
    out: Path,
    settings: BaseSettings,
    questions: list[Conversation],
    grounding: list[Conversation],
    frames: FrameCache,
    objects: dict,
) -> dict:
    """Makes the folder `out` from the pretraining clips; returns what was measured."""
    torch.manual_seed(settings.seed)
    corpus = [text for c in (*questions, *grounding) for text in (c.system, c.user, c.answer)]
    corpus += [f" {word}" for word in (*COLOURS, *SHAPES)] + ["system\n", "user\n", "assistant\n"]
    tokenizer = make_tokenizer(corpus)
    model = GroundVTSQwen(toy_config(settings, tokenizer))
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    write_json(out / "preprocessor_config.json", preprocessor())
    encoder = Encoder(str(out))
    videos = {name: encoder.video(frames[name]) for name in frames.videos}
    accuracy = align(model, tokenizer, videos, objects, settings)
    videos = tower_features(model, videos)
    rescale_tokens(model, videos)
    losses = pretrain(model, encoder, videos, questions, grounding, settings)
    stock = Qwen2_5_VLForConditionalGeneration(model.config.stock())
    stock.load_state_dict(model.state_dict())
    stock.generation_config.eos_token_id = encoder.end_of_turn
    stock.generation_config.pad_token_id = encoder.pad
    stock.save_pretrained(out)
    return {
        "supervision": SUPERVISION,
        "parameters": sum(p.numel() for p in stock.parameters()),
        "align_accuracy": accuracy,
        "loss": losses,
    }


def toy_config(settings: BaseSettings, tokenizer) -> GroundVTSQwenConfig:
    """A Qwen2.5-VL configuration at toy size: 56-pixel frames are 2 x 2 tokens."""
    token = tokenizer.convert_tokens_to_ids
    head = settings.hidden_size // settings.heads
    section = [head // 2 - 2 * (head // 6), head // 6, head // 6]
    return GroundVTSQwenConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": settings.hidden_size,
            "intermediate_size": settings.intermediate_size,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.heads,
            "num_key_value_heads": settings.heads,
            "max_position_embeddings": 4096,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": section,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": settings.hidden_size,
            "intermediate_size": settings.intermediate_size,
            "num_heads": settings.heads,
            "out_hidden_size": settings.hidden_size,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=False,
    )


def preprocessor() -> dict:
    """Preprocessor settings in the published layout; frames of at most 56 x 56 pixels."""
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "min_pixels": 28 * 28,
        "max_pixels": 56 * 56,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
