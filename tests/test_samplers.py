"""The registry of samplers: what each keeps, on what scores, and one of one's own."""

import json
import re
from pathlib import Path

import pytest
import torch
from drop_properties import set_vts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vts import inputs, module
from tiny import tiny, write_base

from groundvts.models.samplers import INSIDE, SAMPLERS, sampler, step_mean
from groundvts.models.vts_config import VTSConfig

DOCS = Path(__file__).parents[1] / "docs" / "add-a-sampler.md"


@given(
    grids=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4
    ),
    ratio=st.floats(0.01, 1.0),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_all_samplers_keep_the_same_number(grids, ratio, seed):
    tokens, valid, query, _, seeds = inputs([t * h * w for t, h, w in grids], seed)
    kept = set()
    for name in set(SAMPLERS) - {"none"} - INSIDE:
        vts = module(sampler=name, ratio=ratio).eval()
        keep = vts(tokens, valid, query, grids, seeds)[1].keep_BN
        assert not (keep & ~valid).any()
        kept.add(tuple(keep.sum(1).tolist()))
    assert len(kept) == 1


def test_frame_vts_keeps_the_best_steps_and_the_next_one_in_part():
    tokens, valid, query, _, seeds = inputs([24])
    vts = module(sampler="frame_vts", ratio=10 / 24).eval()
    embeds, selection = vts(tokens, valid, query, [(6, 2, 2)], seeds)
    steps = selection.scores_BN.view(6, 4).mean(1).argsort(descending=True)
    kept = selection.keep_BN.view(6, 4)
    assert kept[steps[:2]].all()
    assert kept[steps[2]].tolist() == [True, True, False, False]
    assert not kept[steps[3:]].any()
    expected = vts.post_mlp(tokens) * selection.weight_BN[..., None]  # tokens stay their own
    keep = selection.keep_BN
    torch.testing.assert_close(embeds[keep], expected[keep])


def test_step_means_stay_within_a_video():
    values = torch.tensor([[1.0, 3.0, 5.0, 7.0], [2.0, 4.0, 9.0, 9.0]])
    means = step_mean(values, [(2, 1, 2), (1, 1, 2)])
    assert means.tolist() == [[2.0, 2.0, 6.0, 6.0], [3.0, 3.0, 9.0, 9.0]]


def test_cosine_needs_no_projection_but_weighs_and_transforms():
    vts = module(sampler="cosine", ratio=0.5, tau=0.5).eval()
    tokens, valid, query, grids, seeds = inputs([10])
    embeds, selection = vts(tokens, valid, query, grids, seeds)
    cosine = torch.cosine_similarity(tokens, query[:, None], dim=-1)
    torch.testing.assert_close(selection.scores_BN, (cosine / 0.5).softmax(-1))
    best = cosine.topk(5).indices.sort().values
    assert selection.keep_BN.nonzero()[:, 1].tolist() == best[0].tolist()
    embeds.sum().backward()
    assert vts.project_visual.weight.grad is None
    assert vts.post_mlp[0].weight.grad.abs().max() > 0


def test_without_mlp_kept_tokens_are_only_weighted():
    vts = module(sampler="cosine", post_mlp=False).eval()
    assert not any(name.startswith("post_mlp") for name in vts.state_dict())
    tokens, *rest = inputs([10])
    embeds, selection = vts(tokens, *rest)
    keep = selection.keep_BN
    expected = tokens[keep] * selection.weight_BN[keep][:, None]
    torch.testing.assert_close(embeds[keep], expected)
    assert torch.equal(embeds[~keep], tokens[~keep])


def test_a_sampler_of_ones_own_trains_a_step(tmp_path):
    @sampler("middle", scored="learned")
    def middle(video):
        distance = (video.index_BN - video.valid_BN.sum(1, keepdim=True) / 2).abs()
        return video.scores_BN - distance

    try:
        t = tiny(write_base(tmp_path / "base"), sampler="middle", ratio=0.5)
        batch = t.batch(t.sample("red circle", 8, 1, "from 03s to 09s"), labels=True)
        optimiser = torch.optim.SGD(t.model.vts.parameters(), lr=1.0)
        before = t.model.vts.project_visual.weight.detach().clone()
        t.model.train()(**batch).loss.backward()
        optimiser.step()
        assert not torch.equal(t.model.vts.project_visual.weight, before)
        keep = t.model.reduce(**batch).selection.keep_BN[0]
        assert not keep[: len(keep) // 4].any()
        assert keep.sum() == len(keep) // 2
    finally:
        SAMPLERS.pop("middle")


def test_the_documented_sampler_passes_its_documented_test():
    example, its_test = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    names, known = {}, dict(SAMPLERS)
    SAMPLERS.pop("late", None)  # of who has followed the page
    try:
        exec(example + its_test, names)
        assert SAMPLERS.keys() - known.keys() <= {"late"}
        assert SAMPLERS["late"] is names["late"]
        names["test_late_keeps_the_end"]()
    finally:
        SAMPLERS.clear()
        SAMPLERS.update(known)


def test_scores_and_choice_are_float32_in_bfloat16(tmp_path):
    t = tiny(write_base(tmp_path / "base"), ratio=0.25)
    t.model.to(torch.bfloat16)
    batch = t.batch(t.sample("red circle", 9, 1, height=112, width=112))
    for name in ("vts", "cosine", "frame_vts"):
        set_vts(t, sampler=name)
        selection = t.model.reduce(**batch).selection
        assert selection.scores_BN.dtype == selection.weight_BN.dtype == torch.float32
        assert not torch.equal(selection.scores_BN, selection.scores_BN.bfloat16().float())


def test_settings_survive_saving(tmp_path):
    from groundvts.models.load import load_model

    chosen = {"sampler": "cosine", "post_mlp": False, "query_scope": "instruction",
              "positions": "reindexed", "estimator": "ste", "tau_gumbel": 0.5}  # fmt: skip
    t = tiny(write_base(tmp_path / "base"), **chosen)
    t.model.save_pretrained(tmp_path / "saved")
    found = load_model(str(tmp_path / "saved")).config.vts
    assert found == t.model.config.vts
    assert json.loads(json.dumps(found)) == VTSConfig.from_dict(found).to_dict()


@pytest.mark.parametrize("key", ["tau", "tau_weight", "tau_gumbel", "hidden_size"])
def test_what_must_be_above_zero(key):
    from groundvts.errors import BadInput

    with pytest.raises(BadInput, match=rf"vts.{key}: 0 is not above 0"):
        VTSConfig(**{key: 0})
