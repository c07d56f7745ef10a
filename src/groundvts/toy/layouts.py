"""The two layouts a toy base may have: Qwen2.5-VL's and InternVL's, at toy size.

Clips of 112 x 112 pixels become frames of 56 x 56, which are 2 x 2 visual tokens in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transformers import InternVLForConditionalGeneration, Qwen2_5_VLForConditionalGeneration

from groundvts.models.internvl import GroundVTSIntern, GroundVTSInternConfig
from groundvts.models.qwen import GroundVTSQwen, GroundVTSQwenConfig
from groundvts.toy.tokenizer import internvl_tokenizer, make_tokenizer

LONGEST = 32  # seconds of a clip


@dataclass(frozen=True)
class Layout:
    """How a backbone's folder is made.

    `configure(settings, tokenizer)` gives our configuration; `tokenizer(corpus)` a tokenizer;
    `preprocessor` the settings beside it.
    """

    model: type
    stock: type
    configure: Callable
    tokenizer: Callable
    preprocessor: dict


def qwen_config(settings, tokenizer) -> GroundVTSQwenConfig:
    """A Qwen2.5-VL configuration."""
    token = tokenizer.convert_tokens_to_ids
    head = settings.hidden_size // settings.heads
    section = [head // 2 - 2 * (head // 6), head // 6, head // 6]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section}
    return GroundVTSQwenConfig(
        text_config={
            **_language_model(settings, tokenizer),
            "max_position_embeddings": 4096,
            "rope_parameters": rope,
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


def internvl_config(settings, tokenizer) -> GroundVTSInternConfig:
    """An InternVL configuration on a Qwen2 language model."""
    return GroundVTSInternConfig(
        text_config={
            "model_type": "qwen2",
            **_language_model(settings, tokenizer),
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "tie_word_embeddings": False,
        },
        vision_config={
            "num_hidden_layers": 2,
            "hidden_size": settings.hidden_size,
            "intermediate_size": settings.intermediate_size,
            "num_attention_heads": settings.heads,
            "image_size": 56,
            "patch_size": 14,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )


def _language_model(settings, tokenizer) -> dict:
    token = tokenizer.convert_tokens_to_ids
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": settings.hidden_size,
        "intermediate_size": settings.intermediate_size,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.heads,
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
    }


QWEN_PREPROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "min_pixels": 28 * 28,
    "max_pixels": 56 * 56,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
}
# A frame a second, after one word that says which: with InternVL's own wording, of four tokens and
# more, so small a language model was not seen to learn to tell the time.
INTERNVL_PREPROCESSOR = {
    "image_processor_type": "GotOcr2ImageProcessor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size": {"height": 56, "width": 56},
    "frame_template": "t{seconds:02.0f}{tokens}",
    "frame_separator": "",
    "frame_stride": 2,
}
FRAME_WORDS = [f"t{second:02d}" for second in range(LONGEST + 1)]

LAYOUTS = {
    "qwen": Layout(
        GroundVTSQwen,
        Qwen2_5_VLForConditionalGeneration,
        qwen_config,
        make_tokenizer,
        QWEN_PREPROCESSOR,
    ),
    "internvl": Layout(
        GroundVTSIntern,
        InternVLForConditionalGeneration,
        internvl_config,
        lambda corpus: internvl_tokenizer(corpus, FRAME_WORDS),
        INTERNVL_PREPROCESSOR,
    ),
}
