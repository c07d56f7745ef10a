"""Which queries are asked together, and which of several processes asks them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from groundvts.data.moment import Moment
from groundvts.errors import BadInput

Batch = list[Moment]


def batched(moments: list[Moment], source, size: int) -> list[Batch]:
    """Moments in batches of `size`: videos of like length together, a video's queries in a row.

    After a video that has filled a batch a new one begins, so that shards can part there: videos of
    many queries would all hang together.
    """
    ordered = sorted(moments, key=lambda moment: (source.duration(moment.video), moment.video))
    batches, filled = [], True
    for _, queries in groupby(ordered, key=lambda moment: moment.video):
        queries = list(queries)
        rest = [] if filled else batches.pop()
        filled = len(queries) >= size
        together = rest + queries
        batches += [together[first : first + size] for first in range(0, len(together), size)]
    return batches


@dataclass(frozen=True)
class Shard:
    """The part of the queries that one of `count` processes asks; `number` is from 1 on."""

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """The shard that `2-of-4` names; BadInput where it names none."""
        found = re.fullmatch(r"(\d+)-of-(\d+)", text)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise BadInput(f"--shard {text}: name one part of several, as 2-of-4")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


WHOLE = Shard(1, 1)


def dealt(batches: list[Batch], source, shard: Shard) -> list[Batch]:
    """What `shard` asks of `batched`'s batches, in their order.

    The batches are those of an undivided run, so that answers and scores are the same numbers, and
    a video's queries stay in one shard: dealt out are runs of batches that share videos, longest
    first, each to the shard with the least seconds of video so far.
    """
    runs: list[list[int]] = []
    for place, batch in enumerate(batches):
        if runs and batches[place - 1][-1].video == batch[0].video:
            runs[-1].append(place)
        else:
            runs.append([place])
    seconds = [
        sum(source.duration(moment.video) for place in run for moment in batches[place])
        for run in runs
    ]
    totals, mine = [0.0] * shard.count, []
    for index in sorted(range(len(runs)), key=lambda index: (-seconds[index], index)):
        receiver = totals.index(min(totals))
        totals[receiver] += seconds[index]
        if receiver == shard.number - 1:
            mine += runs[index]
    return [batches[place] for place in sorted(mine)]
