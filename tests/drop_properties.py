"""What must hold of real drop on any backbone, as functions of a `Tiny` and a seed.

A seed draws the shapes: number of samples, clip lengths, frame sides, ratio and sampler. Frame
sides are those that the backbone's preprocessor lets through.
"""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from tiny import Tiny

from groundvts.models.sequence import IGNORED

QUERIES = ("red circle", "blue square", "red circle blue square")
ANSWERS = ("from 03s to 09s", "red", "blue square from 03s")
SAMPLERS = ("vts", "frame_vts", "cosine", "random", "uniform")
SIDES = ((56, 56), (28, 28), (56, 84), (84, 56), (112, 84))
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # of the largest logit


def set_vts(t: Tiny, **changes) -> None:
    """Changes settings of the sampling module that need no other weights."""
    t.model.vts.config = replace(t.model.vts.config, **changes)
    t.model.config.vts = t.model.vts.config.to_dict()


def draw(t: Tiny, seed: int, sides=SIDES, answers: bool = False) -> list[dict]:
    """One to three samples; sets a ratio and a sampler."""
    rng = np.random.default_rng(seed)
    set_vts(t, ratio=float(rng.choice([0.1, 0.25, 0.5, 0.75])), sampler=str(rng.choice(SAMPLERS)))
    samples = []
    for number in range(rng.integers(1, 4)):
        height, width = sides[rng.integers(len(sides))]
        query, answer = str(rng.choice(QUERIES)), str(rng.choice(ANSWERS))
        clip = {"seconds": int(rng.integers(4, 11)), "seed": 10 * seed + number}
        clip |= {"height": height, "width": width, "answer": answer if answers else None}
        samples.append(t.sample(query, **clip))
    return samples


def same(t: Tiny, found: torch.Tensor, expected: torch.Tensor) -> None:
    """Asserts that logits agree as well as the model's dtype allows."""
    scale = expected.float().abs().max().item()
    limit = TOLERANCE[t.model.dtype] * scale
    torch.testing.assert_close(found.float(), expected.float(), atol=limit, rtol=0)


def sizes(t: Tiny, batch: dict) -> list[int]:
    """Visual tokens of each sample."""
    return [a * b * c for a, b, c in t.model.merged_grids(**batch)]


@contextmanager
def held(t: Tiny, tokens: torch.Tensor | None = None, scores: torch.Tensor | None = None):
    """Visual tokens or scores that are given instead of computed."""
    if tokens is not None:
        t.model.video_tokens = lambda **_: tokens
    if scores is not None:
        t.model.vts.score = lambda *_: scores
    try:
        yield
    finally:
        vars(t.model).pop("video_tokens", None)
        vars(t.model.vts).pop("score", None)


@torch.no_grad()
def dropped_equals_masked(t: Tiny, seed: int, sides=SIDES) -> None:
    """Logits of every answer token are those of the sequence with dropped tokens only hidden."""
    batch = t.batch(*draw(t, seed, sides, answers=True), labels=True)
    real = t.model(**batch).logits
    set_vts(t, drop="masked")
    hidden = t.model(**batch).logits
    set_vts(t, drop="real")
    for row, count in enumerate((batch["labels"] != IGNORED).sum(1).tolist()):
        same(t, real[row, -count - 1 :], hidden[row, -count - 1 :])


@torch.no_grad()
def moved_steps(t: Tiny, seed: int, sides=SIDES, kept: bool = False) -> list[bool]:
    """Whether logits move at prefill and at each decode step when dropped tokens are disturbed.

    `kept` disturbs the kept ones instead. Scores are held: each is relative to all tokens.
    """
    batch = t.batch(*draw(t, seed, sides))
    selection, tokens = t.model.reduce(**batch).selection, t.model.video_tokens(**batch)
    chosen = [keep[:n] for keep, n in zip(selection.keep_BN, sizes(t, batch), strict=True)]
    noise = 100 * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(seed))
    other = torch.where((torch.cat(chosen) == kept)[:, None], tokens + noise.to(tokens), tokens)
    assert not torch.equal(other, tokens)
    options = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    found = []
    for rows in (tokens, other):
        with held(t, rows, selection.scores_BN):
            reduced = t.model.reduce(**batch)
            assert torch.equal(reduced.selection.keep_BN, selection.keep_BN)
            found.append(t.model.generate_from(reduced, **options).logits)
    return [not torch.equal(plain, moved) for plain, moved in zip(*found, strict=True)]


@torch.no_grad()
def batch_equals_singles(t: Tiny, seed: int, sides=SIDES) -> None:
    """A left-padded batch keeps and computes what each sample does alone.

    The tokens are held: a tower may round differently in another batch.
    """
    samples = draw(t, seed, sides, answers=True)
    samples += draw(t, seed + 1000, sides, answers=True)
    singles = [t.batch(sample, labels=True) for sample in samples]
    tokens = [t.model.video_tokens(**single) for single in singles]
    batch = t.batch(*samples, labels=True)
    with held(t, torch.cat(tokens)):
        together, logits = t.model.reduce(**batch).selection, t.model(**batch).logits
    for row, (single, rows) in enumerate(zip(singles, tokens, strict=True)):
        with held(t, rows):
            alone, expected = t.model.reduce(**single).selection, t.model(**single).logits[0]
        assert torch.equal(together.keep_BN[row, : len(rows)], alone.keep_BN[0])
        same(t, logits[row, -len(expected) :], expected)


@torch.no_grad()
def selections_with_and_without_answer(t: Tiny, seed: int, sides=SIDES) -> list:
    """Selections of the same samples, without and with answers."""
    found = []
    for answers in (False, True):
        batch = t.batch(*draw(t, seed, sides, answers), labels=True)
        found.append(t.model.reduce(**batch).selection)
    return found


def answer_changes_nothing(t: Tiny, seed: int, sides=SIDES) -> None:
    """What is kept, and its weight, does not depend on the answer that follows."""
    plain, answered = selections_with_and_without_answer(t, seed, sides)
    assert torch.equal(plain.keep_BN, answered.keep_BN)
    torch.testing.assert_close(plain.weight_BN, answered.weight_BN, atol=1e-6, rtol=0)


def gradient_reaches_the_scorer(t: Tiny, seed: int, sides=SIDES) -> None:
    """The answers' loss moves both projections, whatever the estimator and the weights."""
    samples = draw(t, seed, sides, answers=True)
    rng = np.random.default_rng(seed)
    estimator = str(rng.choice(["none", "ste", "gumbel_ste"]))
    before = t.model.vts.config
    set_vts(t, sampler="vts", ratio=0.5, estimator=estimator,
            weights=str(rng.choice(["score", "constant"])))  # fmt: skip
    t.model.train()
    t.model.zero_grad()
    t.model(**t.batch(*samples, labels=True)).loss.backward()
    for projection in (t.model.vts.project_visual, t.model.vts.project_query):
        gradient = projection.weight.grad
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0
    t.model.eval()
    set_vts(t, **before.to_dict())


@torch.no_grad()
def cached_tokens(t: Tiny, seed: int, sides=SIDES) -> tuple[int, int, int]:
    """Tokens in the cache after prefill, of the longest kept and of the longest dense sequence."""
    batch = t.batch(*draw(t, seed, sides))
    cache = t.model(**batch, use_cache=True).past_key_values
    dense = batch["attention_mask"].sum(1)
    dropped = torch.tensor(sizes(t, batch)) - t.model.reduce(**batch).selection.keep_BN.sum(1)
    return cache.get_seq_length(), int((dense - dropped).max()), int(dense.max())
