"""What each way to reduce tokens keeps, merges and refuses."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vts import inputs, module
from tiny import tiny, write_base
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from groundvts.errors import BadInput, RunFailed
from groundvts.models.pruning import measuring_attention
from groundvts.models.samplers import SAMPLERS, Merging, sampler
from groundvts.models.samplers.guided_pooling import curve, windows
from groundvts.models.samplers.segment_merging import centrality, merged, segments


def test_temporal_difference_keeps_the_first_step_and_what_changes():
    still = torch.nn.functional.normalize(torch.randn(1, 4, 12), dim=-1).repeat(6, 1, 1)
    still[3:, 1] = -still[3:, 1]  # changes once, at step 3
    still[5, 2] = torch.roll(still[5, 2], 1)
    tokens = still.reshape(1, 24, 12)
    vts = module(sampler="temporal_difference", ratio=6 / 24, weights="constant").eval()
    valid, query = torch.ones(1, 24, dtype=torch.bool), torch.randn(1, 12)
    keep = vts(tokens, valid, query, [(6, 2, 2)], [0])[1].keep_BN.view(6, 4)
    assert keep[0].all()
    assert keep[3].tolist() == [False, True, False, False]
    assert keep[5].tolist() == [False, False, True, False]
    other = vts(tokens, valid, -query, [(6, 2, 2)], [0])[1].keep_BN.view(6, 4)
    assert torch.equal(keep, other)  # whatever is asked


def test_frames_are_chosen_by_score_and_tokens_spread_over_them():
    vts = module(sampler="frame_selection", ratio=0.25).eval()
    tokens, valid, query, _, seeds = inputs([64])
    _, selection = vts(tokens, valid, query, [(16, 2, 2)], seeds)
    steps = selection.keep_BN.view(16, 4)
    best = selection.scores_BN.view(16, 4).mean(1).topk(8).indices
    assert steps.sum(1).nonzero().flatten().tolist() == best.sort().values.tolist()
    assert set(steps[best].sum(1).tolist()) == {2}
    assert (steps.sum(0) > 0).all()  # no place is always left out


@given(
    grid=st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5)),
    ratio=st.floats(0.01, 1.0),
)
@settings(max_examples=60, deadline=None)
def test_pooling_windows_are_as_many_as_asked_and_stay_within_a_step(grid, ratio):
    t, h, w = grid
    count = math.ceil(ratio * t * h * w)
    window = windows(grid, count)
    assert sorted(set(window.tolist())) == list(range(count))
    if count >= t:
        steps = torch.arange(t).repeat_interleave(h * w)
        assert all(len(set(steps[window == k].tolist())) == 1 for k in range(count))
    assert sorted(curve(h, w).tolist()) == list(range(h * w))


def test_windows_of_four_are_blocks():
    window = windows((2, 4, 4), 8).view(2, 4, 4)
    assert window[0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


def test_a_pooled_token_is_the_mean_by_score_at_the_best_place():
    vts = module(sampler="guided_pooling", ratio=0.25, post_mlp=False, weights="constant",
                 weight_scale="mean1").eval()  # fmt: skip
    tokens, valid, query, _, seeds = inputs([8])
    embeds, selection = vts(tokens, valid, query, [(2, 2, 2)], seeds)
    for step in range(2):
        inside = slice(4 * step, 4 * step + 4)
        scores = selection.scores_BN[0, inside]
        best = 4 * step + int(scores.argmax())
        assert selection.keep_BN[0, inside].nonzero().flatten().tolist() == [best - 4 * step]
        mean = (scores[:, None] * tokens[0, inside]).sum(0) / scores.sum()
        torch.testing.assert_close(embeds[0, best], mean)
    embeds.sum().backward()
    assert vts.project_query.weight.grad.abs().max() > 0  # through the shares of the mean


def test_segments_are_cut_where_most_tokens_can_be_merged():
    repeats = torch.ones(6, 8, dtype=torch.bool)
    repeats[0] = False
    repeats[3] = False  # everything changes at step 3
    assert segments(repeats).tolist() == [0, 0, 0, 1, 1, 1]
    repeats[3, :7] = True  # one of eight cells changes: merging the others over all saves more
    assert segments(repeats).tolist() == [0] * 6


def scene(*kinds):
    """Unit tokens (T, C, D) of the kinds named for each step and cell."""
    directions = F.normalize(torch.randn(9, 32, generator=torch.Generator().manual_seed(1)), dim=-1)
    return directions[torch.tensor(kinds)]


def test_what_repeats_in_time_is_merged_into_the_first_step():
    steps = scene([0, 1], [0, 1], [0, 1], [2, 1], [2, 1])
    into = merged(steps, 4)
    assert int((into == torch.arange(10)).sum()) == 4
    heads = into[into]  # a kept token goes into itself
    assert torch.equal(heads, into)
    tokens = steps.flatten(0, 1)
    assert F.cosine_similarity(tokens, tokens[into]).min() > 0.99  # four kinds of place and time


@given(
    grid=st.tuples(st.integers(1, 8), st.integers(1, 3), st.integers(1, 3)),
    ratio=st.floats(0.01, 1.0),
    kinds=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_merging_leaves_as_many_groups_as_asked(grid, ratio, kinds, seed):
    t, h, w = grid
    count = math.ceil(ratio * t * h * w)
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, kinds, (t, h * w), generator=rng).tolist()
    into = merged(scene(*drawn), count)
    assert int((into == torch.arange(t * h * w)).sum()) == count
    assert torch.equal(into[into], into)


def test_the_densest_and_the_most_distant_groups_are_central():
    close = torch.eye(8)[:1].repeat(4, 1) + 0.01 * torch.eye(8)[1:5]
    far = torch.eye(8)[6:8]
    rows = F.normalize(torch.cat([close, far]), dim=-1)
    rank = centrality(rows @ rows.T)
    assert rank[:4].max() > rank[4:].min() > rank[:4].sort().values[:3].max()


def test_a_merged_token_is_the_plain_mean_of_its_group():
    steps = scene([0, 1], [0, 1], [0, 1])
    vts = module(sampler="segment_merging", ratio=2 / 6, post_mlp=False, weights="constant",
                 weight_scale="mean1").eval()  # fmt: skip
    vts.config = replace(vts.config, hidden_size=8)
    tokens = steps.reshape(1, 6, 32)
    valid = torch.ones(1, 6, dtype=torch.bool)
    embeds, selection = vts(tokens, valid, torch.zeros(1, 12), [(3, 1, 2)], [0])
    assert selection.keep_BN[0].tolist() == [True, True] + 4 * [False]
    torch.testing.assert_close(embeds[0, :2], steps[0])


def test_attention_keeps_what_the_last_token_looks_at(tmp_path):
    t = tiny(write_base(tmp_path / "base"), sampler="attention", prune_after=1, ratio=0.25)
    batch = t.batch(t.sample("red circle", 6, 1))
    rows = []

    def watched(module, query, key, value, mask, **given):
        keys = key.float().repeat_interleave(query.shape[1] // key.shape[1], 1)
        logits = query[:, :, -1:].float() @ keys.transpose(-1, -2) * given["scaling"]
        rows.append(logits.softmax(-1).mean(1)[0, 0])
        return measuring_attention(module, query, key, value, mask, **given)

    reduced = t.model.reduce(**batch)
    ALL_ATTENTION_FUNCTIONS.register("watched", watched)
    layer = t.model.model.language_model.layers[0].self_attn
    layer.config._attn_implementation_internal = "watched"
    with torch.no_grad():
        t.model(**reduced.forward_inputs())
    visual = (batch["input_ids"] == t.encoder.video_token)[0]
    best = rows[0][visual].topk(int(0.25 * visual.sum())).indices.sort().values
    assert reduced.keep_BN[0].nonzero().flatten().tolist() == best.tolist()


@pytest.mark.parametrize(
    ("after", "said"), [(2, "has 2 layers; name one from 1 to 1"), (5, "2 layers")]
)
def test_there_must_be_layers_left(tmp_path, after, said):
    t = tiny(write_base(tmp_path / "base"), sampler="attention", prune_after=after)
    with pytest.raises(BadInput, match=said):
        t.model.reduce(**t.batch(t.sample("red circle", 6, 1)))


def test_a_merging_of_another_number_is_named():
    @sampler("halves")
    def halves(video):
        return Merging(video.index_BN // 2 * 2)

    try:
        with pytest.raises(RunFailed, match=r"sampler halves: \[5\] groups instead of \[3\]"):
            module(sampler="halves", ratio=0.3).eval()(*inputs([10]))
    finally:
        SAMPLERS.pop("halves")


def test_a_choice_by_cosine_needs_no_projection():
    vts = module(sampler="frame_selection", scorer="cosine", weights="constant").eval()
    assert not vts.projects
    tokens, valid, query, grids, seeds = inputs([12])
    scores = vts(tokens, valid, query, grids, seeds)[1].scores_BN
    torch.testing.assert_close(
        scores, F.cosine_similarity(tokens, query[:, None], dim=-1).softmax(-1)
    )
