"""Prompts, query masks, labels, pixels and time, as training and inference share them."""

import numpy as np
import pytest
import torch
from tiny import frames, write_base
from transformers.models.qwen2_vl import Qwen2VLImageProcessorPil

from groundvts.data.inputs import IGNORED, Encoder
from groundvts.data.video import Frames
from groundvts.errors import BadInput


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return Encoder(str(write_base(tmp_path_factory.mktemp("models") / "base")))


@pytest.mark.parametrize("query", ["red circle", "ein Käfer, zweimal 7", "video", "end"])
def test_the_mask_marks_the_query_and_nothing_else(encoder, query):
    prompt = encoder.prompt("When does video happen?", f"{query} ?", query)
    marked = [i for i, m in zip(prompt.ids, prompt.query, strict=True) if m]
    assert encoder.tokenizer.decode(marked).strip() == query


def test_a_query_that_the_prompt_lacks_is_refused(encoder):
    with pytest.raises(BadInput, match="does not occur"):
        encoder.prompt("When?", "blue square", "red circle")


def test_labels_are_the_answer_and_its_end(encoder):
    prompt = encoder.prompt("When?", "red circle", "red circle", "from 03s to 09s")
    sample = encoder.sample(prompt, encoder.video(frames(4, 0)))
    labels = [label for label in sample["labels"] if label != IGNORED]
    assert encoder.tokenizer.decode(labels) == "from 03s to 09s<|im_end|>"
    assert sample["input_ids"][-len(labels) :] == labels
    assert not any(sample["query_mask"][-len(labels) :])
    assert sample["input_ids"].count(encoder.video_token) == 4 * 4
    question = encoder.sample(
        encoder.prompt("When?", "red circle", "red circle"), encoder.video(frames(4, 0))
    )
    assert sample["input_ids"][: -len(labels)] == question["input_ids"]


@pytest.mark.parametrize(("height", "width"), [(56, 56), (84, 140)])
def test_patches_equal_the_stock_processors(encoder, tmp_path, height, width):
    one = frames(1, 3, height, width).pixels[0]
    video = encoder.video(Frames(np.stack([one, one]), np.zeros(2), 2.0, 1.0, "test"))
    stock = Qwen2VLImageProcessorPil(
        min_pixels=784, max_pixels=height * width, patch_size=14, temporal_patch_size=2
    )(one, return_tensors="pt")
    assert list(video.grid_thw) == stock["image_grid_thw"][0].tolist()
    torch.testing.assert_close(video.patches, stock["pixel_values"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("fps", "expected"), [(2.0, 1.0), (1.0, 2.0), (3.0, 2 / 3), (0.853, 2.345)]
)
def test_a_grid_step_spans_two_sampled_frames(encoder, fps, expected):
    video = encoder.video(frames(20, 0, fps=fps))
    assert video.second_per_grid == pytest.approx(expected, abs=1e-3)


def test_an_odd_last_frame_is_repeated(encoder):
    video = frames(3, 0)
    odd = Frames(video.pixels[:5], video.timestamps[:5], 2.0, 2.5, "test")
    assert encoder.video(odd).grid_thw == (3, 4, 4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_batches_are_padded_where_asked(encoder, side):
    samples = [
        encoder.sample(encoder.prompt("When?", q, q), encoder.video(frames(n, n)))
        for q, n in (("red circle", 2), ("blue square", 5))
    ]
    batch = encoder.collate(samples, side)
    lengths = [len(s["input_ids"]) for s in samples]
    assert batch["attention_mask"].sum(1).tolist() == lengths
    first = batch["attention_mask"][0].tolist()
    assert first == sorted(first, reverse=side == "right")
    assert (
        batch["input_ids"][0][batch["attention_mask"][0].bool()].tolist()
        == (samples[0]["input_ids"])
    )
