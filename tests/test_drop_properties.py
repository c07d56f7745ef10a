"""Real drop over random shapes: what it computes and never sees, and what the release leaks."""

import drop_properties as properties
import pytest
import torch
from tiny import tiny, write_base

from groundvts.models.protocols import PROTOCOLS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SEEDS = range(20)


@pytest.fixture(scope="module", params=DTYPES)
def models(request, tmp_path_factory):
    """Models of one dtype by protocol, over the same base."""
    base = write_base(tmp_path_factory.mktemp("models") / "base")
    found = {name: tiny(base, **settings) for name, settings in PROTOCOLS.items()}
    for one in found.values():
        one.model.to(DTYPES[request.param])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_dropped_equals_masked(models, seed):
    properties.dropped_equals_masked(models["fixed"], seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("drop", ["real", "masked"])
def test_a_dropped_token_moves_no_logit(models, drop, seed):
    properties.set_vts(models["fixed"], drop=drop)
    moved = properties.moved_steps(models["fixed"], seed)
    properties.set_vts(models["fixed"], drop="real")
    assert not any(moved)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_a_kept_token_moves_every_logit(models, seed):
    assert all(properties.moved_steps(models["fixed"], seed, kept=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_as_released_a_dropped_token_moves_every_step_after_the_first(models, seed):
    prefill, *decode = properties.moved_steps(models["official"], seed)
    assert not prefill
    assert all(decode)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_equals_its_singles(models, seed):
    properties.batch_equals_singles(models["fixed"], seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scope", ["query", "instruction", "all_text_no_answer"])
def test_an_answer_changes_nothing(models, scope, seed):
    properties.set_vts(models["fixed"], query_scope=scope)
    properties.answer_changes_nothing(models["fixed"], seed)
    properties.set_vts(models["fixed"], query_scope="query")


@pytest.mark.parametrize("seed", SEEDS)
def test_as_released_the_answer_is_part_of_the_query(models, seed):
    t = models["official"]
    plain, answered = properties.selections_with_and_without_answer(t, seed)
    assert not torch.equal(plain.scores_BN, answered.scores_BN)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_reaches_the_scorer(models, seed):
    properties.gradient_reaches_the_scorer(models["fixed"], seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cache_holds_kept_tokens_only(models, seed):
    cached, kept, _ = properties.cached_tokens(models["fixed"], seed)
    assert cached == kept


def test_as_released_the_cache_holds_all(models):
    cached, kept, dense = properties.cached_tokens(models["official"], 0)
    assert cached == dense > kept
