"""Positions of what is kept: dense with gaps, reindexed without, or one-dimensional."""

import pytest
import torch
from drop_properties import dropped_equals_masked, set_vts
from tiny import tiny, write_base

from groundvts.models.sequence import reindexed, sequential_1d


@pytest.fixture(scope="module")
def t(tmp_path_factory):
    return tiny(write_base(tmp_path_factory.mktemp("models") / "base"), ratio=0.25)


def kept_positions(t, name: str, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Position ids of kept tokens of the first row (3, M) and which of them are visual (M)."""
    set_vts(t, positions=name, drop="masked")
    sequence = t.model.reduce(**batch).sequence
    set_vts(t, positions="dense", drop="real")
    kept = sequence.attention_mask[0].bool()
    return sequence.position_ids[:, 0, kept], batch["input_ids"][0, kept] == t.encoder.video_token


def test_reindexed_by_hand():
    """Text, four kept tokens of a video in steps 0, 4 and 8, text."""
    text = [[0, 1], [0, 1], [0, 1]]
    video = [[2, 2, 6, 6, 10, 10], [2, 2, 3, 3, 2, 4], [2, 4, 2, 4, 2, 4]]
    dense = torch.tensor([a + b + [11, 12] for a, b in zip(text, video, strict=True)])[:, None]
    keep = torch.tensor([[1, 1, 1, 1, 0, 1, 0, 1, 1, 1]]).bool()
    visual = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 0, 0]]).bool()
    found = reindexed(dense, keep, visual)[:, 0, keep[0]]
    assert found.tolist() == [
        [0, 1, 2, 2, 3, 4, 5, 6],
        [0, 1, 2, 2, 3, 4, 5, 6],
        [0, 1, 2, 3, 3, 3, 5, 6],
    ]
    flat = reindexed(torch.arange(10)[None], keep, visual)  # a backbone with one axis
    assert flat[0, keep[0]].tolist() == list(range(8))


def test_reindexing_all_tokens_changes_only_what_skips_time(t):
    set_vts(t, sampler="none", ratio=1.0)
    batch = t.batch(t.sample("red circle", 8, 1))
    found, video = kept_positions(t, "reindexed", batch)
    dense = t.model.dense_positions(**batch)[:, 0]
    set_vts(t, sampler="vts", ratio=0.25)
    first = dense[:, video].min()
    assert torch.equal(found[1:, video], dense[1:, video])
    assert torch.equal((found[0, video] - first) * 2, dense[0, video] - first)  # ids step by two


@pytest.mark.parametrize("seed", range(5))
def test_reindexed_has_no_gaps_and_keeps_the_order(t, seed):
    batch = t.batch(t.sample("red circle", 9, seed, height=84, width=112))
    found, visual = kept_positions(t, "reindexed", batch)
    dense, _ = kept_positions(t, "dense", batch)
    start = int(found[0, ~visual].diff().argmax())  # the last text before the video
    for axis in range(3):
        video, before = found[axis, visual], dense[axis, visual]
        assert (video.unique() == torch.arange(len(video.unique())) + start + 1).all()
        order = (before[:, None] - before).sign()
        assert torch.equal((video[:, None] - video).sign(), order)
    text = found[:, ~visual]
    assert (text == text[0]).all()
    after = text[0, start + 1 :]
    assert torch.equal(after, torch.arange(len(after)) + found[:, visual].max() + 1)


def test_sequential_1d_is_the_index_in_the_whole_sequence(t):
    samples = [t.sample("red circle", n, n) for n in (3, 8)]
    batch = t.batch(*samples)
    found, _ = kept_positions(t, "sequential_1d", batch)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    length = int(batch["attention_mask"][0].sum())
    assert found[0, -1] == length - 1
    assert len(found[0]) < length  # dropped tokens leave gaps
    padded = sequential_1d(torch.zeros(3, 1, 5), torch.tensor([[0, 0, 1, 1, 1]]))
    assert padded[:, 0].tolist() == [[0, 0, 0, 1, 2]] * 3


@pytest.mark.parametrize("positions", ["reindexed", "sequential_1d"])
@pytest.mark.parametrize("seed", range(5))
def test_dropped_equals_masked(t, positions, seed):
    set_vts(t, positions=positions)
    dropped_equals_masked(t, seed)
    set_vts(t, positions="dense", sampler="vts", ratio=0.25)


def test_positions_matter(t):
    batch = t.batch(t.sample("red circle", 8, 3))
    found = []
    for positions in ("dense", "reindexed", "sequential_1d"):
        set_vts(t, positions=positions)
        with torch.no_grad():
            found.append(t.model(**batch).logits[:, -1])
    set_vts(t, positions="dense")
    assert not torch.allclose(found[0], found[1], atol=1e-4)
    assert not torch.allclose(found[0], found[2], atol=1e-4)
    assert not torch.allclose(found[1], found[2], atol=1e-4)
