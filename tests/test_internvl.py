"""GroundVTS-I: a delta on stock InternVL, with the same properties of real drop as Qwen."""

import drop_properties as properties
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import frames, tiny, write_internvl
from transformers import AutoConfig, AutoModelForImageTextToText, InternVLForConditionalGeneration

from groundvts.errors import BadInput
from groundvts.models.internvl import GroundVTSIntern, GroundVTSInternConfig
from groundvts.models.load import load_model
from groundvts.models.protocols import PROTOCOLS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SIDES = ((56, 56),)
SEEDS = range(20)
GREEDY = {"do_sample": False, "eos_token_id": None, "max_new_tokens": 5}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_internvl(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module", params=DTYPES)
def models(request, base):
    found = {name: tiny(base, **settings) for name, settings in PROTOCOLS.items()}
    for one in found.values():
        one.model.to(DTYPES[request.param])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_real_drop_over_random_shapes(models, seed):
    fixed = models["fixed"]
    properties.dropped_equals_masked(fixed, seed, SIDES)
    properties.batch_equals_singles(fixed, seed, SIDES)
    properties.gradient_reaches_the_scorer(fixed, seed, SIDES)
    assert not any(properties.moved_steps(fixed, seed, SIDES))
    cached, kept, _ = properties.cached_tokens(fixed, seed, SIDES)
    assert cached == kept
    for scope in ("query", "instruction", "all_text_no_answer"):
        properties.set_vts(fixed, query_scope=scope)
        properties.answer_changes_nothing(fixed, seed, SIDES)
    properties.set_vts(fixed, query_scope="query")


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_as_released_what_was_dropped_and_the_answer_leak(models, seed):
    official = models["official"]
    prefill, *decode = properties.moved_steps(official, seed, SIDES)
    assert not prefill
    assert all(decode)
    assert all(properties.moved_steps(models["fixed"], seed, SIDES, kept=True))
    plain, answered = properties.selections_with_and_without_answer(official, seed, SIDES)
    assert not torch.equal(plain.scores_BN, answered.scores_BN)


def test_kept_tokens_have_dense_positions_and_a_mask(base):
    t = tiny(base, ratio=0.25)
    sequence = t.model.reduce(**t.batch(t.sample("red circle", 4, 3))).sequence
    assert sequence.position_ids.ndim == 2
    assert (sequence.position_ids.diff() > 1).any()
    assert sequence.attention_mask.all()


def test_gaps_are_not_read_as_packed_sequences(base):
    """Neither without a mask nor in generation without a cache."""
    t = tiny(base, ratio=0.25)
    batch = t.batch(t.sample("red circle", 4, 3))
    sequence = t.model.reduce(**batch).sequence
    given = {"inputs_embeds": sequence.inputs_embeds, "position_ids": sequence.position_ids}
    with torch.no_grad():
        masked = t.model(**given, attention_mask=sequence.attention_mask).logits
        assert torch.equal(t.model(**given, use_cache=False).logits, masked)
        stock = super(GroundVTSIntern, t.model).forward(**given, use_cache=False)  # a trap
        assert not torch.allclose(stock.logits, masked, atol=1e-4)
    cached, anew = (t.model.generate(**batch, use_cache=use, **GREEDY) for use in (True, False))
    assert torch.equal(cached, anew)


def test_cached_decoding_equals_the_full_forward(base):
    t = tiny(base, ratio=0.5)
    batch = t.batch(t.sample("red circle", 5, 7))
    length = batch["input_ids"].shape[1]
    banned = [t.encoder.video_token]
    answer = t.model.generate(**batch, suppress_tokens=banned, **GREEDY)
    assert torch.equal(answer[:, :length], batch["input_ids"])
    for step in range(5):
        grown = {**batch, "input_ids": answer[:, : length + step]}
        extra = torch.zeros(1, step, dtype=torch.bool)
        grown["query_mask"] = torch.cat([batch["query_mask"], extra], dim=1)
        grown["attention_mask"] = torch.ones_like(grown["input_ids"])
        with torch.no_grad():
            logits = t.model(**grown).logits[0, -1]
        logits[banned] = -torch.inf
        assert logits.argmax().item() == answer[0, length + step].item()


def test_generation_samples_and_searches_beams(base):
    t = tiny(base, ratio=0.5)
    samples = [t.sample("red circle", n, n) for n in (2, 5)]
    batch = t.batch(*samples)
    length = batch["input_ids"].shape[1]
    beams = t.model.generate(**batch, num_beams=3, **GREEDY)[:, length:]
    alone = [t.model.generate(**t.batch(s), num_beams=3, **GREEDY)[:, -5:] for s in samples]
    assert torch.equal(beams, torch.cat(alone))
    torch.manual_seed(0)
    options = GREEDY | {"do_sample": True}
    several = t.model.generate(**batch, num_return_sequences=4, **options)[:, length:]
    assert several.shape == (8, 5)
    assert len({tuple(row) for row in several.tolist()}) > 1


def test_the_users_text_is_the_query_without_a_mask(base):
    t = tiny(base, ratio=0.25)
    batch = t.batch(t.sample("red circle", 4, 4, "from 03s to 09s"))
    assert torch.equal(t.model.user_text(batch["input_ids"]), batch["query_mask"])


@pytest.fixture(scope="module")
def stock(base):
    return InternVLForConditionalGeneration.from_pretrained(base).eval()


def test_without_a_sampler_it_is_the_stock_model(base, stock):
    t = tiny(base)
    t.model = load_model(str(base))
    batch = t.batch(t.sample("red circle", 3, 1), t.sample("blue square", 5, 2))
    with torch.no_grad():
        found = t.model(**batch).logits
        expected = stock(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            pixel_values=batch["pixel_values_videos"],
        ).logits
    attended = batch["attention_mask"].bool()
    torch.testing.assert_close(found[attended], expected[attended], atol=1e-5, rtol=1e-5)
    features = t.model.vision_features(batch.pop("pixel_values_videos"))
    with torch.no_grad():
        cached = t.model(**batch, vision_features=features).logits
    torch.testing.assert_close(cached, found, atol=1e-5, rtol=1e-5)


def test_images_and_text_turns_are_the_stock_models(base, stock):
    t = tiny(base, ratio=0.25)
    text = t.encoder.tokenizer("red circle <img><IMG_CONTEXT></img> blue", return_tensors="pt")
    ids = text["input_ids"][0].tolist()
    place = ids.index(t.encoder.video_token)
    shown = torch.tensor([[*ids[:place], *[t.encoder.video_token] * 4, *ids[place + 1 :]]])
    image = t.encoder.video(frames(1, 0)).patches[:1]
    for given in ({"input_ids": text["input_ids"][:, :place]},
                  {"input_ids": shown, "pixel_values": image}):  # fmt: skip
        with torch.no_grad():
            assert torch.equal(t.model(**given).logits, stock(**given).logits)
        assert torch.equal(t.model.generate(**given, **GREEDY), stock.generate(**given, **GREEDY))


def test_a_still_image_before_a_video_bypasses_the_sampler(base):
    t = tiny(base, ratio=0.25)
    batch = t.batch(t.sample("red circle", 4, 3))
    end = t.encoder.tokenizer.convert_tokens_to_ids("</img>")
    shown = torch.tensor([[end - 1, *[t.encoder.video_token] * 4, end]])
    image = t.encoder.video(frames(1, 9)).patches[:1]
    with torch.no_grad():
        rows = t.model.get_image_features(image, return_dict=True).pooler_output[0]
    plain = t.model.reduce(**batch)
    batch["input_ids"] = torch.cat([shown, batch["input_ids"]], dim=1)
    for key, value in (("query_mask", False), ("attention_mask", 1)):
        batch[key] = torch.nn.functional.pad(batch[key], (6, 0), value=value)
    mixed = t.model.reduce(**batch, pixel_values=image)
    assert torch.equal(mixed.selection.keep_BN, plain.selection.keep_BN)
    torch.testing.assert_close(mixed.sequence.inputs_embeds[0, 1:5], rows)
    torch.testing.assert_close(
        mixed.sequence.inputs_embeds[:, 6:], plain.sequence.inputs_embeds, atol=1e-6, rtol=0
    )
    assert torch.equal(mixed.sequence.position_ids[:, 6:], plain.sequence.position_ids + 6)
    with pytest.raises(ValueError, match="4 image placeholders for 8 tokens"):
        t.model.reduce(**batch, pixel_values=torch.cat([image, image]))


def test_a_placeholder_stated_for_videos_is_the_images_one(base):
    stated, _ = GroundVTSInternConfig.get_config_dict(base)
    config = GroundVTSInternConfig.from_stock({**stated, "video_token_id": 7}, None)
    assert config.video_token_id == config.image_token_id != 7
    assert type(config.stock()).model_type == stated["model_type"]


def test_folders_are_saved_and_loaded_and_weights_checked_by_name(base, tmp_path):
    t = tiny(base, ratio=0.25)
    t.model.save_pretrained(tmp_path / "ours")
    batch = t.batch(t.sample("red circle", 4, 3))
    assert AutoConfig.from_pretrained(tmp_path / "ours").vts["ratio"] == 0.25
    with torch.no_grad():
        expected = t.model(**batch).logits
        for loaded in (
            AutoModelForImageTextToText.from_pretrained(tmp_path / "ours"),
            load_model(str(tmp_path / "ours")),
        ):
            assert isinstance(loaded, GroundVTSIntern)
            assert torch.equal(loaded(**batch).logits, expected)
    file = tmp_path / "ours" / "model.safetensors"
    weights = load_file(file)
    for name in ("vts.post_mlp.0.bias", "multi_modal_projector.linear_1.weight"):
        kept = {key: tensor for key, tensor in weights.items() if not key.endswith(name)}
        save_file(kept, file, {"format": "pt"})
        with pytest.raises(BadInput, match=f"weights missing.*{name}"):
            load_model(str(tmp_path / "ours"))
    save_file({**weights, "vts.extra": torch.zeros(1)}, file, {"format": "pt"})
    with pytest.raises(BadInput, match=r"vts\.extra"):
        load_model(str(tmp_path / "ours"))
