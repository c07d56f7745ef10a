"""Stages on InternVL train what they name, and merge into a model folder."""

import pytest
import torch
from tiny import frames, tiny, write_base, write_internvl

from groundvts.data.conversations import conversations
from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.inference.ground import OneVideo
from groundvts.models.load import load_model
from groundvts.models.parts import tower
from groundvts.prompts import Prompts
from groundvts.training.merge import merge
from groundvts.training.stages import StageSettings, stage_model, trainable_parameters
from groundvts.training.train import StageRun, train_stage

RATES = {"vts": 1e-2, "projector": 1e-2, "lora": 1e-2}
VTS = {"hidden_size": 16, "ratio": 0.5}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_internvl(tmp_path_factory.mktemp("models") / "base")


@pytest.mark.parametrize("vision", [False, True])
def test_each_stage_trains_the_groups_it_names(base, vision):
    warmup = stage_model(load_model(str(base), VTS), StageSettings([], {"vts": 1e-2}), None)
    assert set(trainable_parameters(warmup).groups) == {"vts"}
    settings, width, rank, layers = StageSettings([], RATES, lora_vision=vision), 32, 8, 2
    found = trainable_parameters(stage_model(load_model(str(base), VTS), settings, None))
    projector = load_model(str(base)).model.multi_modal_projector
    assert found.groups["projector"] == sum(p.numel() for p in projector.parameters())
    on_language, on_vision = (layers * n * 2 * rank * width for n in (4, 3))
    assert found.groups["lora"] == on_language + on_vision * vision
    assert any("vision_tower" in name for name in found.names) == vision


def test_qwens_tower_takes_no_lora(tmp_path):
    settings = StageSettings([], RATES, lora_vision=True)
    with pytest.raises(BadInput, match="lora_vision"):
        stage_model(load_model(str(write_base(tmp_path)), VTS), settings, None)


def test_stages_follow_one_another_and_merge(base, tmp_path):
    prompts, encoder = Prompts.load("toy"), Encoder(str(base))
    source = PixelSource(OneVideo("clip", frames(6, 0)), encoder)
    moments = [Moment(f"m{i}", "own", "train", "clip", 6.0, query, ((1.0, 3.0),), i + 1)
               for i, query in enumerate(["red circle", "blue square"] * 2)]  # fmt: skip
    data = [(conversations(moments, prompts, ["grounding"], "{:02.0f}", 0), source)]
    previous = None
    for stage, rates in (("warmup", {"vts": 1e-2}), ("joint", RATES), ("grounding", RATES)):
        settings = StageSettings(["own"], rates, steps=2, batch_size=2, global_batch=2)
        job = StageRun("run", stage, str(base), previous, VTS, settings, 0,
                       tmp_path / "checkpoints" / stage, tmp_path / stage)  # fmt: skip
        with train_stage(job, encoder, data, moments, source, prompts, {}):
            pass
        previous = job.out
    t = tiny(base, **VTS)
    batch = t.batch(t.sample("red circle", 4, 1))
    check = merge(str(base), previous, VTS, batch, {}, tmp_path / "merged")
    assert check["adapter_difference"] < 1e-4 < check["base_difference"]
    merged = load_model(str(tmp_path / "merged"))
    before = tower(t.model).state_dict()
    assert all(torch.equal(before[k], v) for k, v in tower(merged).state_dict().items())
    assert Encoder(str(tmp_path / "merged")).visual_ids(source.video("clip"))
