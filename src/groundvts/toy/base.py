"""A tiny pretrained Qwen2.5-VL folder, laid out as one would download it.

It stands in for the checkpoint that the paper starts from: it answers simple questions about a
clip and grounds poorly. `SUPERVISION` says what it was taught with; its record carries it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from groundvts.data.conversations import Conversation
from groundvts.data.frames import FrameCache
from groundvts.data.inputs import Encoder, VideoInput
from groundvts.models.qwen import GroundVTSQwen, GroundVTSQwenConfig
from groundvts.progress import track
from groundvts.toy.clips import COLOURS, SHAPES
from groundvts.toy.tokenizer import make_tokenizer

SUPERVISION = [
    "Alignment: the colour and shape shown by every visual token, given as labels; this stands in "
    "for image-text pretraining. Trains vision tower, projector and word embeddings.",
    "Pretraining: questions, captions and a small share of grounding over easy clips. Trains "
    "projector and language model; the vision tower is frozen.",
]


@dataclass(frozen=True)
class BaseSettings:
    """How the toy base is made: model sizes, steps and shares."""

    hidden_size: int = 64
    layers: int = 3
    heads: int = 2
    intermediate_size: int = 192
    align_steps: int = 150
    align_batch: int = 8
    steps: int = 1200
    batch: int = 32
    learning_rate: float = 3e-3
    grounding_share: float = 0.08
    seed: int = 0


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
    model = GroundVTSQwen(_config(settings, tokenizer))
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    _write_json(out / "preprocessor_config.json", _preprocessor())
    encoder = Encoder(str(out))
    videos = {name: encoder.video(frames[name]) for name in frames.videos}
    accuracy = _align(model, tokenizer, videos, objects, settings)
    videos = _tower_features(model, videos)
    _rescale_tokens(model, videos)
    losses = _pretrain(model, encoder, videos, questions, grounding, settings)
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


def _config(settings: BaseSettings, tokenizer) -> GroundVTSQwenConfig:
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


def _preprocessor() -> dict:
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


def _token_labels(video: VideoInput, shapes: dict) -> torch.Tensor:
    """Class of colour and of shape shown by each token, (n, 2); the last class is `none`."""
    t, h, w = video.grid_thw
    labels = torch.tensor([len(COLOURS), len(SHAPES)]).repeat(t, h // 2, w // 2, 1)
    for phrase, where in shapes.items():
        colour, shape = phrase.split()
        start, end = (round(s / video.second_per_grid) for s in where["window"])
        kind = torch.tensor([list(COLOURS).index(colour), SHAPES.index(shape)])
        labels[start:end, where["cell"][0], where["cell"][1]] = kind
    return labels.view(-1, 2)


def _align(model, tokenizer, videos: dict, objects: dict, settings: BaseSettings) -> float:
    """Trains tower, projector and word embeddings so that a token is near its words.

    Returns the share of tokens whose colour and shape are both right, over the last ten steps.
    """
    words = [COLOURS, SHAPES]
    forms = [
        torch.tensor([[tokenizer(f + w)["input_ids"] for w in group] for f in ("", " ")])
        for group in words
    ]
    nothing = torch.nn.Parameter(torch.randn(2, settings.hidden_size) * 0.02)
    embeddings = model.get_input_embeddings().weight
    trained = [*model.model.visual.parameters(), embeddings, nothing]
    optimizer, schedule = _optimizer(trained, settings.learning_rate, settings.align_steps)
    rng, names, right = np.random.default_rng(settings.seed), sorted(videos), []
    for _ in track(range(settings.align_steps), "align", settings.align_steps):
        batch = [str(name) for name in rng.choice(names, settings.align_batch, replace=False)]
        patches = torch.cat([videos[name].patches for name in batch])
        grid = torch.tensor([videos[name].grid_thw for name in batch])
        labels = torch.cat([_token_labels(videos[name], objects[name]) for name in batch])
        tokens = model.video_tokens(pixel_values_videos=patches, video_grid_thw=grid)
        loss, correct = 0.0, torch.ones(len(tokens), dtype=torch.bool)
        for kind, form in enumerate(forms):
            for ids in form[..., 0]:
                classes = torch.cat([embeddings[ids], nothing[kind : kind + 1]])
                logits = 10 * F.normalize(tokens, dim=-1) @ F.normalize(classes, dim=-1).T
                loss = loss + F.cross_entropy(logits, labels[:, kind])
                correct &= logits.argmax(-1) == labels[:, kind]
        _step(loss, trained, optimizer, schedule)
        right.append(correct.float().mean().item())
    return float(np.mean(right[-10:]))


@torch.no_grad()
def _tower_features(model, videos: dict[str, VideoInput]) -> dict[str, VideoInput]:
    model.model.visual.requires_grad_(False)
    features = {}
    for name, video in videos.items():
        rows = model.vision_features(video.patches, torch.tensor([video.grid_thw]))
        features[name] = VideoInput(video.grid_thw, video.second_per_grid, features=rows)
    return features


@torch.no_grad()
def _rescale_tokens(model, videos: dict[str, VideoInput], norm: float = 2.5) -> None:
    """Brings visual tokens, whose length alignment leaves free, near the length of words."""
    rows = torch.cat([video.features for video in list(videos.values())[:50]])
    last = model.model.visual.merger.mlp[-1]
    scale = norm / model.video_tokens(vision_features=rows).norm(dim=-1).mean()
    last.weight *= scale
    last.bias *= scale


def _pretrain(model, encoder, videos, questions, grounding, settings: BaseSettings) -> list[dict]:
    """Next-token training on questions and some grounding; returns the loss curve."""
    model.model.visual.merger.requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, schedule = _optimizer(trained, settings.learning_rate, settings.steps)
    rng, curve = np.random.default_rng(settings.seed), []
    batches = _batches(encoder, questions, grounding, videos, settings, rng)
    for step in track(range(1, settings.steps + 1), "pretrain", settings.steps):
        batch = encoder.collate(next(batches))
        loss = model(**batch).loss
        _step(loss, trained, optimizer, schedule)
        if step % 20 == 0:
            curve.append({"step": step, "loss": loss.item()})
    return curve


def _batches(encoder, questions, grounding, videos, settings: BaseSettings, rng):
    """Endless batches; each pool of 16 is sorted by length so that little is padding."""
    while True:
        pool = []
        for _ in range(16 * settings.batch):
            source = grounding if rng.random() < settings.grounding_share else questions
            sample = source[rng.integers(len(source))]
            prompt = encoder.prompt(sample.system, sample.user, sample.query, sample.answer)
            pool.append(encoder.sample(prompt, videos[sample.video]))
        pool.sort(key=lambda sample: len(sample["input_ids"]))
        for number in rng.permutation(16):
            yield pool[number * settings.batch : (number + 1) * settings.batch]


def _optimizer(parameters: list, learning_rate: float, steps: int):
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0)
    schedule = get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, num_warmup_steps=min(40, steps // 4), num_training_steps=steps, min_lr_rate=0.05
    )
    return optimizer, schedule


def _step(loss: torch.Tensor, parameters: list, optimizer, schedule) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
