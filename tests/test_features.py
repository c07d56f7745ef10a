"""The vision tower's output is stored once, and read through the same interface as frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from caches import SAMPLING, build, six_clips
from tiny import tiny, write_base

from groundvts.data import features
from groundvts.data.features import FeatureCache, PixelSource, build_feature_cache, open_source
from groundvts.data.frames import FrameCache
from groundvts.data.store import Store
from groundvts.errors import BadInput


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny model, a frame cache with a video that failed, and its feature cache."""
    folder = tmp_path_factory.mktemp("features")
    model = tiny(write_base(folder / "base"))
    missing = {"gone": "gone.mp4: no such video file"}
    videos = dict(list(six_clips(folder / "videos").items())[:3])
    build(videos, folder / "frames", Store(folder / "cache" / "frames"), SAMPLING, missing=missing)
    frames = FrameCache(folder / "frames")
    store = Store(folder / "cache" / "features")
    index = build_feature_cache(model.model, model.encoder, frames, folder / "features", store)
    return folder, model, frames, store, index


def test_features_are_what_the_tower_gives(made):
    folder, model, frames, _, index = made
    cache = FeatureCache(folder / "features")
    cache.check(model.model)
    pixels = PixelSource(frames, model.encoder)
    assert list(cache.videos) == list(pixels.videos) == ["a", "d", "slow"]
    assert (
        cache.failed == pixels.failed == frames.failed == {"gone": "gone.mp4: no such video file"}
    )
    for name in cache.videos:
        stored, fresh = cache.video(name), pixels.video(name)
        grid = torch.tensor([fresh.grid_thw])
        with torch.no_grad():
            expected = model.model.vision_features(fresh.patches, grid).float()
        torch.testing.assert_close(stored.features, expected, rtol=0, atol=1e-6)
        assert stored.features.dtype == torch.float32
        assert (stored.grid_thw, stored.second_per_grid) == (fresh.grid_thw, fresh.second_per_grid)
        assert cache.duration(name) == pixels.duration(name) == frames[name].duration
        assert index["videos"][name]["rows"] == len(expected)
        assert index["width"] == expected.shape[1]


def test_only_what_the_store_lacks_is_computed(made, tmp_path: Path, monkeypatch):
    folder, model, frames, store, index = made
    whole = (folder / "features" / "index.json").read_bytes()
    lost = index["videos"]["d"]["key"]
    next(store.folder.glob(f"*/{lost}.npy")).unlink()
    with pytest.raises(BadInput, match=r"video d is gone from .*; delete .* and build it again"):
        FeatureCache(folder / "features")
    computed = []
    true = features._features

    def counted(model, video):
        computed.append(video.grid_thw)
        return true(model, video)

    monkeypatch.setattr(features, "_features", counted)
    build_feature_cache(model.model, model.encoder, frames, folder / "features", store)
    assert computed == [tuple(index["videos"]["d"]["grid_thw"])]
    assert (folder / "features" / "index.json").read_bytes() == whole


def test_another_tower_or_another_normalisation_makes_others(made, tmp_path: Path):
    folder, model, frames, store, index = made
    other = tiny(write_base(tmp_path / "base", seed=1))
    with pytest.raises(BadInput, match="another vision tower"):
        FeatureCache(folder / "features").check(other.model)
    theirs = build_feature_cache(other.model, model.encoder, frames, tmp_path / "one", store)
    other.encoder.mean = model.encoder.mean + 1
    shifted = build_feature_cache(model.model, other.encoder, frames, tmp_path / "two", store)
    keys = [{entry["key"] for entry in i["videos"].values()} for i in (index, theirs, shifted)]
    assert len(set.union(*keys)) == 9
    again = FeatureCache(folder / "features").video("a").features
    assert not np.allclose(again, FeatureCache(tmp_path / "two").video("a").features)


def test_features_are_a_switch(made, tmp_path: Path):
    folder, model, frames, _, _ = made
    assert isinstance(open_source(folder / "features", model.encoder), FeatureCache)
    source = open_source(folder / "frames", model.encoder)
    assert isinstance(source, PixelSource)
    source.check(model.model)
    assert source.video("a").grid_thw == model.encoder.video(frames["a"]).grid_thw
    for content in (None, "{", "[]", "{}", '{"store": ".", "videos": {}, "failed": {}}'):
        if content is not None:
            (tmp_path / "index.json").write_text(content)
        with pytest.raises(BadInput, match=r"index\.json: .*build it again"):
            open_source(tmp_path, model.encoder)
    with pytest.raises(BadInput, match=r"not a whole index .*tower"):
        FeatureCache(folder / "frames")
