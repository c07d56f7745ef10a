"""The toy bases: ordinary folders of stock models, in both layouts."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import frames
from transformers import AutoModelForImageTextToText

from groundvts.config import checked
from groundvts.data.conversations import Conversation
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput
from groundvts.models.load import load_model
from groundvts.models.parts import projector, tower
from groundvts.records import hash_path, read_record
from groundvts.runs import runs
from groundvts.scales import base_checkpoint
from groundvts.toy.base import make_base
from groundvts.toy.clips import COLOURS, SHAPES
from groundvts.toy.layouts import LAYOUTS
from groundvts.toy.pretrain import BaseSettings, rescale_tokens, tower_features

OBJECTS = {"a": {"red circle": {"cell": [0, 1], "window": [1, 3]}}}
QUESTIONS = [
    Conversation(id=word, dataset="llava_video", video="a", kind="question",
                 system="Answer the question.", user=f"{word} {word}", query=word, answer=word)
    for word in (*COLOURS, *SHAPES)
]  # fmt: skip


class Clips(dict):
    """Frames where a frame cache is expected."""

    @property
    def videos(self) -> dict:
        return self


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def made(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / "base"
    settings = BaseSettings(backbone=request.param, hidden_size=32, layers=2, steps=4, batch=2,
                            align_steps=4, align_batch=1)  # fmt: skip
    return out, make_base(out, settings, QUESTIONS, QUESTIONS, Clips(a=frames(4, 0)), OBJECTS)


def test_the_folder_holds_a_stock_model_and_all_it_needs(made):
    out, measured = made
    stock = AutoModelForImageTextToText.from_pretrained(out)
    assert not type(stock).__name__.startswith("GroundVTS")
    assert measured["parameters"] == sum(p.numel() for p in stock.parameters())
    assert stock.lm_head.weight is not stock.get_input_embeddings().weight
    encoder = Encoder(str(out))
    assert stock.generation_config.eos_token_id == encoder.end_of_turn
    video = encoder.video(frames(4, 0))
    assert video.grid_thw == (4, 4, 4)  # a step a second, two by two tokens after the merge
    assert encoder.visual_ids(video).count(encoder.video_token) == 16


def test_rescaled_tokens_have_the_length_asked_for(made):
    model, encoder = load_model(str(made[0])), Encoder(str(made[0]))
    videos = tower_features(model, {"a": encoder.video(frames(4, 0))})
    assert not any(p.requires_grad for p in tower(model).parameters())
    rescale_tokens(model, videos, norm=7.0)
    rows = model.video_tokens(vision_features=videos["a"].features)
    torch.testing.assert_close(rows.norm(dim=-1).mean(), torch.tensor(7.0))
    assert any(p.requires_grad for p in projector(model).parameters()) == (
        type(model).__name__ == "GroundVTSIntern"  # Qwen's tower holds its projector
    )


def test_an_unknown_backbone_is_refused():
    with pytest.raises(BadInput, match="'llava' is none of qwen, internvl"):
        BaseSettings(backbone="llava")


# The bases that are given -----------------------------------------------------------------------
ROOT = Path(__file__).resolve().parents[1]
CONFIG = checked(
    yaml.safe_load((ROOT / "config.yaml").read_text()),
    ROOT / "workflow" / "schemas" / "config.schema.json",
)
GIVEN = sorted({base_checkpoint(CONFIG, run.backbone, run.seed) for run in runs(CONFIG)})


def test_every_seed_of_the_configuration_has_its_base():
    assert len(GIVEN) == 8
    hashes = {hash_path(ROOT / folder / "model.safetensors") for folder in GIVEN}
    assert len(hashes) == len(GIVEN)


@pytest.mark.parametrize("folder", GIVEN)
def test_a_given_base_was_made_as_the_configuration_says(folder):
    made = read_record(ROOT / folder / "record.json")
    backbone, seed = folder.rpartition("/")[2].split("-s")
    asked = {**CONFIG["toy"]["base"], "backbone": backbone, "seed": int(seed)}
    assert made["settings"] == asked
    assert made["outputs"]["model"]["sha256"] == hash_path(
        ROOT / folder, ROOT / folder / "record.json"
    )
    stored = load_file(ROOT / folder / "model.safetensors").values()
    assert {tensor.dtype for tensor in stored} == {torch.bfloat16}
    assert load_model(str(ROOT / folder)).dtype == torch.float32
