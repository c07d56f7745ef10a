"""Estimators change gradients and nothing else; the gradient is that of equations 5 and 6."""

import pytest
import torch
from test_vts import inputs, module

ESTIMATORS = ("none", "ste", "gumbel_ste")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scale", ["sum1", "mean1"])
@pytest.mark.parametrize("weights", ["score", "constant"])
@pytest.mark.parametrize("sampler", ["vts", "frame_vts", "cosine"])
def test_forward_values_are_equal(sampler, weights, scale, training):
    options = {"sampler": sampler, "weights": weights, "weight_scale": scale, "tau_weight": 0.3}
    found = []
    for estimator in ESTIMATORS:
        vts = module(estimator=estimator, ratio=0.4, **options).train(training)
        found.append(vts(*inputs([13, 7, 1])))
    for embeds, selection in found[1:]:
        assert torch.equal(embeds, found[0][0])
        assert torch.equal(selection.keep_BN, found[0][1].keep_BN)
        assert torch.equal(selection.weight_BN, found[0][1].weight_BN)


def gradient(training: bool = True, seed: int = 0, **options) -> torch.Tensor:
    vts = module(ratio=0.4, **options).train(training)
    torch.manual_seed(seed)
    embeds, selection = vts(*inputs([13, 7]))
    (embeds * selection.keep_BN[..., None]).square().sum().backward()
    assert vts.project_visual.weight.grad.isfinite().all()
    return vts.project_visual.weight.grad


@pytest.mark.parametrize("weights", ["score", "constant"])
def test_gradients_differ(weights):
    none, ste, gumbel = (gradient(estimator=name, weights=weights) for name in ESTIMATORS)
    assert not torch.allclose(none, ste)
    assert not torch.allclose(ste, gumbel)


def test_noise_is_drawn_in_training_only():
    first, second = (gradient(estimator="gumbel_ste", seed=seed) for seed in (0, 1))
    assert not torch.allclose(first, second)
    first, second = (gradient(False, seed, estimator="gumbel_ste") for seed in (0, 1))
    assert torch.equal(first, second)
    assert torch.equal(first, gradient(False, estimator="ste"))


def test_a_choice_that_is_not_by_score_has_no_gradient_to_estimate():
    options = {"sampler": "uniform", "weights": "score"}
    assert torch.equal(gradient(estimator="ste", **options), gradient(**options))


@pytest.mark.parametrize("tau_weight", [1.0, 0.2])
@pytest.mark.parametrize("tau_gumbel", [1.0, 0.5])
def test_the_gradient_is_that_of_the_equations(tau_weight, tau_gumbel):
    """By hand: dz/dw of the softmax, then w_hat = exp(w/tau') z / sum of the same."""
    vts = module(estimator="ste", ratio=0.5, tau_weight=tau_weight, tau_gumbel=tau_gumbel).double()
    scores = torch.rand(1, 6, dtype=torch.double).softmax(-1).requires_grad_()
    keep = torch.tensor([[True, False, True, True, False, False]])
    weight = vts._weights(scores, keep, torch.ones_like(keep), torch.tensor([3]))
    factor = torch.randn(1, 6, dtype=torch.double)
    (found,) = torch.autograd.grad((weight * factor).sum(), scores)
    w = scores.detach()[0]
    soft = (w.log() / tau_gumbel).softmax(-1)
    z_by_w = (torch.diag(soft) - soft[:, None] * soft) / tau_gumbel / w  # dz_i / dw_j
    e, z = (w / tau_weight).exp(), keep[0].double()
    total = (e * z).sum()
    by_e = torch.diag(z) / total - (e * z)[:, None] * z / total**2
    by_z = torch.diag(e) / total - (e * z)[:, None] * e / total**2
    expected = factor[0] @ (by_e @ torch.diag(e / tau_weight) + by_z @ z_by_w)
    torch.testing.assert_close(found[0], expected)


def test_rows_without_a_video_stay_finite():
    vts = module(estimator="gumbel_ste").train()
    tokens, valid, query, grids, seeds = inputs([5, 1])
    valid[1] = False
    embeds, selection = vts(tokens, valid, query, [grids[0], (0, 1, 1)], seeds)
    embeds.square().sum().backward()
    assert selection.weight_BN.isfinite().all()
    assert all(p.grad.isfinite().all() for p in vts.parameters())
