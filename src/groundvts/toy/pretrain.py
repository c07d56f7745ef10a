"""How the toy base learns: align tokens with words, then pretrain on questions and captions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from groundvts.data.inputs import VideoInput
from groundvts.errors import BadInput
from groundvts.models.parts import projector, tower
from groundvts.progress import track
from groundvts.toy.clips import COLOURS, SHAPES
from groundvts.toy.layouts import LAYOUTS


@dataclass(frozen=True)
class BaseSettings:
    """How the toy base is made: `backbone` (qwen or internvl), model sizes, steps and shares."""

    backbone: str = "qwen"
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

    def __post_init__(self) -> None:
        if self.backbone not in LAYOUTS:
            known = ", ".join(LAYOUTS)
            raise BadInput(f"toy.base.backbone: {self.backbone!r} is none of {known}")


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


class Alignment:
    """How near tokens are to the words of what they show: a loss, and the share that is right."""

    def __init__(self, model, tokenizer, videos: dict, objects: dict, settings: BaseSettings):
        self.model, self.size = model, settings.align_batch
        self.forms = [
            torch.tensor([[tokenizer(f + word)["input_ids"] for word in words] for f in ("", " ")])
            for words in (COLOURS, SHAPES)
        ]
        self.nothing = nn.Parameter(torch.randn(2, settings.hidden_size) * 0.02)
        self.labels = {name: _token_labels(videos[name], objects[name]) for name in sorted(videos)}
        self.rng = np.random.default_rng(settings.seed)

    def batch(self) -> list[str]:
        """Names of a batch of videos."""
        return [str(n) for n in self.rng.choice([*self.labels], self.size, replace=False)]

    def __call__(self, names: list[str], tokens: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Cross-entropy of the colour's and the shape's words for each token of those videos, and
        the share of tokens whose two nearest words are both right."""
        embeddings = self.model.get_input_embeddings().weight
        labels = torch.cat([self.labels[name] for name in names])
        loss, correct = 0.0, torch.ones(len(tokens), dtype=torch.bool)
        for kind, form in enumerate(self.forms):
            for ids in form[..., 0]:
                classes = torch.cat([embeddings[ids], self.nothing[kind : kind + 1]])
                logits = 10 * F.normalize(tokens, dim=-1) @ F.normalize(classes, dim=-1).T
                loss = loss + F.cross_entropy(logits, labels[:, kind])
                correct &= logits.argmax(-1) == labels[:, kind]
        return loss, correct.float().mean().item()


def align(model, alignment: Alignment, videos: dict, settings: BaseSettings) -> float:
    """Trains tower, projector and word embeddings so that a token is near its words.

    Returns the share of tokens whose colour and shape are both right, over the last ten steps.
    """
    embeddings = model.get_input_embeddings().weight
    vision = dict.fromkeys((*tower(model).parameters(), *projector(model).parameters()))
    trained, right = [*vision, embeddings, alignment.nothing], []
    optimizer, schedule = _optimizer(trained, settings.learning_rate, settings.align_steps)
    for _ in track(range(settings.align_steps), "align", settings.align_steps):
        batch = alignment.batch()
        patches = torch.cat([videos[name].patches for name in batch])
        grid = torch.tensor([videos[name].grid_thw for name in batch])
        tokens = model.video_tokens(pixel_values_videos=patches, video_grid_thw=grid)
        loss, share = alignment(batch, tokens)
        _step(loss, trained, optimizer, schedule)
        right.append(share)
    return float(np.mean(right[-10:]))


@torch.no_grad()
def tower_features(model, videos: dict[str, VideoInput]) -> dict[str, VideoInput]:
    """The videos with the tower's output in place of pixels; the tower is frozen."""
    tower(model).requires_grad_(False)
    features = {}
    for name, video in videos.items():
        rows = model.vision_features(video.patches, torch.tensor([video.grid_thw]))
        features[name] = replace(video, patches=None, features=rows)
    return features


@torch.no_grad()
def rescale_tokens(model, videos: dict[str, VideoInput], norm: float = 2.5) -> None:
    """Brings visual tokens, whose length alignment leaves free, near the length of words."""
    rows = torch.cat([video.features for video in list(videos.values())[:50]])
    last = [m for m in projector(model).modules() if isinstance(m, nn.Linear)][-1]
    scale = norm / model.video_tokens(vision_features=rows).norm(dim=-1).mean()
    last.weight *= scale
    last.bias *= scale


def pretrain(
    model, alignment: Alignment, encoder, videos, questions, grounding, settings: BaseSettings
) -> list[dict]:
    """Next-token training on questions and some grounding; returns the loss curve.

    Alignment goes on beside: without it tokens drift from their words, more in one seed than in
    another, and the scorer of a run then finds the queried ones or does not.
    """
    projector(model).requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad] + [alignment.nothing]
    optimizer, schedule = _optimizer(trained, settings.learning_rate, settings.steps)
    rng, curve = np.random.default_rng(settings.seed), []
    batches = _batches(encoder, questions, grounding, videos, settings, rng)
    for step in track(range(1, settings.steps + 1), "pretrain", settings.steps):
        loss = model(**encoder.collate(next(batches))).loss
        names = alignment.batch()
        rows = torch.cat([videos[name].features for name in names])
        apart, _ = alignment(names, model.video_tokens(vision_features=rows))
        _step(loss + apart, trained, optimizer, schedule)
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
