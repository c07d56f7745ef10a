"""Answers and kept tokens of a model for a list of moments, one line for each, in their order.

Notable: a batch is asked all kinds of passes before the next one, so that a video goes through the
vision tower once for all queries about it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import torch

from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.escape import log
from groundvts.inference.batches import WHOLE, Batch, Shard, batched, dealt
from groundvts.inference.journal import Journal
from groundvts.inference.passes import PASSES
from groundvts.inference.tower import Stopwatch, Videos
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
    shard: Shard = WHOLE,
    journal: Journal | None = None,
) -> list[dict]:
    """Greedy answers to all moments of `shard`, one pass for each of `kinds` (see `passes`).

    A line holds the answer of the pass `grounding` with its windows (s), and under `highlights` and
    `question` those of the others; what highlights give is its `saliency`. A moment whose video
    cannot be read, or an answer that cannot, stays with its reason in `failure`. `max_new_tokens`
    has an entry for each kind; `label` shows progress. What `journal` knows is not asked again.
    """
    hindered = {kind: _hindered(kind, moments, encoder, source, prompts) for kind in kinds}
    asked = [m for m in moments if any(m.id not in hindered[kind] for kind in kinds)]
    batches = dealt(_batches(model, asked, source, batch_size), source, shard)
    journal = journal or Journal()
    asking = _Asking(model, encoder, source, prompts, max_new_tokens, protocol, hindered)
    _answer(asking, batches, journal, label)
    refused = {m.id for m in moments} - {m.id for m in asked} if shard.number == 1 else ()
    return [
        journal.lines[moment.id] if moment.id in journal.lines else asking.line(moment, {})
        for moment in moments
        if moment.id in journal.lines or moment.id in refused
    ]


def _answer(asking: _Asking, batches: list[Batch], journal: Journal, label: str | None) -> None:
    """Asks what `journal` does not know of the batches, and writes it there."""
    left = journal.take_over(batches)
    total, known = sum(map(len, batches)), journal.taken_over
    progress = Progress(label, total, "query", known) if label and left else None
    if label and known:
        log(f"{label}: {known} of {total} queries are answered already")
    for batch in left:
        journal.add(asking.lines(batch), asking.watch.lap())
        if progress:
            progress.update(len(batch))
    if progress:
        progress.close()


class _Asking:
    """How a model is asked; `hindered` holds, by kind and id, what cannot be."""

    def __init__(
        self, model, encoder: Encoder, source, prompts, max_new_tokens, protocol, hindered
    ) -> None:
        self.model, self.encoder, self.prompts = model, encoder, prompts
        self.max_new_tokens, self.protocol, self.hindered = max_new_tokens, protocol, hindered
        self.watch = Stopwatch(model.device)
        self.videos = Videos(model, source, self.watch)

    def lines(self, batch: Batch) -> list[dict]:
        """The lines of a batch."""
        started, entries = time.perf_counter(), {}
        self.videos.hold(moment.video for moment in batch)
        for kind in self.hindered:  # the first kind's seconds hold those of videos and tower
            entries[kind] = self._entries(kind, batch, started)
            started = time.perf_counter()
        return [self.line(moment, entries) for moment in batch]

    def line(self, moment: Moment, entries: dict[str, dict[str, dict]]) -> dict:
        """A moment's line: the main pass as it is, the others under their names."""
        line = _identity(moment)
        for kind, hindered in self.hindered.items():
            entry = dict(entries.get(kind, {}).get(moment.id) or hindered[moment.id])
            if kind != MAIN:
                entry[kind] = {key: entry.pop(key) for key in SAID}
            line |= {key: value for key, value in entry.items() if key not in line}
        return line

    def _entries(self, kind: str, batch: Batch, started: float) -> dict[str, dict]:
        """What one kind of pass, begun at `started`, gives, by id."""
        batch = [moment for moment in batch if moment.id not in self.hindered[kind]]
        said = self._answers(kind, batch) if batch else []
        entries = {}
        seconds = (time.perf_counter() - started) / max(len(batch), 1)
        for moment, (answer, cut, kept) in zip(batch, said, strict=True):
            read = PASSES[kind].read(answer, moment, self.protocol)
            limit = f"cut at {self.max_new_tokens[kind]} tokens" if cut else None
            read["detail"] = "; ".join(filter(None, [read["detail"], limit])) or None
            entries[moment.id] = {"answer": answer, **read, "seconds": seconds, **kept}
        return entries

    def _answers(self, kind: str, batch: Batch) -> list[tuple[str, bool, dict]]:
        """Answer, whether it was cut, and kept tokens of each moment of a batch."""
        with self.watch.stage("reduce"):
            job = (self.model, self.encoder, self.videos, batch, self.prompts, kind)
            reduced, inputs = _reduce(*job)
        with self.watch.stage("generate"):
            new_BL = self.model.generate_from(
                reduced,
                max_new_tokens=self.max_new_tokens[kind],
                do_sample=False,
                eos_token_id=self.encoder.end_of_turn,
                pad_token_id=self.encoder.pad,
            )
        answers = self.encoder.tokenizer.batch_decode(new_BL, skip_special_tokens=True)
        tokens = _kept(self.model, reduced, inputs)
        cut_B = (new_BL != self.encoder.end_of_turn).all(dim=1).tolist()
        return list(zip(answers, cut_B, tokens, strict=True))


