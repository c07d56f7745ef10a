"""What a merge is checked on: the last positions of prompts about a few probe videos."""

import json
from argparse import Namespace

import pytest
from test_merge import VTS, batch, write_adapter
from tiny import write_base

from groundvts.data import features
from groundvts.errors import BadInput
from groundvts.training import merge as merging
from groundvts.verbs import models

SETTINGS = '{"protocol": "fixed", "seed": 0, "prompts_set": "fixed", "prompts_file": null}'


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_no_more_than_the_last_positions_are_held(base, tmp_path, monkeypatch):
    held, last_logits = [], merging._last_logits

    def seen(*given):
        held.append(last_logits(*given))
        return held[-1]

    monkeypatch.setattr(merging, "LAST", 3)
    monkeypatch.setattr(merging, "_last_logits", seen)
    adapter = write_adapter(base, tmp_path / "adapter")
    merging.merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    assert [logits.shape[:2] for logits in held] == [(2, 3)] * 4


def test_without_a_probe_video_it_says_so(base, tmp_path, monkeypatch):
    moments = tmp_path / "moments.jsonl"
    moments.write_text(json.dumps({
        "id": "1", "dataset": "charades_sta", "split": "val", "video": "gone", "duration": 9.0,
        "query": "a door opens", "windows": [[1.0, 4.0]],
    }) + "\n")  # fmt: skip
    (tmp_path / "index.json").write_text("{}")
    monkeypatch.setattr(features, "open_source", lambda *_: Namespace(videos={}))
    given = Namespace(run="r", base=str(base), adapter=str(tmp_path), source=str(tmp_path),
                      moments=str(moments), settings=SETTINGS, out=tmp_path / "out")  # fmt: skip
    with pytest.raises(BadInput, match=r"moments\.jsonl: .* holds no video of it"):
        models.merge(given)
    assert not (tmp_path / "out").exists()
