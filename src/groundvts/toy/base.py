"""A tiny pretrained Qwen2.5-VL or InternVL folder, laid out as one would download it.

It stands in for the checkpoint that the paper starts from: it answers simple questions about a
clip and grounds poorly. `SUPERVISION` says what it was taught with; its record carries it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from groundvts.data.conversations import Conversation
from groundvts.data.frames import FrameCache
from groundvts.data.inputs import Encoder
from groundvts.records import write_json
from groundvts.toy.clips import COLOURS, SHAPES
from groundvts.toy.layouts import LAYOUTS
from groundvts.toy.pretrain import (
    Alignment,
    BaseSettings,
    align,
    pretrain,
    rescale_tokens,
    tower_features,
)

SUPERVISION = [
    "Alignment: the colour and shape shown by every visual token, given as labels; this stands in "
    "for image-text pretraining. Trains vision tower, projector and word embeddings.",
    "Pretraining: questions, captions and a small share of grounding and highlights over easy "
    "clips, with alignment going on beside. Trains projector and language model; the vision tower "
    "is frozen.",
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
    layout = LAYOUTS[settings.backbone]
    tokenizer = layout.tokenizer(corpus)
    model = layout.model(layout.configure(settings, tokenizer))
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    model.config.stock().save_pretrained(out)
    write_json(out / "preprocessor_config.json", layout.preprocessor)
    encoder = Encoder(str(out))
    videos = {name: encoder.video(frames[name]) for name in frames.videos}
    alignment = Alignment(model, tokenizer, videos, objects, settings)
    accuracy = align(model, alignment, videos, settings)
    videos = tower_features(model, videos)
    rescale_tokens(model, videos)
    losses = pretrain(model, alignment, encoder, videos, questions, grounding, settings)
    config = model.config.stock()
    stock = layout.stock(config)
    stock.load_state_dict(model.state_dict())
    stock.generation_config.eos_token_id = encoder.end_of_turn
    stock.generation_config.pad_token_id = encoder.pad
    stock.bfloat16().save_pretrained(out)
    config.dtype = torch.float32  # what the weights are computed with, small as they are on disk
    config.save_pretrained(out)
    return {
        "supervision": SUPERVISION,
        "parameters": sum(p.numel() for p in stock.parameters()),
        "align_accuracy": accuracy,
        "loss": losses,
    }
