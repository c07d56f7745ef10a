"""Answers and kept tokens of a model for a list of moments, one line for each, in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import torch

from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.inference.passes import PASSES
from groundvts.progress import Progress
from groundvts.prompts import Prompts

MAIN = "grounding"
SAID = ("answer", "failure", "detail", "seconds")


@torch.no_grad()
def predict(
    model,
    encoder: Encoder,
    source,
    moments: list[Moment],
    prompts: Prompts,
    batch_size: int,
    max_new_tokens: Mapping[str, int],
    kinds: Sequence[str] = (MAIN,),
    protocol: str = "fixed",
    label: str | None = None,
) -> list[dict]:
    """Greedy answers to all moments, one pass for each of `kinds` (see `passes`).

    A line holds the answer of the pass `grounding` with its windows (s), and under `highlights` and
    `question` those of the others; what highlights give is its `saliency`. A moment whose video
    cannot be read, or an answer that cannot, stays with its reason in `failure`. `max_new_tokens`
    has an entry for each kind; `label` shows progress.
    """
    found: list[dict] = [_identity(moment) for moment in moments]
    for kind in kinds:
        shown = label and (label if len(kinds) == 1 else f"{label} {kind}")
        job = (model, encoder, source, moments, prompts, batch_size, max_new_tokens[kind])
        for line, entry in zip(found, _pass(kind, *job, protocol, shown), strict=True):
            _join(line, kind, entry)
    return found


def _join(line: dict, kind: str, entry: dict) -> None:
    """Adds a pass to a moment's line: the main one as it is, another under its name."""
    if kind != MAIN:
        entry[kind] = {key: entry.pop(key) for key in SAID}
    line |= {key: value for key, value in entry.items() if key not in line}


def has_failed(line: dict) -> bool:
    """Whether any pass of a moment's line failed."""
    return any(part.get("failure") for part in (line, *(line.get(kind, {}) for kind in PASSES)))


def _pass(
    kind: str,
    model,
    encoder: Encoder,
    source,
    moments: list[Moment],
    prompts: Prompts,
    batch_size: int,
    max_new_tokens: int,
    protocol: str,
    label: str | None,
) -> list[dict]:
    """The entry of each moment for one kind."""
    entries = _hindered(kind, moments, encoder, source, prompts)
    asked = [moment for moment in moments if moment.id not in entries]
    progress = Progress(label, len(asked), "query") if label else None
    for batch in _batches(model, asked, source, batch_size):
        started = time.perf_counter()
        said = _answers(kind, model, encoder, source, batch, prompts, max_new_tokens)
        seconds = (time.perf_counter() - started) / len(batch)
        for moment, (answer, cut, kept) in zip(batch, said, strict=True):
            read = PASSES[kind].read(answer, moment, protocol)
            details = [read["detail"], f"cut at {max_new_tokens} tokens" if cut else None]
            read["detail"] = "; ".join(filter(None, details)) or None
            entries[moment.id] = {"answer": answer, **read, "seconds": seconds, **kept}
        if progress:
            progress.update(len(batch))
    if progress:
        progress.close()
    return [entries[moment.id] for moment in moments]


def _answers(
    kind: str, model, encoder: Encoder, source, batch: list[Moment], prompts: Prompts, most: int
) -> list[tuple[str, bool, dict]]:
    """Answer, whether it was cut at `most` tokens, and kept tokens of each moment of a batch."""
    reduced, tokens = _reduce(model, encoder, source, batch, prompts, kind)
    new_BL = model.generate_from(
        reduced,
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=encoder.end_of_turn,
        pad_token_id=encoder.pad,
    )
    answers = encoder.tokenizer.batch_decode(new_BL, skip_special_tokens=True)
    cut_B = (new_BL != encoder.end_of_turn).all(dim=1).tolist()
    return list(zip(answers, cut_B, tokens, strict=True))


@torch.no_grad()
def select_tokens(
    model, encoder: Encoder, source, moments: list[Moment], prompts: Prompts, batch_size: int = 32
) -> list[dict]:
    """What the model's sampler keeps for each moment, without answers.

    A moment that cannot be asked stays in the list with its reason, and without tokens.
    """
    entries = _hindered(MAIN, moments, encoder, source, prompts)
    asked = [moment for moment in moments if moment.id not in entries]
    for batch in _batches(model, asked, source, batch_size):
        _, tokens = _reduce(model, encoder, source, batch, prompts)
        entries |= {moment.id: kept for moment, kept in zip(batch, tokens, strict=True)}
    return [_identity(moment) | entries[moment.id] for moment in moments]


def prompt_batch(
    encoder: Encoder, source, moments: list[Moment], prompts: Prompts, kind: str = MAIN
) -> dict:
    """Model inputs that ask for each moment."""
    samples = []
    for moment in moments:
        (system, user), query = PASSES[kind].turns(prompts, moment)
        prompt = encoder.prompt(system, user, query)
        name = f"{moment.video}\n{moment.query}"
        samples.append(encoder.sample(prompt, source.video(moment.video), name))
    batch = encoder.collate(samples)
    batch.pop("labels")
    return batch


def _batches(model, moments: list[Moment], source, size: int) -> Iterator[list[Moment]]:
    """Moments in batches, those of one length together.

    Where the query's scope is `official`, padding counts as query, so that each is asked alone, as
    the released code does.
    """
    if (model.config.vts or {}).get("query_scope") == "official":
        size = 1
    readable = sorted(moments, key=lambda moment: (source.duration(moment.video), moment.video))
    for first in range(0, len(readable), size):
        yield readable[first : first + size]


def _reduce(
    model, encoder: Encoder, source, batch: list[Moment], prompts: Prompts, kind: str = MAIN
):
    """The reduced sequence of a batch, and what each moment kept."""
    inputs = prompt_batch(encoder, source, batch, prompts, kind)
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


def _hindered(
    kind: str, moments: list[Moment], encoder: Encoder, source, prompts: Prompts
) -> dict[str, dict]:
    """Entries, by id, of the moments that cannot be asked."""
    found = {}
    for moment in moments:
        if why := _hindrance(kind, moment, encoder, source, prompts):
            nothing = PASSES[kind].read("", moment, "fixed")
            found[moment.id] = {"answer": None, **nothing, **why, "seconds": 0.0}
    return found


def _hindrance(
    kind: str, moment: Moment, encoder: Encoder, source, prompts: Prompts
) -> dict[str, str] | None:
    """Failure and detail why a moment cannot be asked, or None."""
    if moment.video not in source.videos:
        why = source.failed.get(moment.video, "video not found")
        return {"failure": "unread_video", "detail": why}
    try:
        (system, user), query = PASSES[kind].turns(prompts, moment)
        encoder.prompt(system, user, query)
    except BadInput as error:
        return {"failure": "bad_query", "detail": str(error)}
    return None
