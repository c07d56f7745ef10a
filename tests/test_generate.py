"""`generate` as a user of transformers expects it, with and without a cache, and the leak."""

import pytest
import torch
from drop_properties import set_vts
from tiny import tiny, write_base

from groundvts.models.protocols import PROTOCOLS

GREEDY = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None}


@pytest.fixture(scope="module")
def t(tmp_path_factory):
    return tiny(write_base(tmp_path_factory.mktemp("models") / "base"), ratio=0.25)


def prompts(t) -> dict:
    return t.batch(*(t.sample("red circle", n, n) for n in (4, 8)))


@pytest.mark.parametrize("drop", ["real", "masked"])
def test_a_cache_changes_no_answer(t, drop):
    set_vts(t, drop=drop)
    cached = t.model.generate(**prompts(t), **GREEDY)
    assert torch.equal(t.model.generate(**prompts(t), **GREEDY, use_cache=False), cached)
    set_vts(t, drop="real")


def test_beams_and_several_answers(t):
    batch = prompts(t)
    length = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 4, "eos_token_id": None}
    beams = t.model.generate(**batch, **options, num_beams=3, num_return_sequences=2)
    assert beams.shape == (4, length + 4)
    assert torch.equal(beams[:, :length], batch["input_ids"].repeat_interleave(2, 0))
    alone = [
        t.model.generate(**t.batch(t.sample("red circle", n, n)), **options, num_beams=3)
        for n in (4, 8)
    ]
    for row, single in enumerate(alone):
        assert torch.equal(beams[2 * row, length:], single[0, -4:])
    torch.manual_seed(0)
    drawn = t.model.generate(**batch, **options, do_sample=True, num_return_sequences=3)
    assert drawn.shape == (6, length + 4)
    assert len({tuple(row) for row in drawn.tolist()}) == 6


def test_an_output_object_holds_prompt_and_answer(t):
    batch = prompts(t)
    found = t.model.generate(**batch, **GREEDY, return_dict_in_generate=True, output_logits=True)
    assert torch.equal(found.sequences, t.model.generate(**batch, **GREEDY))
    assert len(found.logits) == 5


def test_the_leak_is_the_dense_mask_after_the_first_token(t):
    """By hand: prefill with dropped tokens hidden, then a step in which nothing is."""
    set_vts(t, **{**PROTOCOLS["official"], "start": "default"})
    batch = prompts(t)
    options = {**GREEDY, "output_logits": True, "return_dict_in_generate": True}
    reduced = t.model.reduce(**batch)
    found = t.model.generate_from(reduced, **options)
    sequence = reduced.sequence
    with torch.no_grad():
        cache = t.model(
            inputs_embeds=sequence.inputs_embeds,
            attention_mask=sequence.attention_mask,
            position_ids=sequence.position_ids,
            use_cache=True,
        ).past_key_values
        mask = torch.cat([batch["attention_mask"], torch.ones(2, 1, dtype=torch.long)], 1)
        step = t.model(
            input_ids=found.sequences[:, :1],
            attention_mask=mask,
            position_ids=sequence.position_ids[..., -1:] + 1,
            past_key_values=cache,
        ).logits[:, -1]
    torch.testing.assert_close(found.logits[1], step, atol=1e-5, rtol=1e-4)
    set_vts(t, decode="kept")
    kept = t.model.generate_from(t.model.reduce(**batch), **options)
    torch.testing.assert_close(kept.logits[0], found.logits[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(kept.logits[1], found.logits[1], atol=1e-3)
    set_vts(t, **PROTOCOLS["fixed"])


def test_the_leak_holds_for_beams(t):
    set_vts(t, **{**PROTOCOLS["official"], "query_scope": "query"})
    options = {"max_new_tokens": 4, "eos_token_id": None, "num_beams": 3}
    samples = [t.sample("red circle", n, n) for n in (4, 8)]
    together = t.model.generate(**t.batch(*samples), **options)[:, -4:]
    alone = [t.model.generate(**t.batch(sample), **options)[:, -4:] for sample in samples]
    assert torch.equal(together, torch.cat(alone))
    set_vts(t, **PROTOCOLS["fixed"])


def test_text_alone_is_the_stock_model(t):
    from transformers import Qwen2_5_VLForConditionalGeneration

    ids = t.encoder.tokenizer("red circle blue square", return_tensors="pt")["input_ids"]
    stock = Qwen2_5_VLForConditionalGeneration(t.model.config.stock()).eval()
    stock.load_state_dict(t.model.state_dict(), strict=False)
    mask = torch.ones_like(ids)
    expected = stock.generate(ids, attention_mask=mask, **GREEDY)
    assert torch.equal(t.model.generate(ids, attention_mask=mask, **GREEDY), expected)
