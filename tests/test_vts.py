"""The sampling module: counts, ties, weights, gradients, and samplers of one's own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundvts.errors import BadInput
from groundvts.models.samplers import INSIDE, SAMPLERS, Video, keep_highest, sampler
from groundvts.models.vts import VTS
from groundvts.models.vts_config import VTSConfig

WIDTH = 12


def inputs(sizes, seed=0, width=WIDTH):
    """Padded tokens, their mask, queries, grids of one-token steps, and seeds."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(sizes)
    tokens = torch.randn(len(sizes), longest, width, generator=generator)
    valid = torch.arange(longest) < torch.tensor(sizes)[:, None]
    query = torch.randn(len(sizes), width, generator=generator)
    return tokens, valid, query, [(n, 1, 1) for n in sizes], list(range(len(sizes)))


def module(**options):
    torch.manual_seed(0)
    return VTS(WIDTH, VTSConfig(**{"hidden_size": 8, **options}))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    ratio=st.sampled_from([0.05, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]),
    name=st.sampled_from(sorted(SAMPLERS)),
)
@settings(max_examples=60, deadline=None)
def test_every_sampler_keeps_the_ceiling_of_ratio_times_n(sizes, ratio, name):
    ratio = 1.0 if name == "none" else ratio
    vts = module(sampler=name, ratio=ratio).eval()
    _, selection = vts(*inputs(sizes))
    expected = [n if name in INSIDE else math.ceil(round(ratio * n, 6)) for n in sizes]
    assert selection.keep_BN.sum(1).tolist() == expected
    assert not (selection.keep_BN & ~inputs(sizes)[1]).any()


def test_ties_go_to_the_lower_index():
    keep = keep_highest(
        torch.tensor([[1.0, 2.0, 2.0, 2.0]]), torch.ones(1, 4).bool(), torch.tensor([2])
    )
    assert keep.tolist() == [[False, True, True, False]]


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_choice_does_not_depend_on_the_batch(name):
    vts = module(sampler=name, ratio=1.0 if name == "none" else 0.3).eval()
    tokens, valid, query, grids, seeds = inputs([17, 5, 9])
    _, together = vts(tokens, valid, query, grids, seeds)
    for row, (n, _, _) in enumerate(grids):
        one = slice(row, row + 1)
        _, alone = vts(tokens[one, :n], valid[one, :n], query[one], grids[one], seeds[one])
        assert torch.equal(alone.keep_BN[0], together.keep_BN[row, :n])
        torch.testing.assert_close(alone.weight_BN[0], together.weight_BN[row, :n])


@pytest.mark.parametrize(("ratio", "n", "kept"), [(0.3, 170, 51), (0.6, 85, 51), (0.1, 71, 8)])
def test_the_ceiling_is_exact(ratio, n, kept):
    _, selection = module(sampler="uniform", ratio=ratio).eval()(*inputs([n]))
    assert int(selection.keep_BN.sum()) == kept


def test_random_draws_differ_by_sample_and_by_seed():
    tokens, valid, query, grids, _ = inputs([40, 40])
    choices = [
        module(sampler="random", seed=seed).eval()(tokens, valid, query, grids, [3, 4])[1].keep_BN
        for seed in (0, 1)
    ]
    assert not torch.equal(choices[0][0], choices[0][1])
    assert not torch.equal(choices[0], choices[1])


