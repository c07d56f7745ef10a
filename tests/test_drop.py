"""The dropped sequence part by part: length, positions, labels, decoding, batches, features."""

import pytest
import torch
from tiny import tiny, write_base


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("models") / "base")


def pair(base, **vts):
    """The same weights with real and with masked drop."""
    return tiny(base, drop="real", **vts), tiny(base, drop="masked", **vts)


def last_logits(model, batch):
    """Next-token logits (B, V) after each prompt of a left-padded batch."""
    with torch.no_grad():
        return model(**batch).logits[:, -1]


def test_sequence_is_shorter_and_keeps_dense_positions(base):
    t = tiny(base, ratio=0.25)
    batch = t.batch(t.sample("red circle", 8, 3))
    reduced = t.model.reduce(**batch)
    visual = int((batch["input_ids"] == t.encoder.video_token).sum())
    assert visual == 32
    text = batch["input_ids"].shape[1] - visual
    assert reduced.sequence.inputs_embeds.shape[1] == text + 8
    dense = t.model.dense_positions(**batch)
    kept = set(map(tuple, reduced.sequence.position_ids[:, 0].T.tolist()))
    assert kept <= set(map(tuple, dense[:, 0].T.tolist()))
    assert torch.equal(reduced.sequence.position_ids[:, 0, -3:], dense[:, 0, -3:])


def test_labels_are_dropped_with_their_tokens(base):
    dropped, masked = pair(base, ratio=0.25)
    samples = [dropped.sample("red circle", n, n, "from 03s to 09s") for n in (4, 9)]
    for side in ("left", "right"):
        batch = dropped.batch(*samples, padding_side=side, labels=True)
        losses = [t.model(**batch).loss.item() for t in (dropped, masked)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_cached_decoding_equals_the_full_forward(base):
    t = tiny(base, ratio=0.5)
    batch = t.batch(t.sample("red circle", 5, 7))
    length = batch["input_ids"].shape[1]
    with torch.no_grad():
        answer = t.model.generate(
            **batch,
            max_new_tokens=5,
            do_sample=False,
            eos_token_id=None,
            suppress_tokens=[t.encoder.video_token, t.model.config.image_token_id],
        )
    ids = answer[:, :length]
    assert torch.equal(ids, batch["input_ids"])
    for step in range(5):
        grown = {**batch, "input_ids": answer[:, : length + step]}
        extra = torch.zeros(1, step, dtype=torch.bool)
        grown["query_mask"] = torch.cat([batch["query_mask"], extra], dim=1)
        grown["attention_mask"] = torch.ones_like(grown["input_ids"])
        logits = last_logits(t.model, grown)[0]
        logits[[t.encoder.video_token, t.model.config.image_token_id]] = -torch.inf
        assert logits.argmax().item() == answer[0, length + step].item()


@pytest.mark.parametrize("sampler", ["vts", "random", "uniform"])
def test_a_batch_equals_its_singles(base, sampler):
    t = tiny(base, sampler=sampler, ratio=0.3)
    samples = [t.sample(q, n, n) for q, n in (("red circle", 3), ("blue square blue", 8))]
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    batched = t.model.generate_from(t.model.reduce(**t.batch(*samples)), **options)
    singles = [t.model.generate_from(t.model.reduce(**t.batch(s)), **options) for s in samples]
    assert torch.equal(batched, torch.cat(singles))
    logits = last_logits(t.model, t.batch(*samples))
    alone = torch.cat([last_logits(t.model, t.batch(s)) for s in samples])
    torch.testing.assert_close(logits, alone, atol=1e-4, rtol=1e-4)


def test_without_a_query_mask_the_users_text_is_the_query(base):
    t = tiny(base, ratio=0.25)
    batch = t.batch(t.sample("red circle", 8, 4, "from 03s to 09s"))
    given = t.model.reduce(**batch).selection
    mask = batch.pop("query_mask")
    assert torch.equal(t.model.user_text(batch["input_ids"]), mask)
    assert torch.equal(t.model.reduce(**batch).selection.scores_BN, given.scores_BN)


def test_cached_tower_features_equal_pixels(base):
    t = tiny(base, ratio=0.5)
    batch = t.batch(t.sample("red circle", 4, 1, height=112, width=84))
    expected = last_logits(t.model, batch)
    patches = batch.pop("pixel_values_videos")
    with torch.no_grad():
        batch["vision_features"] = t.model.vision_features(patches, batch["video_grid_thw"])
    torch.testing.assert_close(last_logits(t.model, batch), expected, atol=1e-5, rtol=1e-5)
