"""Tiny byte-level BPE tokenizers with the special tokens and chat markers of each backbone."""

from __future__ import annotations

import json

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

SPECIAL_TOKENS = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
]
INTERNVL_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE"
    "{% elif part['type'] == 'video' %}VIDEO"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer(corpus: list[str], vocabulary: int = 1024) -> Qwen2Tokenizer:
    """Qwen2.5-VL's: BPE trained on `corpus`; every frequent word becomes one token."""
    tokenizer = _trained(corpus, vocabulary, SPECIAL_TOKENS)
    tokenizer.chat_template = _template(
        "<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>"
    )
    return tokenizer


def internvl_tokenizer(
    corpus: list[str], words: list[str], vocabulary: int = 1024
) -> Qwen2Tokenizer:
    """InternVL's, in which each of `words` is one token too."""
    special = [*SPECIAL_TOKENS[:3], *INTERNVL_TOKENS.values()]
    tokenizer = _trained(corpus, vocabulary, special, **INTERNVL_TOKENS)
    tokenizer.add_tokens(words)
    tokenizer.chat_template = _template("<img><IMG_CONTEXT></img>\n", "<video>\n")
    return tokenizer


def _template(image: str, video: str) -> str:
    return CHAT_TEMPLATE.replace("IMAGE", image).replace("VIDEO", video)


def _trained(corpus: list[str], vocabulary: int, special: list[str], **more) -> Qwen2Tokenizer:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    trained.train_from_iterator(corpus, trainer)
    model = json.loads(trained.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=special,
        **more,
    )
