"""A model of real width with random weights and few layers, and a prompt for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import torch

from groundvts.errors import BadInput
from groundvts.models.load import BACKBONES
from groundvts.models.sizes import NAMES, SCORER_WIDTH, published_config
from groundvts.models.vts_config import VTSConfig

SIZES = {
    "qwen": {  # Qwen2.5-VL-3B
        "num_hidden_layers": 4,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "head_dim": 128,
    },
    "internvl": {  # InternVL3.5-2B: Qwen3-1.7B
        "num_hidden_layers": 6,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
}
SIZE_OPTIONS = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "mlp": "intermediate_size",
    "heads": "num_attention_heads",
    "kv-heads": "num_key_value_heads",
    "head-dim": "head_dim",
}
WORDS = 1000  # of a vocabulary that nobody reads; the placeholders come after them
TOWER_WIDTH = 16  # of a tower that is not run


def model_options(parser: ArgumentParser) -> None:
    """Adds the options that `build` and `prompt_inputs` read, and where to write the record."""
    parser.add_argument("--out", required=True, help="JSON record to write")
    parser.add_argument("--backbone", choices=list(SIZES), default="qwen")
    parser.add_argument("--published", action="store_true", help="the published 7B or 8B sizes")
    for name, key in SIZE_OPTIONS.items():
        known = ", ".join(f"{sizes[key]} ({backbone})" for backbone, sizes in SIZES.items())
        parser.add_argument(f"--{name}", dest=key, type=int, metavar="N", help=f"default: {known}")
    parser.add_argument("--visual", type=int, default=2048, help="visual tokens (2048)")
    parser.add_argument("--text", type=int, default=128, help="other tokens (128)")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")


def describe_model(model, backbone: str) -> dict:
    """What a record says of the model and what it runs on."""
    text = model.config.text_config
    return {
        "backbone": backbone,
        "width": text.hidden_size,
        "layers": text.num_hidden_layers,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "threads": torch.get_num_threads(),
    }


def build(options: Namespace):
    """The model that the options name, on its device, in evaluation mode."""
    sizes = {key: getattr(options, key) for key in SIZES[options.backbone]}
    if options.published and any(sizes.values()):
        raise BadInput("--published: leave out the options that name sizes")
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: torch sees no such device; use cpu")
    dtype = options.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    config = published(options.backbone) if options.published else chosen(options.backbone, sizes)
    _, model_class = BACKBONES[NAMES[options.backbone]]
    with torch.device(device):
        return model_class._from_config(config, dtype=getattr(torch, dtype)).eval()


def published(backbone: str):
    """The published sizes, with one layer of the tower, which is not run."""
    config = published_config(backbone)
    depth = "depth" if backbone == "qwen" else "num_hidden_layers"
    setattr(config.vision_config, depth, 1)
    return config


def chosen(backbone: str, sizes: dict):
    """A configuration of the named sizes; those that are None are the defaults."""
    text = {key: value or SIZES[backbone][key] for key, value in sizes.items()}
    if min(text.values()) < 1 or text["num_attention_heads"] % text["num_key_value_heads"]:
        raise BadInput("--heads: sizes are from 1 on, and heads a multiple of --kv-heads")
    if text["head_dim"] % 16:
        raise BadInput(f"--head-dim {text['head_dim']}: use a multiple of 16")
    text |= {"vocab_size": WORDS + 4, "bos_token_id": 0, "eos_token_id": 1}
    text |= {"max_position_embeddings": 131072}
    vision = {"hidden_size": TOWER_WIDTH, "intermediate_size": TOWER_WIDTH}
    stock = {"image_token_id": WORDS, "tie_word_embeddings": False}
    if backbone == "qwen":
        half = text["head_dim"] // 2
        section = [half // 4, half * 3 // 8, half * 3 // 8]
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section}
        text |= {"rope_parameters": rope}
        vision |= {"depth": 1, "num_heads": 1, "out_hidden_size": text["hidden_size"]}
        stock |= {"video_token_id": WORDS + 1, "vision_start_token_id": WORDS + 2,
                  "vision_end_token_id": WORDS + 3}  # fmt: skip
    else:
        text |= {"model_type": "qwen3", "tie_word_embeddings": False}
        vision |= {"num_hidden_layers": 1, "num_attention_heads": 1}
    kind = NAMES[backbone]
    vts = VTSConfig(hidden_size=SCORER_WIDTH[kind]).to_dict()
    stock |= {"text_config": text, "vision_config": vision}
    return BACKBONES[kind][0].from_stock(stock, vts)


def prompt_inputs(model, visual: int, text: int) -> dict:
    """One prompt of `visual` tokens between two halves of `text` random words, the query last."""
    if min(visual, text - 1) < 1:
        raise BadInput("--visual, --text: at least 1 visual token and 2 others")
    config, device = model.config, model.device
    side = next(side for side in (16, 8, 4, 2, 1) if visual % side**2 == 0)
    words = torch.randint(2, WORDS, (1, text))
    pads = torch.full((1, visual), config.video_token_id)
    ids = torch.cat([words[:, : text // 2], pads, words[:, text // 2 :]], dim=1)
    query = torch.zeros_like(ids, dtype=torch.bool)
    query[:, -(text // 4 + 1) :] = True
    width = config.vision_config.hidden_size
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "query_mask": query,
        "vision_features": torch.randn(4 * visual, width).to(model.dtype),
        "video_grid_thw": torch.tensor([[visual // side**2, 2 * side, 2 * side]]),
        "second_per_grid_ts": torch.tensor([1.0]),
    }
    return {key: value.to(device) for key, value in inputs.items()}
