"""Other ways to reduce tokens: what holds of all of them, on both backbones."""

import math

import drop_properties as properties
import pytest
import torch
from tiny import tiny, write_base, write_internvl

from groundvts.models import pruning

REDUCERS = ("temporal_difference", "segment_merging", "guided_pooling", "frame_selection")
BASES = {"qwen": write_base, "internvl": write_internvl}
SIDES = {"qwen": properties.SIDES, "internvl": ((56, 56),)}


@pytest.fixture(scope="module", params=BASES)
def model(request, tmp_path_factory):
    """A tiny model, and the frame sides it reads."""
    folder = BASES[request.param](tmp_path_factory.mktemp(request.param) / "base")
    t = tiny(folder, prune_after=1)
    t.sides = SIDES[request.param]
    return t


def drawn(t, seed, name, answers=False):
    """Samples of a seed, with `name` for sampler."""
    samples = properties.draw(t, seed, t.sides, answers)
    properties.set_vts(t, sampler=name)
    return samples


def generated(t, batch, **options):
    """A reduced batch, and what generating five tokens after it gives."""
    reduced = t.model.reduce(**batch)
    options |= {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    return reduced, t.model.generate_from(reduced, **options)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [*REDUCERS, "attention"])
def test_the_kept_count_is_exact_and_the_cache_holds_no_more(model, name, seed):
    batch = model.batch(*drawn(model, seed, name))
    reduced, out = generated(model, batch)
    sizes, ratio = properties.sizes(model, batch), model.model.vts.config.ratio
    kept = [math.ceil(round(ratio * size, 6)) for size in sizes]
    assert reduced.keep_BN.sum(1).tolist() == kept
    dense = batch["attention_mask"].sum(1) - torch.tensor(sizes)  # text
    read = int((dense + torch.tensor(kept)).max()) + 4
    lengths = [layer.get_seq_length() for layer in out.past_key_values.layers]
    first = int(batch["attention_mask"].sum(1).max()) + 4 if name == "attention" else read
    assert lengths == [first] + [read] * (len(lengths) - 1)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [*REDUCERS, "attention"])
def test_a_choice_is_the_same_again(model, name, seed):
    batch = model.batch(*drawn(model, seed, name))
    (first, one), (second, other) = generated(model, batch), generated(model, batch)
    assert torch.equal(first.keep_BN, second.keep_BN)
    assert torch.equal(one.sequences, other.sequences)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [*REDUCERS, "attention"])
def test_a_batch_keeps_and_answers_what_each_sample_does_alone(model, name, seed):
    samples = drawn(model, seed, name) + drawn(model, seed + 1000, name)
    singles = [model.batch(sample) for sample in samples]
    tokens = [model.model.video_tokens(**single) for single in singles]
    with properties.held(model, torch.cat(tokens)):
        together, out = generated(model, model.batch(*samples))
    for row, (single, rows) in enumerate(zip(singles, tokens, strict=True)):
        with properties.held(model, rows):
            alone, expected = generated(model, single)
        assert torch.equal(together.keep_BN[row, : len(rows)], alone.keep_BN[0])
        for found, logits in zip(out.logits, expected.logits, strict=True):
            properties.same(model, found[row], logits[0])


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [*REDUCERS, "attention"])
def test_removed_tokens_are_as_good_as_hidden_at_every_step(model, name, seed):
    batch = model.batch(*drawn(model, seed, name))
    _, removed = generated(model, batch)
    properties.set_vts(model, drop="masked")
    _, hidden = generated(model, batch)
    properties.set_vts(model, drop="real")
    for one, other in zip(removed.logits, hidden.logits, strict=True):
        properties.same(model, one, other)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", REDUCERS)
def test_what_stands_in_a_dropped_place_moves_no_logit(model, name, seed, monkeypatch):
    batch = model.batch(*drawn(model, seed, name))
    _, plain = generated(model, batch)
    vts = model.model.vts
    embed = type(vts).forward

    def disturbed(*arguments):
        embeds_BND, selection = embed(*arguments)
        noise = 100 * torch.randn(embeds_BND.shape)
        return torch.where(selection.keep_BN[..., None], embeds_BND, noise), selection

    monkeypatch.setattr(type(vts), "forward", disturbed)
    _, moved = generated(model, batch)
    for one, other in zip(plain.logits, moved.logits, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", [*REDUCERS, "attention"])
def test_an_answer_changes_nothing_and_its_loss_is_that_of_hidden_tokens(model, name):
    samples = drawn(model, 3, name, answers=True)
    batch = model.batch(*samples, labels=True)
    losses, kept = [], []
    for drop in ("real", "masked"):
        properties.set_vts(model, drop=drop)
        reduced = model.model.reduce(**batch)
        losses.append(model.model(**reduced.forward_inputs()).loss)
        kept.append(reduced.keep_BN)
    properties.set_vts(model, drop="real")
    losses[0].backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-4)
    assert torch.equal(*kept)
    plain = model.batch(*drawn(model, 3, name))
    with torch.no_grad():
        assert torch.equal(generated(model, plain)[0].keep_BN, kept[0])


@torch.no_grad()
@pytest.mark.parametrize("options", [{"use_cache": False}, {"num_beams": 3}])
def test_pruning_inside_goes_with_every_way_to_generate(model, options):
    batch = model.batch(*drawn(model, 5, "attention"))
    ids = batch["input_ids"]
    given = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}
    plain = model.model.generate(**batch, **given)
    found = model.model.generate(**batch, **given, **options)
    assert found.shape == plain.shape
    if "use_cache" in options:  # chosen anew each time, by the same token
        assert torch.equal(found, plain)
    assert torch.equal(found[:, : ids.shape[1]], ids)


def test_pruning_inside_refuses_labels_padded_on_the_right(model):
    batch = model.batch(*drawn(model, 0, "attention", answers=True), labels=True)
    with pytest.raises(ValueError, match="attention: with labels, pad to the left"):
        model.model.reduce(**batch, padding_side="right")


@torch.no_grad()
def test_attention_is_measured_in_float32_whatever_autocast_says(model):
    batch = model.batch(*drawn(model, 7, "attention"))
    received = []
    choose = pruning.Prune.choose

    def watched(prune, received_BL):
        received.append(received_BL)
        choose(prune, received_BL)

    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", torch.bfloat16):
        patch.setattr(pruning.Prune, "choose", watched)
        generated(model, batch)
    [found] = received
    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())
