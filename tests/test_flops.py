"""Operations of a query: against torch's own counter, and against the published sizes' table."""

import pytest
import torch
from tiny import tiny, write_base
from torch.utils.flop_counter import FlopCounterMode

from groundvts.models import flops
from groundvts.models.flops import Prompt, query_flops
from groundvts.models.parts import projector, tower
from groundvts.models.sizes import published_config

NEW = 4
ROTARY = (".rotary_emb", ".rotary_pos_emb")  # products that stand for no weight


@pytest.fixture(scope="module", params=["qwen", "internvl"])
def small(request, tmp_path_factory):
    """A tiny model whose attention is made of products that torch counts, squares and all."""
    folder = write_base(tmp_path_factory.mktemp("flops") / "base", backbone=request.param)
    made = tiny(folder, ratio=0.3)
    made.model.set_attn_implementation("eager")
    return made


def counted(work) -> int:
    """Matrix products that torch counts in `work`, less those of rotary positions."""
    with FlopCounterMode(display=False) as counter:
        work()
    found = counter.get_flop_counts()
    rotary = [sum(count.values()) for name, count in found.items() if name.endswith(ROTARY)]
    return counter.get_total_flops() - sum(rotary)


def query(made, height: int, width: int) -> tuple[dict, Prompt]:
    """A batch of one query about a video, and what it comes to."""
    batch = made.batch(made.sample("red circle", 6, 1, height=height, width=width))
    [grid] = batch["video_grid_thw"].tolist()
    return batch, Prompt(tuple(grid), batch["input_ids"].shape[1])


@torch.no_grad()
@pytest.mark.parametrize("shape", [(56, 56), (84, 140)])  # whole windows, and pieces of them
def test_each_stage_is_what_torch_counts(small, shape):
    batch, prompt = query(small, *shape)
    expected = query_flops(small.model.config, prompt, ratio=0.3, new=NEW)
    features = []
    pixels = batch.pop("pixel_values_videos"), batch["video_grid_thw"]
    seen = counted(lambda: features.append(small.model.vision_features(*pixels)))
    held = projector(small.model) in tower(small.model).modules()
    assert seen == expected["vision tower"] + held * expected["projector"]
    batch["vision_features"] = features[0]
    reduced = []
    found = counted(lambda: reduced.append(small.model.reduce(**batch)))
    stages = ("projector", "scores", "post-MLP")
    assert found == sum(expected[stage] for stage in stages)
    sequence = reduced[0].sequence
    read = sequence.attention_mask.shape[1]
    assert read < prompt.length
    found = counted(lambda: small.model(**sequence.forward_inputs(), logits_to_keep=1))
    text = small.model.config.text_config
    assert found == flops.prefill_flops(text, read, "square")
    assert expected["prefill"] == found - flops.attention_flops(text, read)


@torch.no_grad()
def test_decoding_and_hidden_tokens_are_what_torch_counts(small):
    batch, prompt = query(small, 56, 56)
    reduced = small.model.reduce(**batch)
    text, read = small.model.config.text_config, reduced.sequence.attention_mask.shape[1]

    def generate(new):
        options = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False}
        return counted(lambda: small.model.generate_from(reduced, **options))

    assert generate(NEW) - generate(1) == flops.decode_flops(text, read, NEW - 1)
    hidden = query_flops(small.model.config, prompt, ratio=0.3, kernel="square", hide=True)
    assert hidden["prefill"] == flops.prefill_flops(text, prompt.length, "square")
    stock = query_flops(small.model.config, prompt, ratio=None)
    assert (stock["scores"], stock["post-MLP"]) == (0, 0)
    assert stock["prefill"] < hidden["prefill"]


@pytest.mark.parametrize(
    ("backbone", "tokens", "tera", "share", "half", "quarter"),
    [
        ("qwen", 1024, 14.9, 0.017, 0.540, 0.313),
        ("qwen", 4096, 58.3, 0.061, 0.497, 0.256),
        ("qwen", 24576, 444, 0.275, 0.433, 0.201),
        ("internvl", 1024, 16.0, None, 0.539, None),
        ("internvl", 4096, 63.5, None, 0.491, None),
    ],
)
def test_published_sizes_come_to_the_known_figures(backbone, tokens, tera, share, half, quarter):
    """The text of a prompt is 100 tokens there; digits are those that the table gives."""
    text, words = published_config(backbone).text_config, 100
    whole = flops.prefill_flops(text, tokens + words)
    assert whole / 1e12 == pytest.approx(tera, rel=0.005)
    if share is not None:
        found = flops.attention_flops(text, tokens + words) / whole
        assert found == pytest.approx(share, abs=0.0006)
    for ratio, expected in ((0.5, half), (0.25, quarter)):
        if expected is not None:
            found = flops.prefill_flops(text, int(ratio * tokens) + words) / whole
            assert found == pytest.approx(expected, abs=0.001)


def test_the_tower_of_the_published_size_costs_what_is_known():
    config = published_config("qwen")
    grid = (16, 16, 16)  # 1,024 merged tokens
    assert flops.visual_tokens(config, grid) == 1024
    assert flops.tower_flops(config, grid) / 1e12 == pytest.approx(5.3, rel=0.05)
