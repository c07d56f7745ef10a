"""Floating-point operations of one query, counted from a configuration, without a model.

Counted: matrix products, two operations for each multiply and add. Not counted: norms, activations,
softmax, rotary positions and sorting. Notable: the usual formula 4 n D^2 + 2 n^2 D + 2 n D M takes
keys and values for as wide as queries and leaves out one of the three MLP matrices; here both are
as the models have them.

Names: N visual tokens, K of them kept, L tokens of the dense prompt, D width of the language model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

KERNELS = {"causal": 0.5, "square": 1.0}  # share of the n x n scores that attention computes


@dataclass(frozen=True)
class Prompt:
    """One video, patches (t, h, w) before the merge, in a prompt of `length` tokens in all."""

    grid_thw: tuple[int, int, int]
    length: int


def linear_flops(text) -> int:
    """Operations of one token in all decoder layers, attention's scores and sums left out."""
    queries, keys = head_widths(text)
    width = text.hidden_size
    attention = 2 * width * queries + 2 * width * keys
    layer = attention + 3 * width * text.intermediate_size
    return 2 * text.num_hidden_layers * layer


def attention_flops(text, tokens: int, kernel: str = "causal") -> int:
    """Scores and weighted sums of a sequence: half of its square where the kernel skips the rest.

    A kernel that is told `is_causal` does; one that is given a mask computes the full `square`.
    """
    queries, _ = head_widths(text)
    return int(4 * text.num_hidden_layers * queries * tokens**2 * KERNELS[kernel])


def prefill_flops(
    text, tokens: int, kernel: str = "causal", entering: int = 0, after: int = 0
) -> int:
    """a n + b n^2 and one row of logits: reading n tokens up to the first new one.

    Where tokens are dropped inside, the first `after` layers read the `entering` ones.
    """
    early = after / text.num_hidden_layers

    def read(count: int) -> int:
        return count * linear_flops(text) + attention_flops(text, count, kernel)

    layers = early * read(entering) + (1 - early) * read(tokens)
    return round(layers) + 2 * text.hidden_size * text.vocab_size


def decode_flops(text, cached: int, new: int) -> int:
    """`new` tokens one by one, the first of them after `cached` others."""
    queries, _ = head_widths(text)
    seen = sum(range(cached + 1, cached + new + 1))
    once = linear_flops(text) + 2 * text.hidden_size * text.vocab_size
    return new * once + 4 * text.num_hidden_layers * queries * seen


def head_widths(text) -> tuple[int, int]:
    """Width of all heads' queries, and of all heads' keys (or values), which may be grouped."""
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return head * text.num_attention_heads, head * text.num_key_value_heads


def visual_tokens(config, grid_thw: Sequence[int]) -> int:
    """N: merged tokens of a video."""
    return math.prod(grid_thw) // _merge_size(config) ** 2


def _merge_size(config) -> int:
    if "qwen2_5_vl" in config.model_type:
        return config.vision_config.spatial_merge_size
    return round(1 / config.downsample_ratio)


def tower_flops(config, grid_thw: Sequence[int]) -> int:
    """The vision tower, without projector."""
    if "qwen2_5_vl" in config.model_type:
        return _qwen_tower(config.vision_config, grid_thw)
    return _internvl_tower(config.vision_config, grid_thw)


def _qwen_tower(vision, grid_thw: Sequence[int]) -> int:
    """Attention is within a grid step in the full layers, within windows in the others."""
    t, h, w = grid_thw
    patches, width = t * h * w, vision.hidden_size
    pixels = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    layer = 2 * patches * (4 * width**2 + 3 * width * vision.intermediate_size)
    side = vision.window_size // vision.patch_size
    windows = product(_pieces(h, side), _pieces(w, side))
    windowed = t * sum((high * wide) ** 2 for high, wide in windows)
    full = sum(layer in vision.fullatt_block_indexes for layer in range(vision.depth))
    scores = full * t * (h * w) ** 2 + (vision.depth - full) * windowed
    return 2 * patches * pixels * width + vision.depth * layer + 4 * width * scores


def _pieces(length: int, size: int) -> list[int]:
    whole, rest = divmod(length, size)
    return [size] * whole + [rest] * bool(rest)


def _internvl_tower(vision, grid_thw: Sequence[int]) -> int:
    """Each frame by itself, with its class token, whose embedding is no product."""
    frames, patches = grid_thw[0], grid_thw[1] * grid_thw[2]
    width, tokens = vision.hidden_size, patches + 1
    pixels = vision.num_channels * math.prod(vision.patch_size)
    layer = 2 * tokens * (4 * width**2 + 2 * width * vision.intermediate_size)
    layer += 4 * width * tokens**2
    return frames * (2 * patches * pixels * width + vision.num_hidden_layers * layer)


def projector_flops(config, visual: int) -> int:
    """The projector from the tower's width to D, for N visual tokens."""
    merged = config.vision_config.hidden_size * _merge_size(config) ** 2
    inner = merged if "qwen2_5_vl" in config.model_type else config.text_config.hidden_size
    return 2 * visual * (merged * inner + inner * config.text_config.hidden_size)


def scoring_flops(config, visual: int, length: int) -> int:
    """Pooling the query over L tokens, both projections, and N dot products (section 3.2)."""
    width, scorer = config.text_config.hidden_size, config.vts["hidden_size"]
    return 2 * (length * width + (visual + 1) * width * scorer + visual * scorer)


def post_mlp_flops(config, kept: int) -> int:
    """The sampling module's MLP on K kept tokens."""
    return 4 * kept * config.text_config.hidden_size**2 if config.vts["post_mlp"] else 0


def query_flops(
    config,
    prompt: Prompt,
    ratio: float | None,
    kernel: str = "causal",
    hide: bool = False,
    new: int = 1,
    after: int = 0,
) -> dict[str, int]:
    """Operations by stage of a query that is answered with `new` tokens.

    `ratio` None is the stock model, without sampling. Dropped tokens are gone, or still read where
    sampling only hides them (`hide`) or drops them inside, `after` some layers. Prefill makes the
    first new token.
    """
    visual = visual_tokens(config, prompt.grid_thw)
    kept = visual if ratio is None else math.ceil(ratio * visual - 1e-9)
    read = prompt.length - (0 if hide else visual - kept)
    text = config.text_config
    early = after / text.num_hidden_layers
    return {
        "vision tower": tower_flops(config, prompt.grid_thw),
        "projector": projector_flops(config, visual),
        "scores": 0 if ratio is None else scoring_flops(config, visual, prompt.length),
        "post-MLP": 0 if ratio is None else post_mlp_flops(config, visual if after else kept),
        "prefill": prefill_flops(text, read, kernel, prompt.length, after),
        "decode": round(
            early * decode_flops(text, prompt.length, new - 1)
            + (1 - early) * decode_flops(text, read, new - 1)
        ),
    }