def has_failed(line: dict) -> bool:
    """Whether any pass of a moment's line failed."""
    return any(part.get("failure") for part in (line, *(line.get(kind, {}) for kind in PASSES)))


@torch.no_grad()
def select_tokens(
    model, encoder: Encoder, source, moments: list[Moment], prompts: Prompts, batch_size: int = 32
) -> list[dict]:
    """What the model's sampler keeps for each moment, without answers.

    A moment that cannot be asked stays in the list with its reason, and without tokens.
    """
    entries = _hindered(MAIN, moments, encoder, source, prompts)
    asked = [moment for moment in moments if moment.id not in entries]
    videos = Videos(model, source, Stopwatch(model.device))
    for batch in _batches(model, asked, source, batch_size):
        videos.hold(moment.video for moment in batch)
        reduced, inputs = _reduce(model, encoder, videos, batch, prompts)
        if reduced.prune is not None:  # the language model chooses when it reads
            model(**reduced.forward_inputs(), logits_to_keep=1)
        tokens = _kept(model, reduced, inputs)
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


def _batches(model, moments: list[Moment], source, size: int) -> list[Batch]:
    """Moments in batches.

    Where the query's scope is `official`, padding counts as query, so that each is asked alone, as
    the released code does.
    """
    alone = (model.config.vts or {}).get("query_scope") == "official"
    return batched(moments, source, 1 if alone else size)


def _reduce(
    model, encoder: Encoder, source, batch: list[Moment], prompts: Prompts, kind: str = MAIN
):
    """The reduced sequence of a batch, and what it was made from."""
    inputs = prompt_batch(encoder, source, batch, prompts, kind)
    inputs = {key: value.to(model.device) for key, value in inputs.items()}
    return model.reduce(**inputs), inputs


def _kept(model, reduced, inputs: dict) -> Iterator[dict]:
    """Grid, kept tokens and scores of each video of a batch that was read."""
    grids, selection = model.merged_grids(**inputs), reduced.selection
    keep_BN = None if selection is None else reduced.keep_BN
    for row, (t, h, w) in enumerate(grids):
        count = t * h * w
        entry = {
            "grid": [t, h, w],
            "second_per_grid": inputs["second_per_grid_ts"][row].item(),
            "kept": list(range(count)),
        }
        if selection is not None:
            entry["kept"] = keep_BN[row, :count].nonzero().flatten().tolist()
            if selection.scores_BN is not None:
                entry["scores"] = _short(selection.scores_BN[row, :count])
        yield entry


def _short(scores: torch.Tensor) -> list[float]:
    """Scores to six significant digits: with many tokens each is small."""
    return [float(f"{score:.6g}") for score in scores.tolist()]


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
    if moment.absurd:
        return {"failure": "bad_query", "detail": moment.absurd}
    if moment.video not in source.videos:
        why = source.failed.get(moment.video, "video not found")
        return {"failure": "unread_video", "detail": why}
    try:
        (system, user), query = PASSES[kind].turns(prompts, moment)
        encoder.prompt(system, user, query)
    except BadInput as error:
        return {"failure": "bad_query", "detail": str(error)}
    return None
