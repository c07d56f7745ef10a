"""What a stage trains on, sample by sample, and in which order."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from groundvts.data.conversations import Conversation
from groundvts.data.inputs import IGNORED, Encoder
from groundvts.errors import BadInput


class Samples(Dataset):
    """Conversations as model inputs, each beside the source of its video.

    A conversation whose video cannot be read is left out and listed with the reason; BadInput where
    none is left. An index past the last one gives a blank: a sample without a labelled token.
    """

    def __init__(self, data: list[tuple[list[Conversation], object]], encoder: Encoder) -> None:
        self.encoder = encoder
        self.asked = [(c, source) for conversations, source in data for c in conversations]
        self.readable = [(c, source) for c, source in self.asked if c.video in source.videos]
        if not self.readable:
            c, source = self.asked[0]
            raise BadInput(f"{c.id}: video {c.video}: {_reason(c, source)}: no video can be read")
        for c, _ in self.readable:  # a bad prompt is refused now, by name, not at a random step
            encoder.prompt(c.system, c.user, c.query)
        self.durations = [source.duration(c.video) for c, source in self.readable]

    def counts(self) -> dict:
        """How many samples were given and used, and which were left out for what reason."""
        left_out = [
            {"id": c.id, "dataset": c.dataset, "video": c.video, "reason": _reason(c, source)}
            for c, source in self.asked
            if c.video not in source.videos
        ]
        used = len(self.readable)
        return {"given": len(self.asked), "used": used, "left_out": left_out}

    def __len__(self) -> int:
        return len(self.readable)

    def __getitem__(self, index: int) -> dict:
        c, source = self.readable[index % len(self)]
        prompt = self.encoder.prompt(c.system, c.user, c.query, c.answer)
        sample = self.encoder.sample(prompt, source.video(c.video))
        if index >= len(self):
            sample["labels"] = [IGNORED] * len(sample["labels"])
        return sample


def _reason(conversation: Conversation, source) -> str:
    return source.failed.get(conversation.video, "not among the videos")


class DurationGrouped(Sampler):
    """Batches of videos of like duration in random order; an epoch's order is its seed's.

    `batch_size` is that of an optimiser step over all processes, so that it holds the same samples
    whatever their number. `shared` samples are given out at a time, to several processes: blanks
    fill the last of them up.
    """

    def __init__(self, durations: list[float], batch_size: int, seed: int, shared: int = 1) -> None:
        self.durations, self.batch_size, self.seed, self.epoch = durations, batch_size, seed, 0
        self.blanks = -len(durations) % shared

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.durations) + self.blanks

    def __iter__(self):
        generator = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        indices = get_length_grouped_indices(self.durations, self.batch_size, None, generator)
        batches = torch.tensor(indices).split(self.batch_size)
        shuffled = torch.randperm(len(batches), generator=generator)
        order = torch.cat([batches[place] for place in shuffled]).tolist()
        return iter([*order, *range(len(order), len(self))])
