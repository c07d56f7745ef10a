"""Queries are asked together, a video at a time, and answered as each alone would be."""

from collections import Counter

import numpy as np
import pytest
import torch
from tiny import frames, tiny, write_base

from groundvts.data.features import FeatureCache, PixelSource, build_feature_cache
from groundvts.data.moment import Moment
from groundvts.data.store import Store
from groundvts.data.video import FrameSampling
from groundvts.errors import BadInput
from groundvts.inference.batches import WHOLE, Shard, batched, dealt
from groundvts.inference.predict import _short, predict, select_tokens
from groundvts.prompts import Prompts

TOKENS = {"grounding": 12, "highlights": 8, "question": 6}
SECONDS = {"a": 8, "b": 4, "c": 6, "d": 6}
QUERIES = ("red", "circle square blue red", "blue square")
LABELS = {
    "saliency": ((1, (4, 4, 4)),),
    "options": ("blue", "red", "green", "white", "yellow"),
    "answer": "red",
}


class Clips:
    """Frames of four videos of unequal length, and one that cannot be read."""

    def __init__(self) -> None:
        self.videos = {name: {"duration": float(s), "key": name} for name, s in SECONDS.items()}
        self.failed = {"broken": "no frame"}
        self.sampling = FrameSampling()
        self.read = Counter()

    def __getitem__(self, name: str):
        self.read[name] += 1
        return frames(SECONDS[name], ord(name))


def moments() -> list[Moment]:
    """Two or three queries of each video, not in a row; two cannot be asked."""
    pairs = [(video, query) for query in QUERIES for video in (*SECONDS, "broken")]
    pairs = [pair for pair in pairs if pair not in [("b", "red"), ("broken", "red")]]
    asked = [
        Moment(f"{n}", "nextgqa", "test", video, 8.0, query, ((2.0, 6.0),), **LABELS)
        for n, (video, query) in enumerate(pairs)
    ]
    bad = "<|im_end|> red"
    return [*asked, Moment("bad", "nextgqa", "test", "a", 8.0, bad, ((2.0, 6.0),), **LABELS)]


@pytest.fixture(scope="module", params=["qwen", "internvl"])
def asked(request, tmp_path_factory):
    base = write_base(tmp_path_factory.mktemp("base"), backbone=request.param)
    return tiny(base, sampler="vts", ratio=0.5)


@pytest.fixture(params=["frames", "features"])
def source(request, asked, tmp_path):
    if request.param == "frames":
        return PixelSource(Clips(), asked.encoder)
    store = Store(tmp_path / "store")
    build_feature_cache(asked.model, asked.encoder, Clips(), tmp_path / "index", store)
    return FeatureCache(tmp_path / "index")


def answers(asked, source, those, size, kinds=("grounding", "highlights", "question"), **how):
    prompts = Prompts.load("toy")
    found = predict(asked.model, asked.encoder, source, those, prompts, size, TOKENS, kinds, **how)
    return [without_seconds(line) for line in found]


def without_seconds(line: dict) -> dict:
    inside = {k: without_seconds(v) if isinstance(v, dict) else v for k, v in line.items()}
    return {key: value for key, value in inside.items() if key != "seconds"}


def test_together_as_one_at_a_time(asked, source):
    together = answers(asked, source, moments(), 4)
    assert [line["id"] for line in together] == [moment.id for moment in moments()]
    for moment, line in zip(moments(), together, strict=True):
        [alone] = answers(asked, source, [moment], 1)
        np.testing.assert_allclose(line.pop("scores", []), alone.pop("scores", []), atol=1e-5)
        assert line == alone
    reasons = Counter(line["failure"] for line in together)
    assert reasons["unread_video"] == 2
    assert reasons["bad_query"] == 1
    assert len({tuple(line["kept"]) for line in together if "kept" in line}) > len(SECONDS)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_video_is_read_and_goes_through_the_tower_once(asked, monkeypatch, size):
    rows = Counter()
    true = asked.model.vision_features

    def counted(pixels, grid=None):
        rows[len(pixels)] += 1
        return true(pixels, grid)

    monkeypatch.setattr(asked.model, "vision_features", counted)
    clips = Clips()
    answers(asked, PixelSource(clips, asked.encoder), moments(), size)
    assert rows.total() == len(SECONDS)
    assert clips.read == Counter(SECONDS.keys())


