"""A model of real widths, its vision tower too, with random weights and few layers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from groundvts.data.inputs import Encoder
from groundvts.models.qwen import GroundVTSQwen, GroundVTSQwenConfig
from groundvts.models.vts_config import VTSConfig
from groundvts.records import write_json
from groundvts.toy.layouts import LAYOUTS

WIDTHS = {
    "text": {"hidden_size": 2048, "intermediate_size": 11008, "num_attention_heads": 16,
             "num_key_value_heads": 2},
    "vision": {"hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16},
}  # fmt: skip
NARROW = {
    "text": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 2,
             "num_key_value_heads": 2},
    "vision": {"hidden_size": 64, "intermediate_size": 96, "num_heads": 2},
}  # fmt: skip


def configuration(options: Namespace, tokenizer) -> GroundVTSQwenConfig:
    """Qwen2.5-VL-3B's widths, or narrow ones, and the layers that the options name."""
    token = tokenizer.convert_tokens_to_ids
    text, vision = (NARROW if options.small else WIDTHS).values()
    half = text["hidden_size"] // text["num_attention_heads"] // 2
    section = [half // 4, half * 3 // 8, half * 3 // 8]
    text = text | {
        "num_hidden_layers": options.layers,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section},
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
    }
    vision = vision | {
        "depth": options.tower_layers,
        "window_size": 112,
        "fullatt_block_indexes": list(range(7, options.tower_layers, 8)),
        "tokens_per_second": 2,
        "out_hidden_size": text["hidden_size"],
    }
    return GroundVTSQwenConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=False,
        vts=VTSConfig(ratio=options.ratio).to_dict(),
    )


def build(options: Namespace, folder: Path, corpus: list[str]) -> tuple[GroundVTSQwen, Encoder]:
    """A model with random weights on its device, and its encoder, whose files lie in `folder`.

    The tokenizer is trained on `corpus`.
    """
    layout = LAYOUTS["qwen"]
    tokenizer = layout.tokenizer(corpus)
    config = configuration(options, tokenizer)
    tokenizer.save_pretrained(folder)
    config.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", layout.preprocessor)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = GroundVTSQwen._from_config(config, dtype=dtype)
    return model.eval(), Encoder(str(folder))
