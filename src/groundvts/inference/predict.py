"""Answers and kept tokens of a model for a list of moments, one line for each, in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from groundvts.answers import parse_windows
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.progress import Progress
from groundvts.prompts import Prompts


@torch.no_grad()
def predict(
    model,
    encoder: Encoder,
    source,
    moments: list[Moment],
    prompts: Prompts,
    batch_size: int,
    max_new_tokens: int,
    label: str | None = None,
) -> list[dict]:
    """Greedy answers to all moments, read back as windows (s); `label` shows progress.

    A moment whose video cannot be read, or whose answer holds no window, stays in the list with
    its reason in `failure`.
    """
    entries = _hindered(moments, encoder, source, prompts)
    asked = [moment for moment in moments if moment.id not in entries]
    progress = Progress(label, len(asked), "query") if label else None
    for batch in _batches(asked, source, batch_size):
        for moment, entry in _answers(model, encoder, source, batch, prompts, max_new_tokens):
            entries[moment.id] = entry
        if progress:
            progress.update(len(batch))
    if progress:
        progress.close()
    return [entries[moment.id] for moment in moments]


def _answers(
    model, encoder: Encoder, source, batch: list[Moment], prompts: Prompts, max_new_tokens: int
) -> Iterator[tuple[Moment, dict]]:
    """The prediction for each moment of a batch."""
    started = time.perf_counter()
    reduced, tokens = _reduce(model, encoder, source, batch, prompts)
    new = model.generate_from(
        reduced,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=encoder.end_of_turn,
        pad_token_id=encoder.pad,
    )
    answers = encoder.tokenizer.batch_decode(new, skip_special_tokens=True)
    seconds = (time.perf_counter() - started) / len(batch)
    for moment, answer, kept in zip(batch, answers, tokens, strict=True):
        parsed = parse_windows(answer, moment.duration)
        yield (
            moment,
            {
                **_identity(moment),
                "answer": answer,
                "windows": [list(window) for window in parsed.windows],
                "failure": parsed.failure,
                "detail": parsed.detail,
                "seconds": seconds,
                **kept,
            },
        )


@torch.no_grad()
def select_tokens(
    model, encoder: Encoder, source, moments: list[Moment], prompts: Prompts, batch_size: int = 32
) -> list[dict]:
    """What the model's sampler keeps for each moment, without answers.

    A moment that cannot be asked stays in the list with its reason, and without tokens.
    """
    entries = _hindered(moments, encoder, source, prompts)
    asked = [moment for moment in moments if moment.id not in entries]
    for batch in _batches(asked, source, batch_size):
        _, tokens = _reduce(model, encoder, source, batch, prompts)
        for moment, kept in zip(batch, tokens, strict=True):
            entries[moment.id] = {**_identity(moment), **kept}
    return [entries[moment.id] for moment in moments]


def prompt_batch(encoder: Encoder, source, moments: list[Moment], prompts: Prompts) -> dict:
    """Model inputs that ask for each moment."""
    samples = []
    for moment in moments:
        system, user = prompts.grounding(moment.query_normalised)
        prompt = encoder.prompt(system, user, moment.query_normalised)
        name = f"{moment.video}\n{moment.query}"
        samples.append(encoder.sample(prompt, source.video(moment.video), name))
    batch = encoder.collate(samples)
    batch.pop("labels")
    return batch


def _batches(moments: list[Moment], source, size: int) -> Iterator[list[Moment]]:
    """Moments in batches, those of one length together."""
    readable = sorted(moments, key=lambda moment: (source.duration(moment.video), moment.video))
    for first in range(0, len(readable), size):
        yield readable[first : first + size]


def _reduce(model, encoder: Encoder, source, batch: list[Moment], prompts: Prompts):
    """The reduced sequence of a batch, and what each moment kept."""
    inputs = prompt_batch(encoder, source, batch, prompts)
    inputs = {key: value.to(model.device) for key, value in inputs.items()}
    reduced = model.reduce(**inputs)
    return reduced, list(_kept(model, reduced.selection, inputs))


def _kept(model, selection, inputs: dict) -> Iterator[dict]:
    """Grid, kept tokens and scores of each video of a batch."""
    grids = model.merged_grids(**inputs)
    for row, (t, h, w) in enumerate(grids):
        count = t * h * w
        entry = {
            "grid": [t, h, w],
            "second_per_grid": inputs["second_per_grid_ts"][row].item(),
            "kept": list(range(count)),
        }
        if selection is not None:
            entry["kept"] = selection.keep_BN[row, :count].nonzero().flatten().tolist()
            if selection.scores_BN is not None:
                entry["scores"] = [round(s, 6) for s in selection.scores_BN[row, :count].tolist()]
        yield entry


def _identity(moment: Moment) -> dict:
    return {"id": moment.id, "video": moment.video, "query": moment.query}


def _hindered(moments: list[Moment], encoder: Encoder, source, prompts: Prompts) -> dict[str, dict]:
    """Entries, by id, of the moments that cannot be asked."""
    found = {}
    for moment in moments:
        if why := _hindrance(moment, encoder, source, prompts):
            found[moment.id] = _unanswered(moment, *why)
    return found


def _hindrance(
    moment: Moment, encoder: Encoder, source, prompts: Prompts
) -> tuple[str, str] | None:
    """Reason and detail why a moment cannot be asked, or None."""
    if moment.video not in source.videos:
        return "unread_video", source.failed.get(moment.video, "video not found")
    system, user = prompts.grounding(moment.query_normalised)
    try:
        encoder.prompt(system, user, moment.query_normalised)
    except BadInput as error:
        return "bad_query", str(error)
    return None


def _unanswered(moment: Moment, failure: str, detail: str) -> dict:
    entry = {"answer": None, "windows": [], "failure": failure, "detail": detail}
    return {**_identity(moment), **entry, "seconds": 0.0}
