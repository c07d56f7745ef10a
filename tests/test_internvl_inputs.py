"""InternVL's inputs: frames written as its own processor writes them, with true times."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from caches import build, six_clips
from tiny import Tiny, frames, tiny, write_base, write_internvl
from transformers import InternVLProcessor
from transformers.models.got_ocr2 import GotOcr2ImageProcessorPil

from groundvts.data.features import FeatureCache, PixelSource, build_feature_cache
from groundvts.data.frames import FrameCache
from groundvts.data.inputs import IGNORED, Encoder
from groundvts.data.store import Store
from groundvts.data.video import Frames, FrameSampling, sample_times
from groundvts.errors import BadInput


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with InternVL's wording and one with the toy's."""
    folder = tmp_path_factory.mktemp("models")
    return write_internvl(folder / "stock"), write_base(folder / "toy", backbone="internvl")


@pytest.fixture(scope="module")
def encoder(folders):
    return Encoder(str(folders[0]))


def text_of(encoder, seconds, answer=None, **shape):
    sample = Tiny(None, encoder).sample("red circle", seconds, 0, answer, **shape)
    return encoder.tokenizer.decode(sample["input_ids"])


@pytest.mark.parametrize("seconds", [1, 6])
def test_frames_are_worded_as_the_stock_processor_words_them(encoder, seconds):
    stock = SimpleNamespace(
        start_image_token="<img>",
        end_image_token="</img>",
        image_token="<IMG_CONTEXT>",
        image_seq_length=4,
    )
    pixels = {"pixel_values_videos": [torch.zeros(2 * seconds, 3, 56, 56)]}
    video = InternVLProcessor.replace_video_token(stock, pixels, 0)
    content = [{"type": "video"}, {"type": "text", "text": "red circle"}]
    messages = [
        {"role": "system", "content": "When does this happen?"},
        {"role": "user", "content": content},
    ]
    text = encoder.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    ).replace("<video>", video)
    sample = Tiny(None, encoder).sample("red circle", seconds, 0)
    assert sample["input_ids"] == encoder.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_only_the_query_is_marked_and_only_the_answer_labelled(encoder):
    sample = Tiny(None, encoder).sample("red circle", 3, 0, "from 03s to 09s")
    pairs = zip(sample["input_ids"], sample["query_mask"], strict=True)
    assert encoder.tokenizer.decode([i for i, marked in pairs if marked]) == "red circle"
    labels = [label for label in sample["labels"] if label != IGNORED]
    assert encoder.tokenizer.decode(labels) == "from 03s to 09s<|im_end|>"
    assert sample["input_ids"].count(encoder.video_token) == 6 * 4


def test_a_folder_may_word_its_frames_and_skip_some(folders):
    encoder = Encoder(str(folders[1]))
    text = text_of(encoder, 4).replace("<IMG_CONTEXT>", "*")
    assert "user\nt00****t01****t02****t03****\nred circle" in text
    words = encoder.tokenizer("t00t31", add_special_tokens=False)["input_ids"]
    assert len(words) == 2
    video = encoder.video(frames(4, 0))
    assert (video.grid_thw, video.second_per_grid) == ((4, 4, 4), 1.0)


def test_labels_tell_the_true_times(folders, tmp_path):
    write_base(tmp_path, backbone="internvl", frame_template="{number} {seconds:.2f} {tokens}")
    encoder = Encoder(str(tmp_path))
    clip = frames(4, 0)
    late = Frames(clip.pixels, clip.timestamps + 0.04, 2.0, 4.0, "test")
    video = encoder.video(late)
    assert video.timestamps == (0.04, 1.04, 2.04, 3.04)
    text = encoder.tokenizer.decode(encoder.visual_ids(video)).replace("<IMG_CONTEXT>", "")
    assert text.split() == ["1", "0.04", "2", "1.04", "3", "2.04", "4", "3.04"]


def test_the_published_size_is_sixteen_frames_of_256_tokens(folders, tmp_path):
    write_internvl(tmp_path)
    stated = {"model_type": "internvl", "vision_config": {"image_size": [448, 448]}}
    (tmp_path / "config.json").write_text(json.dumps(stated))
    encoder = Encoder(str(tmp_path))
    times, fps = sample_times(30.0, FrameSampling(count=16, side=448))
    pixels = np.zeros((16, 448, 448, 3), dtype=np.uint8)
    video = encoder.video(Frames(pixels, times, fps, 30.0, "test"))
    assert (video.grid_thw, video.second_per_grid) == ((16, 32, 32), 30 / 16)
    assert encoder.visual_ids(video).count(encoder.video_token) == 16 * 256


def test_pixels_are_normalised_as_by_the_stock_processor(encoder):
    clip = frames(1, 3)
    stock = GotOcr2ImageProcessorPil(
        do_resize=False,
        crop_to_patches=False,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )(list(clip.pixels), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(encoder.video(clip).patches, stock, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("template", "named"), [("Frame{number}", "tokens"), ("{second}{tokens}", "second")]
)
def test_a_wrong_frame_template_is_refused(tmp_path, template, named):
    write_base(tmp_path, backbone="internvl", frame_template=template)
    with pytest.raises(BadInput, match=f"preprocessor_config.json: frame_template .*{named}"):
        Encoder(str(tmp_path))


def test_frames_of_another_size_become_the_models_squares(encoder):
    video = encoder.video(frames(4, 0, 84, 112))
    assert video.grid_thw[1:] == encoder.video(frames(4, 0)).grid_thw[1:]
    assert video.patches.shape[2:] == (56, 56)


@pytest.mark.parametrize("word", ["<video>", "<IMG_CONTEXT>", "<img>"])
def test_placeholders_in_a_prompt_are_refused(encoder, word):
    with pytest.raises(BadInput, match="special token"):
        encoder.prompt("When?", f"red circle {word}", "red circle")


def test_a_folder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(BadInput, match="none: neither a folder nor a model that the hub gives"):
        Encoder(str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"config\.json: no such file"):
        Encoder(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(BadInput, match="'llama' is not supported: use one of qwen2_5_vl, internvl"):
        Encoder(str(tmp_path))


def test_cached_features_keep_the_times(folders, tmp_path):
    model = tiny(folders[1])
    videos = dict(list(six_clips(tmp_path / "videos").items())[:2])
    sampling = FrameSampling(count=4, side=56)
    build(videos, tmp_path / "frames", Store(tmp_path / "cache"), sampling)
    cached = FrameCache(tmp_path / "frames")
    store = Store(tmp_path / "cache" / "features")
    build_feature_cache(model.model, model.encoder, cached, tmp_path / "features", store)
    features = FeatureCache(tmp_path / "features")
    features.check(model.model)
    pixels = PixelSource(cached, model.encoder)
    for name in videos:
        stored, fresh = features.video(name), pixels.video(name)
        assert stored.timestamps == fresh.timestamps
        assert (stored.grid_thw, stored.second_per_grid) == (fresh.grid_thw, fresh.second_per_grid)
        with torch.no_grad():
            expected = model.model.vision_features(fresh.patches)
        np.testing.assert_allclose(stored.features, expected, atol=1e-6)
        assert model.encoder.visual_ids(stored) == model.encoder.visual_ids(fresh)