def test_random_redraws_in_training_and_holds_still_otherwise():
    vts = module(sampler="random", ratio=0.5)
    arguments = inputs([40])
    first, second = (vts.train()(*arguments)[1].keep_BN for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (vts.eval()(*arguments)[1].keep_BN for _ in range(2))
    assert torch.equal(first, second)


def test_uniform_keeps_whole_steps_evenly():
    vts = module(sampler="uniform", ratio=0.25).eval()
    tokens, valid, query, _, seeds = inputs([64])
    _, selection = vts(tokens, valid, query, [(16, 2, 2)], seeds)
    steps = selection.keep_BN.view(16, 4).sum(1)
    assert steps.tolist() == [0, 0, 4, 0] * 4


@pytest.mark.parametrize("scale", ["sum1", "mean1"])
@pytest.mark.parametrize("weights", ["score", "constant"])
def test_weights_of_kept_tokens(weights, scale):
    vts = module(ratio=0.5, weights=weights, weight_scale=scale).eval()
    _, selection = vts(*inputs([10, 7]))
    kept = selection.keep_BN.sum(1).float()
    total = selection.weight_BN.sum(1)
    torch.testing.assert_close(total, torch.ones(2) if scale == "sum1" else kept)
    assert (selection.weight_BN[~selection.keep_BN] == 0).all()
    for weight, keep in zip(selection.weight_BN, selection.keep_BN, strict=True):
        assert (weight[keep].unique().numel() == 1) == (weights == "constant")


@pytest.mark.parametrize("weights", ["score", "constant"])
def test_weights_inside_the_model_are_as_large_as_those_of_kept_tokens(weights):
    """All tokens enter there: their mean is that of the K of another sampler."""
    chosen = inputs([10, 7])
    settings = {"ratio": 0.5, "weights": weights}
    outer = module(**settings).eval()(*chosen)[1]
    inner = module(**settings, sampler="attention", prune_after=1).eval()(*chosen)[1]
    assert inner.keep_BN.sum(1).tolist() == [10, 7]
    means = [s.weight_BN.sum(1) / s.keep_BN.sum(1) for s in (outer, inner)]
    torch.testing.assert_close(means[0], means[1])


def test_one_token_stays_however_small_the_ratio():
    _, selection = module(ratio=1e-10).eval()(*inputs([10, 4]))
    assert selection.keep_BN.sum(1).tolist() == [1, 1]


@pytest.mark.parametrize("weights", ["score", "constant"])
def test_the_gradient_reaches_the_scorer(weights):
    vts = module(ratio=0.5, weights=weights)
    embeds, selection = vts(*inputs([10]))
    (embeds * selection.keep_BN[..., None]).square().sum().backward()
    for projection in (vts.project_visual, vts.project_query):
        assert projection.weight.grad.abs().max() > 0


def test_shared_start_is_one_orthogonal_matrix():
    vts = module(start="shared")
    assert torch.equal(vts.project_visual.weight, vts.project_query.weight)
    product = vts.project_visual.weight @ vts.project_visual.weight.T
    torch.testing.assert_close(product, torch.eye(8), atol=1e-5, rtol=0)
    assert not torch.equal(*[p.weight for p in (module(start="default"),) for p in
                             (p.project_visual, p.project_query)])  # fmt: skip


def test_a_module_in_bfloat16_starts_shared_too():
    vts = module(start="shared").bfloat16()
    vts.reset_parameters()
    assert torch.equal(vts.project_visual.weight, vts.project_query.weight)
    product = vts.project_visual.weight.float() @ vts.project_visual.weight.float().T
    torch.testing.assert_close(product, torch.eye(8), atol=0.02, rtol=0)


def test_scores_are_a_softmax_by_the_stated_formula():
    tokens, valid, query, *_ = inputs([6, 4])
    plain = module(score_norm="none", tau=2.0)
    expected = (
        torch.einsum("bnr,br->bn", plain.project_visual(tokens), plain.project_query(query)) / 2.0
    )
    expected = expected.masked_fill(~valid, -torch.inf).softmax(-1)
    torch.testing.assert_close(plain.score(tokens, valid, query), expected)
    scores = module().score(tokens, valid, query)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))
    assert (scores[~valid] == 0).all()
    scaled = module().score(tokens * 50, valid, query * 3)  # layernorm: scale does not matter
    torch.testing.assert_close(scaled, scores, atol=1e-4, rtol=1e-3)


def test_centring_subtracts_what_all_queries_share():
    vts = module(centring=True)
    tokens, valid, query, *_ = inputs([6, 6, 6, 6])
    shared = query + 100.0
    for _ in range(80):
        vts.train().score(tokens, valid, shared)
    torch.testing.assert_close(vts.centre_D, shared.mean(0), atol=1e-3, rtol=1e-3)
    before = vts.centre_D.clone()
    vts.eval().score(tokens, valid, query)
    assert torch.equal(vts.centre_D, before)  # fixed once training is over
    assert "centre_D" in vts.state_dict()


def test_scores_stay_float32_in_bfloat16():
    vts = module(ratio=0.5).to(torch.bfloat16).eval()
    tokens, valid, query, grids, seeds = inputs([30])
    embeds, selection = vts(tokens.bfloat16(), valid, query.bfloat16(), grids, seeds)
    assert embeds.dtype == torch.bfloat16
    assert selection.scores_BN.dtype == torch.float32


def test_autocast_changes_no_score():
    vts = module(ratio=0.5, centring=True).eval()
    arguments = inputs([30, 12])
    expected = vts(*arguments)[1]
    with torch.autocast("cpu", torch.bfloat16):
        found = vts(*arguments)[1]
    assert torch.equal(found.scores_BN, expected.scores_BN)
    assert torch.equal(found.weight_BN, expected.weight_BN)


def test_a_sampler_of_ones_own():
    @sampler("last")
    def last(video: Video) -> torch.Tensor:
        return video.index_BN.float()

    try:
        _, selection = module(sampler="last", ratio=0.4, weights="constant").eval()(*inputs([5]))
        assert selection.keep_BN.tolist() == [[False, False, False, True, True]]
    finally:
        SAMPLERS.pop("last")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ratio": 0}, "ratio"),
        ({"sampler": "none", "ratio": 0.5}, "none"),
        ({"sampler": "best"}, "sampler"),
        ({"sampelr": "vts"}, "sampelr"),
        ({"estimator": "gumbel"}, "estimator"),
        ({"positions": "sparse"}, "positions"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, named):
    with pytest.raises(BadInput, match=named):
        VTSConfig.from_dict(settings)


def test_weights_of_one_without_the_mlp_leave_every_token_as_it_is():
    tokens, valid, query, grids, seeds = inputs([5, 9])
    vts = module(
        sampler="none", ratio=1.0, weights="constant", weight_scale="mean1", post_mlp=False
    )
    embeds, selection = vts(tokens, valid, query, grids, seeds)
    assert torch.equal(selection.keep_BN, valid)
    assert torch.allclose(embeds[valid], tokens[valid], rtol=1e-6, atol=0)