def test_what_is_kept_is_looked_at_with_the_tower_once(asked):
    clips = Clips()
    job = (asked.model, asked.encoder, PixelSource(clips, asked.encoder))
    looked = select_tokens(*job, moments(), Prompts.load("toy"), 2)
    assert clips.read == Counter(SECONDS.keys())
    full = answers(asked, job[2], moments(), 2, ("grounding",))
    assert [line.get("kept") for line in looked] == [line.get("kept") for line in full]


def test_one_at_a_time_where_padding_is_pooled_still_shares_the_tower(tmp_path):
    official = tiny(write_base(tmp_path), sampler="vts", ratio=0.5, query_scope="official")
    clips = Clips()
    answers(official, PixelSource(clips, official.encoder), moments(), 8, ("grounding",))
    assert clips.read == Counter(SECONDS.keys())


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_are_the_undivided_answers(asked, source, count):
    whole = answers(asked, source, moments(), 3)
    parts = [answers(asked, source, moments(), 3, shard=Shard(n + 1, count)) for n in range(count)]
    found = {line["id"]: line for part in parts for line in part}
    assert sum(map(len, parts)) == len(found)
    assert [found[line["id"]] for line in whole] == whole  # to the last digit of a score
    places = [{line["video"] for line in part if "kept" in line} for part in parts]
    assert sum(map(len, places)) == len(SECONDS)


class Lengths:
    """Seconds of many videos."""

    def duration(self, video: str) -> float:
        return 5.0 + int(video) % 50


@pytest.mark.parametrize(("count", "size"), [(2, 8), (5, 8), (16, 3)])
def test_shards_are_of_like_duration(count, size):
    asked = [
        Moment(f"{v}-{q}", "x", "test", str(v), None, "red", ()) for v in range(400)
        for q in range(1 + v % 4)
    ]  # fmt: skip
    batches = batched(asked, Lengths(), size)
    parts = [dealt(batches, Lengths(), Shard(n + 1, count)) for n in range(count)]
    assert sorted(m.id for part in parts for b in part for m in b) == sorted(m.id for m in asked)
    totals = [sum(Lengths().duration(m.video) for b in part for m in b) for part in parts]
    assert max(totals) < 1.25 * min(totals)
    videos = [{moment.video for batch in part for moment in batch} for part in parts]
    assert sum(map(len, videos)) == 400
    assert dealt(batches, Lengths(), WHOLE) == batches


def test_videos_of_many_queries_are_dealt_out_apart():
    """As of TACoS, whose test split asks some 160 queries of each of 25 videos."""
    asked = [
        Moment(f"{v}-{q}", "x", "test", str(v), None, "red", ()) for v in range(25)
        for q in range(100 + 41 * v % 101)
    ]  # fmt: skip
    batches = batched(asked, Lengths(), 8)
    assert len(batches) <= len(asked) / 8 + 25
    assert sorted(m.id for batch in batches for m in batch) == sorted(m.id for m in asked)
    parts = [dealt(batches, Lengths(), Shard(n + 1, 8)) for n in range(8)]
    totals = [sum(Lengths().duration(m.video) for b in part for m in b) for part in parts]
    assert max(totals) < 1.1 * min(totals)
    assert sum(len({m.video for b in part for m in b}) for part in parts) == 25


def test_batches_of_few_queries_are_full():
    asked = [Moment(f"{n}", "x", "test", str(n // 3), None, "red", ()) for n in range(100)]
    assert [len(batch) for batch in batched(asked, Lengths(), 8)] == [8] * 12 + [4]


def test_scores_keep_six_significant_digits():
    assert _short(torch.tensor([0.123456789, 1.23456789e-7, 0.0])) == [0.123457, 1.23457e-7, 0.0]


@pytest.mark.parametrize("text", ["", "2", "0-of-4", "5-of-4", "1-of-0", "-1-of-2", "1-of-2 "])
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(BadInput, match=r"--shard .*2-of-4"):
        Shard.read(text)
