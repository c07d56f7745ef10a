"""An estimate of what training takes on each GPU.

Counted: parameters, gradients, optimiser states, and what autograd keeps for the backward pass.
Not counted: the allocator's waste, CUDA's own context (about 0.5 GB), communication buckets and
the layer that ZeRO-3 gathers, temporaries within one operation, and the frozen vision tower's
forward pass, which keeps nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Batch:
    """What one process sees in one step: `size` samples of N visual tokens and `text` others.

    The language model reads ceil(ratio * N) of the visual ones. `answer` is how many tokens have
    logits.
    """

    size: int = 2
    visual: int = 1152
    text: int = 128
    answer: int = 32

    def read(self, ratio: float) -> int:
        """Tokens of a sample that the language model reads."""
        return math.ceil(ratio * self.visual) + self.text


def memory_estimate(
    config,
    parameters: int,
    trainable: dict[str, int],
    batch: Batch,
    dtype: str = "bfloat16",
    gpus: int = 1,
    zero: int = 0,
    checkpointing: bool = False,
    rank: int = 8,
) -> dict[str, int]:
    """Bytes on each GPU by part, and `total`.

    `parameters` are those of the model before a stage, `trainable` what the stage trains by group
    with its `total`: LoRA, and copies of modules, beside which PEFT keeps the originals. AdamW
    holds two float32 states a trained parameter and, where parameters are bfloat16, a float32
    copy. ZeRO stage 2 divides gradients and states by `gpus`, stage 3 parameters too; stage 0
    nothing. The rest is `activations`.
    """
    size, trained = BYTES[dtype], trainable["total"]
    state = 8 if dtype == "float32" else 12
    parts = {
        "parameters": (parameters + trained) * size / (gpus if zero == 3 else 1),
        "gradients": trained * size / (gpus if zero >= 2 else 1),
        "optimiser": trained * state / (gpus if zero >= 2 else 1),
        **activations(config, batch, dtype, checkpointing, rank if "lora" in trainable else 0),
    }
    parts = {name: math.ceil(count) for name, count in parts.items()}
    return {**parts, "total": sum(parts.values())}


def activations(
    config, batch: Batch, dtype: str, checkpointing: bool, rank: int
) -> dict[str, float]:
    """Bytes that autograd keeps, with s bytes a number, D width, R scorer width, V vocabulary.

    language model: `layer_bytes` a layer and token read; with checkpointing s D a layer and token,
    and one layer's `layer_bytes` while it is computed again.
    sampler and projector: s (3 D + 4 M) + 4 (D + R) a visual token, M the projector's input width.
    logits: (2 s + 8) V an answer token: logits and their gradient, each in both precisions.
    """
    text, size, vts = config.text_config, BYTES[dtype], config.vts
    tokens = batch.size * batch.read(vts["ratio"] if vts else 1.0)
    layers, width = text.num_hidden_layers, text.hidden_size
    layer = layer_bytes(text, dtype, rank)
    kept = layers * size * width + layer if checkpointing else layers * layer
    merged = 4 * config.vision_config.hidden_size
    sampler = size * 4 * merged
    if vts:
        sampler += size * 3 * width + 4 * (width + vts["hidden_size"])
    return {
        "language model activations": tokens * kept,
        "sampler activations": batch.size * batch.visual * sampler,
        "logits": batch.size * batch.answer * (2 * size + 8) * text.vocab_size,
    }


def layer_bytes(text, dtype: str, rank: int) -> int:
    """Bytes that one frozen decoder layer keeps for a token, under fused attention.

    Two norms' inputs in float32 with their scale; queries, keys, values and the attention's output
    with its log-sum; three MLP products. LoRA (`rank` above 0, with dropout) adds the float32
    input of each of its four matrices A, its dropout mask of one byte, and A's output.
    """
    size, width = BYTES[dtype], text.hidden_size
    head = getattr(text, "head_dim", None) or width // text.num_attention_heads
    queries, keys = text.num_attention_heads * head, text.num_key_value_heads * head
    norms = 2 * (4 * width + 4)
    if text.model_type == "qwen3":  # norms of each head's query and key
        norms += 4 * (queries + keys) + 4 * (queries + keys) // head
    attention = size * 2 * (queries + keys) + 4 * text.num_attention_heads
    mlp = size * 3 * text.intermediate_size
    lora = (4 + 1) * (3 * width + queries) + 4 * 4 * rank if rank else 0
    return norms + attention + mlp + lora
